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
	Refusals []*domain.Refusal // all refusals, in R21's order, as the sender may see them (R18)
	Advice   []advice.Hit
	Credits  domain.Credits
}

// MaxPreflight is the most recipients of one preflight.
const MaxPreflight = 10_000

// Preflight judges an InMail to each of to as if it were sent now. It stores and spends nothing (R27). Of
// text only the content counts, not its sender and recipient; without a text (nil) no content is judged. The
// answers have the order of to.
func (svc *Service) Preflight(ctx context.Context, from domain.MemberID, to []domain.MemberID,
	text *Send) ([]Check, error) {
	if len(to) > MaxPreflight {
		detail := fmt.Sprintf("a preflight has at most %d recipients", MaxPreflight)
		return nil, &domain.Refusal{Code: domain.BadRequest, Got: len(to), Limit: MaxPreflight, Detail: detail}
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
		letter.From, letter.To = from, from // Read only checks that both are ids
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
			if len(refusals) == 0 { // as in a send, only what nothing else refuses can trigger (R41)
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
	if err == nil && text != nil { // after the transaction, because advice needs no record
		onAllCores(len(checks), func(i int) { checks[i].Advice = advise(d.reading, members[to[i]], common[i]) })
	}
	return checks, wrap("preflight", err)
}

// onAllCores calls do for 0 to n-1, in equal parts that run at once.
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

// foresight judges which sends the limits on behaviour would refuse now, without restricting anybody (R41).
type foresight struct {
	tx       Tx
	ledger   *ledger
	previous []spam.Restriction // the sender's, loaded when a send would first be refused
	loaded   bool
}

// refusals judges d as the sender's next send. Without a text its similarity to others is not judged.
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

// forSender returns refusals as the sender may see them: three reasons become one, which is given once (R18).
func forSender(refusals []*domain.Refusal) []*domain.Refusal {
	var out []*domain.Refusal
	given := map[domain.Code]bool{}
	for _, r := range refusals {
		if r = r.ForSender(); !given[r.Code] {
			given[r.Code] = true
			out = append(out, r)
		}
	}
	return out
}
