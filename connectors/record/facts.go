package record

import (
	"slices"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// Facts returns all that sends are judged by, in one round trip on PostgreSQL as a rule. It locks the
// senders, and recipients with a limit of InMails a week, and asks everything that depends on no other
// answer. Statements run in their order, and each reads what was committed before it began, so all that
// follows the lock is read under it. A second asks what depends on the answers of the first: where recipients
// have a limit a week, a sender was reported, or more companies are banned than were read.
func (t *tx) Facts(ask mailroom.Ask) (f mailroom.Facts, err error) {
	if len(ask.Pairs) == 0 && len(ask.Keys) == 0 && ask.State == "" {
		return f, nil
	}
	var senders, recipients []domain.MemberID
	for _, p := range ask.Pairs {
		senders, recipients = append(senders, p.From), append(recipients, p.To)
	}
	slices.Sort(senders)
	slices.Sort(recipients)
	senders, recipients = slices.Compact(senders), slices.Compact(recipients)
	signals := &signalsRead{}
	var banned *bannedRead
	var inFlight map[domain.MemberID]int
	err = t.together(func() error {
		if ask.Lock {
			if err := t.lockSides(senders, recipients, ask.RecipientWeek); err != nil {
				return err
			}
		}
		if f.Members, err = t.Members(distinct(slices.Concat(senders, recipients))); err != nil {
			return err
		}
		if f.Accounts, err = t.Accounts(senders, ask.AnchorDay, ask.AllPeriods, ask.Allowance); err != nil {
			return err
		}
		if inFlight, err = t.InFlight(senders); err != nil {
			return err
		}
		if f.Restricted, err = t.Restricted(senders); err != nil {
			return err
		}
		if f.Between, err = t.Pairs(ask.Pairs); err != nil {
			return err
		}
		if banned, err = t.readBanned(recipients); err != nil {
			return err
		}
		if ask.Signals != nil {
			if signals, err = t.readSignals(senders, *ask.Signals); err != nil {
				return err
			}
			f.Signals = signals.signals
		}
		if ask.Common {
			if f.Common, err = t.CommonConnections(ask.Pairs); err != nil {
				return err
			}
		}
		if f.Answers, err = t.FirstAnswers(ask.Keys, ask.KeepKeys); err != nil || ask.State == "" {
			return err
		}
		each, _ := one(&f.State)
		return t.query("read a state", selectState, each, ask.State)
	})
	if err != nil {
		return f, err
	}
	for id, n := range inFlight {
		a := f.Accounts[id]
		a.InFlight = n
		f.Accounts[id] = a
	}
	limits := map[domain.MemberID]int{}
	found := make([]*domain.Member, 0, len(recipients))
	for _, id := range recipients {
		if m := f.Members[id]; m != nil {
			found = append(found, m)
			if limit := domain.WeekLimit(ask.RecipientWeek, m.MaxWeek); limit > 0 {
				limits[id] = limit
			}
		}
	}
	err = t.together(func() (err error) {
		if f.Banned, err = t.bannedOf(banned, found); err != nil {
			return err
		}
		if f.Received, err = t.Received(limits); err != nil {
			return err
		}
		return t.leaveOutUndone(signals)
	})
	return f, err
}
