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
// retractions, reports and the clock in any order. After each step nothing is overspent, receipts have no
// gap, the figures add up to what was delivered, and what each side sees is what the model says (R10, R29,
// R31–R40, R54, R59).
func TestRandomLife(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		policy := calm()
		policy.CreditBackOnReplyDays = rapid.SampledFrom([]int{0, 2}).Draw(rt, "credit back")
		config := sqliteConfig(t)
		w := newWorld(t, config, policy)
		defer w.record.Close()
		l := &life{w: w, t: rt, used: map[domain.MemberID]map[time.Time]int{}, status: map[domain.ID]domain.Status{}}
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
	w      *world
	t      *rapid.T
	ids    []domain.ID
	status map[domain.ID]domain.Status
	used   map[domain.MemberID]map[time.Time]int
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
	case "reply":
		_, err = l.w.svc.Reply(l.w.ctx, as(m.Recipient), id, "Gladly.")
		live = live || m.Status == domain.Retracted && !m.RepliedAt.IsZero()
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

// check compares all views with each other.
func (l *life) check(rt *rapid.T) {
	delivered := 0
	for sender, periods := range l.used {
		for start, n := range periods {
			if n > 5+lifeRecipients { // 5, and one returned for each reply at most
				rt.Fatalf("%s used %d in the period of %s", sender, n, start)
			}
			delivered += n
		}
		_, c, err := l.w.svc.Credits(l.w.ctx, sender)
		l.w.ok(err)
		if c.Used > c.Allowance || c.Remaining < 0 {
			rt.Fatalf("%s used %d of %d, %d remain", sender, c.Used, c.Allowance, c.Remaining)
		}
	}
	sum := 0
	for key, n := range l.w.outcomes(domain.ByAll) {
		if key != string(domain.RepliedInTime) {
			sum += n
		}
	}
	if sum != delivered {
		rt.Fatalf("the figures add up to %d, delivered were %d", sum, delivered)
	}
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
}
