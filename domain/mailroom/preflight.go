package mailroom

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"inmail/domain"
	"inmail/domain/advice"
	"inmail/domain/spam"
)

// Check answers one recipient of a preflight.
type Check struct {
	To       domain.MemberID
	OK       bool
	Refusals []*domain.Refusal // all that refuses, in R21's order, as the sender may see it (R18)
	Advice   []advice.Hit
	Credits  domain.Credits
}

// MaxPreflight is the most recipients of one preflight.
const MaxPreflight = 10_000

// Preflight judges an InMail to each of to as if it were sent now, and stores and spends nothing (R27). Of text only the
// content counts, not its sides; nil leaves the content unjudged. The answers stand in the order asked.
func (svc *Service) Preflight(ctx context.Context, from domain.MemberID, to []domain.MemberID, text *Send) ([]Check, error) {
	if len(to) > MaxPreflight {
		return nil, &domain.Refusal{Code: domain.BadRequest, Got: len(to), Limit: MaxPreflight, Detail: fmt.Sprintf("a preflight has at most %d recipients", MaxPreflight)}
	}
	pairs := make([]Pair, len(to))
	for i, id := range to {
		if err := id.Validate(); err != nil {
			return nil, err
		}
		pairs[i] = Pair{from, id}
	}
	d := &Letter{}
	if text != nil {
		letter := *text
		letter.From, letter.To = from, from // of the sides, reading asks only whether they are ids
		if d = svc.Read(letter); d.err != nil {
			return nil, d.err
		}
	}
	checks := make([]Check, len(to))
	var common [][]string
	var members map[domain.MemberID]*domain.Member
	err := svc.record.View(ctx, func(tx Tx) error {
		l, facts, err := svc.load(tx, pairs, forAccept, Ask{Common: text != nil})
		if err != nil {
			return err
		}
		common, members = facts.Common, facts.Members
		var content []*domain.Refusal
		if text != nil {
			content = l.content(d.content, d.text).refusals // the same for every recipient
		}
		behaviour := foresight{tx: tx, ledger: l}
		for i, id := range to {
			c := l.reach(from, id, tx.Now())
			c.Content = content
			refusals := c.Refusals()
			if len(refusals) == 0 { // as in a send: only what nothing else refuses can set a restriction off (R41)
				next := Letter{Send: Send{From: from, To: id}, text: d.text}
				if refusals, err = behaviour.refusals(&next, text != nil); err != nil {
					return err
				}
			}
			checks[i] = Check{To: id, Credits: c.Credits, Refusals: forSender(refusals)}
			checks[i].OK = len(checks[i].Refusals) == 0
		}
		return nil
	})
	if err == nil && text != nil { // the transaction is over: advice asks nothing of the record
		onAllCores(len(checks), func(i int) { checks[i].Advice = advise(d.reading, members[to[i]], common[i]) })
	}
	return checks, wrap("preflight", err)
}

// onAllCores calls do for each of 0 to n-1, in even parts at once.
func onAllCores(n int, do func(i int)) {
	cores := min(runtime.GOMAXPROCS(0), n)
	var parts sync.WaitGroup
	for core := range cores {
		parts.Go(func() {
			for i := core * n / cores; i < (core+1)*n/cores; i++ {
				do(i)
			}
		})
	}
	parts.Wait()
}

// foresight says which sends the limits on behaviour would refuse if they were made now, and restricts nobody (R41).
type foresight struct {
	tx       Tx
	ledger   *ledger
	previous []spam.Restriction // the sender's, loaded when the first send would be refused
	loaded   bool
}

// refusals judges d as the sender's next send; without a text its likeness to others stays unjudged.
func (f *foresight) refusals(d *Letter, withText bool) ([]*domain.Refusal, error) {
	now, svc := f.tx.Now(), f.ledger.svc
	trigger := spam.Decide(now, f.ledger.signals[d.From], svc.limits)
	if withText {
		var err error
		if trigger, err = f.ledger.trigger(f.tx, d, now); err != nil {
			return nil, err
		}
	}
	if trigger == nil {
		return nil, nil
	}
	if !f.loaded {
		var err error
		if f.previous, err = onLadder(f.tx, d.From); err != nil {
			return nil, err
		}
		f.loaded = true
	}
	return []*domain.Refusal{overLimit(*trigger, spam.Restrict(now, *trigger, f.previous))}, nil
}

// told gives refusals as the sender may see them: three reasons become one, said once (R18).
func forSender(refusals []*domain.Refusal) []*domain.Refusal {
	var out []*domain.Refusal
	said := map[domain.Code]bool{}
	for _, r := range refusals {
		if r = r.ForSender(); !said[r.Code] {
			said[r.Code] = true
			out = append(out, r)
		}
	}
	return out
}
