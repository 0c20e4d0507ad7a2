package mailroom

import (
	"context"
	"time"

	"inmail/domain"
)

// Totals sums up a preflight of many recipients.
type Totals struct {
	Recipients int                 // different recipients
	OK         int                 // recipients whom nothing refuses
	Refused    map[domain.Code]int // the others by their first refusal, as the sender may see it (R18, R21)
	// Needed is the number of credits to reach everybody whom nothing refuses, or only the sender's lack of
	// credits or restriction.
	Needed    int
	Available int       // credits that are left now; queued InMails count as used
	EnoughAt  time.Time // when the sender will have had Needed credits; zero: never with this plan
}

// Totals sums up the checks of one preflight. It reads the sender's credits and stores nothing.
func (svc *Service) Totals(ctx context.Context, from domain.MemberID, checks []Check) (Totals, error) {
	t := Totals{Refused: map[domain.Code]int{}}
	counted := make(map[domain.MemberID]bool, len(checks))
	for _, c := range checks {
		if counted[c.To] {
			continue
		}
		counted[c.To] = true
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

// reachable reports whether a send passes, or would after more credits or the end of a restriction.
func reachable(c Check) bool {
	for _, r := range c.Refusals {
		if r.Code != domain.NoCredits && r.Code != domain.Restricted {
			return false
		}
	}
	return true
}
