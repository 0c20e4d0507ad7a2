package mailroom_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"inmail/connectors/record"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// clockFields are the cases from the field in which clocks differ, or are set back.
func clockFields(t *testing.T) {
	for _, apart := range []time.Duration{0, time.Second, 5 * time.Second, time.Hour} {
		with(t, "F30_one_restriction_by_two_processes_"+apart.String()+"_apart", inShortTime, func(w *world) {
			one, other := w.process(-apart/2), w.process(apart/2)
			w.members(sendsAtOnce)
			for round := range 12 {
				one.burst(other, domain.MemberID(fmt.Sprintf("sender%d", round)))
			}
		})
		// The same where each process decides by its own clock: order is what the lock decided even then.
		if apart < time.Minute {
			with(t, "F30_one_restriction_by_two_clocks_"+apart.String()+"_apart", inShortTime, func(w *world) {
				other := w.beside(apart)
				w.members(sendsAtOnce)
				w.burst(other, "sender")
			})
		}
	}
	on(t, "F43_a_stamp_in_the_future_is_no_reason_to_wait", func(w *world) {
		w.member("a", "recruiter_50")
		w.members(3)
		before := w.queued("a", recipient(0))
		w.clock.advance(time.Hour)
		future := w.queued("a", recipient(1))
		w.clock.advance(3*time.Second - time.Hour) // the machine was started anew, and its clock stands an hour behind
		now := w.queued("a", recipient(2))
		w.queue.take() // what was asked for is lost
		n, err := w.svc.Redrive(w.ctx, time.Second, 100)
		w.ok(err)
		w.work()
		if n != 2 {
			w.t.Errorf("asked for %d, want 2", n)
		}
		for id, want := range map[domain.ID]domain.Status{before: domain.Sent, future: domain.Sent, now: domain.Queued} {
			if m := w.inmail(id); m.Status != want {
				w.t.Errorf("accepted at %s: %s, want %s", m.AcceptedAt, m.Status, want)
			}
		}
	})
}

// inShortTime leaves the limit that a burst passes as it is shipped.
func inShortTime(p *domain.Policy) { p.BurstMinute = domain.DefaultPolicy().BurstMinute }

// sendsAtOnce is how many a member sends in a burst; inTime of them are within the limit of a minute.
const (
	sendsAtOnce = 14
	inTime      = 10
)

// beside is a second process over the same record, which decides by its own clock, so far ahead.
func (w *world) beside(ahead time.Duration) *world {
	clock := &testClock{}
	clock.set(w.clock.Now().Add(ahead))
	return w.over(clock)
}

// process is a process over the same record, on a machine whose clock is so far ahead.
func (w *world) process(ahead time.Duration) *world { return w.over(machineClock(ahead)) }

// over is a process with this clock. SQLite has one process: there it is another service over the same open
// record.
func (w *world) over(clock mailroom.Clock) *world {
	w.t.Helper()
	other := *w
	if w.config.Postgres() {
		var err error
		if other.record, err = record.Open(w.ctx, w.config, clock); err != nil {
			w.t.Fatal(err)
		}
		w.t.Cleanup(other.record.Close)
	}
	other.serve()
	return &other
}

// machineClock is the clock of a machine that is set so far ahead of this one's.
type machineClock time.Duration

func (c machineClock) Now() time.Time               { return time.Now().Add(time.Duration(c)) }
func (c machineClock) Ahead() (time.Duration, bool) { return 0, true }

// burst sends from a new member, half of it over each of two processes, and delivers each by the process that
// did not accept it. What was within the limit is sent, and what was not restricts the member once, for the
// first time.
func (w *world) burst(other *world, from domain.MemberID) {
	w.t.Helper()
	w.member(from, "recruiter_50")
	var (
		mu       sync.Mutex
		accepted []domain.ID
		refused  int
		done     sync.WaitGroup
	)
	gun := make(chan struct{})
	for i := range sendsAtOnce {
		accepts, delivers := w, other
		if i%2 == 1 {
			accepts, delivers = other, w
		}
		done.Go(func() {
			<-gun
			answers, err := accepts.svc.Accept(w.ctx, []mailroom.Send{text(from, recipient(i))})
			if err != nil {
				w.t.Errorf("send %d: %v", i, err)
				return
			}
			mu.Lock()
			switch a := answers[0]; {
			case a.Err == nil:
				accepted = append(accepted, a.ID)
			case errors.Is(a.Err, domain.Restricted):
				refused++
			default:
				w.t.Errorf("send %d: %v", i, a.Err)
			}
			mu.Unlock()
			if answers[0].Err != nil {
				return
			}
			if _, err := delivers.svc.Deliver(w.ctx, []domain.ID{answers[0].ID}); err != nil {
				w.t.Errorf("deliver send %d: %v", i, err)
			}
		})
	}
	close(gun)
	done.Wait()
	if len(accepted) != inTime || refused != sendsAtOnce-inTime {
		w.t.Errorf("%s: %d accepted and %d restricted, want %d and %d", from, len(accepted), refused, inTime, sendsAtOnce-inTime)
	}
	for _, id := range accepted {
		if m := w.inmail(id); m.Status != domain.Sent {
			w.t.Errorf("%s: one that was accepted is %s (%s)", from, m.Status, m.Reason)
		}
	}
	restrictions, err := w.svc.Restrictions(w.ctx, from)
	w.ok(err)
	if len(restrictions) != 1 || restrictions[0].Step != 1 || restrictions[0].Until.Sub(restrictions[0].StartedAt) != 24*time.Hour {
		w.t.Errorf("%s: restricted by %+v, want once, for 24 h", from, restrictions)
	}
}
