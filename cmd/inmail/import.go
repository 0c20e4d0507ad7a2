package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"inmail/domain/mailroom"
)

func importCommand(o *options) *cobra.Command {
	var direct bool
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Import members, connections, blocks and InMails from NDJSON",
		Long: `Import members, connections, blocks and InMails from NDJSON, one object a line of at most 64 KiB; - is the standard
input. Each InMail passes every check. Bad lines are reported, counted from 1, and the good ones kept; if there are any, it exits
with 1. What is imported twice under the same keys is there once.

  {"member":{"id":"maria.lopez","name":"Maria López","company":"Nordhafen Logistik"}}
  {"connection":["maria.lopez","lena.hart"]}
  {"block":["maria.lopez","spam.sender"]}
  {"inmail":{"from":"lena.hart","to":"maria.lopez","subject":"…","body":"…","key":"campaign-1"}}

A running server is asked, or with --direct the record of the settings in force is written, which for a SQLite file needs that no
server works on it. InMails of a direct import are sent when a server runs next.`,
		Example: "  inmail import people.ndjson\n  inmail import people.ndjson --direct --data ./data",
		Args:    exactly(1),
	}
	cmd.Flags().BoolVar(&direct, "direct", false, "write the record itself, without a server")
	o.asOperator(cmd, func(cmd *cobra.Command, c *remote, args []string) error {
		in, progress, err := openImport(cmd, args[0])
		if err != nil {
			return err
		}
		defer in.Close()
		answer, err := c.upload(cmd.Context(), "/v1/import", "application/x-ndjson", io.TeeReader(in, progress))
		progress.done()
		if err != nil {
			return err
		}
		return o.sayImported(cmd, answer)
	})
	cmd.GroupID = operatorGroup
	ask := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if direct {
			return o.importDirectly(cmd, args[0])
		}
		return ask(cmd, args)
	}
	return cmd
}

// importDirectly works on the record by the same use case as the server.
func (o *options) importDirectly(cmd *cobra.Command, path string) (err error) {
	s, err := o.load()
	if err != nil {
		return err
	}
	in, progress, err := openImport(cmd, path)
	if err != nil {
		return err
	}
	defer in.Close()
	a, err := build(cmd.Context(), s, newLog(s.Program, os.Stderr))
	if err != nil {
		return err
	}
	defer func() {
		if e := a.Stop(cmd.Context()); err == nil {
			err = e
		}
	}()
	found, fault := a.service.Import(cmd.Context(), io.TeeReader(in, progress), nil)
	progress.done()
	report := importReport{Lines: found.Lines, Accepted: found.Accepted, Rejected: []rejectedLine{}}
	for _, r := range found.Rejected {
		report.Rejected = append(report.Rejected, rejectedLine{r.Line, string(r.Code), r.Detail})
	}
	if fault != nil {
		return fmt.Errorf("after %s, of which %d were kept: %w", count(report.Lines, "line"), report.Accepted, fault)
	}
	answer, err := jsonOf(report)
	if err != nil {
		return err
	}
	return o.sayImported(cmd, answer)
}

// readProgress shows how much of a file was read.
type readProgress struct{ progress }

// Write counts what was read.
func (p *readProgress) Write(b []byte) (int, error) {
	p.to(len(b))
	return len(b), nil
}

// openImport opens the file with its progress bar; the standard input has no length.
func openImport(cmd *cobra.Command, path string) (io.ReadCloser, *readProgress, error) {
	in, err := openInput(cmd, path)
	if err != nil {
		return nil, nil, err
	}
	size := int64(-1)
	if f, ok := in.(*os.File); ok {
		info, err := f.Stat()
		if err != nil {
			in.Close()
			return nil, nil, fmt.Errorf("import: %w", err)
		}
		if info.Mode().IsRegular() {
			size = info.Size()
		}
	}
	p := &readProgress{}
	if f, ok := cmd.ErrOrStderr().(*os.File); ok && isTerminal(f) {
		p.bar = progressbar.NewOptions64(size, progressbar.OptionSetDescription("importing"), progressbar.OptionSetWriter(f),
			progressbar.OptionThrottle(65*time.Millisecond), progressbar.OptionShowBytes(true), progressbar.OptionClearOnFinish())
	}
	return in, p, nil
}

type importReport struct {
	Lines    int            `json:"lines"`
	Accepted int            `json:"accepted"`
	Rejected []rejectedLine `json:"rejected"`
}

type rejectedLine struct {
	Line   int    `json:"line"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// sayImported prints the report; rejected lines make the command fail, for not all was done.
func (o *options) sayImported(cmd *cobra.Command, answer json.RawMessage) error {
	if err := printAnswer(o, cmd, answer, importReport.text); err != nil {
		return err
	}
	var r importReport
	if err := json.Unmarshal(answer, &r); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if len(r.Rejected) >= mailroom.MaxRejected {
		return fmt.Errorf("%d lines or more were rejected, and the first of them listed; mend them and import them again", len(r.Rejected))
	}
	if len(r.Rejected) > 0 {
		return fmt.Errorf("%d of %s were rejected; mend them and import them again", len(r.Rejected), count(r.Lines, "line"))
	}
	return nil
}

func (r importReport) text() string {
	text := fmt.Sprintf("%s, %d accepted, %d rejected\n", count(r.Lines, "line"), r.Accepted, len(r.Rejected))
	if len(r.Rejected) == 0 {
		return text
	}
	t := newTable("LINE", "CODE", "DETAIL")
	for _, line := range r.Rejected {
		t.row(fmt.Sprintf("%4d", line.Line), line.Code, line.Detail)
	}
	return text + "\n" + t.String()
}
