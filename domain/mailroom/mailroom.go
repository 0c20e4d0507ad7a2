// Package mailroom is what the product does, a file a verb: accept, deliver, open, reply, retract,
// expire and the rest, over the ports of ports.go. Each verb is one transaction of the record; the
// rules that it asks are pure and stand in package domain. What must happen outside (a task for the
// workers, a figure for the metrics) happens after the commit.
package mailroom

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"inmail/domain"
	"inmail/domain/spam"
)

// ErrConflict says that a row was not, or no longer, as the caller believed: nothing was stored.
var ErrConflict = errors.New("the record has changed meanwhile")

// ErrUnavailable says that the record cannot be used now: it is not reached, full, or did not answer in time.
// The same may work later.
var ErrUnavailable = errors.New("the record is not available")

// Cause is why a part cannot work now, in words that everybody may hear: /readyz, the answer to a client and the command
// line say the same. An error that knows its cause has the method Cause() Cause.
type Cause string

// The causes. Each is said after the name of the part: "the record does not answer".
const (
	CauseUnreachable Cause = "cannot be reached"
	CauseSilent      Cause = "does not answer"
	CauseStarting    Cause = "is starting or shutting down"
	CauseFull        Cause = "has no room left"
	CauseReadOnly    Cause = "only reads"
	CauseDamaged     Cause = "is damaged"
	CauseBusy        Cause = "is too busy"
	CauseRefused     Cause = "refuses this program"
	CausePaused      Cause = "is paused"
	CauseApart       Cause = "is more than 2 s from the record's time"
)

// Because is err with its cause.
func Because(why Cause, err error) error { return &because{err, why} }

type because struct {
	error
	why Cause
}

// Cause implements what CauseOf looks for.
func (b *because) Cause() Cause { return b.why }

// Unwrap returns the error without its cause.
func (b *because) Unwrap() error { return b.error }

// CauseOf returns the cause that err knows, else that the part cannot be reached.
func CauseOf(err error) Cause {
	var knows interface{ Cause() Cause }
	if errors.As(err, &knows) && knows.Cause() != "" {
		return knows.Cause()
	}
	return CauseUnreachable
}

// Config is what the use cases are told when they are built.
type Config struct {
	Plans  domain.Plans
	Policy domain.Policy
	CRMs   []CRM // those that this program knows, configured or not; the first is meant where none is named
}

// Service joins the ports and the rules. Build it with New; its methods are safe for concurrent use.
type Service struct {
	record   Record
	queue    Queue
	clock    Clock
	ids      IDs
	observer Observer
	plans    domain.Plans
	policy   domain.Policy
	limits   spam.Limits
	crms     []CRM
	confirm  []byte   // the key of confirmation tokens (R35)
	filter   struct { // the learnt filter as last read
		sync.Mutex
		model   *spam.Model
		version string
	}
	verdicts verdicts
}

// New builds a Service. It reads, or makes once, the key of the confirmation tokens, so that all
// replicas accept each other's.
func New(ctx context.Context, c Config, record Record, queue Queue, clock Clock, ids IDs, observer Observer) (*Service, error) {
	if err := errors.Join(c.Plans.Validate(), c.Policy.Validate()); err != nil {
		return nil, err
	}
	r := &Service{record: record, queue: queue, clock: clock, ids: ids, observer: observer, plans: c.Plans, policy: c.Policy, limits: limitsOf(c.Policy),
		crms: slices.Clone(c.CRMs)}
	err := record.Update(ctx, func(tx Tx) error {
		key, err := tx.State(stateConfirmKey)
		if err != nil || len(key) == 32 {
			r.confirm = key
			return err
		}
		secret := ids.NewSecret()
		r.confirm = secret[:]
		return tx.SetState(stateConfirmKey, r.confirm)
	})
	if err != nil {
		return nil, fmt.Errorf("read the key of confirmation tokens: %w", err)
	}
	if err := r.noteAnchorDay(ctx); err != nil {
		return nil, fmt.Errorf("note the anchor day: %w", err)
	}
	return r, nil
}

// stateAnchorDay is the policy anchor_day under which usage was last kept.
const stateAnchorDay = "anchor_day"

// noteAnchorDay counts the usage of the period that now holds anew when the policy's anchor day is another than when the record was
// last opened: what was sent in it stays spent (R08). Processes of one record have one policy; while they are
// changed one by one, each counts by its own.
func (svc *Service) noteAnchorDay(ctx context.Context) error {
	noted := false
	err := svc.record.View(ctx, func(tx Tx) error {
		last, err := state[int](tx, stateAnchorDay)
		noted = last != nil && *last == svc.policy.AnchorDay
		return err
	})
	if err != nil || noted {
		return err
	}
	return svc.record.Update(ctx, func(tx Tx) error {
		last, err := state[int](tx, stateAnchorDay)
		if err != nil {
			return err
		}
		if last != nil && *last != svc.policy.AnchorDay {
			if err := tx.RecountUsage(svc.policy.AnchorDay); err != nil {
				return err
			}
		}
		return setState(tx, stateAnchorDay, svc.policy.AnchorDay)
	})
}

const stateConfirmKey = "confirm_key"

// Policy returns the policies in force.
func (svc *Service) Policy() domain.Policy { return svc.policy }

// Plans returns the plans in force.
func (svc *Service) Plans() domain.Plans { return svc.plans }

// Now returns the record's time as far as it is known without asking: for what waits outside a transaction.
func (svc *Service) Now() time.Time { return svc.clock.Now() }

// Ready says whether the record answers.
func (svc *Service) Ready(ctx context.Context) error { return svc.record.Ping(ctx) }

// allowance answers for a plan's name; a plan that has left the configuration allows nothing.
func (svc *Service) allowance(plan string) int { return svc.plans[plan].Allowance }

// Viewer is who asks. An operator who acts for a member is that member (API.md): then Operator is
// false and Member is set. A bare operator has no Member.
type Viewer struct {
	Member   domain.MemberID
	Operator bool
	KeyID    string // for the audit
}

// refuse is domain.Refuse as an error.
func refuse(code domain.Code, format string, args ...any) error {
	return domain.Refuse(code, format, args...)
}

func notFound() error { return refuse(domain.NotFound, "there is no such InMail") }
