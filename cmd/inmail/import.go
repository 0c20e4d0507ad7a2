package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"inmail/domain/mailroom"
)

func importCommand(o *options) *cobra.Command {
	var direct bool
	var from int
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Import members, connections, blocks and InMails from NDJSON",
		Long: `Import members, connections, blocks and InMails from NDJSON, one object of at most 64 KiB on each line;
- is the standard input. Each InMail passes every check. Rejected lines are listed by their number, counted from
1, and the others are imported; with rejected lines the command exits with 1. What is imported twice under the
same keys is stored once. A file that is not UTF-8 is refused as a whole.

  {"member":{"id":"maria.lopez","name":"Maria López","company":"Nordhafen Logistik"}}
  {"connection":["maria.lopez","lena.hart"]}
  {"block":["maria.lopez","spam.sender"]}
  {"inmail":{"from":"lena.hart","to":"maria.lopez","subject":"…","body":"…","key":"campaign-1"}}

The lines go to a running server, 500 at a time. With --direct they are written to the record of the settings in
force, without a server; no server may then work on a SQLite file. InMails of a direct import are sent when a
server runs next. An import that ends early prints the line from which --from-line continues it.`,
		Example: "  inmail import people.ndjson\n  inmail import people.ndjson --direct --data ./data\n" +
			"  inmail import people.ndjson --from-line 1200",
		Args: exactly(1),
	}
	cmd.Flags().BoolVar(&direct, "direct", false, "write to the record itself, without a server")
	cmd.Flags().IntVar(&from, "from-line", 1, "continue with this `line`, counted from 1")
	o.asOperator(cmd, func(cmd *cobra.Command, c *remote, args []string) error {
		return o.importFrom(cmd, args[0], from, c.importAll)
	})
	cmd.GroupID = operatorGroup
	ask := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if from < 1 {
			return usageError{errors.New("--from-line: lines are counted from 1")}
		}
		if direct {
			return o.importDirectly(cmd, args[0], from)
		}
		return ask(cmd, args)
	}
	return cmd
}

// importing imports lines and adds their results to report.
type importing func(ctx context.Context, lines *importLines, report *importReport) error

// importFrom opens the file at a line, imports it by run, and prints the report, also of an import that ended
// early.
func (o *options) importFrom(cmd *cobra.Command, path string, from int, run importing) error {
	lines, err := openImport(cmd, path, from)
	if err != nil {
		return err
	}
	defer lines.close()
	report := importReport{Rejected: []rejectedLine{}, first: from, last: from - 1}
	err = run(cmd.Context(), lines, &report)
	lines.bar.done()
	report.Lines = report.last - from + 1
	if err != nil {
		return o.printInterrupted(cmd, &report, err)
	}
	return o.printImported(cmd, &report)
}

// importAll sends the lines to the server in parts. Each part is answered with its report, so that a broken
// connection leaves at most one part uncertain.
func (c *remote) importAll(ctx context.Context, lines *importLines, report *importReport) error {
	for first := true; first || lines.more(); first = false {
		part, before := lines.part(partLines)
		answer, err := c.upload(ctx, "/v1/import", "application/x-ndjson", part)
		var refused *problem
		if errors.As(err, &refused) {
			var cut struct{ Import importReport }
			if err := json.Unmarshal(refused.raw, &cut); err != nil {
				return fmt.Errorf("read the answer: %w", err)
			}
			report.add(&cut.Import, before) // empty when the server read no line
			return refused
		}
		if err != nil {
			return unanswered{err}
		}
		var found importReport
		if err := json.Unmarshal(answer, &found); err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		report.add(&found, before)
	}
	return lines.err()
}

// unanswered is the error of a part without an answer: its lines may be imported or not.
type unanswered struct{ error }

// Unwrap returns why no answer came.
func (u unanswered) Unwrap() error { return u.error }

// importDirectly imports into the record, by the same use case as the server.
func (o *options) importDirectly(cmd *cobra.Command, path string, from int) (err error) {
	s, err := o.load()
	if err != nil {
		return err
	}
	run := func(ctx context.Context, lines *importLines, report *importReport) (err error) {
		a, err := build(ctx, s, newLog(s.Program, os.Stderr))
		if err != nil {
			return err
		}
		defer func() {
			if e := a.Stop(ctx); err == nil {
				err = e
			}
		}()
		all, before := lines.part(-1)
		found, fault := a.service.Import(ctx, all, nil)
		report.add(importReportOf(found), before)
		return cmp.Or(fault, lines.err())
	}
	return o.importFrom(cmd, path, from, run)
}

// importReport is the result of an import; its lines are numbered as in the file, from 1.
type importReport struct {
	Lines         int            `json:"lines"`
	Accepted      int            `json:"accepted"`
	RejectedCount int            `json:"rejected_count"`
	Rejected      []rejectedLine `json:"rejected"`

	first, last int // the lines that were decided; last is first-1 when none was
}

type rejectedLine struct {
	Line   int    `json:"line"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

func importReportOf(found mailroom.ImportReport) *importReport {
	r := &importReport{Lines: found.Lines, Accepted: found.Accepted, RejectedCount: found.RejectedCount}
	for _, line := range found.Rejected {
		r.Rejected = append(r.Rejected, rejectedLine{line.Line, string(line.Code), line.Detail})
	}
	return r
}

// add adds the report of a part; before is the number of lines of the file before it.
func (r *importReport) add(part *importReport, before int) {
	r.last = max(r.last, before+part.Lines)
	r.Accepted += part.Accepted
	r.RejectedCount += part.RejectedCount
	for _, line := range part.Rejected {
		if len(r.Rejected) < mailroom.MaxRejected {
			line.Line += before
			r.Rejected = append(r.Rejected, line)
		}
	}
}

// printImported prints the report. It returns an error when lines were rejected.
func (o *options) printImported(cmd *cobra.Command, r *importReport) error {
	if err := o.printReport(cmd, r); err != nil {
		return err
	}
	switch {
	case r.RejectedCount > len(r.Rejected):
		return fmt.Errorf("%d of %s were rejected, and the first %d listed; correct them and import them again",
			r.RejectedCount, count(r.Lines, "line"), len(r.Rejected))
	case r.RejectedCount > 0:
		return fmt.Errorf("%d of %s were rejected; correct them and import them again", r.RejectedCount,
			count(r.Lines, "line"))
	}
	return nil
}

// printInterrupted prints the report of an import that fault ended early, and adds to the error the line to
// continue from.
func (o *options) printInterrupted(cmd *cobra.Command, r *importReport, fault error) error {
	if r.last < r.first && r.first == 1 {
		return fault // no line was decided
	}
	next := fmt.Sprintf("%s decided, %d accepted, %d rejected; continue with --from-line %d",
		count(r.Lines, "line"), r.Accepted, r.RejectedCount, r.last+1)
	var answer *problem
	if o.json && errors.As(fault, &answer) { // the report is printed within the problem
		var whole map[string]any
		if err := json.Unmarshal(answer.raw, &whole); err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		whole["import"] = r
		raw, err := jsonOf(whole)
		if err != nil {
			return err
		}
		answer.raw = raw
	} else if err := o.printReport(cmd, r); err != nil {
		return err
	}
	if errors.As(fault, new(unanswered)) {
		next += fmt.Sprintf(" (some of the next %d lines may be imported already)", partLines)
	}
	return fmt.Errorf("%w; %s", fault, next)
}

// printReport prints the report.
func (o *options) printReport(cmd *cobra.Command, r *importReport) error {
	answer, err := jsonOf(r)
	if err != nil {
		return err
	}
	return o.print(cmd.OutOrStdout(), answer, r.text())
}

func (r *importReport) text() string {
	text := fmt.Sprintf("%s, %d accepted, %d rejected\n", count(r.Lines, "line"), r.Accepted, r.RejectedCount)
	if len(r.Rejected) == 0 {
		return text
	}
	t := newTable("LINE", "CODE", "DETAIL")
	for _, line := range r.Rejected {
		t.row(fmt.Sprintf("%4d", line.Line), line.Code, line.Detail)
	}
	return text + "\n" + t.String()
}
