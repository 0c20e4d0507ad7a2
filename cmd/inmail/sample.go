package main

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"inmail/config"
	"inmail/connectors/salesforce"
	"inmail/connectors/salesforce/sandbox"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// loadSample plays the sample's history into an empty record. Every send, delivery, opening, reply,
// retraction and expiry goes through the use cases, with the clock pinned to the time at which it happened.
func (a *app) loadSample(ctx context.Context, out io.Writer) error {
	now := time.Now().UTC()
	sample := config.NewSample(now)
	a.leads = sample.Leads
	if _, err := a.service.Member(ctx, sample.Members[0].ID); err == nil {
		_, err := fmt.Fprintln(out, "the sample is in the record already; nothing is loaded")
		return err
	} else if !errors.Is(err, domain.NotFound) {
		return err
	}
	p := newProgress(out, "playing 13 weeks", len(sample.Events))
	defer p.done()
	defer a.clock.Unpin()
	h := &history{app: a, until: now, progress: p}
	h.do(now.AddDate(0, 0, -7*config.SampleWeeks-1), func(ctx context.Context) error { return h.people(ctx, sample) })
	for t := now.AddDate(0, 0, -7*config.SampleWeeks); t.Before(now); t = t.Add(6 * time.Hour) {
		h.do(t, h.upkeep)
	}
	for _, e := range sample.Events {
		h.do(e.At, func(ctx context.Context) error { p.step(); return h.event(ctx, e) })
	}
	return h.play(ctx)
}

// history plays actions in the order of their time.
type history struct {
	app      *app
	until    time.Time // the present: later actions are dropped
	progress *progress
	actions  actions
	made     int // actions so far, for their order
}

type action struct {
	at    time.Time
	order int // of actions at the same time
	do    func(context.Context) error
}

// actions is a heap (container/heap), the earliest first.
type actions []action

func (a actions) Len() int      { return len(a) }
func (a actions) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a actions) Less(i, j int) bool {
	return cmp.Or(a[i].at.Compare(a[j].at), cmp.Compare(a[i].order, a[j].order)) < 0
}
func (a *actions) Push(x any) { *a = append(*a, x.(action)) }
func (a *actions) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

// do schedules an action, unless it is after the present.
func (h *history) do(at time.Time, do func(context.Context) error) {
	if at.Before(h.until) {
		h.made++
		heap.Push(&h.actions, action{at, h.made, do})
	}
}

// play runs all scheduled actions, and those that they schedule.
func (h *history) play(ctx context.Context) error {
	for h.actions.Len() > 0 {
		next := heap.Pop(&h.actions).(action)
		h.app.clock.Pin(next.at)
		if err := next.do(ctx); err != nil {
			return fmt.Errorf("at %s: %w", next.at.Format(time.RFC3339), err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// people makes the members and their connections.
func (h *history) people(ctx context.Context, s config.Sample) error {
	errs, err := h.app.service.PutMembers(ctx, s.Members)
	if err := errors.Join(append(errs, err)...); err != nil {
		return err
	}
	errs, err = h.app.service.Connect(ctx, s.Connections)
	return errors.Join(append(errs, err)...)
}

// upkeep does the periodic work of the workers: the expiry sweep and the learning of the spam filter.
func (h *history) upkeep(ctx context.Context) error {
	for {
		n, err := h.app.service.Expire(ctx, 1000)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
	}
	_, err := h.app.service.Learn(ctx, 1000)
	return err
}

func (h *history) event(ctx context.Context, e config.SampleEvent) error {
	switch {
	case e.Block != nil:
		errs, err := h.app.service.Block(ctx, []mailroom.Pair{*e.Block})
		return errors.Join(append(errs, err)...)
	case e.Connect != nil:
		errs, err := h.app.service.Connect(ctx, []mailroom.Pair{*e.Connect})
		return errors.Join(append(errs, err)...)
	case e.Ban != nil:
		return h.app.service.Ban(ctx, mailroom.Viewer{Operator: true, KeyID: "sample"}, *e.Ban)
	}
	return h.send(ctx, *e.Send)
}

// send sends an InMail and schedules what follows. The sample contains refusals, so they are no errors.
func (h *history) send(ctx context.Context, s config.SampleSend) error {
	answers, err := h.app.service.Accept(ctx, []mailroom.Send{s.Send})
	if err != nil || answers[0].Err != nil {
		return err
	}
	id, now := answers[0].ID, h.app.clock.Now()
	if s.Meanwhile != nil {
		h.do(now.Add(time.Second), func(ctx context.Context) error {
			return h.event(ctx, config.SampleEvent{Block: s.Meanwhile})
		})
	}
	h.do(now.Add(max(s.WaitBefore, 40*time.Millisecond)),
		func(ctx context.Context) error { return h.deliver(ctx, id, s) })
	return nil
}

// deliver delivers an InMail and schedules its opening, report, replies, decline and retraction.
func (h *history) deliver(ctx context.Context, id domain.ID, s config.SampleSend) error {
	outcomes, err := h.app.service.Deliver(ctx, []domain.ID{id})
	if err != nil || outcomes[0].Status != domain.Sent {
		return err
	}
	service, t0 := h.app.service, h.app.clock.Now()
	to, from := mailroom.Viewer{Member: s.To}, mailroom.Viewer{Member: s.From}
	if s.Opened > 0 {
		h.do(t0.Add(s.Opened-time.Minute), func(ctx context.Context) error {
			_, err := service.Inbox(ctx, s.To, mailroom.Filter{}, mailroom.Page{Limit: 20})
			return err
		})
		h.do(t0.Add(s.Opened), func(ctx context.Context) error {
			_, err := service.Open(ctx, to, id)
			if err == nil && s.Reported {
				err = service.Report(ctx, to, id, "I did not ask for this")
			}
			return unlessRefused(err)
		})
	}
	if s.Replied > 0 {
		h.do(t0.Add(s.Replied), func(ctx context.Context) error {
			_, err := service.Reply(ctx, to, id, s.Reply)
			if err == nil && s.Answered {
				h.do(t0.Add(s.Replied+3*time.Hour), func(ctx context.Context) error {
					_, err := service.Reply(ctx, from, id, "Thank you, that helps. I will come back to you this week.")
					return unlessRefused(err)
				})
			}
			return unlessRefused(err)
		})
	}
	if s.Declined > 0 {
		h.do(t0.Add(s.Declined), func(ctx context.Context) error {
			return unlessRefused(service.Decline(ctx, to, id, s.Reason))
		})
	}
	if s.Absent > 0 {
		h.do(t0.Add(s.Absent), func(ctx context.Context) error {
			_, err := service.Reply(ctx, to, id, s.Notice)
			return unlessRefused(err)
		})
	}
	if s.Retracted > 0 {
		h.do(t0.Add(s.Retracted), func(ctx context.Context) error {
			token, _, _, err := service.AskRetraction(ctx, from, id)
			if err == nil {
				_, err = service.ConfirmRetraction(ctx, from, id, token)
			}
			return unlessRefused(err)
		})
	}
	return nil
}

// unlessRefused returns err, or nil when it is a refusal: the sample contains refusals.
func unlessRefused(err error) error {
	var refusal *domain.Refusal
	if errors.As(err, &refusal) {
		return nil
	}
	return err
}

// summary are the figures of the sample, read from the running system.
type summary struct {
	API         string         `json:"api"`
	Data        string         `json:"-"` // the data folder
	Delivered   int            `json:"delivered"`
	Opened      int            `json:"opened"`
	Replied     int            `json:"replied"`
	Declined    int            `json:"declined"`
	Expired     int            `json:"expired"`
	Retracted   int            `json:"retracted"`
	Pending     int            `json:"pending"`
	Refused     map[string]int `json:"refused"`
	OpenRate    string         `json:"open_rate"`
	Response    string         `json:"response_rate"`
	InSandbox   int            `json:"salesforce_records"`
	Tasks       int            `json:"salesforce_tasks"`
	Calls       map[string]int `json:"salesforce_calls"`
	Unsynced    int            `json:"unsynced"`
	LeadMatched map[string]int `json:"salesforce_matches"`
	Owners      map[string]int `json:"salesforce_owners"` // records by the name of their owner
	Lead        string         `json:"salesforce_lead"`   // one with an answered InMail of a sender who is a User
}

// syncPatience is the longest time that the summary waits until Salesforce has everything.
const syncPatience = 45 * time.Second

// printSummary waits until everything is pushed to Salesforce and the figures are computed, and prints a
// summary that it reads from the running system.
func (a *app) printSummary(ctx context.Context, out io.Writer, asJSON bool) error {
	patience, cancel := context.WithTimeout(ctx, syncPatience)
	defer cancel()
	poll := time.NewTicker(200 * time.Millisecond)
	defer poll.Stop()
	// The sample was loaded before the CRM was connected, so its InMails have no links yet.
	if err := a.service.LinkCRM(ctx, salesforce.Name); err != nil {
		return err
	}
	for {
		status, err := a.service.CRMStatus(ctx, salesforce.Name)
		if err != nil {
			return err
		}
		snapshot, err := a.service.StoredSnapshot(ctx)
		if err != nil {
			return err
		}
		if status.Unsynced == 0 && snapshot != nil && snapshot.CRMs[salesforce.Name].Unsynced == 0 {
			break
		}
		select {
		case <-poll.C:
		case <-patience.Done():
			if ctx.Err() != nil {
				return nil // the program is ending
			}
			a.log.WarnContext(ctx, "Salesforce does not have everything yet", "unsynced", status.Unsynced)
			poll.Stop()
		}
		if patience.Err() != nil {
			break
		}
	}
	s, err := a.summarise(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		return (&options{json: true}).print(out, s, "")
	}
	return s.print(out)
}

func (a *app) summarise(ctx context.Context) (summary, error) {
	s := summary{API: a.url(), Data: filepath.Clean(a.settings.Record.Data), Refused: map[string]int{}, Calls: map[string]int{},
		LeadMatched: map[string]int{}, Owners: map[string]int{}}
	report, err := a.service.Analytics(ctx, mailroom.Viewer{Operator: true}, "week", time.Time{}, time.Time{})
	if err != nil {
		return s, err
	}
	opened, openOf, inTime, responseOf := 0, 0, 0, 0
	for _, row := range report.Rows {
		s.Delivered += row.Delivered
		s.Opened += row.Opened
		s.Replied += row.Replied
		s.Declined += row.Declined
		s.Expired += row.Expired
		s.Retracted += row.Retracted
		s.Pending += row.Pending
		if row.Complete {
			opened, openOf = opened+row.Opened, openOf+row.Delivered
		}
		if row.ResponseComplete {
			inTime, responseOf = inTime+row.InTime, responseOf+row.Delivered
		}
	}
	s.OpenRate, s.Response = percent(opened, openOf), percent(inTime, responseOf)
	page := mailroom.Page{Limit: mailroom.MaxPage}
	for {
		entries, err := a.service.Audit(ctx, mailroom.AuditFilter{}, page)
		if err != nil {
			return s, err
		}
		for _, e := range entries {
			if (e.Kind == mailroom.DecidedSend || e.Kind == mailroom.DecidedDelivery) && len(e.Refusals) > 0 {
				s.Refused[string(e.Refusals[0])] += e.Count
			}
		}
		if len(entries) < page.Limit {
			break
		}
		last := entries[len(entries)-1]
		page.After = mailroom.Cursor{At: last.At, ID: last.ID}
	}
	status, err := a.service.CRMStatus(ctx, salesforce.Name)
	if err != nil {
		return s, err
	}
	s.Unsynced = status.Unsynced
	return s, a.countSandbox(ctx, &s)
}

func percent(hits, n int) string {
	if n == 0 {
		return "not complete yet"
	}
	return fmt.Sprintf("%.1f %% (%d of %d, complete weeks)", 100*float64(hits)/float64(n), hits, n)
}

func (s summary) print(out io.Writer) error {
	t := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintf(t, "\ndelivered\t%d\n", s.Delivered)
	fmt.Fprintf(t, "opened\t%d\topen rate %s\n", s.Opened, s.OpenRate)
	fmt.Fprintf(t, "replied\t%d\tresponse rate %s\n", s.Replied, s.Response)
	fmt.Fprintf(t, "declined, expired, retracted, waiting\t%d, %d, %d, %d\n", s.Declined, s.Expired, s.Retracted, s.Pending)
	var refused []string
	total := 0
	for code, n := range s.Refused {
		refused = append(refused, fmt.Sprintf("%s %d", code, n))
		total += n
	}
	slices.Sort(refused)
	fmt.Fprintf(t, "refused\t%d\t%s\n", total, strings.Join(refused, ", "))
	if len(s.Calls) > 0 {
		calls := 0
		for _, n := range s.Calls {
			calls += n
		}
		fmt.Fprintf(t, "Salesforce sandbox\t%d\tInMail__c records and %d Tasks, in %d API calls; not there yet: %d\n",
			s.InSandbox, s.Tasks, calls, s.Unsynced)
		fmt.Fprintf(t, "owners there\t\t%s\n", countsText(s.Owners))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(t, "\nlook at\t%s/openapi.json\tall calls of the API\n", s.API)
	fmt.Fprintf(t, "\t%s/metrics/domain\tthe metrics for Prometheus\n", s.API)
	fmt.Fprintf(t, "\t%s/queues\tthe job queue (operator key as password)\n", s.API)
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprint(t, "\ntry, in another terminal in this folder\n")
	for _, c := range s.commands() {
		fmt.Fprintf(t, "  %s\t# %s\n", c[0], c[1])
	}
	fmt.Fprintln(t, "Ctrl-C ends it.")
	return t.Flush()
}

// commands are commands that show what is in the sample, each with what it shows. They can be pasted.
func (s summary) commands() [][2]string {
	all := [][2]string{{"report", "open and response rates by week"}, {"sent --member lena.hart", "what a sales lead has sent"},
		{"crm status", "how far Salesforce is"}}
	if s.Lead != "" {
		all = append(all, [2]string{"crm show --lead " + s.Lead, "a Lead as its page shows it"})
	}
	for i, c := range all {
		all[i][0] = asTyped() + " " + c[0]
		if s.Data != defaultData {
			all[i][0] += " --data " + quoted(s.Data)
		}
	}
	return all
}

// asTyped is how this program is called in the folder that it was started in.
func asTyped() string {
	found, err := exec.LookPath("inmail")
	itself, err2 := os.Executable()
	if err != nil || err2 != nil {
		return quoted(os.Args[0])
	}
	a, err := os.Stat(found)
	b, err2 := os.Stat(itself)
	if err == nil && err2 == nil && os.SameFile(a, b) {
		return "inmail"
	}
	return quoted(os.Args[0])
}

// quoted writes a word as a shell reads it.
func quoted(word string) string {
	if word != "" && strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=@+") == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// seedSandbox inserts the Leads, Contacts and Accounts of the sample into the sandbox, unless it has Leads
// already.
func (a *app) seedSandbox() error {
	if len(a.leads) == 0 || len(a.sandbox.Records("Lead")) > 0 {
		return nil
	}
	accounts := map[string]string{}
	for _, l := range a.leads {
		fields := sandbox.Fields{"FirstName": l.FirstName, "LastName": l.LastName, "Email": l.Email.Reveal()}
		if l.ByID {
			fields["InMail_Member_Id__c"] = string(l.Member)
		}
		object := "Lead"
		if l.Contact {
			object = "Contact"
			if accounts[l.Company] == "" {
				id, err := a.sandbox.Insert("Account", sandbox.Fields{"Name": l.Company})
				if err != nil {
					return fmt.Errorf("seed the sandbox: %w", err)
				}
				accounts[l.Company] = id
			}
			fields["AccountId"] = accounts[l.Company]
		} else {
			fields["Company"] = l.Company
		}
		if _, err := a.sandbox.Insert(object, fields); err != nil {
			return fmt.Errorf("seed the sandbox: %w", err)
		}
	}
	return nil
}

// countSandbox counts the records of the org, if it is this process's own sandbox.
func (a *app) countSandbox(_ context.Context, s *summary) error {
	if a.sandbox == nil {
		return nil
	}
	users := map[any]string{}
	for _, u := range a.sandbox.Records("User") {
		users[u["Id"]], _ = u["Name"].(string)
	}
	for _, r := range a.sandbox.Records("InMail__c") {
		s.InSandbox++
		s.Owners[users[r["OwnerId"]]]++
		if lead, _ := r["Lead__c"].(string); lead != "" && r["Sender_User__c"] != nil && r["Replied_At__c"] != nil {
			s.Lead = lead
		}
		match, _ := r["Match__c"].(string)
		s.LeadMatched[match]++
	}
	s.Tasks = len(a.sandbox.Records("Task"))
	for resource, n := range a.sandbox.Calls() {
		s.Calls[resource] = n
	}
	return nil
}
