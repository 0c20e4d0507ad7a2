package mailroom

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"inmail/domain"
	"inmail/domain/spam"
)

// Audit lists decisions with all their true codes (R18, R21, R43), and acts of operators (R70), newest first.
func (svc *Service) Audit(ctx context.Context, f AuditFilter, p Page) (entries []AuditEntry, err error) {
	err = svc.record.View(ctx, func(tx Tx) (err error) {
		entries, err = tx.Audit(f, p)
		return err
	})
	return entries, wrap("list the audit", err)
}

// DecidedRestriction is a restriction with the decision that led to it; nil when that is no longer kept.
type DecidedRestriction struct {
	RestrictionRow
	Decision *spam.Decision
	Undo     *Undo // nil: it was not undone, or that is no longer kept
}

// Undo says who took a restriction back, and why (R43).
type Undo struct {
	By     string // the id of the key
	Reason string // the operator's own words; empty: none were given
}

// undoID returns the id of the audit's entry about the undo of a restriction, which is found by it. A
// restriction is undone once.
func undoID(restriction string) string { return restriction + "-undo" }

// undoDetail is what the audit keeps of an undo.
type undoDetail struct {
	Restriction string `json:"restriction"`
	Trigger     string `json:"trigger"`
	Reason      string `json:"reason,omitempty"`
}

// Restrictions lists all restrictions of a member, newest first, for an operator.
func (svc *Service) Restrictions(ctx context.Context, member domain.MemberID) ([]DecidedRestriction, error) {
	return svc.decided(ctx, func(tx Tx) ([]RestrictionRow, error) { return tx.Restrictions(member) })
}

// HoldingRestrictions lists the restrictions of all members that hold now, by (Until, ID), for an operator.
func (svc *Service) HoldingRestrictions(ctx context.Context, p Page) ([]DecidedRestriction, error) {
	return svc.decided(ctx, func(tx Tx) ([]RestrictionRow, error) { return tx.HoldingRestrictions(p) })
}

// decided reads restrictions with what each was decided from.
func (svc *Service) decided(ctx context.Context, read func(Tx) ([]RestrictionRow, error)) (list []DecidedRestriction,
	err error) {
	err = svc.record.View(ctx, func(tx Tx) error {
		rows, err := read(tx)
		if err != nil {
			return err
		}
		var ids []string
		for _, row := range rows {
			ids = append(ids, row.ID, undoID(row.ID))
		}
		entries, err := tx.Decisions(ids)
		if err != nil {
			return err
		}
		list = make([]DecidedRestriction, len(rows))
		for i, row := range rows {
			list[i].RestrictionRow = row
			if detail := entries[row.ID].Detail; len(detail) > 0 {
				list[i].Decision = new(spam.Decision)
				if err := json.Unmarshal(detail, list[i].Decision); err != nil {
					return fmt.Errorf("read the decision %s: %w", row.ID, err)
				}
			}
			if undo := entries[undoID(row.ID)]; len(undo.Detail) > 0 {
				var kept undoDetail
				if err := json.Unmarshal(undo.Detail, &kept); err != nil {
					return fmt.Errorf("read the undo of %s: %w", row.ID, err)
				}
				list[i].Undo = &Undo{By: undo.By, Reason: kept.Reason}
			}
		}
		return nil
	})
	return list, wrap("list restrictions", err)
}

// UndoRestriction lets an operator take a restriction back, with an entry in the audit. The restriction no
// longer counts on the ladder (R42), and the signals of its decision no longer count for the next one
// (spam.Undone): the sender continues as if there had been none. The reason is for the audit and may be
// empty; its form is that of a decline's (R43).
func (svc *Service) UndoRestriction(ctx context.Context, v Viewer, id, reason string) error {
	reason, err := domain.DeclineReason(reason)
	if err != nil {
		return err
	}
	err = svc.record.Update(ctx, func(tx Tx) error {
		row, err := tx.Restriction(id)
		if err != nil {
			return err
		}
		if row != nil {
			if err := tx.LockMembers([]domain.MemberID{row.Member}); err != nil {
				return err
			}
			if row, err = tx.Restriction(id); err != nil { // it may have been undone or erased meanwhile
				return err
			}
		}
		if row == nil || !row.UndoneAt.IsZero() {
			return refuse(domain.NotFound, "there is no such restriction, or it is undone already")
		}
		if err := tx.UndoRestriction(id); err != nil {
			return err
		}
		detail, err := json.Marshal(undoDetail{Restriction: id, Trigger: row.Trigger, Reason: reason})
		if err != nil {
			return fmt.Errorf("store an undo: %w", err)
		}
		return tx.AppendAudit([]AuditEntry{{
			ID: undoID(id), At: tx.Now(), Kind: DecidedUndo,
			Sender: row.Member, By: v.KeyID, Detail: detail,
		}})
	})
	return wrap("undo a restriction", err)
}

// OtherSettings are the settings to replay a decision under; nil keeps the one that was in force.
type OtherSettings struct {
	VolumeHour   *int
	VolumeDay    *int
	Strikes      *int
	SimilarDay   *int
	RegularGaps  *int
	BurstMinute  *int
	ReportersMin *int
	ReportShare  *float64
	RefuseScore  *float64 // for refusals for spam_content; the others are for restrictions
}

// limits returns l with the limits that o sets, and whether it sets any.
func (o OtherSettings) limits(l spam.Limits) (spam.Limits, bool) {
	set := false
	for to, from := range map[*int]*int{
		&l.VolumeHour: o.VolumeHour, &l.VolumeDay: o.VolumeDay, &l.Strikes: o.Strikes, &l.SimilarDay: o.SimilarDay,
		&l.RegularGaps: o.RegularGaps, &l.BurstMinute: o.BurstMinute, &l.ReportersMin: o.ReportersMin,
	} {
		if from != nil {
			*to, set = *from, true
		}
	}
	if o.ReportShare != nil {
		l.ReportShare, set = *o.ReportShare, true
	}
	return l, set
}

// Replayed says what a decision was, and what it would have been under other settings.
type Replayed struct {
	AuditEntry
	Version string
	Was     spam.Trigger  // the value that was measured, and its limit
	Would   *spam.Trigger // nil: it would have passed
	Limits  *spam.Limits  // the limits of the replay; nil for a refusal for spam_content
	// Whole means that everything which the replay reads was kept. Otherwise a replay that passes is only
	// likely to be right (spam.Decision.Whole).
	Whole bool
}

// Replay repeats a decision of the audit under other settings (R43) and changes nothing. It replays a
// restriction from its signals, and a refusal for spam_content from its score, because its text is stored
// nowhere (R27). Any other decision is a conflict, because nothing is kept to repeat it from.
func (svc *Service) Replay(ctx context.Context, id string, o OtherSettings) (Replayed, error) {
	var out Replayed
	err := svc.record.View(ctx, func(tx Tx) error {
		found, err := tx.Decisions([]string{id})
		if err != nil {
			return err
		}
		entry, there := found[id]
		if !there {
			return refuse(domain.NotFound, "there is no such decision")
		}
		var kept struct {
			spam.Decision
			Content *spam.ContentDecision `json:"content"`
		}
		if len(entry.Detail) > 0 {
			if err := json.Unmarshal(entry.Detail, &kept); err != nil {
				return fmt.Errorf("read the decision %s: %w", id, err)
			}
		}
		switch {
		case kept.Content != nil:
			out, err = replayContent(*kept.Content, o)
		case kept.Trigger.Name != "":
			out, err = replayRestriction(kept.Decision, o)
		default:
			err = refuse(domain.Conflict, "this decision keeps nothing to decide again from; a restriction "+
				"and a refusal for spam_content do, until their sender is erased")
		}
		out.AuditEntry = entry
		return err
	})
	return out, wrap("replay a decision", err)
}

func replayRestriction(d spam.Decision, o OtherSettings) (Replayed, error) {
	if o.RefuseScore != nil {
		return Replayed{}, refuse(domain.BadRequest, "refuse_score has no part in a restriction")
	}
	limits, _ := o.limits(d.Limits)
	if err := limits.Validate(); err != nil {
		return Replayed{}, refuse(domain.BadRequest, "%s", err)
	}
	return Replayed{
		Version: d.Version, Was: d.Trigger, Would: d.Replay(limits), Limits: &limits, Whole: d.Complete(limits),
	}, nil
}

func replayContent(d spam.ContentDecision, o OtherSettings) (Replayed, error) {
	if _, set := o.limits(spam.Limits{}); set {
		return Replayed{}, refuse(domain.BadRequest, "only refuse_score has a part in a refusal for spam_content")
	}
	bar := d.Threshold
	if o.RefuseScore != nil {
		bar = *o.RefuseScore
	}
	if !(bar > 0 && bar <= 1) { // true for NaN, too
		return Replayed{}, refuse(domain.BadRequest, "refuse_score: %g is outside 0..1, without 0", bar)
	}
	out := Replayed{Version: d.Verdict.Version, Whole: true,
		Was: spam.Trigger{Name: string(domain.SpamContent), Value: d.Verdict.Score, Limit: d.Threshold, At: d.At}}
	if d.Replay(bar) {
		out.Would = &spam.Trigger{Name: string(domain.SpamContent), Value: d.Verdict.Score, Limit: bar, At: d.At}
	}
	return out, nil
}

// passing is what the audit keeps of a refusal that ends by itself: the measured value, its limit, and when
// it ends (R63, R65). Only operators read it.
type passing struct {
	Value  int       `json:"value,omitempty"`
	Limit  int       `json:"limit,omitempty"`
	EndsAt time.Time `json:"ends_at"`
}

// detailOf returns what the audit stores of a refused send beside its codes: the verdict of spam_content, and
// when declined and recipient_busy end. Nil: nothing.
func detailOf(text content, refusals []*domain.Refusal, now time.Time) ([]byte, error) {
	kept := map[string]any{}
	if text.verdict != nil {
		kept["content"] = spam.NewContentDecision(now, *text.verdict)
	}
	for _, r := range refusals {
		if r.Code == domain.DeclinedCode || r.Code == domain.RecipientBusy {
			kept[string(r.Code)] = passing{Value: r.Got, Limit: r.Limit, EndsAt: r.Until}
		}
	}
	if len(kept) == 0 {
		return nil, nil
	}
	detail, err := json.Marshal(kept)
	if err != nil {
		return nil, fmt.Errorf("keep a decision: %w", err)
	}
	return detail, nil
}
