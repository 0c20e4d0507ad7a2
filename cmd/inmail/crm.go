package main

import (
	"cmp"
	"context"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"inmail/config"
	"inmail/connectors/salesforce"
	"inmail/connectors/salesforce/sandbox"
	"inmail/domain"
	"inmail/domain/mailroom"
)

func crmCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "crm",
		Short:   "Look after the sync with each CRM",
		Example: "  inmail crm status\n  inmail crm failures\n  inmail crm retry --class bad_data",
		GroupID: operatorGroup,
	}
	cmd.PersistentFlags().StringVar(&o.crm, "crm", "",
		"which CRM, for instance salesforce; left out: the first that is connected")
	return commandGroup(cmd, crmStatusCommand(o), crmFailuresCommand(o), crmRetryCommand(o), crmCheckCommand(o),
		crmSetupCommand(o), crmPauseCommand(o),
		crmActionCommand(o, "resume", "Let the sync go on after a pause", "/v1/crm/resume", "the sync goes on\n"),
		crmReconcileCommand(o), crmBackfillCommand(o), crmRepairCommand(o), crmErasedCommand(o), crmShowCommand(o))
}

func crmRepairCommand(o *options) *cobra.Command {
	var apply bool
	cmd := &cobra.Command{
		Use:   "repair",
		Short: "Replace records that Salesforce refuses to change for ever",
		Long: `Replace records that Salesforce refuses to change for ever. A data load that raises Status_Sequence__c of a
record makes the org refuse every later state of its InMail as older. Without --apply the command lists these
InMails. With --apply their records are deleted in the org, into its recycle bin, and pushed anew with their Lead
or Contact. Their Tasks stay.`,
		Example: "  inmail crm repair\n  inmail crm repair --apply",
		Args:    exactly(0),
	}
	cmd.Flags().BoolVar(&apply, "apply", false, "replace the records; left out: only list their InMails")
	return o.asOperator(cmd, func(cmd *cobra.Command, c *remote, _ []string) error {
		answer, err := c.post(cmd.Context(), "/v1/crm/repair", map[string]bool{"apply": apply})
		if err != nil {
			return err
		}
		return printAnswer(o, cmd, answer, repairAnswer.text)
	})
}

// repairAnswer is which records were replaced, or would be.
type repairAnswer struct {
	Applied bool
	InMails []string
}

func (a repairAnswer) text() string {
	switch {
	case len(a.InMails) == 0:
		return "no record needs to be replaced\n"
	case a.Applied:
		return fmt.Sprintf("%s replaced; the workers push them anew\n", count(len(a.InMails), "record"))
	}
	return strings.Join(a.InMails, "\n") + "\n\n" +
		count(len(a.InMails), "record") + " to be replaced: inmail crm repair --apply\n"
}

// crmActionCommand makes a command that posts to path, without a body, and prints done.
func crmActionCommand(o *options, name, short, path, done string) *cobra.Command {
	cmd := &cobra.Command{Use: name, Short: short, Example: "  inmail crm " + name, Args: exactly(0)}
	return o.asOperator(cmd, func(cmd *cobra.Command, c *remote, _ []string) error {
		answer, err := c.post(cmd.Context(), path, nil)
		if err != nil {
			return err
		}
		return o.print(cmd.OutOrStdout(), answer, done)
	})
}

func crmPauseCommand(o *options) *cobra.Command {
	var length time.Duration
	cmd := &cobra.Command{
		Use:   "pause",
		Short: "Stop the sync until it is resumed, or for a while",
		Long: `Stop the sync until it is resumed, or for a while. InMails are sent and read as before, and wait to
be pushed. The pause survives a restart.`,
		Example: "  inmail crm pause --for 2h",
		Args:    exactly(0),
	}
	cmd.Flags().DurationVar(&length, "for", 0, "how long, for instance 90m; left out: until inmail crm resume")
	return o.asOperator(cmd, func(cmd *cobra.Command, c *remote, _ []string) error {
		body, done := map[string]string{}, "the sync is paused until inmail crm resume\n"
		if length != 0 {
			body["for"], done = length.String(), "the sync is paused for "+span(length)+"\n"
		}
		answer, err := c.post(cmd.Context(), "/v1/crm/pause", body)
		if err != nil {
			return err
		}
		return o.print(cmd.OutOrStdout(), answer, done)
	})
}

func crmStatusCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show how far a CRM is behind, and why",
		Long: `Show how far a CRM is behind, and why.

unsynced counts the InMails that wait to be pushed and go by themselves. It does not count dead letters, which
the CRM refused and which wait for a person or for their next change: they have a line of their own. held back
are those whose recipient HubSpot does not know; Salesforce has them too, without a Lead or Contact.`,
		Example: "  inmail crm status\n  inmail crm status --crm hubspot",
		Args:    exactly(0),
	}
	return o.asOperator(cmd, func(cmd *cobra.Command, c *remote, _ []string) error {
		answer, err := c.get(cmd.Context(), "/v1/crm/status", nil)
		if err != nil {
			return err
		}
		return printAnswer(o, cmd, answer, crmStatus.text)
	})
}

type crmStatus struct {
	CRM              string
	HeldBack         map[string]int `json:"held_back"`
	Unsynced         int
	OldestUnsyncedAt time.Time      `json:"oldest_unsynced_at"`
	LagSeconds       float64        `json:"lag_seconds"`
	DeadLetters      map[string]int `json:"dead_letters"`
	Paused           *struct {
		Why   string
		Since time.Time
		Until time.Time
	}
	UnreachableSince time.Time `json:"unreachable_since"`
	Budget           struct {
		Used        int
		Max         int
		Share       float64
		Ours        int
		ParkedUntil time.Time `json:"parked_until"`
		Why         string
	}
	Drift struct {
		At    time.Time
		Kinds map[string]int
	}
	Runs map[string]*crmRun
}

func (s crmStatus) text() string {
	t := newTable()
	dead := countsText(s.DeadLetters)
	title := crmTitle(s.CRM)
	behind := "everything is in " + title
	if dead != "" {
		behind = "everything but the dead letters is in " + title
	}
	if s.Unsynced > 0 {
		behind = fmt.Sprintf("%d, the oldest since %s: %s behind", s.Unsynced, moment(s.OldestUnsyncedAt),
			span(time.Duration(s.LagSeconds*float64(time.Second))))
	}
	t.row("unsynced", behind)
	if dead != "" {
		dead += "; inmail crm failures"
	}
	t.row("dead letters", cmp.Or(dead, "none"))
	if held := countsText(s.HeldBack); held != "" {
		t.row("held back", held+"; each reconcile looks for them again")
	}
	paused := "no"
	if s.Paused != nil {
		end := "until inmail crm resume"
		if !s.Paused.Until.IsZero() {
			end = "until " + moment(s.Paused.Until)
		}
		paused = fmt.Sprintf("%s, since %s, %s", s.Paused.Why, moment(s.Paused.Since), end)
	}
	t.row("paused", paused)
	if !s.UnreachableSince.IsZero() {
		t.row("unreachable", "no call gets an answer since "+moment(s.UnreachableSince)+"; inmail crm check")
	}
	t.row("budget", s.budget())
	drift := "not compared yet"
	if !s.Drift.At.IsZero() {
		drift = cmp.Or(countsText(s.Drift.Kinds), "none") + ", compared " + moment(s.Drift.At)
	}
	t.row("drift", drift)
	for _, kind := range []string{"reconcile", "backfill"} {
		if run := s.Runs[kind]; run != nil && run.State != "done" {
			t.row(kind, run.progressText())
		}
	}
	return t.String()
}

func (s crmStatus) budget() string {
	b := s.Budget
	if !b.ParkedUntil.IsZero() {
		return fmt.Sprintf("spent (%s): parked until %s", cmp.Or(b.Why, "limit"), moment(b.ParkedUntil))
	}
	if b.Max == 0 {
		return "not known before the first call"
	}
	ours := int(b.Share * float64(b.Max))
	return fmt.Sprintf("%d of %d calls that may be ours in 24 h; the org has used %d of %d", b.Ours, ours, b.Used,
		b.Max)
}

// countsText lists names in order, each with its count; zeros are left out, and the text is empty for none.
func countsText(counts map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		if counts[name] > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", name, counts[name]))
		}
	}
	return strings.Join(parts, ", ")
}

// remedies are what a person can do about each class of failure.
var remedies = map[domain.FailureClass]string{
	domain.Locked:      "nothing: it is tried again by itself",
	domain.Unreachable: "nothing: it is tried again by itself; whether the org is up, its status page shows",
	domain.LimitReached: "nothing: it is tried again when the org's daily calls allow it; " +
		"with a larger INMAIL_SALESFORCE_BUDGET or INMAIL_HUBSPOT_BUDGET that is sooner",
	domain.SessionEnded: "nothing: it is tried again after the next login",
	domain.LoginFailed:  "correct the login of the settings (INMAIL_SALESFORCE_…, INMAIL_HUBSPOT_TOKEN), then inmail crm resume",
	domain.LostReference: "its Lead, contact, Account or company is gone: give the InMail other ids, " +
		"then inmail crm retry --class lost_reference",
	domain.BadData: "have the CRM's admin change the rule or the record, " +
		"then inmail crm retry --class bad_data",
	domain.Configuration: "inmail crm check names what is missing: have the CRM's admin give the field or permission, " +
		"then inmail crm resume and inmail crm retry --class configuration",
}

// remedyOfAnswer is what a person can do about an answer that has a remedy of its own; else it is empty.
func remedyOfAnswer(answer string) string {
	if strings.Contains(answer, "STATUS_SEQUENCE_AHEAD") {
		return "somebody raised the sequence number of the record in the org: inmail crm repair --apply"
	}
	return ""
}

type crmFailure struct {
	InMail   string
	Class    string
	Detail   string
	Attempts int
	At       time.Time
	Dead     bool
	Parts    []crmPart
}

// crmPart is one part of an InMail that Salesforce lacks.
type crmPart struct {
	Part, Object, Class, Detail string
	Attempts                    int
	At                          time.Time
	Dead                        bool
}

// answer returns the org's answer with the object that gave it.
func (p crmPart) answer() string {
	if p.Object == "" {
		return p.Detail
	}
	return p.Object + ": " + p.Detail
}

// parts returns the parts that failed; an answer without them has one.
func (f crmFailure) parts() []crmPart {
	if len(f.Parts) > 0 {
		return f.Parts
	}
	return []crmPart{{Class: f.Class, Detail: f.Detail, Attempts: f.Attempts, At: f.At, Dead: f.Dead}}
}

func crmFailuresCommand(o *options) *cobra.Command {
	var class string
	var asCSV bool
	var show int
	cmd := &cobra.Command{
		Use:   "failures",
		Short: "Show what Salesforce did not accept, grouped, and what to do about it",
		Long: `Show what Salesforce did not accept, grouped by the org's object and answer, and what to do about it;
then the newest InMails concerned. A record and its Tasks fail apart from each other. A dagger marks dead
letters, which wait for a person: they are pushed again by inmail crm retry, or when the InMail changes next.`,
		Example: "  inmail crm failures\n  inmail crm failures --class bad_data --csv > failures.csv",
		Args:    exactly(0),
	}
	cmd.Flags().StringVar(&class, "class", "", "only this class, one of "+domain.OneOf(domain.FailureClasses()))
	cmd.Flags().BoolVar(&asCSV, "csv", false, "print every InMail concerned as CSV")
	cmd.Flags().IntVar(&show, "show", 10, "how many of the newest InMails to list below the groups")
	return o.asOperator(cmd, func(cmd *cobra.Command, c *remote, _ []string) error {
		if asCSV && o.json {
			return usageError{errors.New("--csv and --json: choose one")}
		}
		answer, err := c.list(cmd.Context(), "/v1/crm/failures", url.Values{"class": {class}}, paging{all: true})
		if err != nil {
			return err
		}
		if asCSV {
			return failuresCSV(cmd, answer)
		}
		return printAnswer(o, cmd, answer, func(a struct{ Items []crmFailure }) string {
			return failuresText(a.Items, show)
		})
	})
}

func failuresCSV(cmd *cobra.Command, answer json.RawMessage) error {
	var a struct{ Items []crmFailure }
	if err := json.Unmarshal(answer, &a); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	w := csv.NewWriter(cmd.OutOrStdout())
	// w.Error returns the errors of these writes.
	w.Write([]string{"inmail", "class", "detail", "attempts", "at", "dead", "part", "object"})
	for _, f := range a.Items {
		for _, p := range f.parts() {
			w.Write([]string{f.InMail, p.Class, p.Detail, fmt.Sprint(p.Attempts), p.At.UTC().Format(time.RFC3339Nano),
				fmt.Sprint(p.Dead), p.Part, p.Object})
		}
	}
	w.Flush()
	return w.Error()
}

// failuresText groups failures by the org's answer, the most frequent first, and lists the newest, at most
// show of them.
func failuresText(failures []crmFailure, show int) string {
	if len(failures) == 0 {
		return "everything got through\n"
	}
	type group struct{ class, detail string }
	counts := map[group]int{}
	for _, f := range failures {
		for _, p := range f.parts() {
			counts[group{p.Class, p.answer()}]++
		}
	}
	groups := slices.SortedFunc(maps.Keys(counts), func(a, b group) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a.class, b.class), cmp.Compare(a.detail, b.detail))
	})
	t := newTable("INMAILS", "CLASS", "SALESFORCE ANSWERED", "REMEDY")
	for _, g := range groups {
		t.row(fmt.Sprintf("%7d", counts[g]), g.class, cut(g.detail, 60),
			cmp.Or(remedyOfAnswer(g.detail), remedies[domain.FailureClass(g.class)], "look at the server's log"))
	}
	newest := newTable("", "INMAIL", "CLASS", "TRIES", "LAST")
	for _, f := range failures[:min(max(show, 0), len(failures))] {
		mark := ""
		if f.Dead {
			mark = "†"
		}
		newest.row(mark, f.InMail, f.Class, fmt.Sprintf("%5d", f.Attempts), when(f.At))
	}
	text := t.String()
	if show > 0 {
		text += "\n" + newest.String()
	}
	if left := len(failures) - show; show > 0 && left > 0 {
		text += fmt.Sprintf("\nand %d older: --show %d, or --csv\n", left, len(failures))
	}
	return text
}

func crmRetryCommand(o *options) *cobra.Command {
	var class string
	cmd := &cobra.Command{
		Use:   "retry [INMAIL…]",
		Short: "Push dead letters again: those named, those of a class, or all",
		Example: "  inmail crm retry\n  inmail crm retry --class bad_data\n" +
			"  inmail crm retry 019abf5e-8c00-7a31-9c55-0d6a3f6b7e21",
	}
	cmd.Flags().StringVar(&class, "class", "", "only this class of failure")
	return o.asOperator(cmd, func(cmd *cobra.Command, c *remote, args []string) error {
		if class != "" && len(args) > 0 {
			return usageError{errors.New("retry InMails by their ids or by --class, not both")}
		}
		if len(args) == 0 {
			body := map[string]string{}
			if class != "" {
				body["class"] = class
			}
			answer, err := c.post(cmd.Context(), "/v1/crm/failures/retry", body)
			if err != nil {
				return err
			}
			return printAnswer(o, cmd, answer, retryAnswer.text)
		}
		var sum retryAnswer
		for _, id := range args {
			answer, err := c.post(cmd.Context(), "/v1/crm/failures/"+url.PathEscape(id)+"/retry", nil)
			if err != nil {
				return fmt.Errorf("retry %s: %w", plain(id), err)
			}
			var one retryAnswer
			if err := json.Unmarshal(answer, &one); err != nil {
				return fmt.Errorf("read the answer: %w", err)
			}
			sum.Retried += one.Retried
		}
		return o.print(cmd.OutOrStdout(), sum, sum.text())
	})
}

// retryAnswer is how many were made due to be tried again.
type retryAnswer struct {
	Retried int `json:"retried"`
}

func (a retryAnswer) text() string { return fmt.Sprintf("%d to be tried again\n", a.Retried) }

// checkLimit is the time limit of a whole check; that of each call is the setting salesforce.timeout.
const checkLimit = 10 * time.Minute

func crmCheckCommand(o *options) *cobra.Command {
	var local bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Show which fields, permissions or calls a CRM lacks, and what to do about it",
		Long: `Let the server log in to the CRM that it uses and compare fields, permissions and limits there with what
is needed; show what is missing and what to do about it. Nothing is stored in the org. The command exits with 1
when something is missing, or when no server answers.

With --local it needs no server: it checks the CRM of the settings of this shell (INMAIL_SALESFORCE_…,
INMAIL_HUBSPOT_…, --config), which need not be those of the server. With nothing set there it checks a temporary
Salesforce sandbox, like that of embedded mode.`,
		Example: "  inmail crm check\n  inmail crm check --local --config inmail.yaml\n  inmail crm check --crm hubspot",
		Args:    exactly(0),
	}
	cmd.Flags().BoolVar(&local, "local", false, "check the settings of this shell, without a server")
	o.asOperator(cmd, func(cmd *cobra.Command, c *remote, _ []string) error {
		answer, err := c.post(cmd.Context(), "/v1/crm/check", nil)
		var p *problem
		if err != nil && !errors.As(err, &p) {
			return fmt.Errorf("%w; inmail crm check --local checks the settings of this shell", err)
		}
		if err != nil {
			return err
		}
		var found checkReport
		if err := json.Unmarshal(answer, &found); err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		return found.print(o, cmd, answer, fmt.Sprintf("The server at %s checked %s.", c.server, cmp.Or(found.Org, "no org")))
	})
	byServer := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if local {
			return o.checkLocal(cmd)
		}
		return byServer(cmd, args)
	}
	return cmd
}

// checkLocal checks the org of the settings of this shell.
func (o *options) checkLocal(cmd *cobra.Command) error {
	s, err := o.load()
	if err != nil {
		return err
	}
	if o.crm != "" && o.crm != string(salesforce.Name) {
		return o.checkOther(cmd, s)
	}
	org := s.Salesforce.URL
	if org == "" {
		if !s.Embedded() {
			return errors.New("no Salesforce is configured: set INMAIL_SALESFORCE_URL and a login")
		}
		org = "no org; this is a temporary sandbox"
		var end func()
		if s.Salesforce, end, err = temporarySandbox(s.Salesforce); err != nil {
			return err
		}
		defer end()
	}
	crm, err := salesforce.New(s.Salesforce, salesforce.Deps{Log: newLog(s.Program, os.Stderr), Clock: &clock{}})
	if err != nil {
		return usageError{fmt.Errorf("settings: %w", err)}
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), checkLimit)
	defer cancel()
	return checked(salesforce.Name, s.Salesforce.URL, crm.Check(ctx)).print(o, cmd, org)
}

// checkOther checks the org of another CRM, which the settings of this shell name.
func (o *options) checkOther(cmd *cobra.Command, s config.Settings) error {
	crm, err := localCRM(o.crm, s)
	if err != nil {
		return err
	}
	checker, ok := crm.(mailroom.Checker)
	if !ok {
		return usageError{fmt.Errorf("--crm: %s has no check", crm.Name())}
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), checkLimit)
	defer cancel()
	report := checked(crm.Name(), checker.Address(), checker.Check(ctx))
	return report.print(o, cmd, report.Org)
}

// checked returns the report of a check without a server.
func checked(crm domain.CRM, org string, findings []mailroom.Finding) localReport {
	found := checkReport{Local: true, CRM: string(crm), Org: org, Findings: findings}
	for _, f := range findings {
		if !f.OK {
			found.Failed++
		}
	}
	found.OK = found.Failed == 0
	return localReport{found}
}

// localReport is the report of a check without a server.
type localReport struct{ checkReport }

func (r localReport) print(o *options, cmd *cobra.Command, org string) error {
	return r.checkReport.print(o, cmd, r.checkReport, fmt.Sprintf("The settings of this shell name %s. No server was asked.", org))
}

// temporarySandbox serves an org like that of embedded mode until the returned function is called. Its
// check shows what a good answer looks like.
func temporarySandbox(c salesforce.Config) (salesforce.Config, func(), error) {
	secret := uuids{}.NewSecret()
	c.ClientID, c.ClientSecret = "inmail-embedded", hex.EncodeToString(secret[:])
	org, err := sandbox.New(sandbox.Options{Credentials: embeddedCredentials(c)})
	if err != nil {
		return c, nil, fmt.Errorf("start the Salesforce sandbox: %w", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return c, nil, fmt.Errorf("start the Salesforce sandbox: %w", err)
	}
	c.URL = "http://" + listener.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- org.Serve(ctx, listener) }()
	return c, func() { cancel(); <-done }, nil
}

// checkReport is the result of a check.
type checkReport struct {
	Local    bool               `json:"local"` // the settings of this shell were checked, not those of a server
	CRM      string             `json:"crm"`
	Org      string             `json:"org"` // the address that was checked
	OK       bool               `json:"ok"`
	Failed   int                `json:"failed"`
	Findings []mailroom.Finding `json:"findings"`
}

// print shows a report, as JSON or below a first line that says what was checked. It fails when the check
// failed.
func (c checkReport) print(o *options, cmd *cobra.Command, asJSON any, first string) error {
	if err := o.print(cmd.OutOrStdout(), asJSON, first+"\n\n"+c.text()); err != nil || c.OK {
		return err
	}
	return fmt.Errorf("%d of %s failed; the table shows the remedies", c.Failed, count(len(c.Findings), "check"))
}

func (c checkReport) text() string {
	t := newTable("", "WHAT", "FOUND", "REMEDY")
	for _, f := range c.Findings {
		mark := "ok"
		if !f.OK {
			mark = "FAILED"
		}
		t.row(mark, f.What, f.Detail, f.Remedy)
	}
	return t.String()
}
