package mailroom

import (
	"context"
	"errors"
	"time"

	"inmail/domain"
)

// Lease names work for one CRM that one worker of all processes does at a time. A worker takes the lease for
// a time and prolongs it while it works, so that one which dies delays the others by that time at most. The
// record keeps leases, as it keeps claims.
type Lease struct {
	CRM  domain.CRM
	What string // write, or a kind of run
}

// WriteLease is the lease of writing rows with parents in a CRM: two writers at once would lock each other's
// parents. Each kind of run has a lease of its own.
func WriteLease(crm domain.CRM) Lease { return Lease{crm, "write"} }

// ErrLeaseTaken says that another holder has the lease.
var ErrLeaseTaken = errors.New("another worker has the lease")

// maxLease is the longest time of a lease. A stored lease that ends later than that from now was taken by a
// process whose clock was wrong, and counts as ended.
const maxLease = 5 * time.Minute

// leaseHolder is a lease as the record keeps it.
type leaseHolder struct {
	By    domain.ID `json:"by"`
	Until time.Time `json:"until"`
}

func (h *leaseHolder) active(now time.Time) bool {
	return h != nil && now.Before(h.Until) && h.Until.Sub(now) <= maxLease
}

// NewHolder returns a new name for a holder of leases.
func (svc *Service) NewHolder() domain.ID { return svc.ids.NewID() }

// TakeLease takes the lease l for holder, or prolongs it, for a time of at most five minutes. It returns
// ErrLeaseTaken while another holder has it.
func (svc *Service) TakeLease(ctx context.Context, l Lease, holder domain.ID, lease time.Duration) error {
	err := svc.record.Update(ctx, func(tx Tx) error {
		if err := leaseFree(tx, l, holder); err != nil {
			return err
		}
		return takeLease(tx, l, holder, lease)
	})
	return wrap("take the lease "+l.String(), err)
}

// EndLease ends a lease that holder still has, so that another can take it at once.
func (svc *Service) EndLease(ctx context.Context, l Lease, holder domain.ID) error {
	err := svc.record.Update(ctx, func(tx Tx) error {
		h, err := state[leaseHolder](tx, l.state())
		if err != nil || h == nil || h.By != holder { // holder does not have it, so nothing is written
			return err
		}
		if h, err = lockLease(tx, l); err != nil || h == nil || h.By != holder {
			return err
		}
		return tx.SetState(l.state(), nil)
	})
	return wrap("end the lease "+l.String(), err)
}

func (l Lease) state() string { return crmState(l.CRM, "lease_"+l.What) }

func (l Lease) String() string { return string(l.CRM) + " " + l.What }

// leaseFree returns ErrLeaseTaken when another holder has the lease. It locks nothing.
func leaseFree(tx Tx, l Lease, holder domain.ID) error {
	h, err := state[leaseHolder](tx, l.state())
	if err == nil && h.active(tx.Now()) && h.By != holder {
		return ErrLeaseTaken
	}
	return err
}

// takeLease takes or prolongs a lease.
func takeLease(tx Tx, l Lease, holder domain.ID, lease time.Duration) error {
	h, err := lockLease(tx, l)
	if err != nil {
		return err
	}
	if h.active(tx.Now()) && h.By != holder {
		return ErrLeaseTaken
	}
	return setState(tx, l.state(), leaseHolder{By: holder, Until: tx.Now().Add(min(lease, maxLease))})
}

// stateLeases is written before a lease is read. The second of two transactions waits there until the first
// has ended, and then reads what the first decided.
const stateLeases = "leases"

func lockLease(tx Tx, l Lease) (*leaseHolder, error) {
	if err := tx.SetState(crmState(l.CRM, stateLeases), []byte(l.What)); err != nil {
		return nil, err
	}
	return state[leaseHolder](tx, l.state())
}
