package mailroom

import (
	"context"
	"fmt"
	"slices"
	"time"

	"inmail/domain"
	"inmail/domain/spam"
)

// Outcome answers one id of Deliver.
type Outcome struct {
	ID domain.ID
	// Status is sent, refused or failed; empty when the InMail was not decided here, because it was decided
	// before or another transaction has locked it.
	Status domain.Status
	Reason domain.Code
	// Locked means that the InMail is still queued, but locked by another transaction: a push that claims it,
	// or another worker that decides it.
	Locked bool
}

// Deliver decides each of ids and stores all in one transaction: sent with its credit, receipt and counts,
// refused by a rule that applies since it was accepted (R21), or failed as too old (R61). outcomes[i] answers
// ids[i]. After an error nothing of the batch is stored.
func (svc *Service) Deliver(ctx context.Context, ids []domain.ID) ([]Outcome, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var b *delivery
	err := svc.record.Update(ctx, func(tx Tx) error {
		b = &delivery{svc: svc, tx: tx, outcomes: map[domain.ID]Outcome{}}
		return b.run(ids)
	})
	if err != nil {
		return nil, fmt.Errorf("deliver %d InMails: %w", len(ids), err)
	}
	b.notify()
	if len(b.gone) > 0 {
		svc.askErase(ctx)
	}
	outcomes := make([]Outcome, len(ids))
	for i, id := range ids {
		outcomes[i] = b.outcomes[id]
		outcomes[i].ID = id
	}
	return outcomes, nil
}

// delivery decides one batch inside its transaction.
type delivery struct {
	svc      *Service
	tx       Tx
	ledger   *ledger
	outcomes map[domain.ID]Outcome
	changes  []Change
	moves    map[CreditMove]int // number of credits by member and period
	counts   []domain.Count
	audit    []AuditEntry
	strikes  []Strike
	decided  []*domain.InMail
	gone     []domain.MemberID // erased while their sends were accepted: nothing may stay (R60)
}

func (b *delivery) run(ids []domain.ID) error {
	queued, err := b.tx.ClaimQueued(ids)
	if err != nil {
		return err
	}
	if len(queued) < len(ids) {
		if err := b.markLocked(ids, queued); err != nil {
			return err
		}
	}
	if len(queued) == 0 {
		return nil
	}
	pairs := make([]Pair, len(queued))
	for i, m := range queued {
		pairs[i] = Pair{m.Sender, m.Recipient}
	}
	if b.ledger, _, err = b.svc.open(b.tx, pairs, forDeliver, Ask{}); err != nil {
		return err
	}
	for _, id := range sidesOf(pairs) {
		if id != domain.Erased && b.ledger.members[id] == nil {
			b.gone = append(b.gone, id)
		}
	}
	b.moves = map[CreditMove]int{}
	for _, m := range queued {
		if err := b.decide(m); err != nil {
			return err
		}
	}
	return b.store()
}

// markLocked marks those of ids that are still queued but were not claimed; the others were decided before.
func (b *delivery) markLocked(ids []domain.ID, claimed []*domain.InMail) error {
	ours := make(map[domain.ID]bool, len(claimed))
	for _, m := range claimed {
		ours[m.ID] = true
	}
	found, err := b.tx.InMails(slices.DeleteFunc(slices.Clone(ids), func(id domain.ID) bool { return ours[id] }))
	if err != nil {
		return err
	}
	for id, m := range found {
		if m.Status == domain.Queued {
			b.outcomes[id] = Outcome{ID: id, Locked: true}
		}
	}
	return nil
}

// decide delivers, refuses or fails one queued InMail.
func (b *delivery) decide(m *domain.InMail) error {
	now := b.tx.Now()
	if now.Sub(m.AcceptedAt) >= b.svc.policy.QueueMaxAge {
		return b.apply(m, domain.EventFail, domain.TooOld)
	}
	text := b.content(m)
	refusals := b.ledger.refusals(m.Sender, m.Recipient, text, now)
	if len(refusals) > 0 && refusals[0].Code == domain.Restricted && b.acceptedBefore(m) {
		refusals = refusals[1:]
	}
	if len(refusals) > 0 {
		codes := make([]domain.Code, len(refusals))
		for i, r := range refusals {
			codes[i] = r.Code
		}
		if text.verdict != nil {
			b.strikes = append(b.strikes, Strike{Member: m.Sender, At: now})
		}
		detail, err := detailOf(text, refusals, now)
		if err != nil {
			return err
		}
		b.audit = append(b.audit, AuditEntry{
			ID: string(b.svc.ids.NewID()), At: now, Kind: DecidedDelivery, InMail: m.ID,
			Sender: b.ledger.known(m.Sender), Recipient: b.ledger.known(m.Recipient), Refusals: codes, Detail: detail,
		})
		return b.apply(m, domain.EventRefuse, codes[0])
	}
	sender := b.ledger.members[m.Sender]
	m.AccountType = sender.AccountType // at T0 (R59)
	if err := b.apply(m, domain.EventDeliver, ""); err != nil {
		return err
	}
	start := domain.PeriodStart(now, b.ledger.accounts[m.Sender].AnchorDay) // T0 decides (R08)
	b.moves[CreditMove{Member: m.Sender, PeriodStart: start}]++
	b.counts = append(b.counts, domain.CountsFor(m, "", m.Outcome())...)
	b.ledger.delivered(m.Sender, m.Recipient, start, now)
	return nil
}

// content judges the text of m. It does not parse one again that the same model has just found good.
func (b *delivery) content(m *domain.InMail) content {
	if b.svc.verdicts.good(b.ledger.model, digestText(m.Subject, m.Body)) {
		return content{model: b.ledger.model}
	}
	return readText(m.Subject, m.Body, false).judge(b.ledger.model)
}

// acceptedBefore reports whether the sender's restriction is about the number of sends and came after m was
// accepted: then m was within the limit, and passes (R41). Every such restriction came after, because both
// are decided under the sender's lock and nothing is accepted during a restriction. No times are compared,
// because two machines may have set them.
func (b *delivery) acceptedBefore(m *domain.InMail) bool {
	return spam.ByBehaviour(b.ledger.restricted[m.Sender].Trigger)
}

func (b *delivery) apply(m *domain.InMail, e domain.Event, reason domain.Code) error {
	from, version := m.Status, m.Version
	receipts, err := m.Apply(e, b.tx.Now(), reason)
	if err != nil {
		return fmt.Errorf("InMail %s: %w", m.ID, err)
	}
	b.changes = append(b.changes, Change{InMail: m, FromStatus: from, FromVersion: version, Receipts: receipts})
	b.outcomes[m.ID] = Outcome{ID: m.ID, Status: m.Status, Reason: m.Reason}
	b.decided = append(b.decided, m)
	return nil
}

func (b *delivery) store() error {
	if err := save(b.tx, b.changes); err != nil {
		return err
	}
	moves := make([]CreditMove, 0, len(b.moves))
	for move, n := range b.moves {
		move.Used = n
		moves = append(moves, move)
	}
	if err := b.tx.Spend(moves); err != nil {
		return err
	}
	if err := b.tx.Strike(b.strikes); err != nil {
		return err
	}
	if err := b.tx.AppendAudit(b.audit); err != nil {
		return err
	}
	if len(b.gone) > 0 {
		if err := b.svc.beginErasing(b.tx, b.gone...); err != nil {
			return err
		}
	}
	return b.tx.Count(b.counts)
}

// notify sends the observer notices of what was committed.
func (b *delivery) notify() {
	for _, m := range b.decided {
		switch m.Status {
		case domain.Sent:
			b.svc.observer.Notify(Delivered{m.AccountType, m.SentAt.Sub(m.AcceptedAt)})
		case domain.Refused:
			b.svc.observer.Notify(SendRefused{m.Reason})
		}
	}
}

// Redrive enqueues again InMails that were accepted at least age ago and are still queued, because a worker
// died or Redis was flushed (R29). It includes those that were accepted later than now, by a clock that was
// set back since. It returns how many.
func (svc *Service) Redrive(ctx context.Context, age time.Duration, limit int) (int, error) {
	var due []domain.ID
	err := svc.record.View(ctx, func(tx Tx) (err error) {
		due, err = tx.QueuedBefore(tx.Now().Add(-age), limit)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("look for what is still queued: %w", err)
	}
	if len(due) == 0 {
		return 0, nil
	}
	if err := svc.Announce(ctx, due); err != nil {
		return 0, fmt.Errorf("redrive %d InMails: %w", len(due), err)
	}
	return len(due), nil
}

// NextExpiry returns when the window of an unopened InMail is over next (R33), and how long it is until then;
// 0 or less: it is over. The time is zero when no InMail is unopened.
func (svc *Service) NextExpiry(ctx context.Context) (next time.Time, wait time.Duration, err error) {
	err = svc.record.View(ctx, func(tx Tx) error {
		next, err = tx.NextExpiry()
		wait = next.Sub(tx.Now())
		return err
	})
	return next, wait, wrap("look when an InMail expires next", err)
}

// AskExpiry asks for a sweep of what expired at a time. All processes that ask for the same get one.
func (svc *Service) AskExpiry(ctx context.Context, at time.Time) error {
	return svc.queue.Enqueue(ctx, Task{Type: TaskExpire, ID: fmt.Sprintf("%s:due:%d", TaskExpire, at.UnixMilli())})
}

// Expire stores up to limit expiries that the clock has decided (R32, R33), each once with one receipt, and
// returns how many.
func (svc *Service) Expire(ctx context.Context, limit int) (int, error) {
	var expired []*domain.InMail
	var now time.Time
	err := svc.record.Update(ctx, func(tx Tx) error {
		now = tx.Now()
		due, err := tx.ExpireDue(limit)
		if err != nil {
			return err
		}
		expired = due
		events := make([]Event, len(due))
		for i, m := range due { // the record has expired them all: each must have been allowed to
			before := m.Outcome()
			if _, err := m.Apply(domain.EventExpire, now, ""); err != nil {
				return fmt.Errorf("InMail %s: %w", m.ID, err)
			}
			events[i] = Event{Kind: InMailExpired, InMail: m.ID, Seq: m.Seq}
			if err := tx.Count(domain.CountsFor(m, before, m.Outcome())); err != nil {
				return err
			}
		}
		return tx.AppendEvents(events)
	})
	if err != nil {
		return 0, fmt.Errorf("expire: %w", err)
	}
	for _, m := range expired {
		svc.observer.Notify(Expired{now.Sub(m.ExpiresAt)})
	}
	return len(expired), nil
}
