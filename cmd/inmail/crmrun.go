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

// crmRun is a walk over the whole record, as the server tells it.
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
		InMails, Waiting, Resynced, Moved, Retried, Matched, Calls int
		RepairCalls                                                int `json:"repair_calls"`
		Drift                                                      map[string]int
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
		Short: "Compare Salesforce with the record and mend what differs, now instead of tonight",
		Long: `Compare Salesforce with the record and mend what differs, now instead of tonight: what is missing, stale or was
edited by hand is pushed again, what hangs on a converted, merged or deleted Lead or Contact is hung where that
went, what found nobody is looked for again. Records in Salesforce that nobody here knows are told and left.

The server's workers do it. With --dry-run they only count what differs and the API calls that mending would take.`,
		Example: "  inmail crm reconcile --dry-run\n  inmail crm reconcile",
	}, "/v1/crm/reconcile", crmRun.compared)
}

func crmBackfillCommand(o *options) *cobra.Command {
	return crmRunCommand(o, &cobra.Command{
		Use:   "backfill",
		Short: "Bring every InMail to Salesforce, in bulk",
		Long: `Bring every InMail to Salesforce, whatever is believed to be there: for a new org, or one that was restored. More
than 2,000 go in bulk jobs; fewer, and what a job refuses, go by ordinary pushes. What is there already does not
change.

The server's workers do it, and go on where they stopped. With --dry-run they only count InMails and Tasks, and the
API calls that they would take.`,
		Example: "  inmail crm backfill --dry-run\n  inmail crm backfill",
	}, "/v1/crm/backfill", crmRun.backfilled)
}

// crmRunCommand asks for a walk, and watches it to its end.
func crmRunCommand(o *options, cmd *cobra.Command, path string, text func(crmRun) string) *cobra.Command {
	var dry, watch bool
	name := cmd.Use
	cmd.Long += `

On a terminal the command shows how far they are and ends when they are done; Ctrl-C only stops watching. Elsewhere it
ends when they are asked, unless --wait is given; a dry run is always waited for.`
	cmd.Args = exactly(0)
	cmd.Flags().BoolVar(&dry, "dry-run", false, "count, and change nothing")
	cmd.Flags().BoolVar(&watch, "wait", false, "end when it is done (on a terminal the default; --wait=false only asks)")
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
			return o.say(cmd.OutOrStdout(), answer, "the workers are asked; inmail crm status shows how far they are\n")
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
			return errors.New("the CRM is not configured: set its address and a login (INMAIL_SALESFORCE_URL, …) where the workers run")
		}
		told := text(run)
		if b := run.Backfilled; b != nil && b.Pushed > 0 && kind == "backfill" {
			after, err := c.pushed(cmd.Context(), bar, run.EndedAt)
			if err != nil {
				return err
			}
			told += after
		}
		bar.done()
		return o.say(cmd.OutOrStdout(), raw, told)
	})
}

// errStopped is what a watcher is told whose Ctrl-C ended the watching, and nothing else.
var errStopped = errors.New("stopped watching; the workers go on, inmail crm status shows how far they are")

// watchEvery is how often a walk is looked at.
const watchEvery = 500 * time.Millisecond

// watch shows how far a walk is until it is done, and returns it as it is then. It gives up when nothing moves, but not while the walk waits
// for the org's calls.
func (c *remote) watch(ctx context.Context, bar *progress, name, kind, id string) (run crmRun, raw json.RawMessage, err error) {
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
			return run, nil, fmt.Errorf("another %s has begun meanwhile; inmail crm status shows it", name)
		case run.State == "done":
			return run, raw, nil
		case string(raw) != last || run.State == "waiting":
			moved, last = time.Now(), string(raw)
		case run.State == "stopped" && run.needsPerson():
			return run, nil, errors.New(run.far())
		case run.State == "asked" && time.Since(moved) > c.stall:
			return run, nil, fmt.Errorf("no worker has come to it for %s: start one (inmail serve), or look at inmail queue status", c.stall)
		case time.Since(moved) > 5*c.stall:
			return run, nil, fmt.Errorf("it has not moved for %s: %s; look at the server's log", 5*c.stall, run.far())
		}
		bar.show(run.far())
		if b := run.Backfilled; b != nil && b.Total > 0 {
			bar.at((b.Prepared+b.InMails)/2, b.Total)
		}
		untilNextLook(ctx)
	}
}

// untilNextLook waits until a walk is to be looked at again.
func untilNextLook(ctx context.Context) {
	look := time.NewTimer(watchEvery)
	defer look.Stop()
	select {
	case <-look.C:
	case <-ctx.Done():
	}
}

// pushed watches until ordinary pushes have brought what became due before a time, and says how that went. It gives up when the number of
// those that wait does not change, or the sync rests.
func (c *remote) pushed(ctx context.Context, bar *progress, before time.Time) (string, error) {
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
		rests := s.Paused != nil || !s.Budget.ParkedUntil.IsZero()
		switch {
		case s.Unsynced == 0 || s.OldestUnsyncedAt.After(before):
			text := "ordinary pushes brought what was left to them\n"
			if dead := countsText(s.DeadLetters); dead != "" {
				text = "ordinary pushes brought what was left to them, but for dead letters: " + dead + "; inmail crm failures\n"
			}
			return text, nil
		case rests || time.Since(moved) > c.stall:
			return fmt.Sprintf("%d still wait for ordinary pushes; inmail crm status tells why\n", s.Unsynced), nil
		}
		bar.show(fmt.Sprintf("%d left to ordinary pushes", s.Unsynced))
		untilNextLook(ctx)
	}
}

// needsPerson says whether a walk stopped for what more tries do not mend.
func (r crmRun) needsPerson() bool {
	class := domain.FailureClass(r.Fault)
	return class == domain.LoginFailed || class == domain.Configuration || class == domain.BadData
}

// far says in a few words how far a walk is.
func (r crmRun) far() string {
	so := ""
	switch {
	case r.Compared != nil:
		so = fmt.Sprintf("%d compared", r.Compared.InMails)
	case r.Backfilled != nil:
		so = fmt.Sprintf("%d of %d", r.Backfilled.InMails, r.Backfilled.Total)
	}
	words := map[string]string{"asked": "asked, no worker has come to it", "running": "running", "done": "done"}[r.State]
	switch r.State {
	case "waiting":
		words = "waits for the org's calls until " + moment(r.WaitsUntil)
	case "stopped":
		words = "stopped (" + plain(r.Fault) + "), goes on by itself"
		if r.needsPerson() {
			words = "stopped (" + plain(r.Fault) + "): when that is mended, ask again; inmail crm check tells what is wrong"
		}
	}
	if so == "" {
		return words
	}
	return so + ", " + words
}

// compared tells what a reconcile found.
func (r crmRun) compared() string {
	f := r.Compared
	if f == nil {
		return "nothing was compared\n"
	}
	t := newTable()
	seen := fmt.Sprint(f.InMails)
	if f.Waiting > 0 {
		seen += fmt.Sprintf(", %d of them on their way to Salesforce", f.Waiting)
	}
	t.row("compared", seen)
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
	t.row("calls", fmt.Sprintf("%d, about %d more to mend it", f.Calls, f.RepairCalls))
	return t.String()
}

// backfilled tells what a backfill brought, or of a dry run what it would.
func (r crmRun) backfilled() string {
	if p := r.Plan; p != nil {
		how := fmt.Sprintf("%.1f MB in %s", float64(p.Bytes)/1e6, count(p.Jobs, "bulk job"))
		if p.Jobs == 0 {
			how = "by ordinary pushes"
		}
		return fmt.Sprintf("%s with up to %s: %s, about %s\n", count(p.InMails, "InMail"), count(p.Tasks, "Task"), how, count(p.Calls, "call"))
	}
	b := r.Backfilled
	if b == nil {
		return "nothing was brought\n"
	}
	if b.Jobs == 0 {
		return fmt.Sprintf("%s gone through, too few for a bulk job: left to ordinary pushes\n", count(b.InMails, "InMail"))
	}
	text := fmt.Sprintf("%s: %s and %s went in bulk, %d failed, in %s\n", count(b.InMails, "InMail"), count(b.Records, "record"), count(b.Tasks, "Task"),
		b.Failed, count(b.Calls, "call"))
	if b.Pushed > 0 {
		text += fmt.Sprintf("%d left to ordinary pushes\n", b.Pushed)
	}
	return text
}
