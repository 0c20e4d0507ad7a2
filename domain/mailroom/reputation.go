package mailroom

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"inmail/domain"
	"inmail/domain/advice"
	"inmail/domain/spam"
)

// trigger judges the sender's behaviour, this send included; nil lets the send pass (R41).
func (l *ledger) trigger(tx Tx, d *Letter, now time.Time) (*spam.Trigger, error) {
	signals := l.signals[d.From]
	if l.mayRepeat(signals, now) {
		prints, err := l.recentPrints(tx, d.From, now)
		if err != nil {
			return nil, err
		}
		mine := l.fingerprint(d)
		signals.Similar = 0
		for _, p := range prints {
			if spam.Similar(mine, p.Fingerprint) {
				signals.Similar++
			}
		}
		l.signals[d.From] = signals
	}
	return spam.Decide(now, signals, l.svc.limits), nil
}

// mayRepeat reports whether a sender has sent enough in the window for near-identical bodies to matter, be it
// for a warning only. When it has not, no fingerprints are made.
func (l *ledger) mayRepeat(s spam.Signals, now time.Time) bool {
	n := 0
	for _, at := range s.Sends {
		if at.After(now.Add(-spam.SimilarWindow)) {
			n++
		}
	}
	return n >= min(l.svc.limits.SimilarDay-spam.WarnLeft-1, l.svc.limits.SendsNeeded())
}

// varyAdvice returns the advice to vary a text of which almost the same was sent to others before, a few
// letters before it restricts its sender (R41 d); nil: it is not near. print is of the letter to its
// recipient.
func varyAdvice(text domain.Text, to *domain.Member, print spam.Fingerprint, prints []spam.SentPrint, before, limit int) []advice.Hit {
	if !spam.NearSimilar(before+1, limit) {
		return nil
	}
	var like []spam.Fingerprint
	for _, p := range prints {
		if spam.Similar(print, p.Fingerprint) {
			like = append(like, p.Fingerprint)
		}
	}
	same := spam.Repeated(advice.Sentences(text.Body), like, ownWords(to)...)
	change, words := print.ToDiffer()
	return []advice.Hit{advice.Vary(before+1, limit, same, change, words)}
}

// recentPrints returns the fingerprints of a sender's bodies in the window, those of this batch included.
func (l *ledger) recentPrints(tx Tx, sender domain.MemberID, now time.Time) ([]spam.SentPrint, error) {
	if !l.printed[sender] {
		stored, err := l.svc.printsOf(tx, sender, now)
		if err != nil {
			return nil, err
		}
		l.printed[sender] = true
		for _, s := range l.unprinted[sender] {
			l.prints[sender] = append(l.prints[sender], spam.SentPrint{At: s.at, Fingerprint: l.fingerprint(s.letter)})
		}
		l.prints[sender] = append(l.prints[sender], spam.PrintsAfter(stored, l.signals[sender].Undone)...)
	}
	return l.prints[sender], nil
}

// fingerprint returns the fingerprint of a letter, which is made once.
func (l *ledger) fingerprint(d *Letter) spam.Fingerprint {
	print, made := l.made[d]
	if !made {
		print = d.print(l.members[d.To])
		l.made[d] = print
	}
	return print
}

// ownWords returns the texts whose words are a recipient's own.
func ownWords(to *domain.Member) []string {
	if to == nil {
		return nil
	}
	return append([]string{to.Name, to.Headline, to.Company}, to.Skills...)
}

// restrict makes the restriction that follows from a trigger (R42), and the refusal of the send that caused
// it.
func (b *acceptance) restrict(member domain.MemberID, t spam.Trigger, now time.Time) (*domain.Refusal, error) {
	r, err := b.svc.restrict(b.tx, member, t, b.ledger.signals[member], now)
	if err != nil {
		return nil, err
	}
	b.ledger.restricted[member] = r
	return overLimit(t, r), nil
}

// overLimit returns the refusal of the send that caused a restriction (R41, R43).
func overLimit(t spam.Trigger, r spam.Restriction) *domain.Refusal {
	refusal := domain.Refuse(domain.Restricted,
		"%s is %g and its limit is %g: sending is restricted until %s; reading, replying and retracting go on",
		t.Name, t.Value, t.Limit, r.Until.Format(time.RFC3339))
	refusal.Until = r.Until
	return refusal
}

// strike counts a spam message against the sender. The strike that reaches the policy's number restricts the
// sender (R41 b, R42).
func (b *acceptance) strike(member domain.MemberID, now time.Time) error {
	signals := b.ledger.signals[member].WithStrike(now)
	b.ledger.signals[member] = signals
	strike := Strike{Member: member, At: now}
	if len(signals.Strikes) == spam.MaxStrikes {
		strike.Since = signals.Strikes[spam.MaxStrikes-1]
	}
	b.strikes = append(b.strikes, strike)
	if _, already := b.ledger.restricted[member]; already {
		return nil
	}
	if t := spam.Struck(now, signals, b.svc.limits); t != nil {
		_, err := b.restrict(member, *t, now)
		return err
	}
	return nil
}

// restrict stores a restriction one step up the ladder, with the decision that led to it (R42, R43).
func (svc *Service) restrict(tx Tx, member domain.MemberID, t spam.Trigger, signals spam.Signals,
	now time.Time) (spam.Restriction, error) {
	previous, err := onLadder(tx, member)
	if err != nil {
		return spam.Restriction{}, err
	}
	restriction := spam.Restrict(now, t, previous)
	id := string(svc.ids.NewID()) // of the restriction and of its decision, which is found under it
	if err := tx.PutRestriction(member, id, restriction); err != nil {
		return restriction, err
	}
	if err := tx.AppendEvents([]Event{{Kind: MemberRestricted, About: id}}); err != nil {
		return restriction, err
	}
	detail, err := json.Marshal(spam.NewDecision(now, t, signals, svc.limits))
	if err != nil {
		return restriction, fmt.Errorf("keep a decision: %w", err)
	}
	return restriction, tx.AppendAudit([]AuditEntry{{ID: id, At: now, Kind: DecidedRestrict, Sender: member,
		Refusals: []domain.Code{domain.Restricted}, Detail: detail}})
}

// onLadder returns the restrictions of a member that count on the ladder: those that were not undone (R42).
func onLadder(tx Tx, member domain.MemberID) ([]spam.Restriction, error) {
	rows, err := tx.Restrictions(member)
	if err != nil {
		return nil, err
	}
	previous := make([]spam.Restriction, 0, len(rows))
	for _, row := range rows {
		if row.UndoneAt.IsZero() {
			previous = append(previous, row.Restriction)
		}
	}
	return previous, nil
}

// spamRefusal explains why a message was judged spam (R42, R43).
func spamRefusal(v spam.Verdict) *domain.Refusal {
	detail := "the message reads like spam"
	for i, reason := range v.Reasons {
		sep := "; "
		if i == 0 {
			sep = ": "
		}
		detail += sep + reason.Text
	}
	return domain.Refuse(domain.SpamContent, "%s. Rewrite it in your own words and send it again", detail)
}

// MaxReportReason is the longest reason of an abuse report, in bytes.
const MaxReportReason = 1000

// Report stores a recipient's report of abuse, once for each InMail (R44). Reports restrict the sender when
// they come from enough distinct reporters and a large enough share of the deliveries (R41 c). The sender
// never learns who reported.
func (svc *Service) Report(ctx context.Context, v Viewer, id domain.ID, reason string) error {
	if err := CheckText(reason); err != nil {
		return err
	}
	if len(reason) > MaxReportReason {
		return &domain.Refusal{
			Code: domain.BadRequest, Got: len(reason), Limit: MaxReportReason, Detail: "the reason is too long",
		}
	}
	err := svc.record.Update(ctx, func(tx Tx) error {
		m, err := one(tx.InMails, id)
		if err != nil {
			return err
		}
		if err := v.asRecipient(m); err != nil {
			return err
		}
		if err := tx.LockMembers([]domain.MemberID{m.Sender}); err != nil {
			return err
		}
		if m, err = one(tx.InMails, id); err != nil { // the sender may be erased since (R60)
			return err
		}
		if err := v.asRecipient(m); err != nil {
			return err
		}
		if err := tx.Report(id, m.Sender, v.Member, reason); err != nil {
			if errors.Is(err, ErrConflict) {
				return refuse(domain.Conflict, "you have reported this InMail already")
			}
			return err
		}
		if err := tx.AppendLessons([]Lesson{{InMail: id, Spam: true}}); err != nil {
			return err
		}
		return svc.judgeReports(tx, m.Sender)
	})
	if err != nil {
		return wrap("report", err)
	}
	svc.observer.Notify(Reported{})
	return nil
}

// judgeReports restricts a sender whom enough recipients have reported.
func (svc *Service) judgeReports(tx Tx, sender domain.MemberID) error {
	senders := []domain.MemberID{sender}
	active, err := tx.Restricted(senders)
	if err != nil {
		return err
	}
	if _, already := active[sender]; already {
		return nil
	}
	signals, err := tx.Signals(senders, svc.limits)
	if err != nil {
		return err
	}
	t := spam.Reported(tx.Now(), signals[sender], svc.limits)
	if t == nil {
		return nil
	}
	_, err = svc.restrict(tx, sender, *t, signals[sender], tx.Now())
	return err
}

// Standing returns how near each limit a sender is and when it eases, and the restriction in force, if any
// (R43).
func (svc *Service) Standing(ctx context.Context, member domain.MemberID) (s spam.Standing, err error) {
	err = svc.record.View(ctx, func(tx Tx) error {
		if err := exists(tx, member); err != nil {
			return err
		}
		one := []domain.MemberID{member}
		signals, err := tx.Signals(one, svc.limits)
		if err != nil {
			return err
		}
		active, err := tx.Restricted(one)
		if err != nil {
			return err
		}
		var holds *spam.Restriction
		if a, ok := active[member]; ok {
			holds = &a
		}
		own := signals[member]
		prints, err := svc.printsOf(tx, member, tx.Now())
		if err != nil {
			return err
		}
		own.Similar, own.SimilarAt = spam.MostAlike(spam.PrintsAfter(prints, own.Undone))
		s = spam.StandingOf(tx.Now(), own, svc.limits, holds)
		return nil
	})
	return s, wrap("read the standing", err)
}

// stateModelVersion counts the versions of the filter's model, so that a process reads it only when it has
// changed.
const stateModelVersion = "model_version"

// lastModel returns the filter's model as it was last read; nil: it was never read, or nothing was learnt.
func (svc *Service) lastModel() *spam.Model {
	svc.filter.Lock()
	defer svc.filter.Unlock()
	return svc.filter.model
}

// modelAt returns the filter's model at a version; nil when nothing was learnt. It reads the record only when
// the version is not that of the last model.
func (svc *Service) modelAt(tx Tx, version []byte) (*spam.Model, error) {
	if len(version) == 0 {
		return nil, nil
	}
	svc.filter.Lock()
	defer svc.filter.Unlock()
	if svc.filter.version == string(version) {
		return svc.filter.model, nil
	}
	blob, err := tx.Model()
	if err != nil {
		return nil, err
	}
	m := spam.NewModel()
	if err := m.UnmarshalBinary(blob); err != nil {
		return nil, fmt.Errorf("read the filter's model: %w", err)
	}
	svc.filter.model, svc.filter.version = m, string(version)
	return m, nil
}
