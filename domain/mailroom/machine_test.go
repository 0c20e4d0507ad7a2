package mailroom_test

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// TestRandomLife plays a small network at random over a real record: sends, deliveries, openings, replies,
// retractions, declines, automatic replies and their corrections, reports and the clock in any order. After
// each step nothing is overspent, receipts have no gap, the figures add up to what was delivered, and what
// each side sees is what the model says (R10, R29, R31–R40, R54, R59, R68).
func TestRandomLife(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		policy := calm()
		policy.CreditBackOnReplyDays = rapid.SampledFrom([]int{0, 2}).Draw(rt, "credit back")
		policy.CreditBackOnDecline = rapid.Bool().Draw(rt, "credit back on a decline")
		policy.DeclinedDays = rapid.SampledFrom([]int{0, 10}).Draw(rt, "declined days")
		policy.RecipientWeek = rapid.SampledFrom([]int{0, 2}).Draw(rt, "recipient week")
		config := sqliteConfig(t)
		w := newWorld(t, config, policy)
		defer w.record.Close()
		l := &life{w: w, t: rt, used: map[domain.MemberID]map[time.Time]int{}, status: map[domain.ID]domain.Status{},
			replies: map[domain.ID][]*lifeReply{}}
		for _, s := range lifeSenders {
			w.member(s, "job_seeker_5")
			l.used[s] = map[time.Time]int{}
		}
		w.members(lifeRecipients)
		rt.Repeat(map[string]func(*rapid.T){
			"":        l.check,
			"send":    l.send,
			"deliver": l.deliver,
			"open":    func(rt *rapid.T) { l.act(rt, "open") },
			"reply":   func(rt *rapid.T) { l.act(rt, "reply") },
			"decline": func(rt *rapid.T) { l.act(rt, "decline") },
			"absent":  func(rt *rapid.T) { l.act(rt, "absent") },
			"mark":    l.mark,
			"retract": func(rt *rapid.T) { l.act(rt, "retract") },
			"report":  func(rt *rapid.T) { l.act(rt, "report") },
			"expire":  func(*rapid.T) { _, err := w.svc.Expire(w.ctx, 100); w.ok(err) },
			"advance": func(rt *rapid.T) {
				w.clock.advance(time.Duration(rapid.SampledFrom([]int{1, 40, domain.WindowHours - 1, domain.WindowHours, 400}).Draw(rt, "hours")) * time.Hour)
			},
		})
	})
}

var lifeSenders = []domain.MemberID{"ann", "bea"}

const lifeRecipients = 4

// life is the model: what was delivered, and the state of each InMail as the rules have it.
type life struct {
	w       *world
	t       *rapid.T
	ids     []domain.ID
	status  map[domain.ID]domain.Status
	used    map[domain.MemberID]map[time.Time]int
	replies map[domain.ID][]*lifeReply
	marked  int // how often a reply was marked as automatic, which may take a credit back
}

// lifeReply is one reply of a recipient.
type lifeReply struct {
	id        domain.ID
	at        time.Time
	automatic bool
}

func (l *life) send(rt *rapid.T) {
	from := rapid.SampledFrom(lifeSenders).Draw(rt, "from")
	to := recipient(rapid.IntRange(0, lifeRecipients-1).Draw(rt, "to"))
	id, err := l.w.accept(text(from, to))
	var refusal *domain.Refusal
	if errors.As(err, &refusal) {
		return // restricted, without credits, or awaiting a reply: TestRules proves each
	}
	l.w.ok(err)
	l.ids = append(l.ids, id)
	l.status[id] = domain.Queued
}

func (l *life) deliver(*rapid.T) {
	for range 2 { // twice: a job may run twice
		for _, id := range l.ids {
			outcomes, err := l.w.svc.Deliver(l.w.ctx, []domain.ID{id})
			l.w.ok(err)
			if o := outcomes[0]; o.Status != "" {
				if l.status[id] != domain.Queued {
					rt := l.t
					rt.Fatalf("%s was decided again: %s", l.status[id], o.Status)
				}
				l.status[id] = o.Status
				if o.Status == domain.Sent {
					m := l.w.inmail(id)
					l.used[m.Sender][domain.PeriodStart(m.SentAt, 1)]++
				}
			}
		}
	}
}

// act does one thing to one InMail as the right side, and compares the answer with the model.
func (l *life) act(rt *rapid.T, what string) {
	if len(l.ids) == 0 {
		return
	}
	id := rapid.SampledFrom(l.ids).Draw(rt, "id")
	m := l.w.inmail(id)
	live := m.Live(l.w.clock.Now())
	var err error
	switch what {
	case "open":
		_, err = l.w.svc.Open(l.w.ctx, as(m.Recipient), id)
	case "reply", "absent":
		body := map[string]string{"reply": "Gladly.", "absent": absence}[what]
		var reply domain.ID
		reply, err = l.w.svc.Reply(l.w.ctx, as(m.Recipient), id, body)
		live = live && m.Status != domain.Declined || m.Status == domain.Retracted && !m.RepliedAt.IsZero()
		if err == nil {
			l.replies[id] = append(l.replies[id], &lifeReply{reply, l.w.clock.Now(), what == "absent"})
		}
	case "decline":
		err = l.w.svc.Decline(l.w.ctx, as(m.Recipient), id, "")
		live = live && m.Status != domain.Replied
	case "report":
		err = l.w.svc.Report(l.w.ctx, as(m.Recipient), id, "no")
		if errors.Is(err, domain.Conflict) {
			return
		}
		live = !m.SentAt.IsZero()
	case "retract":
		_, err = l.w.retract(id, m.Sender)
		live = m.Status == domain.Retracted || live && l.w.clock.Now().Before(m.ExpiresAt)
	}
	if live != (err == nil) {
		rt.Fatalf("%s of one that is %s at %s (sent %s): %v", what, m.Status, l.w.clock.Now(), m.SentAt, err)
	}
}

// mark says of one reply that it is automatic, or that it is not.
func (l *life) mark(rt *rapid.T) {
	var answered []domain.ID
	for _, id := range l.ids {
		if len(l.replies[id]) > 0 {
			answered = append(answered, id)
		}
	}
	if len(answered) == 0 {
		return
	}
	id := rapid.SampledFrom(answered).Draw(rt, "answered")
	reply := rapid.SampledFrom(l.replies[id]).Draw(rt, "reply")
	m := l.w.inmail(id)
	by := rapid.SampledFrom([]mailroom.Viewer{as(m.Sender), operator}).Draw(rt, "by")
	may := reply.automatic == false || !m.RepliedAt.IsZero() || m.Live(l.w.clock.Now()) && m.Status != domain.Declined
	err := l.w.svc.MarkAutomatic(l.w.ctx, by, id, reply.id, !reply.automatic)
	if may != (err == nil) {
		rt.Fatalf("marking a reply of one that is %s at %s (sent %s): %v", m.Status, l.w.clock.Now(), m.SentAt, err)
	}
	if err == nil {
		if reply.automatic = !reply.automatic; reply.automatic {
			l.marked++
		}
	}
}

// back returns how many of the credits that a period paid came back to it (R11, R63, R64).
func (l *life) back(sender domain.MemberID, start time.Time) (n int) {
	for _, id := range l.ids {
		m := l.w.inmail(id)
		if m.Sender == sender && !m.CreditedAt.IsZero() && domain.PeriodStart(m.SentAt, 1).Equal(start) &&
			domain.PeriodStart(m.CreditedAt, 1).Equal(start) {
			n++
		}
	}
	return n
}

// check compares all views with each other.
func (l *life) check(rt *rapid.T) {
	delivered := 0
	for sender, periods := range l.used {
		for _, n := range periods {
			delivered += n
		}
		_, c, err := l.w.svc.Credits(l.w.ctx, sender)
		l.w.ok(err)
		if c.Used > c.Allowance+l.marked || c.Remaining < 0 {
			rt.Fatalf("%s used %d of %d, %d remain", sender, c.Used, c.Allowance, c.Remaining)
		}
		if want := periods[c.PeriodStart] - l.back(sender, c.PeriodStart); c.Used != want {
			rt.Fatalf("%s used %d in the period of %s, want %d", sender, c.Used, c.PeriodStart, want)
		}
	}
	sum := 0
	figures := l.w.outcomes(domain.ByAll)
	for key, n := range figures {
		if key != string(domain.RepliedInTime) {
			sum += n
		}
	}
	if sum != delivered {
		rt.Fatalf("the figures add up to %d, delivered were %d", sum, delivered)
	}
	inTime, replied, declined := 0, 0, 0
	inboxes := map[domain.ID]int{}
	for i := range lifeRecipients {
		items, unread := l.w.inbox(recipient(i))
		n := 0
		for _, item := range items {
			inboxes[item.ID]++
			if item.Unread {
				n++
			}
		}
		if n != unread {
			rt.Fatalf("%d unread are listed, %d are counted", n, unread)
		}
	}
	for _, id := range l.ids {
		m := l.w.inmail(id)
		var first time.Time
		counted, automatic := 0, 0
		for _, reply := range l.replies[id] {
			if reply.automatic {
				automatic++
				continue
			}
			if counted++; first.IsZero() {
				first = reply.at
			}
		}
		if !m.RepliedAt.Equal(first) || m.Replies != counted || m.Automatic != automatic {
			rt.Fatalf("%s, replied at %s, %d replies and %d automatic; the model has %s, %d and %d", m.Status, m.RepliedAt, m.Replies,
				m.Automatic, first, counted, automatic)
		}
		if !first.IsZero() && !m.DeclinedAt.IsZero() || m.OpenedAt.IsZero() && !(first.IsZero() && m.DeclinedAt.IsZero()) {
			rt.Fatalf("%s, opened at %s, replied at %s, declined at %s", m.Status, m.OpenedAt, first, m.DeclinedAt)
		}
		answered := !first.IsZero() && domain.ReturnsCredit(m.SentAt, first, l.w.policy.CreditBackOnReplyDays)
		if back := answered || !m.DeclinedAt.IsZero() && l.w.policy.CreditBackOnDecline; back == m.CreditedAt.IsZero() {
			rt.Fatalf("%s, replied at %s, declined at %s: its credit came back at %s", m.Status, first, m.DeclinedAt, m.CreditedAt)
		}
		if m.InTime(30 * 24 * time.Hour) {
			inTime++
		}
		if m.Outcome().Replied() {
			replied++
		}
		if m.Outcome().Declined() {
			declined++
		}
		want := 0
		if m.Live(l.w.clock.Now()) {
			want = 1
		}
		if inboxes[id] != want {
			rt.Fatalf("%s stands %d times in the inbox, want %d", m.Status, inboxes[id], want)
		}
		for _, v := range []mailroom.Viewer{as(m.Sender), operator} {
			if path := l.w.path(v, id); path == "" {
				rt.Fatal("no receipts")
			}
		}
	}
	if err := l.w.feedIsReceipts(l.ids); err != nil {
		rt.Fatal(err)
	}
	if figures[string(domain.RepliedInTime)] != inTime ||
		figures["replied"]+figures["retracted_replied"] != replied || figures["declined"]+figures["retracted_declined"] != declined {
		rt.Fatalf("%d were answered, %d of them in time, %d declined; the figures are %v", replied, inTime, declined, figures)
	}
}
