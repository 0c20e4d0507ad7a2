package mailroom

import (
	"context"
	"errors"
	"time"

	"inmail/domain"
)

// Lease names what one worker of all processes does at a time for one CRM. Whoever takes it holds it until its time is over, and
// prolongs that while it is at work: one that dies delays the others by no more than that. The record keeps it, like what is claimed.
type Lease struct {
	CRM  domain.CRM
	What string // write, or a kind of run
}

// WriteLease is that of writing rows which hang on records of the CRM: two writers would wait for each other's parents. Each kind
// of run has a lease too.
func WriteLease(crm domain.CRM) Lease { return Lease{crm, "write"} }

// ErrTurnTaken says that another holds the turn.
var ErrLeaseTaken = errors.New("another worker has the turn")

// maxTurn is the longest lease of a turn. One that ends later was taken by a clock that is not ours.
const maxLease = 5 * time.Minute

// held is a turn as the record keeps it.
type leaseHolder struct {
	By    domain.ID `json:"by"`
	Until time.Time `json:"until"`
}

func (h *leaseHolder) active(now time.Time) bool {
	return h != nil && now.Before(h.Until) && h.Until.Sub(now) <= maxLease
}

// NewHolder names one who takes turns.
func (svc *Service) NewHolder() domain.ID { return svc.ids.NewID() }

// TakeTurn gives a turn to holder until the lease ends, or prolongs it; ErrTurnTaken while another holds it. A lease is at most five minutes.
func (svc *Service) TakeLease(ctx context.Context, t Lease, holder domain.ID, lease time.Duration) error {
	err := svc.record.Update(ctx, func(tx Tx) error {
		if err := leaseFree(tx, t, holder); err != nil {
			return err
		}
		return takeLease(tx, t, holder, lease)
	})
	return wrap("take the turn "+t.String(), err)
}

// EndTurn lets the next one have the turn at once, if holder still has it.
func (svc *Service) EndLease(ctx context.Context, t Lease, holder domain.ID) error {
	err := svc.record.Update(ctx, func(tx Tx) error {
		h, err := state[leaseHolder](tx, t.state())
		if err != nil || h == nil || h.By != holder { // nothing was taken, so nothing is written
			return err
		}
		if h, err = lockLease(tx, t); err != nil || h == nil || h.By != holder {
			return err
		}
		return tx.SetState(t.state(), nil)
	})
	return wrap("end the turn "+t.String(), err)
}

func (t Lease) state() string { return crmState(t.CRM, "lease_"+t.What) }

func (t Lease) String() string { return string(t.CRM) + " " + t.What }

// turnFree looks whether holder may take a turn, and locks nothing.
func leaseFree(tx Tx, t Lease, holder domain.ID) error {
	h, err := state[leaseHolder](tx, t.state())
	if err == nil && h.active(tx.Now()) && h.By != holder {
		return ErrLeaseTaken
	}
	return err
}

// takeTurn takes or prolongs a turn.
func takeLease(tx Tx, t Lease, holder domain.ID, lease time.Duration) error {
	h, err := lockLease(tx, t)
	if err != nil {
		return err
	}
	if h.active(tx.Now()) && h.By != holder {
		return ErrLeaseTaken
	}
	return setState(tx, t.state(), leaseHolder{By: holder, Until: tx.Now().Add(min(lease, maxLease))})
}

// stateTurns is written before a turn is read: of two transactions the second waits there until the first has ended, and then reads
// what that decided.
const stateLeases = "leases"

func lockLease(tx Tx, t Lease) (*leaseHolder, error) {
	if err := tx.SetState(crmState(t.CRM, stateLeases), []byte(t.What)); err != nil {
		return nil, err
	}
	return state[leaseHolder](tx, t.state())
}
