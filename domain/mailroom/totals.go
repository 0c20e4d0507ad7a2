package mailroom

import (
	"context"
	"time"

	"inmail/domain"
)

// Totals is what a preflight of many comes to.
type Totals struct {
	Recipients int                 // different ones
	OK         int                 // of them, whom nothing refuses
	Refused    map[domain.Code]int // the others by what is reported first, as the sender may see it (R18, R21)
	// Needed is how many credits it would take to reach everybody whom only the sender's own credits or restriction keep
	// away, or nothing; Available how many there are now, what is on its way taken off.
	Needed    int
	Available int
	EnoughAt  time.Time // when there will have been as many; zero: never with this plan
}

// Totals adds up the checks of one preflight. It reads what the sender has and stores nothing.
func (svc *Service) Totals(ctx context.Context, from domain.MemberID, checks []Check) (Totals, error) {
	t := Totals{Refused: map[domain.Code]int{}}
	observer := make(map[domain.MemberID]bool, len(checks))
	for _, c := range checks {
		if observer[c.To] {
			continue
		}
		observer[c.To] = true
		t.Recipients++
		if c.OK {
			t.OK++
		} else {
			t.Refused[c.Refusals[0].Code]++
		}
		if reachable(c) {
			t.Needed++
		}
	}
	err := svc.record.View(ctx, func(tx Tx) error {
		accounts, err := svc.accounts(tx, []domain.MemberID{from})
		a, there := accounts[from]
		if err != nil || !there {
			return err
		}
		credits := domain.CreditsAt(tx.Now(), a, svc.policy.RolloverPeriods)
		t.Available = credits.Available()
		t.EnoughAt, _ = credits.EnoughAt(tx.Now(), t.Needed, a.AnchorDay)
		return nil
	})
	return t, wrap("add up a preflight", err)
}

// reachable says whether time alone lets a send pass: more credits, or the end of a restriction.
func reachable(c Check) bool {
	for _, r := range c.Refusals {
		if r.Code != domain.NoCredits && r.Code != domain.Restricted {
			return false
		}
	}
	return true
}
