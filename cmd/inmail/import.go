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
		Long: `Import members, connections, blocks and InMails from NDJSON, one object a line of at most 64 KiB; - is the
standard input. Each InMail passes every check. Bad lines are reported, counted from 1, and the good ones kept; if
there are any, it exits with 1. What is imported twice under the same keys is there once. A file that is not UTF-8
is refused whole.

  {"member":{"id":"maria.lopez","name":"Maria López","company":"Nordhafen Logistik"}}
  {"connection":["maria.lopez","lena.hart"]}
  {"block":["maria.lopez","spam.sender"]}
  {"inmail":{"from":"lena.hart","to":"maria.lopez","subject":"…","body":"…","key":"campaign-1"}}

A running server is asked, 500 lines at a time, or with --direct the record of the settings in force is written,
which for a SQLite file needs that no server works on it. InMails of a direct import are sent when a server runs
next. What ended an import early is told with the line to go on from: --from-line takes it.`,
		Example: "  inmail import people.ndjson\n  inmail import people.ndjson --direct --data ./data\n" +
			"  inmail import people.ndjson --from-line 1200",
		Args: exactly(1),
	}
	cmd.Flags().BoolVar(&direct, "direct", false, "write the record itself, without a server")
	cmd.Flags().IntVar(&from, "from-line", 1, "go on with this `line`, counted from 1")
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

// importing imports lines and adds to a report what became of them.
type importing func(ctx context.Context, lines *importLines, report *importReport) error

// importFrom opens the file at a line, imports it by way of run, and tells what became of it: also of an
// import that ended early.
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
		return o.sayCutShort(cmd, &report, err)
	}
	return o.sayImported(cmd, &report)
}

// importAll sends the lines in parts. Each is answered with what became of it, so a connection that breaks
// leaves no more than one part uncertain.
func (c *remote) importAll(ctx context.Context, lines *importLines, report *importReport) error {
	for first := true; first || lines.more(); first = false {
		part, before := lines.part(partLines)
		answer, err := c.upload(ctx, "/v1/import", "application/x-ndjson", part)
		var told *problem
		if errors.As(err, &told) {
			var cut struct{ Import importReport }
			if err := json.Unmarshal(told.raw, &cut); err != nil {
				return fmt.Errorf("read the answer: %w", err)
			}
			report.add(&cut.Import, before) // nothing, where nothing was read
			return told
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
	return lines.wrong()
}

// unanswered is a part of which nobody knows what became of it.
type unanswered struct{ error }

// Unwrap gives the reason.
func (u unanswered) Unwrap() error { return u.error }

// importDirectly works on the record by the same use case as the server.
func (o *options) importDirectly(cmd *cobra.Command, path string, from int) (err error) {
	s, err := o.load()
	if err != nil {
		return err
	}
	return o.importFrom(cmd, path, from, func(ctx context.Context, lines *importLines, report *importReport) (err error) {
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
		return cmp.Or(fault, lines.wrong())
	})
}

// importReport is what became of an import; its lines are numbered as in the file.
type importReport struct {
	Lines         int            `json:"lines"`
	Accepted      int            `json:"accepted"`
	RejectedCount int            `json:"rejected_count"`
	Rejected      []rejectedLine `json:"rejected"`

	first, last int // of the lines that were decided
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

// add joins the report of a part that has so many lines of the file before it.
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

// sayImported prints the report; rejected lines make the command fail, for not all was done.
func (o *options) sayImported(cmd *cobra.Command, r *importReport) error {
	if err := o.sayReport(cmd, r); err != nil {
		return err
	}
	switch {
	case r.RejectedCount > len(r.Rejected):
		return fmt.Errorf("%d of %s were rejected, and the first %d listed; mend them and import them again",
			r.RejectedCount, count(r.Lines, "line"), len(r.Rejected))
	case r.RejectedCount > 0:
		return fmt.Errorf("%d of %s were rejected; mend them and import them again", r.RejectedCount, count(r.Lines, "line"))
	}
	return nil
}

// sayCutShort prints what was decided before an import ended early, and says where to go on.
func (o *options) sayCutShort(cmd *cobra.Command, r *importReport, fault error) error {
	if r.last < r.first && r.first == 1 {
		return fault // nothing to go on from
	}
	next := r.last + 1
	goOn := fmt.Sprintf("%s decided, %d accepted, %d rejected; go on with --from-line %d",
		count(r.Lines, "line"), r.Accepted, r.RejectedCount, next)
	var answer *problem
	if o.json && errors.As(fault, &answer) { // it is printed with the fault
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
	} else if err := o.sayReport(cmd, r); err != nil {
		return err
	}
	if errors.As(fault, new(unanswered)) {
		goOn += fmt.Sprintf(" (of the next %d lines some may be there already)", partLines)
	}
	return fmt.Errorf("%w; %s", fault, goOn)
}

// sayReport prints the report.
func (o *options) sayReport(cmd *cobra.Command, r *importReport) error {
	answer, err := jsonOf(r)
	if err != nil {
		return err
	}
	return o.say(cmd.OutOrStdout(), answer, r.text())
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
