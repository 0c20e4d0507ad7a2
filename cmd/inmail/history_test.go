package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"inmail/config"
	"inmail/connectors/salesforce"
	"inmail/connectors/salesforce/sandbox"
	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/domain/rates"
)

// past is one InMail as the test itself recorded it: the plain facts from which every view of the rates is
// counted again.
type past struct {
	Sender                              string
	AccountType, Category               string
	Tags, Advice                        []string
	Words                               int
	Sent, Opened, Replied, Back, Lapsed time.Time // T0; first opening and reply; retraction; expiry
	Declined                            time.Time
}

// written is a reply of a recipient.
type written struct {
	id        domain.ID
	at        time.Time
	automatic bool
}

// randomHistory plays random events of a small network on the whole program, without workers, and records
// what happened.
type randomHistory struct {
	t     *testing.T
	rt    *rapid.T
	a     *app
	ids   []domain.ID // of all accepted InMails, in order
	known map[domain.ID]*past
	to    map[domain.ID]domain.MemberID
	n     int // of bodies written
	wrote map[domain.ID][]*written
}

// historyPlans are the plans of the senders, in their order.
var historyPlans = []string{"recruiter_50", "sales_navigator_team_25", "recruiter_25", "premium_business_10"}

const (
	historyRecipients = 7
)

// historyEngines are the engines on which histories are played, each with its share of rapid's draws.
var historyEngines = []struct {
	name  string
	share int // one of so many draws is played
	place func(*testing.T, *config.Settings)
}{
	{"sqlite", sized(10, 5), func(*testing.T, *config.Settings) {}},
	{"postgres", sized(50, 33), func(t *testing.T, s *config.Settings) { s.Record.URL = database(t) }},
}

// TestRandomHistoriesInEveryView plays random histories of several weeks: sends of every kind, openings,
// replies in time and late, automatic ones and their corrections, declines, retractions, expiries, new tags,
// changed plans, reports and erasures. It then compares each view of the rates with a plain recount of what
// happened, and the recount with the record's receipts. The views are the service, the API, both forms of
// inmail report, /metrics/domain, and what Salesforce's reports add up (R56–R60, R62).
func TestRandomHistoriesInEveryView(t *testing.T) {
	for _, e := range historyEngines {
		t.Run(e.name, func(t *testing.T) {
			fewer(t, e.share)
			rapid.Check(t, func(rt *rapid.T) {
				h := newHistory(t, rt, e.place)
				defer h.stop()
				h.play()
			})
		})
	}
}

// fewer plays only one in share of rapid's draws, since each history starts a program of its own.
func fewer(t *testing.T, share int) {
	t.Helper()
	checks := flag.Lookup("rapid.checks").Value.(flag.Getter)
	all := checks.Get().(int)
	set := func(n int) {
		if err := flag.Set("rapid.checks", strconv.Itoa(n)); err != nil {
			t.Fatal(err)
		}
	}
	set(max(1, all/share))
	t.Cleanup(func() { set(all) })
}

func newHistory(t *testing.T, rt *rapid.T, place func(*testing.T, *config.Settings)) *randomHistory {
	s := patient(t, map[string]string{"data": t.TempDir(), "listen": "127.0.0.1:0"})
	s.Program.Roles, s.Program.OperatorKey = []config.Role{config.RoleAPI}, operatorKey
	s.Policy.VolumeHour, s.Policy.VolumeDay, s.Policy.SimilarDay, s.Policy.RegularGaps, s.Policy.BurstMinute = 1e6, 1e6, 1e6, 1e6, 1e6
	s.Policy.AllowSecondInMail, s.Policy.DeclinedDays = true, 1
	place(t, &s)
	a, err := build(t.Context(), s, slog.New(slog.DiscardHandler))
	if err != nil {
		rt.Fatal(err)
	}
	a.ownSandbox = true
	h := &randomHistory{t: t, rt: rt, a: a, known: map[domain.ID]*past{}, to: map[domain.ID]domain.MemberID{}, wrote: map[domain.ID][]*written{}}
	a.clock.Pin(monday.Add(time.Duration(rapid.IntRange(0, 7*24).Draw(rt, "begins after hours")) * time.Hour))
	if err := a.Start(t.Context()); err != nil {
		h.stop()
		rt.Fatal(err)
	}
	members := make([]domain.Member, 0, len(historyPlans)+historyRecipients)
	for i, plan := range historyPlans {
		m := domain.NewMember(historySender(i), fmt.Sprintf("Sender %d", i))
		m.Plan, m.AccountType = plan, domain.ShippedPlans()[plan].AccountType
		members = append(members, m)
	}
	for i := range historyRecipients {
		members = append(members, domain.NewMember(historyRecipient(i), fmt.Sprintf("Reader %d", i)))
	}
	errs, err := a.service.PutMembers(t.Context(), members)
	h.ok(errors.Join(append(errs, err)...))
	return h
}

func historySender(i int) domain.MemberID    { return domain.MemberID(fmt.Sprintf("s%d", i)) }
func historyRecipient(i int) domain.MemberID { return domain.MemberID(fmt.Sprintf("r%d", i)) }

func (h *randomHistory) stop() {
	if err := h.a.Stop(context.Background()); err != nil {
		h.t.Error(err)
	}
}

func (h *randomHistory) ok(err error) {
	if err != nil {
		h.rt.Fatal(err)
	}
}

func (h *randomHistory) ctx() context.Context { return h.t.Context() }
func (h *randomHistory) now() time.Time       { return h.a.clock.Now() }

// play takes random steps, and compares every view now and then, and at the end.
func (h *randomHistory) play() {
	steps := map[string]func(){
		"send": h.send, "move": h.move, "tag": h.tag, "plan": h.plan, "last": h.lastReply, "rest": h.rest, "erase": h.erase, "expire": h.expire, "snapshot": h.snapshot, "look": h.look,
	}
	for name, do := range h.acts() {
		steps[name] = func() {
			if id, p := h.any(); id != "" {
				do(id, p)
			}
		}
	}
	often := []string{"send", "send", "send", "send", "move", "move", "move", "open", "open", "open", "open", "open", "reply", "reply", "reply",
		"decline", "absent", "absent", "mark", "mark", "retract", "retract", "tag", "tag", "last", "last", "rest", "expire", "report", "plan", "erase", "snapshot", "look"}
	for range rapid.IntRange(30, 90).Draw(h.rt, "steps") {
		steps[rapid.SampledFrom(often).Draw(h.rt, "step")]()
	}
	h.look()
	h.snapshot()
	h.inSalesforce()
}

// Texts of both lengths on either side of R62's line, some with much to advise.
var historyBodies = []int{20, 98, 99, 150}

func (h *randomHistory) send() {
	for range rapid.IntRange(1, 4).Draw(h.rt, "sends") {
		s := mailroom.Send{
			From:     historySender(rapid.IntRange(0, len(historyPlans)-1).Draw(h.rt, "from")),
			To:       historyRecipient(rapid.IntRange(0, historyRecipients-1).Draw(h.rt, "to")),
			Subject:  rapid.SampledFrom([]string{"A question about your talk", "Hi", "NEWS"}).Draw(h.rt, "subject"),
			Tags:     h.someTags(),
			Category: rapid.SampledFrom([]string{"", "", "follow_up", "hiring"}).Draw(h.rt, "category"),
		}
		h.n++
		words := rapid.SampledFrom(historyBodies).Draw(h.rt, "words") + 1
		s.Body = fmt.Sprintf("number%d", h.n) + strings.Repeat(" queue", words-1)
		answers, err := h.a.service.Accept(h.ctx(), []mailroom.Send{s})
		h.ok(err)
		var refusal *domain.Refusal
		if errors.As(answers[0].Err, &refusal) {
			continue // out of credits, restricted by reports, or one of the two is erased
		}
		h.ok(answers[0].Err)
		p := &past{Sender: string(s.From), Category: cmp.Or(s.Category, "none"), Tags: s.Tags, Words: words}
		for _, hit := range answers[0].Advice {
			p.Advice = append(p.Advice, string(hit.Code))
		}
		slices.Sort(p.Advice)
		id := answers[0].ID
		h.ids, h.known[id], h.to[id] = append(h.ids, id), p, s.To
		if rapid.IntRange(0, 3).Draw(h.rt, "delivered at once") > 0 {
			h.deliver(id)
		}
	}
}

func (h *randomHistory) someTags() []string {
	tags := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"q4 pipeline", "hiring", "fair", "renewal"}), 0, 3, func(s string) string { return s }).Draw(h.rt, "tags")
	slices.Sort(tags)
	return tags
}

// deliver delivers ids twice, since a job may run twice.
func (h *randomHistory) deliver(ids ...domain.ID) {
	for range 2 {
		outcomes, err := h.a.service.Deliver(h.ctx(), ids)
		h.ok(err)
		for _, o := range outcomes {
			if o.Status != domain.Sent {
				continue
			}
			p := h.known[o.ID]
			sender, err := h.a.service.Member(h.ctx(), domain.MemberID(p.Sender))
			h.ok(err)
			p.Sent, p.AccountType = h.now(), string(sender.AccountType)
		}
	}
}

// move sets the clock forward, by a time or to a boundary of one InMail, to the millisecond. InMails that are
// still queued are delivered before or after.
func (h *randomHistory) move() {
	if rapid.Bool().Draw(h.rt, "deliver first") {
		h.deliver(h.ids...)
	}
	to := h.now().Add(rapid.SampledFrom([]time.Duration{time.Millisecond, time.Hour, 26 * time.Hour, 3 * 24 * time.Hour, 8 * 24 * time.Hour, 16 * 24 * time.Hour}).Draw(h.rt, "ahead"))
	if id, p := h.any(); id != "" && rapid.Bool().Draw(h.rt, "to a boundary") {
		week := mondayOf(p.Sent)
		at := rapid.SampledFrom([]time.Time{p.Sent.Add(domain.Window), week.AddDate(0, 0, 7), rates.OpenComplete(week), p.Sent.AddDate(0, 0, responseDays),
			rates.ResponseComplete(week, responseDays)}).Draw(h.rt, "boundary").Add(time.Duration(rapid.IntRange(-1, 1).Draw(h.rt, "ms")) * time.Millisecond)
		if at.After(h.now()) {
			h.a.clock.Pin(at)
			h.deliver(h.ids...)
			if what := rapid.SampledFrom([]string{"", "open", "reply", "retract", "decline", "mark"}).Draw(h.rt, "then"); what != "" {
				h.acts()[what](id, p)
			}
			h.look()
			return
		}
	}
	h.a.clock.Pin(to)
	h.deliver(h.ids...)
}

// responseDays is the number of days within which a reply counts (R58).
var responseDays = domain.DefaultPolicy().ResponseWindowDays

// lastReply lets a reader answer at the end of the days in which a reply counts, to the millisecond, or a day
// late (R58).
func (h *randomHistory) lastReply() {
	id, p := h.any()
	if id == "" {
		return
	}
	at := p.Sent.AddDate(0, 0, responseDays).Add(rapid.SampledFrom([]time.Duration{-time.Millisecond, 0, time.Millisecond, 24 * time.Hour}).Draw(h.rt, "off"))
	if !at.After(h.now()) {
		return
	}
	h.open(id, p)
	h.a.clock.Pin(at)
	h.deliver(h.ids...)
	h.reply(id, p)
}

// rest lets so many weeks pass that the history's weeks leave the metrics.
func (h *randomHistory) rest() {
	h.a.clock.Pin(h.now().AddDate(0, 0, rapid.IntRange(50, 90).Draw(h.rt, "days")))
	h.deliver(h.ids...)
}

// acts are the actions on one delivered InMail.
func (h *randomHistory) acts() map[string]func(domain.ID, *past) {
	return map[string]func(domain.ID, *past){"open": h.open, "reply": h.reply, "retract": h.retract, "report": h.report,
		"decline": h.decline, "absent": h.absent, "mark": h.mark}
}

// any draws one delivered InMail, mostly a young one; empty: there is none.
func (h *randomHistory) any() (domain.ID, *past) {
	var sent []domain.ID
	for _, id := range h.ids {
		if !h.known[id].Sent.IsZero() {
			sent = append(sent, id)
		}
	}
	if len(sent) == 0 {
		return "", nil
	}
	if young := 5; rapid.IntRange(0, 2).Draw(h.rt, "a young one") > 0 {
		sent = sent[max(0, len(sent)-young):]
	}
	id := rapid.SampledFrom(sent).Draw(h.rt, "InMail")
	return id, h.known[id]
}

// done reports whether the service did what was requested; a refusal is not a failure.
func (h *randomHistory) done(err error) bool {
	var refusal *domain.Refusal
	if errors.As(err, &refusal) {
		return false
	}
	h.ok(err)
	return true
}

func (h *randomHistory) open(id domain.ID, p *past) {
	_, err := h.a.service.Open(h.ctx(), mailroom.Viewer{Member: h.to[id]}, id)
	if h.done(err) && p.Opened.IsZero() {
		p.Opened = h.now()
	}
}

func (h *randomHistory) reply(id domain.ID, p *past) {
	reply, err := h.a.service.Reply(h.ctx(), mailroom.Viewer{Member: h.to[id]}, id, "Gladly.")
	if !h.done(err) {
		return
	}
	h.wrote[id] = append(h.wrote[id], &written{reply, h.now(), false})
	if p.Opened.IsZero() {
		p.Opened = h.now()
	}
	if p.Replied.IsZero() {
		p.Replied = h.now()
	}
}

func (h *randomHistory) decline(id domain.ID, p *past) {
	err := h.a.service.Decline(h.ctx(), mailroom.Viewer{Member: h.to[id]}, id, "No thanks")
	if !h.done(err) || !p.Declined.IsZero() {
		return
	}
	if p.Opened.IsZero() {
		p.Opened = h.now()
	}
	p.Declined = h.now()
}

// absent lets the recipient's program answer, which changes none of the facts (R64).
func (h *randomHistory) absent(id domain.ID, _ *past) {
	reply, err := h.a.service.Reply(h.ctx(), mailroom.Viewer{Member: h.to[id]}, id,
		"Automatic reply: I am out of the office until Monday and will answer on my return.")
	if h.done(err) {
		h.wrote[id] = append(h.wrote[id], &written{reply, h.now(), true})
	}
}

// mark corrects the only reply of one InMail: whether it is automatic.
func (h *randomHistory) mark(id domain.ID, p *past) {
	if len(h.wrote[id]) != 1 || !p.Back.IsZero() {
		return
	}
	reply := h.wrote[id][0]
	err := h.a.service.MarkAutomatic(h.ctx(), mailroom.Viewer{Operator: true}, id, reply.id, !reply.automatic)
	if !h.done(err) {
		return
	}
	if reply.automatic = !reply.automatic; reply.automatic {
		p.Replied = time.Time{}
		return
	}
	if p.Replied = reply.at; p.Opened.IsZero() {
		p.Opened = reply.at
	}
}

func (h *randomHistory) retract(id domain.ID, p *past) {
	v := mailroom.Viewer{Member: domain.MemberID(p.Sender)}
	token, _, _, err := h.a.service.AskRetraction(h.ctx(), v, id)
	if !h.done(err) {
		return
	}
	_, err = h.a.service.ConfirmRetraction(h.ctx(), v, id, token)
	if h.done(err) && p.Back.IsZero() {
		p.Back = h.now()
	}
}

// tag changes the tags of one InMail, delivered or still queued.
func (h *randomHistory) tag() {
	if len(h.ids) == 0 {
		return
	}
	id := rapid.SampledFrom(h.ids).Draw(h.rt, "tagged")
	tags := h.someTags()
	_, err := h.a.service.Tag(h.ctx(), mailroom.Viewer{Operator: true}, id, tags)
	h.ok(err)
	h.known[id].Tags = tags
}

func (h *randomHistory) report(id domain.ID, _ *past) {
	h.done(h.a.service.Report(h.ctx(), mailroom.Viewer{Member: h.to[id]}, id, "not asked for"))
}

// plan changes a sender's plan; InMails that were already sent keep their place in the counts (R59).
func (h *randomHistory) plan() {
	id := historySender(rapid.IntRange(0, len(historyPlans)-1).Draw(h.rt, "whose plan"))
	plan := rapid.SampledFrom([]string{"recruiter_50", "sales_navigator_team_25", "job_seeker_5"}).Draw(h.rt, "plan")
	_, err := h.a.service.ChangeMember(h.ctx(), id, func(m *domain.Member) error {
		m.Plan, m.AccountType = plan, domain.ShippedPlans()[plan].AccountType
		return nil
	})
	h.done(err)
}

// erase erases a sender or a reader; the figures do not change (R59, R60).
func (h *randomHistory) erase() {
	who := historyRecipient(rapid.IntRange(0, historyRecipients-1).Draw(h.rt, "erased reader"))
	if rapid.Bool().Draw(h.rt, "a sender") {
		who = historySender(rapid.IntRange(0, len(historyPlans)-1).Draw(h.rt, "erased sender"))
	}
	if !h.done(h.a.service.Erase(h.ctx(), mailroom.Viewer{Operator: true}, who)) {
		return
	}
	_, err := h.a.service.FinishErasures(h.ctx())
	h.ok(err)
	for _, p := range h.known {
		if p.Sender == string(who) {
			p.Sender = "erased"
		}
	}
}

// expire does what the sweep does, and records which InMails the clock has expired.
func (h *randomHistory) expire() {
	_, err := h.a.service.Expire(h.ctx(), 1000)
	h.ok(err)
	for _, p := range h.known {
		if end := p.Sent.Add(domain.Window); !p.Sent.IsZero() && p.Opened.IsZero() && p.Back.IsZero() && !h.now().Before(end) {
			p.Lapsed = end
		}
	}
}

// delivered returns the facts of all delivered InMails.
func (h *randomHistory) delivered() []*past {
	var all []*past
	for _, id := range h.ids {
		if p := h.known[id]; !p.Sent.IsZero() {
			all = append(all, p)
		}
	}
	return all
}

// look compares the service, the API and the command line with the recount, and the recount with the
// receipts.
func (h *randomHistory) look() {
	h.expire()
	h.receipts()
	for _, cut := range cutsOfHistory {
		report, err := h.a.service.Analytics(h.ctx(), mailroom.Viewer{Operator: true}, cut.by, time.Time{}, time.Time{})
		h.ok(err)
		want := recount(h.delivered(), cut.keys, h.now())
		h.same("the report by "+cut.by, want, report.Rows)
		if len(want) == 0 {
			continue
		}
		h.same("the API and inmail report --json by "+cut.by, want, h.reportJSON(cut.by))
		h.table(cut.by, want)
	}
	h.partOfTime()
}

// partOfTime draws from and to: whole weeks count, from the one that contains from to the one that contains
// to.
func (h *randomHistory) partOfTime() {
	all := h.delivered()
	if len(all) == 0 {
		return
	}
	day := func(name string) time.Time {
		return rapid.SampledFrom(all).Draw(h.rt, name).Sent.AddDate(0, 0, rapid.IntRange(-9, 9).Draw(h.rt, name+" days"))
	}
	from, to := day("from"), day("to")
	if to.Before(from) {
		from, to = to, from
	}
	within := slices.DeleteFunc(slices.Clone(all), func(p *past) bool {
		return p.Sent.Before(mondayOf(from)) || !p.Sent.Before(mondayOf(to).AddDate(0, 0, 7))
	})
	cut := rapid.SampledFrom(cutsOfHistory).Draw(h.rt, "cut")
	report, err := h.a.service.Analytics(h.ctx(), mailroom.Viewer{Operator: true}, cut.by, from, to)
	h.ok(err)
	h.same(fmt.Sprintf("the report by %s from %s to %s", cut.by, from, to), recount(within, cut.keys, h.now()), report.Rows)
}

// cutsOfHistory are the cuts of R59, each with the keys of an InMail.
var cutsOfHistory = []struct {
	by   string
	keys func(*past) []string
}{
	{"week", func(p *past) []string { return []string{weekOf(p.Sent)} }},
	{"tag", func(p *past) []string { return orNone(p.Tags) }},
	{"account_type", func(p *past) []string { return []string{p.AccountType} }},
	{"category", func(p *past) []string { return []string{p.Category} }},
	{"sender", func(p *past) []string { return []string{p.Sender} }},
	{"length", func(p *past) []string {
		if p.Words < 100 {
			return []string{"under_100"}
		}
		return []string{"100_and_more"}
	}},
	{"advice", func(p *past) []string { return orNone(p.Advice) }},
}

func orNone(keys []string) []string {
	if len(keys) == 0 {
		return []string{"none"}
	}
	return keys
}

func mondayOf(t time.Time) time.Time {
	day := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	for day.Weekday() != time.Monday {
		day = day.AddDate(0, 0, -1)
	}
	return day
}

// weekOf names an ISO week by its Thursday, whose year is the week's.
func weekOf(t time.Time) string {
	thursday := mondayOf(t).AddDate(0, 0, 3)
	return fmt.Sprintf("%d-W%02d", thursday.Year(), (thursday.YearDay()-1)/7+1)
}

// recount counts the rows of a cut from what happened, by R57 and R58 alone.
func recount(all []*past, keys func(*past) []string, now time.Time) []rates.Row {
	rows := map[string]*rates.Row{}
	hits := map[string]*struct{ open, response int }{}
	for _, p := range all {
		for _, key := range keys(p) {
			r, n := rows[key], hits[key]
			if r == nil {
				r, n = &rates.Row{Key: key, Complete: true, ResponseComplete: true}, &struct{ open, response int }{}
				rows[key], hits[key] = r, n
			}
			opened, inTime := !p.Opened.IsZero(), !p.Replied.IsZero() && p.Replied.Sub(p.Sent) <= 30*24*time.Hour
			r.Delivered++
			for n, counts := range map[*int]bool{&r.Opened: opened, &r.Replied: !p.Replied.IsZero(), &r.InTime: inTime, &r.Expired: !p.Lapsed.IsZero(),
				&r.Retracted: !p.Back.IsZero(), &r.Declined: !p.Declined.IsZero(), &r.Pending: !opened && p.Lapsed.IsZero() && p.Back.IsZero()} {
				if counts {
					*n++
				}
			}
			week := mondayOf(p.Sent)
			if now.Before(week.Add(domain.Window + 7*24*time.Hour)) {
				r.Complete = false
			} else if r.OpenOf++; opened {
				n.open++
			}
			if now.Before(week.AddDate(0, 0, responseDays+7)) {
				r.ResponseComplete = false
			} else if r.ResponseOf++; inTime {
				n.response++
			}
		}
	}
	var out []rates.Row
	for _, key := range slices.Sorted(maps.Keys(rows)) {
		r := rows[key]
		r.Open, r.Response = wilson(hits[key].open, r.OpenOf), wilson(hits[key].response, r.ResponseOf)
		out = append(out, *r)
	}
	return out
}

// wilson solves (p̂ − p)² = z² p(1 − p)/n for p: the two ends of the 95 % interval.
func wilson(hits, n int) *rates.Rate {
	if n == 0 {
		return nil
	}
	const z2 = 1.959963984540054 * 1.959963984540054
	share, size := float64(hits)/float64(n), float64(n)
	a, b, c := 1+z2/size, -(2*share + z2/size), share*share
	root := math.Sqrt(max(0, b*b-4*a*c))
	return &rates.Rate{Value: share, Low: (-b - root) / (2 * a), High: (-b + root) / (2 * a)}
}

func (h *randomHistory) same(view string, want, got any, also ...gocmp.Option) {
	h.rt.Helper()
	if diff := gocmp.Diff(want, got, append(also, cmpopts.EquateApprox(0, 1e-12), cmpopts.EquateEmpty())...); diff != "" {
		h.rt.Fatalf("%s at %s (-recounted +reported):\n%s", view, h.now().Format(time.RFC3339Nano), diff)
	}
}

// receipts reads the same facts from the record's receipts of each InMail (R54).
func (h *randomHistory) receipts() {
	for _, id := range h.ids {
		view, err := h.a.service.View(h.ctx(), mailroom.Viewer{Operator: true}, id)
		h.ok(err)
		m, p := view.InMail, past{}
		for i, r := range view.Receipts {
			if r.Seq != i+1 {
				h.rt.Fatalf("receipt %d has the number %d", i+1, r.Seq)
			}
			switch r.Status {
			case domain.Sent:
				p.Sent = r.At
			case domain.Opened:
				if p.Opened.IsZero() {
					p.Opened = r.At
				}
				p.Replied = time.Time{} // its reply was marked as automatic
			case domain.Declined:
				p.Declined = r.At
			case domain.Replied:
				p.Replied = r.At
			case domain.Retracted:
				p.Back = r.At
			case domain.Expired:
				p.Lapsed = r.At
			}
		}
		want := *h.known[id]
		p.Sender, p.Category, p.Tags, p.Words, p.Advice = string(m.Sender), cmp.Or(m.Category, "none"), m.Tags, m.Words, m.Advice
		if !p.Sent.IsZero() {
			p.AccountType = string(m.AccountType)
		}
		h.same("the receipts of "+string(id), want, p)
	}
}

// command executes inmail against the program of this history.
func (h *randomHistory) command(args ...string) result {
	h.t.Setenv("INMAIL_KEY", operatorKey)
	return must(h.t, exitDone, append(args, "--server", "http://"+h.a.apiAddress)...)
}

func (h *randomHistory) reportJSON(by string) []rates.Row {
	answer := read[struct {
		Rows []struct {
			rateRow
			Expired, Retracted, Declined, Pending int
		}
	}](h.t, h.command("report", "--json", "--by", by))
	rows := make([]rates.Row, len(answer.Rows))
	for i, r := range answer.Rows {
		rows[i] = rates.Row{Key: r.Key, Delivered: r.Delivered, Opened: r.Opened, Replied: r.Replied, InTime: r.InTime, Complete: r.Complete,
			ResponseComplete: r.ResponseComplete, OpenOf: r.OpenOf, ResponseOf: r.ResponseOf, Expired: r.Expired, Retracted: r.Retracted, Declined: r.Declined, Pending: r.Pending}
		if r.Open != nil {
			rows[i].Open = &rates.Rate{Value: *r.Open, Low: r.OpenLow, High: r.OpenHigh}
		}
		if r.Response != nil {
			rows[i].Response = &rates.Rate{Value: *r.Response, Low: r.ResponseLow, High: r.ResponseHigh}
		}
	}
	return rows
}

var (
	gapForm = regexp.MustCompile(` {2,}`)
	barForm = regexp.MustCompile(`^[█▏▎▍▌▋▊▉·]+$`)
)

// table compares the printed table with the recount: all cells of each row except the bars.
func (h *randomHistory) table(by string, want []rates.Row) {
	printed := map[string][]string{}
	for line := range strings.SplitSeq(h.command("report", "--by", by).out, "\n") {
		cells := gapForm.Split(line, -1)
		cells = slices.DeleteFunc(cells, func(c string) bool { return barForm.MatchString(c) })
		if _, known := printed[cells[0]]; !known { // below stand the differences of the same rows
			printed[cells[0]] = cells[1:]
		}
	}
	for _, r := range want {
		cells := []string{strconv.Itoa(r.Delivered)}
		for _, side := range []struct {
			rate     *rates.Rate
			of, hits int
			complete bool
		}{{r.Open, r.OpenOf, r.Opened, r.Complete}, {r.Response, r.ResponseOf, r.InTime, r.ResponseComplete}} {
			if side.rate == nil {
				cells = append(cells, fmt.Sprintf("so far %d of %d", side.hits, r.Delivered), "incomplete")
				continue
			}
			cell := fmt.Sprintf("%.1f %% of %d", 100*side.rate.Value, side.of)
			if !side.complete {
				cell += " +"
			}
			cells = append(cells, cell, fmt.Sprintf("%.0f–%.0f %%", 100*side.rate.Low, 100*side.rate.High))
		}
		h.same("inmail report by "+by+", row "+r.Key, append(cells, strconv.Itoa(r.Declined)), printed[r.Key])
	}
}

// snapshot computes the figures of the metrics at any moment, and compares /metrics/domain with the recount.
func (h *randomHistory) snapshot() {
	h.expire()
	h.ok(h.a.snapshot(h.ctx()))
	now := h.now()
	oldest, recent := mondayOf(now).AddDate(0, 0, -7*12), mondayOf(now).AddDate(0, 0, -7*3)
	want := map[string]float64{}
	pending := 0.0
	for _, p := range h.delivered() {
		outcome := p.outcome()
		if outcome == "pending_unopened" {
			pending++
		}
		if p.Sent.Before(oldest) {
			continue
		}
		week := weekOf(p.Sent)
		want[sample("inmail_cohort_messages", "cohort_week", week, "outcome", outcome)]++
		if !p.Replied.IsZero() && !p.Replied.After(p.Sent.AddDate(0, 0, responseDays)) {
			want[sample("inmail_cohort_replied_in_time_messages", "cohort_week", week)]++
		}
		want[sample("inmail_cohort_open_complete_timestamp_seconds", "cohort_week", week)] = float64(rates.OpenComplete(mondayOf(p.Sent)).Unix())
		want[sample("inmail_cohort_reply_complete_timestamp_seconds", "cohort_week", week)] = float64(rates.ResponseComplete(mondayOf(p.Sent), responseDays).Unix())
		if !p.Sent.Before(recent) {
			want[sample("inmail_recent_messages", "account_type", p.AccountType, "outcome", outcome)]++
		}
		for _, tag := range p.Tags {
			want[sample("inmail_tag_messages", "outcome", outcome, "tag", tag)]++
		}
	}
	want["inmail_pending_unopened"], want["inmail_tags_folded"] = pending, 0
	got := h.metrics()
	for _, found := range []map[string]float64{want, got} {
		maps.DeleteFunc(found, func(_ string, n float64) bool { return n == 0 })
	}
	h.same("/metrics/domain", want, got)
}

// outcome is how the metrics count an InMail.
func (p *past) outcome() string {
	switch {
	case !p.Back.IsZero() && !p.Replied.IsZero():
		return "retracted_replied"
	case !p.Back.IsZero() && !p.Declined.IsZero():
		return "retracted_declined"
	case !p.Back.IsZero() && !p.Opened.IsZero():
		return "retracted_opened"
	case !p.Back.IsZero():
		return "retracted_unopened"
	case !p.Replied.IsZero():
		return "replied"
	case !p.Declined.IsZero():
		return "declined"
	case !p.Opened.IsZero():
		return "opened"
	case !p.Lapsed.IsZero():
		return "expired_unopened"
	}
	return "pending_unopened"
}

// sample writes a series in the exposition format, with labels in the order of their names.
func sample(name string, labels ...string) string {
	var pairs []string
	for i := 0; i < len(labels); i += 2 {
		pairs = append(pairs, fmt.Sprintf("%s=%q", labels[i], labels[i+1]))
	}
	return name + "{" + strings.Join(pairs, ",") + "}"
}

// metrics scrapes from /metrics/domain the figures of the rates.
func (h *randomHistory) metrics() map[string]float64 {
	resp, err := client.Get("http://" + h.a.apiAddress + "/metrics/domain")
	h.ok(err)
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		h.rt.Fatalf("/metrics/domain answers %d", resp.StatusCode)
	}
	text, err := io.ReadAll(resp.Body)
	h.ok(err)
	reported := map[string]float64{}
	for line := range strings.SplitSeq(string(text), "\n") {
		series, value, found := cutLast(line, " ")
		for _, name := range []string{"inmail_cohort_", "inmail_recent_", "inmail_tag", "inmail_pending_"} {
			if found && strings.HasPrefix(series, name) {
				reported[series], err = strconv.ParseFloat(value, 64)
				h.ok(err)
			}
		}
	}
	return reported
}

// inSalesforce pushes everything to the org and adds up its records as the package's reports do, by the
// formula fields.
func (h *randomHistory) inSalesforce() {
	h.expire()
	h.ok(h.a.jobs.Handlers()[mailroom.TaskCRMPush](h.ctx(), []string{string(salesforce.Name)}))
	status, err := h.a.service.CRMStatus(h.ctx(), salesforce.Name)
	h.ok(err)
	if status.Unsynced != 0 {
		h.rt.Fatalf("%d are not in Salesforce", status.Unsynced)
	}
	records := slices.DeleteFunc(h.a.sandbox.Records("InMail__c"), func(r sandbox.Fields) bool { return r["Delivered__c"] != 1.0 })
	for _, cut := range []struct {
		by   string
		keys func(sandbox.Fields) []string
	}{
		{"week", func(r sandbox.Fields) []string { return []string{r["Open_Rate_Cohort__c"].(string)} }},
		{"tag", func(r sandbox.Fields) []string {
			tags, _ := r["Tags__c"].(string)
			return orNone(slices.DeleteFunc(strings.Split(tags, ";"), func(t string) bool { return t == "" }))
		}},
		{"category", func(r sandbox.Fields) []string {
			category, _ := r["Category__c"].(string)
			return []string{cmp.Or(category, "none")}
		}},
		{"sender", func(r sandbox.Fields) []string { return []string{idIn(r["Sender__c"].(string))} }},
	} {
		rows := map[string]*rates.Row{}
		hits := map[string]*[2]float64{}
		for _, r := range records {
			for _, key := range cut.keys(r) {
				row, n := rows[key], hits[key]
				if row == nil {
					row, n = &rates.Row{Key: key, Complete: true, ResponseComplete: true}, new([2]float64)
					rows[key], hits[key] = row, n
				}
				row.Delivered++
				row.Opened += int(r["Opened__c"].(float64))
				row.InTime += int(r["Replied_In_Time__c"].(float64))
				if r["Declined_At__c"] != nil {
					row.Declined++
				}
				if open := r["Open_Rate_State__c"] == "Complete"; !open {
					row.Complete = false
				} else {
					row.OpenOf++
					n[0] += r["Opened__c"].(float64)
				}
				if response := r["Response_Rate_State__c"] == "Complete"; !response {
					row.ResponseComplete = false
				} else {
					row.ResponseOf++
					n[1] += r["Replied_In_Time__c"].(float64)
				}
			}
		}
		var got []rates.Row
		for _, key := range slices.Sorted(maps.Keys(rows)) {
			row := rows[key]
			row.Open, row.Response = wilson(int(hits[key][0]), row.OpenOf), wilson(int(hits[key][1]), row.ResponseOf)
			got = append(got, *row)
		}
		for _, here := range cutsOfHistory {
			// The package's reports have only these figures of a row.
			if here.by == cut.by {
				h.same("Salesforce by "+cut.by, recount(h.delivered(), here.keys, h.now()), got, cmpopts.IgnoreFields(rates.Row{}, "Replied", "Expired", "Retracted", "Pending"))
			}
		}
	}
}

// idIn returns the id in the name of a sender in the org's reports, such as "Sender 1 (s1)".
func idIn(sender string) string {
	if _, id, found := cutLast(sender, "("); found {
		return strings.TrimSuffix(id, ")")
	}
	return sender
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
