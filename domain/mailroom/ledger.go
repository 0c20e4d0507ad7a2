package mailroom

import (
	"slices"
	"time"

	"inmail/domain"
	"inmail/domain/spam"
)

// ledger is the facts by which one batch is judged. They are loaded once, under the locks of the senders, and
// updated after each send, so that the second send of a batch sees the first.
type ledger struct {
	svc        *Service
	members    map[domain.MemberID]*domain.Member
	accounts   map[domain.MemberID]domain.Account
	restricted map[domain.MemberID]spam.Restriction
	signals    map[domain.MemberID]spam.Signals
	banned     map[domain.MemberID]bool
	between    map[Pair]*Between
	received   map[domain.MemberID]domain.Received
	prints     map[domain.MemberID][]spam.SentPrint // of those in printed
	printed    map[domain.MemberID]bool             // whose prints are made, of this batch and of the record
	unprinted  map[domain.MemberID][]sentLetter     // of this batch, of the others
	made       map[*Letter]spam.Fingerprint
	model      *spam.Model
	accepting  bool
}

// purpose says what a ledger is opened for. At accept, queued InMails count as if they were delivered, and
// the sender's behaviour is judged. At delivery only delivered InMails count.
type purpose bool

const (
	forAccept  purpose = true
	forDeliver purpose = false
)

// open locks the senders and loads the facts for pairs, and those that more asks for.
func (svc *Service) open(tx Tx, pairs []Pair, p purpose, more Ask) (*ledger, Facts, error) {
	more.Lock = true
	return svc.load(tx, pairs, p, more)
}

// load loads the facts for pairs without locks, for preflight, which decides nothing.
func (svc *Service) load(tx Tx, pairs []Pair, p purpose, more Ask) (*ledger, Facts, error) {
	ask := more
	ask.Pairs, ask.AnchorDay = pairs, svc.policy.AnchorDay
	ask.AllPeriods, ask.Allowance = svc.policy.RolloverPeriods > 0, svc.allowance
	ask.State = stateModelVersion
	ask.RecipientWeek, ask.KeepKeys = svc.policy.RecipientWeek, svc.keepKeys()
	if p == forAccept {
		ask.Signals = &svc.limits
	}
	f, err := tx.Facts(ask)
	if err != nil {
		return nil, f, err
	}
	l := &ledger{
		svc: svc, accepting: p == forAccept, members: f.Members, accounts: f.Accounts,
		restricted: f.Restricted, banned: f.Banned, signals: f.Signals,
		between:  make(map[Pair]*Between, len(pairs)),
		received: f.Received,
		prints:   map[domain.MemberID][]spam.SentPrint{}, printed: map[domain.MemberID]bool{},
		unprinted: map[domain.MemberID][]sentLetter{}, made: map[*Letter]spam.Fingerprint{},
	}
	for i, pair := range pairs {
		l.between[pair] = &f.Between[i]
	}
	l.model, err = svc.modelAt(tx, f.State)
	return l, f, err
}

// known returns id when the member exists, else an empty id. Other ids are stored nowhere, because one may be
// of an erased member (R60).
func (l *ledger) known(id domain.MemberID) domain.MemberID {
	if l.members[id] == nil {
		return ""
	}
	return id
}

// accounts loads what credits are computed from, queued InMails included.
func (svc *Service) accounts(tx Tx, ids []domain.MemberID) (map[domain.MemberID]domain.Account, error) {
	accounts, err := tx.Accounts(ids, svc.policy.AnchorDay, svc.policy.RolloverPeriods > 0, svc.allowance)
	if err != nil {
		return nil, err
	}
	inFlight, err := tx.InFlight(ids)
	if err != nil {
		return nil, err
	}
	for id, n := range inFlight {
		a := accounts[id]
		a.InFlight = n
		accounts[id] = a
	}
	return accounts, nil
}

// content is the judgement of a text, whatever its sender and recipient.
type content struct {
	model    *spam.Model // the model that judged it; nil: nothing was learnt
	refusals []*domain.Refusal
	verdict  *spam.Verdict // of a spammy text, for which a strike is due; else nil
}

// content returns before, the judgement from before the transaction, unless the model has changed since; then
// it judges the text again.
func (l *ledger) content(before content, text *reading) content {
	if before.model == l.model {
		return before
	}
	return text.judge(l.model)
}

// refusals returns the refusals of one send by all rules, those of its text included.
func (l *ledger) refusals(from, to domain.MemberID, text content, now time.Time) []*domain.Refusal {
	c := l.reach(from, to, now)
	c.Content = text.refusals
	return c.Refusals()
}

// reach returns the case of one pair, without a text.
func (l *ledger) reach(from, to domain.MemberID, now time.Time) domain.Case {
	credits := domain.CreditsAt(now, l.accounts[from], l.svc.policy.RolloverPeriods)
	between := l.between[Pair{from, to}]
	c := domain.Case{
		Now: now, From: from, To: to, Sender: l.members[from], Recipient: l.members[to],
		Left: credits.Remaining, Credits: credits, Connected: between.Connected, Blocked: between.Blocked,
		Banned: l.banned[to], Awaiting: between.Awaiting, AllowTwice: l.svc.policy.AllowSecondInMail,
		DeclinedAt: between.DeclinedAt, DeclinedDays: l.svc.policy.DeclinedDays, Received: l.received[to],
	}
	if c.Recipient != nil {
		c.WeekLimit = domain.WeekLimit(l.svc.policy.RecipientWeek, c.Recipient.MaxWeek)
	}
	if l.accepting {
		c.Left = credits.Available()
		c.Awaiting = between.Awaiting || between.OnItsWay
	} else {
		c.Received.OnItsWay = 0
	}
	if r, ok := l.restricted[from]; ok {
		c.Restricted, c.Why = r.Until, r.Trigger
	}
	return c
}

// sentLetter is a letter that this batch has accepted.
type sentLetter struct {
	letter *Letter
	at     time.Time
}

// accepted updates the ledger after a send was accepted.
func (l *ledger) accepted(d *Letter, now time.Time) {
	from, to := d.From, d.To
	a := l.accounts[from]
	a.InFlight++
	l.accounts[from] = a
	l.between[Pair{from, to}].OnItsWay = true
	r := l.received[to]
	r.OnItsWay++
	l.received[to] = r
	l.signals[from] = l.signals[from].WithSend(now)
	if l.printed[from] {
		l.prints[from] = append(l.prints[from], spam.SentPrint{At: now, Fingerprint: l.fingerprint(d)})
	} else {
		l.unprinted[from] = append(l.unprinted[from], sentLetter{d, now})
	}
}

// delivered updates the ledger after a delivery.
func (l *ledger) delivered(from, to domain.MemberID, start, now time.Time) {
	a := l.accounts[from]
	a.InFlight--
	a.Usage = addUsage(a.Usage, start)
	l.accounts[from] = a
	l.between[Pair{from, to}].Awaiting = true
	l.received[to] = l.received[to].Deliver(now)
}

// addUsage adds one used credit to a period in a copy of usage.
func addUsage(usage []domain.Usage, start time.Time) []domain.Usage {
	usage = slices.Clone(usage)
	for i := range usage {
		if usage[i].PeriodStart.Equal(start) {
			usage[i].Used++
			return usage
		}
	}
	return append(usage, domain.Usage{PeriodStart: start, Used: 1})
}

// sidesOf returns the different members of both sides of pairs, sorted.
func sidesOf(pairs []Pair) []domain.MemberID {
	ids := make([]domain.MemberID, 0, 2*len(pairs))
	for _, p := range pairs {
		ids = append(ids, p.From, p.To)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
