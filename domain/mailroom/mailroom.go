// Package mailroom contains the use cases, with a file for each verb: accept, deliver, open, reply, retract,
// expire and so on. They use the ports of ports.go. Each is one transaction of the record; the rules that it
// applies are pure functions of package domain. What happens outside the record (a task for the workers, a
// figure for the metrics) happens after the commit.
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

// ErrConflict says that a row is not, or no longer, as the caller assumed. Nothing was stored.
var ErrConflict = errors.New("the record has changed meanwhile")

// ErrUnavailable says that the record cannot be used now: it cannot be reached, is full, or did not answer in
// time. The same call may succeed later.
var ErrUnavailable = errors.New("the record is not available")

// ErrQueueUnavailable says that the queue cannot be used now. What is due is found in the record when it can.
var ErrQueueUnavailable = errors.New("the queue is not available")

// Cause is why a part of the program cannot work now, in words that everybody may see: /readyz, answers to
// clients and the command line use the same ones. An error with a cause has the method Cause() Cause.
type Cause string

// The causes. Each follows the name of the part: "the record does not answer".
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
	CauseHeld        Cause = "is held: it is a copy, or was restored from a backup, and only reads until an operator says inmail resume --after-restore (R61)"
	CauseApart       Cause = "is more than 2 s from the record's time"
	CauseStill       Cause = "stands still"
)

// Because returns err with its cause.
func Because(why Cause, err error) error { return &because{err, why} }

type because struct {
	error
	why Cause
}

// Cause returns the cause, for CauseOf.
func (b *because) Cause() Cause { return b.why }

// Unwrap returns the error without its cause.
func (b *because) Unwrap() error { return b.error }

// CauseOf returns the cause of err; CauseUnreachable when it has none.
func CauseOf(err error) Cause {
	var caused interface{ Cause() Cause }
	if errors.As(err, &caused) && caused.Cause() != "" {
		return caused.Cause()
	}
	return CauseUnreachable
}

// Config has the settings of a Service.
type Config struct {
	Plans    domain.Plans
	Policy   domain.Policy
	CRMs     []CRM         // the CRMs of this program, configured or not; the first is the default
	Webhooks WebhookSender // nil: URLs of end points are not judged, and nothing is delivered
}

// Service is the use cases over the ports. Build it with New; its methods are safe for concurrent use.
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
	webhooks WebhookSender
	confirm  []byte   // the key of confirmation tokens (R35)
	filter   struct { // the learnt filter as last read
		sync.Mutex
		model   *spam.Model
		version string
	}
	verdicts verdicts
	prints   prints
	acts     actsTogether
	large    places // bounds large preflights and batches of imports
}

// New builds a Service. It reads the key of the confirmation tokens from the record, or makes it the first
// time, so that all replicas accept each other's tokens.
func New(ctx context.Context, c Config, record Record, queue Queue,
	clock Clock, ids IDs, observer Observer) (*Service, error) {
	if err := errors.Join(c.Plans.Validate(), c.Policy.Validate()); err != nil {
		return nil, err
	}
	svc := &Service{
		record: record, queue: queue, clock: clock, ids: ids, observer: observer,
		plans: c.Plans, policy: c.Policy, limits: limitsOf(c.Policy), crms: slices.Clone(c.CRMs),
		webhooks: c.Webhooks, large: newPlaces(),
	}
	err := record.UpdateHeld(ctx, func(tx Tx) (err error) {
		svc.confirm, err = confirmKey(tx, ids)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the key of confirmation tokens: %w", err)
	}
	if record.Held() != nil {
		return svc, nil // Resume does the rest
	}
	if err := svc.noteAnchorDay(ctx); err != nil {
		return nil, fmt.Errorf("store the anchor day: %w", err)
	}
	return svc, nil
}

// confirmKey reads the key of the confirmation tokens, or makes it the first time. Of processes that start
// together, one makes it: writing the row of the making locks it, and the others find the key behind it.
func confirmKey(tx Tx, ids IDs) ([]byte, error) {
	key, err := tx.State(stateConfirmKey)
	if err != nil || len(key) == confirmKeyBytes {
		return key, err
	}
	if err := tx.SetState(stateConfirmKeyMade, []byte(ids.NewID())); err != nil {
		return nil, err
	}
	key, err = tx.State(stateConfirmKey)
	if err != nil || len(key) == confirmKeyBytes {
		return key, err
	}
	secret := ids.NewSecret()
	return secret[:], tx.SetState(stateConfirmKey, secret[:])
}

// stateAnchorDay is the policy anchor_day by which usage was last counted.
const stateAnchorDay = "anchor_day"

// noteAnchorDay counts the usage of the current period anew when the policy's anchor day has changed since
// the record was last opened, so that credits which were spent in the period stay spent (R08). All processes
// of a record should have one policy; while they are restarted one by one, each counts by its own.
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

// The names of the key of the confirmation tokens, and of the row that is locked while it is made.
const (
	stateConfirmKey     = "confirm_key"
	stateConfirmKeyMade = "confirm_key_made"
	confirmKeyBytes     = 32
)

// Policy returns the policies in force.
func (svc *Service) Policy() domain.Policy { return svc.policy }

// Plans returns the plans in force.
func (svc *Service) Plans() domain.Plans { return svc.plans }

// Now returns the record's time as far as it is known without asking the record. It serves what waits outside
// a transaction.
func (svc *Service) Now() time.Time { return svc.clock.Now() }

// Ready returns an error when the record does not answer.
func (svc *Service) Ready(ctx context.Context) error { return svc.record.Ping(ctx) }

// allowance returns the allowance of a plan by name; 0 for a plan that is no longer configured.
func (svc *Service) allowance(plan string) int { return svc.plans[plan].Allowance }

// Viewer is the caller of a use case. An operator who acts for a member counts as that member (API.md):
// Operator is false and Member is set. A bare operator has no Member.
type Viewer struct {
	Member     domain.MemberID
	Operator   bool
	KeyID      string // for the audit, with the key's name
	KeyName    string
	ByOperator bool // the key is an operator's, also where Member is set: it acts for that member (R70)
}

// refuse returns domain.Refuse as an error.
func refuse(code domain.Code, format string, args ...any) error {
	return domain.Refuse(code, format, args...)
}

func notFound() error { return refuse(domain.NotFound, "there is no such InMail") }
