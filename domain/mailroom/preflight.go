package mailroom

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"inmail/domain"
	"inmail/domain/advice"
	"inmail/domain/spam"
)

// Check answers one recipient of a preflight: what becomes of its InMail if all of the list are sent now, one
// after another (R66).
type Check struct {
	Place    int             // in the list, from 1
	To       domain.MemberID // as it was asked; it may be no member id
	OK       bool            // it passes now, after those before it in the list
	Refusals []*domain.Refusal
	// At is when it passes by the timetable, and Limit what it waits for until then: no_credits, restricted
	// or a trigger of R41. At is zero when it passes now, or never by itself.
	At      time.Time
	Limit   string
	Advice  []advice.Hit
	Credits domain.Credits // of the sender now
}

// Campaign answers a preflight. Checks are in the order of the list; what is listed twice is answered once.
type Campaign struct {
	Checks []Check
	Totals Totals
}

// Totals sums up a preflight.
type Totals struct {
	Recipients int                 // different lines
	Doubles    int                 // lines that repeat one before
	OK         int                 // recipients whom nothing refuses, each as if it alone were sent now
	Refused    map[domain.Code]int // the others by their first refusal, as the sender may see it (R18, R21)
	OKNow      int                 // of those of OK: how many pass if all are sent now, one after another
	// Timetable says when the others pass whom only the sender's credits, a restriction or a limit of R41
	// keep from being sent now: oldest first.
	Timetable []Departure
	// Needed is the number of credits to reach everybody whom nothing refuses, or only the sender's lack of
	// credits or restriction.
	Needed    int
	Available int       // credits that are left now; queued InMails count as used
	EnoughAt  time.Time // when the sender will have had Needed credits; zero: never with this plan
}

// Departure is a line of a timetable: so many InMails pass one after another, if they are sent within
// spam.PaceSlack from At on.
type Departure struct {
	At         time.Time
	Recipients int
	Limit      string // what the first of them waits for until then, as in Check
}

// MaxPreflight is the most recipients of one preflight.
const MaxPreflight = 10_000

// Preflight judges an InMail to each of to as if all were sent now, one after another: by every rule, and by
// what the credits, the limits on behaviour and the others of the list leave to each (R66). It stores and
// spends nothing (R27). Of text only the content counts, not its sender and recipient; without a text (nil)
// no content is judged, and every InMail is taken to have one of its own.
func (svc *Service) Preflight(ctx context.Context, from domain.MemberID, to []domain.MemberID,
	text *Send) (Campaign, error) {
	if len(to) > MaxPreflight {
		detail := fmt.Sprintf("a preflight has at most %d recipients", MaxPreflight)
		return Campaign{}, &domain.Refusal{Code: domain.BadRequest, Got: len(to), Limit: MaxPreflight, Detail: detail}
	}
	p := &preflight{svc: svc, from: from}
	if text != nil {
		letter := *text
		letter.From, letter.To = from, from // Read only checks that both are ids
		if p.letter = svc.Read(letter); p.letter.err != nil {
			return Campaign{}, p.letter.err
		}
	}
	leave, err := svc.large.enter(ctx, len(to))
	if err != nil {
		return Campaign{}, wrap("preflight", err)
	}
	defer leave()
	p.list(to)
	if err := svc.record.View(ctx, p.load); err != nil {
		return Campaign{}, wrap("preflight", err)
	}
	p.judge()
	p.schedule()
	return p.answer(), nil
}

// preflight is one preflight under way. load reads all that it needs from the record; the rest is computed
// after the transaction.
type preflight struct {
	svc     *Service
	from    domain.MemberID
	letter  *Letter // nil: no text was given
	checks  []Check
	lines   []line // lines[i] is about checks[i]
	doubles int

	now      time.Time
	ledger   *ledger
	prints   []spam.SentPrint // of the sender's bodies in the window
	previous []spam.Restriction
	content  []*domain.Refusal
}

// line is what is known of one check beside its answer.
type line struct {
	invalid   bool              // it is no member id
	common    []string          // the recipient's connections in common with the sender
	alone     []*domain.Refusal // what refuses it if it alone is sent now
	reachable bool              // nothing does, or only the sender's credits, restriction or pace
	print     *spam.Fingerprint // nil: its similarity to others cannot matter
}

// list takes over the different lines of the list.
func (p *preflight) list(to []domain.MemberID) {
	listed := make(map[domain.MemberID]bool, len(to))
	for i, id := range to {
		if listed[id] {
			p.doubles++
			continue
		}
		listed[id] = true
		c, l := Check{Place: i + 1, To: id}, line{}
		var refusal *domain.Refusal
		if errors.As(id.Validate(), &refusal) {
			placed := *refusal
			placed.Detail = fmt.Sprintf("recipient %d of the list: %s", i+1, refusal.Detail)
			l.invalid, l.alone = true, []*domain.Refusal{&placed}
		}
		p.checks, p.lines = append(p.checks, c), append(p.lines, l)
	}
}

func (p *preflight) load(tx Tx) error {
	pairs := make([]Pair, 0, len(p.checks))
	for i, c := range p.checks {
		if !p.lines[i].invalid {
			pairs = append(pairs, Pair{p.from, c.To})
		}
	}
	if len(pairs) == 0 {
		pairs = append(pairs, Pair{p.from, p.from}) // the totals have the sender's credits all the same
	}
	l, facts, err := p.svc.load(tx, pairs, forAccept, Ask{Common: p.letter != nil})
	if err != nil {
		return err
	}
	p.ledger, p.now = l, tx.Now()
	if p.previous, err = onLadder(tx, p.from); err != nil {
		return err
	}
	if p.letter == nil {
		return nil
	}
	k := 0
	for i := range p.lines {
		if !p.lines[i].invalid {
			p.lines[i].common = facts.Common[k]
			k++
		}
	}
	p.prints, err = l.recentPrints(tx, p.from, p.now)
	return err
}

// judge judges each recipient as if it alone were sent now, and advises on the text.
func (p *preflight) judge() {
	alike := p.letter != nil && len(p.prints)+len(p.checks) > p.svc.limits.SimilarDay-spam.WarnLeft-1
	if p.letter != nil {
		p.content = p.ledger.content(p.letter.content, p.letter.reading).refusals
	}
	onHalfTheCores(len(p.checks), func(i int) {
		c, l := &p.checks[i], &p.lines[i]
		if l.invalid {
			return
		}
		judged := p.ledger.reach(p.from, c.To, p.now)
		judged.Content = p.content
		l.alone, c.Credits = judged.Refusals(), judged.Credits
		l.reachable = reachable(l.alone)
		to := p.ledger.members[c.To]
		if p.letter != nil {
			c.Advice = advise(p.letter.advised(), to, l.common)
		}
		if l.reachable && alike {
			print := p.letter.print(to)
			l.print = &print
		}
		if len(l.alone) == 0 { // as in a send, only what nothing else refuses can trigger (R41)
			t, similar := p.trigger(l.print)
			switch {
			case t != nil:
				l.alone = []*domain.Refusal{overLimit(*t, spam.Restrict(p.now, *t, p.previous))}
			case l.print != nil:
				c.Advice = append(c.Advice, varyAdvice(p.letter.text, to, *l.print, p.prints, similar, p.svc.limits.SimilarDay)...)
			}
		}
	})
}

// trigger judges a send as the sender's next one (R41); nil lets it pass. similar is how many near-identical
// bodies were sent before it.
func (p *preflight) trigger(print *spam.Fingerprint) (t *spam.Trigger, similar int) {
	signals := p.ledger.signals[p.from]
	if signals.Similar = 0; print != nil {
		for _, sent := range p.prints {
			if spam.Similar(*print, sent.Fingerprint) {
				signals.Similar++
			}
		}
	}
	return spam.Decide(p.now, signals, p.svc.limits), signals.Similar
}

// reachable reports whether nothing refuses a send but what passes by itself: a lack of credits and a
// restriction.
func reachable(refusals []*domain.Refusal) bool {
	for _, r := range refusals {
		if r.Code != domain.NoCredits && r.Code != domain.Restricted {
			return false
		}
	}
	return true
}

// schedule plans the sends in the order of the list, each at the earliest time that all limits leave to it.
func (p *preflight) schedule() {
	account, known := p.ledger.accounts[p.from]
	pace := spam.NewPace(p.ledger.signals[p.from], p.prints, p.svc.limits)
	credits := domain.NewCreditsAhead(p.now, account, p.svc.policy.RolloverPeriods)
	at, limit, ever := p.now, "", known
	if r, holds := p.ledger.restricted[p.from]; holds && r.Active(at) {
		at, limit = r.Until, string(domain.Restricted)
	}
	now := 0                    // how many are planned for now
	var stopped *domain.Refusal // the refusal of those who no longer pass now
	for i := range p.checks {
		c, l := &p.checks[i], &p.lines[i]
		c.Refusals = l.alone
		if !l.reachable {
			continue
		}
		for moved := true; moved && ever; {
			if t, why := pace.Next(at, l.print); why != "" {
				at, limit = t, why
			}
			var t time.Time
			if t, ever = credits.Next(at); ever && t.After(at) {
				at, limit = t, string(domain.NoCredits)
			} else {
				moved = false
			}
		}
		if ever {
			pace.Add(at, l.print)
			credits.Spend()
			if at.Equal(p.now) {
				now++
				continue
			}
			c.At, c.Limit = at, limit
		}
		if len(l.alone) == 0 {
			if stopped == nil {
				stopped = p.stop(c.To, now, limit)
			}
			c.Refusals = []*domain.Refusal{stopped}
		}
	}
}

// stop returns the refusal of the first send that no longer passes now, after so many that do: for want of
// credits, or because it would pass a limit and restrict the sender.
func (p *preflight) stop(to domain.MemberID, after int, limit string) *domain.Refusal {
	account := p.ledger.accounts[p.from]
	account.InFlight += after
	credits := domain.CreditsAt(p.now, account, p.svc.policy.RolloverPeriods)
	if credits.Available() < 1 {
		last := p.ledger.reach(p.from, to, p.now)
		last.Left, last.Credits = 0, credits
		return last.Refusals()[0]
	}
	r := spam.Restrict(p.now, spam.Trigger{Name: limit, At: p.now}, p.previous)
	refusal := domain.Refuse(domain.Restricted, "%s leaves room for %d now: one more would restrict sending until %s; "+
		"send it at its time in the timetable", limit, after, r.Until.Format(time.RFC3339))
	refusal.Until = r.Until
	return refusal
}

// answer sums up.
func (p *preflight) answer() Campaign {
	t := Totals{Recipients: len(p.checks), Doubles: p.doubles, Refused: map[domain.Code]int{}}
	for i := range p.checks {
		c, l := &p.checks[i], &p.lines[i]
		c.OK = len(c.Refusals) == 0
		c.Refusals = forSender(c.Refusals)
		if len(l.alone) == 0 {
			t.OK++
		} else {
			t.Refused[l.alone[0].Code.ForSender()]++
		}
		if l.reachable {
			t.Needed++
		}
		if c.OK {
			t.OKNow++
		}
		if c.At.IsZero() {
			continue
		}
		if n := len(t.Timetable); n > 0 && t.Timetable[n-1].At.Equal(c.At) {
			t.Timetable[n-1].Recipients++
		} else {
			t.Timetable = append(t.Timetable, Departure{At: c.At, Recipients: 1, Limit: c.Limit})
		}
	}
	if account, known := p.ledger.accounts[p.from]; known {
		credits := domain.CreditsAt(p.now, account, p.svc.policy.RolloverPeriods)
		t.Available = credits.Available()
		t.EnoughAt, _ = credits.EnoughAt(p.now, t.Needed, account.AnchorDay)
	}
	return Campaign{Checks: p.checks, Totals: t}
}

// checksAtOnce is how many checks are made between two pauses for others.
const checksAtOnce = 16

// onHalfTheCores calls do for 0 to n-1, in equal parts that run at once on half of the processors. The other
// half serves whoever asks meanwhile: where all are busy, the runtime notices a request only after
// milliseconds. On a single processor it pauses in between, which lets requests in.
func onHalfTheCores(n int, do func(i int)) {
	all := runtime.GOMAXPROCS(0)
	cores := max(1, min(all/2, n))
	var parts sync.WaitGroup
	for core := range cores {
		parts.Go(func() {
			for i := core * n / cores; i < (core+1)*n/cores; i++ {
				do(i)
				switch {
				case (i+1)%checksAtOnce != 0:
				case all == 1:
					time.Sleep(time.Microsecond)
				default:
					runtime.Gosched()
				}
			}
		})
	}
	parts.Wait()
}

// LargePreflight is the number of recipients from which on a preflight waits for its place, and of lines from
// which on a batch of an import does.
const LargePreflight = 200

// places bounds how many large preflights and batches of imports run at once, so that they leave processors
// and connections to others. Those that wait come in the order in which they asked.
type places chan struct{}

// newPlaces returns the one place: a preflight uses half of the processors.
func newPlaces() places { return make(places, 1) }

// enter waits for a place for n recipients or lines; leave gives it back. It fails when ctx ends first.
func (ps places) enter(ctx context.Context, n int) (leave func(), err error) {
	if n < LargePreflight {
		return func() {}, nil
	}
	select {
	case ps <- struct{}{}:
		return func() { <-ps }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for other large requests to end: %w", ctx.Err())
	}
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
