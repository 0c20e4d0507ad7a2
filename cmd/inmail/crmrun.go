package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// crmRun is a run over the whole record, as the server reports it. What has not happened yet is nil or zero.
type crmRun struct {
	ID         string
	State      string
	AskedAt    time.Time `json:"asked_at"`
	StartedAt  time.Time `json:"started_at"`
	MovedAt    time.Time `json:"moved_at"`
	WaitsUntil time.Time `json:"waits_until"`
	EndedAt    time.Time `json:"ended_at"`
	Fault      string
	Compared   *struct {
		InMails, Waiting, Resynced, Moved, Retried, Matched, Adopted, Owned, Calls int
		RepairCalls                                                                int `json:"repair_calls"`
		Drift                                                                      map[string]int
	}
	Backfilled *struct {
		Total, Prepared, InMails, Records, Tasks, Pushed, Failed, Jobs, Calls int
	}
	Plan *struct {
		InMails, Tasks, Bytes, Jobs, Calls int
	}
}

func crmReconcileCommand(o *options) *cobra.Command {
	return crmRunCommand(o, &cobra.Command{
		Use:   "reconcile",
		Short: "Compare Salesforce with the record and repair what differs, now instead of tonight",
		Long: `Compare Salesforce with the record and repair what differs, now instead of tonight. Records that are
missing, stale or were edited by hand are pushed again. Those of a converted, merged or deleted Lead or Contact
are moved to what has replaced it. For InMails without a Lead or Contact one is looked for again. Records in
Salesforce without an InMail are counted and left alone.

The server's workers do it. With --dry-run they only count what differs and the API calls of a repair.`,
		Example: "  inmail crm reconcile --dry-run\n  inmail crm reconcile",
	}, "/v1/crm/reconcile", crmRun.compared)
}

func crmBackfillCommand(o *options) *cobra.Command {
	return crmRunCommand(o, &cobra.Command{
		Use:   "backfill",
		Short: "Push every InMail to Salesforce, in bulk",
		Long: `Push every InMail to Salesforce, whether or not it was pushed before: for a new org, or one that was
restored. More than 2,000 are sent in bulk jobs; fewer, and those that a job refuses, by ordinary pushes. What
is in Salesforce already does not change.

The server's workers do it, and continue where they stopped. With --dry-run they only count InMails, Tasks and
the API calls for them.`,
		Example: "  inmail crm backfill --dry-run\n  inmail crm backfill",
	}, "/v1/crm/backfill", crmRun.backfilled)
}

// crmRunCommand completes cmd, which asks for a run and watches it to its end; text makes the result
// readable.
func crmRunCommand(o *options, cmd *cobra.Command, path string, text func(crmRun) string) *cobra.Command {
	var dry, watch bool
	name := cmd.Use
	cmd.Long += `

On a terminal the command shows the progress and ends when the run is done; Ctrl-C only stops watching. Elsewhere
it ends when the run is requested, unless --wait is given. A dry run is always waited for.`
	cmd.Args = exactly(0)
	cmd.Flags().BoolVar(&dry, "dry-run", false, "count, and change nothing")
	cmd.Flags().BoolVar(&watch, "wait", false,
		"end when the run is done (the default on a terminal; --wait=false only requests it)")
	return o.asOperator(cmd, func(cmd *cobra.Command, c *remote, _ []string) error {
		kind, body := name, map[string]bool{}
		if dry {
			kind, body["dry_run"] = name+"_dry_run", true
		}
		answer, err := c.post(cmd.Context(), path, body)
		if err != nil {
			return err
		}
		if f, ok := cmd.ErrOrStderr().(*os.File); !cmd.Flags().Changed("wait") {
			watch = ok && isTerminal(f)
		}
		if !watch && !dry {
			return o.print(cmd.OutOrStdout(), answer, "the run is requested; inmail crm status shows its progress\n")
		}
		var asked struct{ Run string }
		if err := json.Unmarshal(answer, &asked); err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		bar := newProgress(cmd.ErrOrStderr(), name, -1)
		defer bar.done()
		run, raw, err := c.watch(cmd.Context(), bar, name, kind, asked.Run)
		if err != nil {
			return err
		}
		if run.Fault == mailroom.NotConfigured {
			return errors.New("the CRM is not configured: " +
				"set its address and a login (INMAIL_SALESFORCE_URL, …) where the workers run")
		}
		result := text(run)
		if b := run.Backfilled; b != nil && b.Pushed > 0 && kind == "backfill" {
			after, err := c.watchPushes(cmd.Context(), bar, run.EndedAt)
			if err != nil {
				return err
			}
			result += after
		}
		bar.done()
		return o.print(cmd.OutOrStdout(), raw, result)
	})
}

// errStopped is returned when Ctrl-C ends the watching; the run itself goes on.
var errStopped = errors.New("stopped watching; the workers continue, inmail crm status shows their progress")

// pollInterval is the time between two looks at a run.
const pollInterval = 500 * time.Millisecond

// watch shows the progress of a run until it is done, and returns its final state. It gives up when there is
// no progress for 5 times c.stall, or for c.stall when no worker has started the run; while the run waits for
// the org's daily calls, it waits too.
func (c *remote) watch(
	ctx context.Context, bar *progress, name, kind, id string,
) (run crmRun, raw json.RawMessage, err error) {
	moved, last := time.Now(), ""
	for {
		answer, err := c.get(ctx, "/v1/crm/status", nil)
		if ctx.Err() != nil {
			return run, nil, errStopped
		}
		if err != nil {
			return run, nil, err
		}
		var status struct{ Runs map[string]json.RawMessage }
		if err := json.Unmarshal(answer, &status); err != nil {
			return run, nil, fmt.Errorf("read the answer: %w", err)
		}
		raw, run = status.Runs[kind], crmRun{}
		if err := json.Unmarshal(raw, &run); err != nil {
			return run, nil, fmt.Errorf("read the answer: %w", err)
		}
		switch {
		case run.ID != id:
			return run, nil, fmt.Errorf("another %s has started meanwhile; inmail crm status shows it", name)
		case run.State == "done":
			return run, raw, nil
		case string(raw) != last || run.State == "waiting":
			moved, last = time.Now(), string(raw)
		case run.State == "stopped" && run.needsPerson():
			return run, nil, errors.New(run.progressText())
		case run.State == "asked" && time.Since(moved) > c.stall:
			return run, nil, fmt.Errorf("no worker has started it for %s: "+
				"start a worker (inmail serve), or look at inmail queue status", c.stall)
		case time.Since(moved) > 5*c.stall:
			return run, nil, fmt.Errorf("there is no progress for %s: %s; look at the server's log", 5*c.stall,
				run.progressText())
		}
		bar.show(run.progressText())
		if b := run.Backfilled; b != nil && b.Total > 0 {
			bar.at((b.Prepared+b.InMails)/2, b.Total)
		}
		waitForPoll(ctx)
	}
}

// waitForPoll waits for pollInterval, or until ctx ends.
func waitForPoll(ctx context.Context) {
	look := time.NewTimer(pollInterval)
	defer look.Stop()
	select {
	case <-look.C:
	case <-ctx.Done():
	}
}

// watchPushes waits until everything that was due before a time has been pushed, and returns the result as
// text. It gives up when the number of InMails that wait does not change for c.stall, or when the sync is
// paused or out of calls.
func (c *remote) watchPushes(ctx context.Context, bar *progress, before time.Time) (string, error) {
	moved, last := time.Now(), -1
	for {
		answer, err := c.get(ctx, "/v1/crm/status", nil)
		if ctx.Err() != nil {
			return "", errStopped
		}
		if err != nil {
			return "", err
		}
		var s crmStatus
		if err := json.Unmarshal(answer, &s); err != nil {
			return "", fmt.Errorf("read the answer: %w", err)
		}
		if s.Unsynced != last {
			moved, last = time.Now(), s.Unsynced
		}
		paused := s.Paused != nil || !s.Budget.ParkedUntil.IsZero()
		switch {
		case s.Unsynced == 0 || s.OldestUnsyncedAt.After(before):
			text := "ordinary pushes have sent the rest\n"
			if dead := countsText(s.DeadLetters); dead != "" {
				text = "ordinary pushes have sent the rest, except dead letters: " + dead + "; inmail crm failures\n"
			}
			return text, nil
		case paused || time.Since(moved) > c.stall:
			return fmt.Sprintf("%d still wait for ordinary pushes; inmail crm status shows why\n", s.Unsynced), nil
		}
		bar.show(fmt.Sprintf("%d left to ordinary pushes", s.Unsynced))
		waitForPoll(ctx)
	}
}

// needsPerson reports whether a run stopped because of an error that more tries do not repair.
func (r crmRun) needsPerson() bool {
	class := domain.FailureClass(r.Fault)
	return class == domain.LoginFailed || class == domain.Configuration || class == domain.BadData
}

// progressText describes the progress of a run in a few words.
func (r crmRun) progressText() string {
	counted := ""
	switch {
	case r.Compared != nil:
		counted = fmt.Sprintf("%d compared", r.Compared.InMails)
	case r.Backfilled != nil:
		counted = fmt.Sprintf("%d of %d", r.Backfilled.InMails, r.Backfilled.Total)
	}
	words := map[string]string{
		"asked": "requested, no worker has started it", "running": "running", "done": "done",
	}[r.State]
	switch r.State {
	case "waiting":
		words = "waits for the org's calls until " + moment(r.WaitsUntil)
	case "stopped":
		words = "stopped (" + plain(r.Fault) + "), continues by itself"
		if r.needsPerson() {
			words = "stopped (" + plain(r.Fault) + "): repair that and start again; " +
				"inmail crm check shows what is wrong"
		}
	}
	if counted == "" {
		return words
	}
	return counted + ", " + words
}

// compared returns the result of a reconcile as text.
func (r crmRun) compared() string {
	f := r.Compared
	if f == nil {
		return "nothing was compared\n"
	}
	t := newTable()
	total := fmt.Sprint(f.InMails)
	if f.Waiting > 0 {
		total += fmt.Sprintf(", %d of them on their way to Salesforce", f.Waiting)
	}
	t.row("compared", total)
	for _, kind := range []string{"missing", "extra", "stale", "edited"} {
		name := kind
		if kind == "edited" {
			name = "edited by hand"
		}
		t.row(name, fmt.Sprint(f.Drift[kind]))
	}
	t.row("to be pushed again", fmt.Sprint(f.Resynced))
	t.row("to be moved", fmt.Sprint(f.Moved))
	found := fmt.Sprint(f.Retried)
	if f.Matched > 0 {
		found += fmt.Sprintf(", %d found", f.Matched)
	}
	t.row("looked for again", found)
	if f.Adopted > 0 {
		t.row("chosen by hand", fmt.Sprint(f.Adopted))
	}
	if f.Owned > 0 {
		t.row("given to their sender's User", fmt.Sprint(f.Owned))
	}
	t.row("calls", fmt.Sprintf("%d, about %d more to repair it", f.Calls, f.RepairCalls))
	return t.String()
}

// backfilled returns as text what a backfill sent, or what a dry run has planned.
func (r crmRun) backfilled() string {
	if p := r.Plan; p != nil {
		how := fmt.Sprintf("%.1f MB in %s", float64(p.Bytes)/1e6, count(p.Jobs, "bulk job"))
		if p.Jobs == 0 {
			how = "by ordinary pushes"
		}
		return fmt.Sprintf("%s with up to %s: %s, about %s\n", count(p.InMails, "InMail"), count(p.Tasks, "Task"),
			how, count(p.Calls, "call"))
	}
	b := r.Backfilled
	if b == nil {
		return "nothing was sent\n"
	}
	if b.Jobs == 0 {
		return fmt.Sprintf("%s, too few for a bulk job: left to ordinary pushes\n", count(b.InMails, "InMail"))
	}
	text := fmt.Sprintf("%s: %s and %s went in bulk, %d failed, in %s\n", count(b.InMails, "InMail"),
		count(b.Records, "record"), count(b.Tasks, "Task"),
		b.Failed, count(b.Calls, "call"))
	if b.Pushed > 0 {
		text += fmt.Sprintf("%d left to ordinary pushes\n", b.Pushed)
	}
	return text
}
