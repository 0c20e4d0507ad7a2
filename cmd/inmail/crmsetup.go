package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"inmail/connectors/hubspot"
	"inmail/connectors/salesforce"
	"inmail/domain/mailroom"
)

func crmSetupCommand(o *options) *cobra.Command {
	var how setupFlags
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "Show what the org of a CRM lacks, and make it",
		Long: `Let the server look at what the org of a CRM lacks: the package, its permission sets for the integration user and
for those who own InMails, and the related list InMails on the org's own layouts of Lead, Contact and Account.
Without --apply nothing changes; a deployment is only tried. With --apply all that is missing is made, and the
org is checked. The layouts as they were are kept in a file, which --undo puts back. The command exits with 1
while something is missing or was refused.

The integration user may not look into the set-up, and should not: give the session of an administrator, such as
sf org auth show-access-token prints it. It is used for this and kept nowhere.

With --crm hubspot it needs no server: it shows, and with --apply makes, the groups and properties that the
HubSpot of the settings of this shell needs. It writes no record and removes nothing.`,
		Example: "  inmail crm setup --session token.txt\n  inmail crm setup --session token.txt --apply\n" +
			"  inmail crm setup --session token.txt --undo inmail-crm-setup-undo.zip\n" +
			"  inmail crm setup --crm hubspot --apply",
		Args: exactly(0),
	}
	cmd.Flags().BoolVar(&how.apply, "apply", false, "make what is missing; left out: only show it")
	cmd.Flags().StringVar(&how.session, "session", "", "`file` with an administrator's access token; - is the standard input")
	cmd.Flags().StringVar(&how.undo, "undo", "", "`file` of an earlier --apply: put the layouts back, and do nothing else")
	cmd.Flags().StringVar(&how.keep, "keep", "inmail-crm-setup-undo.zip", "`file` to keep the layouts in as they were; it must not exist")
	o.asOperator(cmd, func(cmd *cobra.Command, c *remote, _ []string) error { return how.run(o, cmd, c) })
	byServer := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if o.crm != string(hubspot.Name) {
			return byServer(cmd, args)
		}
		if how.session != "" || how.undo != "" {
			return usageError{errors.New("--session and --undo are of a Salesforce org")}
		}
		return o.setUpLocal(cmd, how.apply)
	}
	return cmd
}

// setUpLocal sets up the CRM of the settings of this shell, without a server.
func (o *options) setUpLocal(cmd *cobra.Command, apply bool) error {
	s, err := o.load()
	if err != nil {
		return err
	}
	crm, err := localCRM(o.crm, s)
	if err != nil {
		return err
	}
	installer, ok := crm.(mailroom.Installer)
	if !ok {
		return usageError{fmt.Errorf("--crm: %s is not set up by this command; see the connector's README", crm.Name())}
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), checkLimit)
	defer cancel()
	steps, failed := installer.Setup(ctx, apply)
	report := setupReport{CRM: string(crm.Name()), Applied: apply, Steps: steps}
	for _, step := range steps {
		if step.State == mailroom.StepMissing || step.State == mailroom.StepFailed {
			report.Open++
		}
	}
	if err := o.print(cmd.OutOrStdout(), report, report.text()); err != nil {
		return err
	}
	switch {
	case failed != nil:
		return failed
	case report.Open > 0 && !apply:
		return fmt.Errorf("%s missing; --apply makes what can be made", count(report.Open, "thing"))
	case report.Open > 0:
		return fmt.Errorf("%s could not be made; the table shows the remedies", count(report.Open, "thing"))
	}
	return nil
}

// setupReport is the result of a set-up.
type setupReport struct {
	CRM     string               `json:"crm"`
	Applied bool                 `json:"applied"`
	Open    int                  `json:"open"` // steps that are missing or failed
	Steps   []mailroom.SetupStep `json:"steps"`
}

func (r setupReport) text() string {
	t := newTable("", "WHAT", "FOUND", "REMEDY")
	for _, s := range r.Steps {
		t.row(s.State, s.What, s.Detail, s.Remedy)
	}
	return t.String()
}

// setupFlags say how an org is set up.
type setupFlags struct {
	apply               bool
	session, undo, keep string
}

// These constants bound the waiting for an org.
const (
	maxSession    = 16 << 10
	maxUndo       = 700 << 10 // its base64 fits in a body of 1 MiB
	setupPatience = 30 * time.Minute
)

func (f setupFlags) run(o *options, cmd *cobra.Command, c *remote) error {
	body := map[string]any{"apply": f.apply}
	if f.session != "" {
		token, err := readUpTo(cmd, f.session, maxSession)
		if err != nil {
			return err
		}
		body["session"] = token
	}
	if f.undo != "" && f.apply {
		return usageError{errors.New("--undo and --apply: choose one")}
	}
	if f.undo != "" {
		content, err := os.ReadFile(f.undo)
		switch {
		case err != nil:
			return err
		case len(content) > maxUndo:
			return usageError{fmt.Errorf("--undo: the file has %d bytes, more than %d: no set-up kept it", len(content), maxUndo)}
		}
		body["undo"] = base64.StdEncoding.EncodeToString(content)
	}
	if _, err := os.Lstat(f.keep); f.apply && err == nil {
		return usageError{fmt.Errorf("--keep: %s is there already; name another file", f.keep)}
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), setupPatience)
	defer cancel()
	var raw json.RawMessage
	var answer setupAnswer
	for {
		var err error
		if raw, err = c.post(ctx, "/v1/crm/setup", body); err != nil {
			return err
		}
		answer = setupAnswer{}
		if err := json.Unmarshal(raw, &answer); err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		if answer.Waiting == "" {
			break
		}
		if body["waiting"] == nil {
			fmt.Fprintf(cmd.ErrOrStderr(), "the org is at the deployment %s; waiting for it\n", answer.Waiting)
		}
		body["waiting"] = answer.Waiting
	}
	text := fmt.Sprintf("The server at %s looked at %s.\n\n%s", c.server, answer.Org, answer.text())
	if len(answer.Undo) > 0 {
		if err := keepNew(f.keep, answer.Undo); err != nil {
			return fmt.Errorf("keep the layouts as they were: %w; the answer of --json has them in undo", err)
		}
		text += fmt.Sprintf("\nThe layouts as they were are in %s: inmail crm setup --undo %[1]s puts them back.\n", f.keep)
	}
	if err := o.print(cmd.OutOrStdout(), raw, text); err != nil {
		return err
	}
	switch {
	case !answer.OK:
		return fmt.Errorf("%s of the set-up failed; the table shows the remedies", count(answer.failed(), "step"))
	case answer.Missing > 0 && f.undo == "" && !f.apply:
		return fmt.Errorf("%s missing: --apply makes what can be made", count(answer.Missing, "thing"))
	case answer.Missing > 0:
		return fmt.Errorf("the org is not done with %s: repeat the command in a while", count(answer.Missing, "step"))
	}
	return nil
}

// keepNew writes a file that must not exist.
func keepNew(path string, content []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	return errors.Join(err, file.Close())
}

// setupAnswer is what a set-up found or made.
type setupAnswer struct {
	Org      string
	OK       bool
	Missing  int
	Waiting  string
	Undo     []byte
	Steps    []mailroom.SetupStep
	Findings []salesforce.Finding
}

// failed is how many steps failed, and how much the check found missing.
func (a setupAnswer) failed() (n int) {
	for _, s := range a.Steps {
		if s.State == mailroom.StepFailed {
			n++
		}
	}
	for _, f := range a.Findings {
		if !f.OK {
			n++
		}
	}
	return n
}

func (a setupAnswer) text() string {
	t := newTable("", "WHAT", "FOUND", "REMEDY")
	for _, s := range a.Steps {
		t.row(s.State, s.What, s.Detail, s.Remedy)
	}
	good := 0
	for _, f := range a.Findings {
		if f.OK {
			good++
			continue
		}
		t.row(mailroom.StepFailed, "check: "+f.What, f.Detail, f.Remedy)
	}
	if len(a.Findings) > 0 {
		t.row(map[bool]string{true: mailroom.StepThere, false: mailroom.StepFailed}[good == len(a.Findings)], "check",
			fmt.Sprintf("%d of %d are as needed", good, len(a.Findings)), "")
	}
	return t.String()
}
