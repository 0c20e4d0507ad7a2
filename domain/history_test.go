package domain

import (
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// model is the simplest possible InMail: a few facts, without a state machine.
type model struct {
	delivered, ended, opened, replied, retracted, expired bool
	sentAt                                                time.Time
}

// legal returns what an event does by the text of the rules: it changes the InMail, repeats safely, or is
// refused.
func (m *model) legal(e Event, now time.Time) (changes, refused bool) {
	overdue := m.delivered && !m.opened && !m.retracted && !now.Before(m.sentAt.Add(Window))
	gone := !m.delivered || m.retracted || m.expired || overdue
	switch e {
	case EventDeliver, EventRefuse, EventFail:
		refused = m.delivered || m.ended
		return !refused, refused
	case EventOpen:
		return !gone && !m.opened, gone
	case EventReply:
		if m.retracted && m.replied {
			return false, false
		}
		return !gone && !m.replied, gone
	case EventExpire:
		refused = !overdue || m.expired
		return !refused, refused
	}
	// Retract
	if m.retracted {
		return false, false
	}
	refused = !m.delivered || m.expired || !now.Before(m.sentAt.Add(Window))
	return !refused, refused
}

func (m *model) apply(e Event, now time.Time) {
	switch e {
	case EventDeliver:
		m.delivered, m.sentAt = true, now
	case EventRefuse, EventFail:
		m.ended = true
	case EventOpen:
		m.opened = true
	case EventReply:
		m.opened, m.replied = true, true
	case EventExpire:
		m.expired = true
	case EventRetract:
		m.retracted = true
	}
}

// TestRandomHistories draws events in any order and at any time, and compares the state machine with the
// model: legal states, receipts without gaps, figures that add up (R54, R59, R38).
func TestRandomHistories(t *testing.T) {
	events := []Event{EventDeliver, EventRefuse, EventFail, EventOpen, EventReply, EventExpire, EventRetract}
	rapid.Check(t, func(t *rapid.T) {
		now := t0
		m, first := New(InMail{ID: "m", Sender: "ann", Recipient: "bob"}, now)
		var simple model
		receipts := []Receipt{first}
		sums := map[Outcome]int{}
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			hours := rapid.SampledFrom([]int{0, 1, 24, WindowHours - 1, WindowHours, WindowHours + 1}).Draw(t, "hours")
			now = now.Add(time.Duration(hours)*time.Hour - time.Duration(rapid.IntRange(0, min(hours, 1)).Draw(t, "ms"))*time.Millisecond)
			e := rapid.SampledFrom(events).Draw(t, "event")
			before := *m
			changes, refused := simple.legal(e, now)
			got, err := m.Apply(e, now, TooOld)
			var refusal *Refusal
			if refused != errors.As(err, &refusal) {
				t.Fatalf("%s in %s: refused by %v, the model says refused %v", e, before.Status, err, refused)
			}
			if changes != (len(got) > 0) {
				t.Fatalf("%s in %s: receipts %v, the model says changes %v", e, before.Status, got, changes)
			}
			if !changes {
				if m.Status != before.Status || m.Seq != before.Seq || m.Version != before.Version {
					t.Fatalf("%s changed %s to %s", e, before.Status, m.Status)
				}
				continue
			}
			simple.apply(e, now)
			receipts = append(receipts, got...)
			for _, c := range CountsFor(m, before.Outcome(), m.Outcome()) {
				if c.Dimension == ByAll {
					sums[c.Outcome] += c.N
				}
			}
		}
		for i, r := range receipts {
			if r.Seq != i+1 {
				t.Fatalf("receipt %d has the number %d", i+1, r.Seq)
			}
		}
		if last := receipts[len(receipts)-1]; last.Status != m.Status || last.Seq != m.Seq {
			t.Fatalf("the last receipt says %s, the InMail %s", last.Status, m.Status)
		}
		total := 0
		for o, n := range sums {
			if n < 0 || n > 1 || (n == 1) != (o == m.Outcome()) {
				t.Fatalf("counted %d times as %s, and it is %s", n, o, m.Outcome())
			}
			total += n
		}
		if delivered := !m.SentAt.IsZero(); (total == 1) != delivered {
			t.Fatalf("delivered %v, counted %d times", delivered, total)
		}
	})
}

// TestCreditsNeverOverspend delivers at random times while credits remain, under any plan and rollover. The
// remaining credits are never negative, and never more than the periods could give (R07–R10).
func TestCreditsNeverOverspend(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		anchor, n := rapid.IntRange(1, 31).Draw(t, "anchor"), rapid.IntRange(0, 3).Draw(t, "rollover")
		allowance := rapid.SampledFrom([]int{0, 5, 10, 25}).Draw(t, "allowance")
		a := Account{CreatedAt: t0, AnchorDay: anchor, Allowance: allowance}
		now := t0
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 40*24).Draw(t, "hours")) * time.Hour)
			for range rapid.IntRange(0, 6).Draw(t, "sends") {
				c := CreditsAt(now, a, n)
				if c.Remaining < 0 || c.Remaining > allowance*(n+1) {
					t.Fatalf("%d remain of %d a period, %d carried", c.Remaining, allowance, c.Carried)
				}
				if c.Remaining == 0 {
					continue
				}
				if len(a.Usage) > 0 && a.Usage[len(a.Usage)-1].PeriodStart.Equal(c.PeriodStart) {
					a.Usage[len(a.Usage)-1].Used++
				} else {
					a.Usage = append(a.Usage, Usage{PeriodStart: c.PeriodStart, Used: 1})
				}
				if after := CreditsAt(now, a, n).Remaining; after != c.Remaining-1 {
					t.Fatalf("a delivery took %d credits", c.Remaining-after)
				}
			}
		}
	})
}

// impliedReceipts draws events in any order, with replies that are said to be automatic and not, stores what
// the InMail does not imply at that time, and compares what can be read with all that happened (R54, R64).
func impliedReceipts(t *rapid.T) {
	events := []Event{EventDeliver, EventDeliver, EventRefuse, EventFail, EventOpen, EventReply, EventDecline, EventExpire, EventRetract}
	now := t0
	m, first := New(InMail{ID: "m", Sender: "ann", Recipient: "bob"}, now)
	all, stored := []Receipt{first}, []Receipt{}
	if !m.Implies(first) {
		t.Fatal("a new InMail does not imply its receipt")
	}
	for range rapid.IntRange(1, 25).Draw(t, "steps") {
		now = now.Add(time.Duration(rapid.SampledFrom([]int{0, 1, 24, WindowHours}).Draw(t, "hours")) * time.Hour)
		var got []Receipt
		switch rapid.IntRange(0, 4).Draw(t, "what") {
		case 0: // the first reply is said to be automatic, or a later one
			got, _ = m.Correct(time.Time{}, now)
		case 1: // another reply is said to be none
			got, _ = m.Correct(m.SentAt.Add(time.Duration(rapid.IntRange(0, 5).Draw(t, "minutes"))*time.Minute), now)
		default:
			got, _ = m.Apply(rapid.SampledFrom(events).Draw(t, "event"), now, TooOld)
		}
		all = append(all, got...)
		for _, r := range got {
			if !m.Implies(r) {
				stored = append(stored, r)
			}
		}
		if read := m.Receipts(stored); !slices.Equal(read, all) {
			t.Fatalf("read %+v\nwant %+v\nstored %+v", read, all, stored)
		}
	}
	for _, r := range stored {
		if r.Status != Replied && r.Status != Opened {
			t.Fatalf("a receipt %s is stored", r.Status)
		}
	}
}
