package mailroom

import (
	"context"
	"slices"

	"inmail/domain"
)

// Tag replaces the tags of an InMail, by its sender or an operator, at any time. The figures follow (R56). It
// returns the tags in their normal form.
func (svc *Service) Tag(ctx context.Context, v Viewer, id domain.ID, tags []string) ([]string, error) {
	for _, t := range tags {
		if err := CheckText(t); err != nil {
			return nil, err
		}
	}
	normal, err := domain.NormalTags(tags)
	if err != nil {
		return nil, err
	}
	err = svc.label(ctx, v, id, InMailTagged, func(tx Tx, m *domain.InMail) (changed bool, err error) {
		if slices.Equal(m.Tags, normal) {
			return false, nil
		}
		old := m.Tags
		m.Tags = normal
		return true, tx.Count(domain.RetagCounts(m, old, svc.responseWindow()))
	})
	return normal, wrap("tag", err)
}

// SetCRM replaces the ids of CRMs that the sender names, and returns them as stored. A named id takes
// precedence over matching (R55).
func (svc *Service) SetCRM(ctx context.Context, v Viewer, id domain.ID, ids domain.CRMIDs) (domain.CRMIDs, error) {
	normal, err := svc.judgeCRM(ids)
	if err != nil {
		return ids, err
	}
	err = svc.label(ctx, v, id, "", func(tx Tx, m *domain.InMail) (bool, error) {
		changed := !m.CRM.Equal(normal)
		m.CRM = normal
		return changed, nil
	})
	return normal, wrap("set the ids of CRMs", err)
}

// label changes an InMail without changing its state: there is no receipt, but the InMail is due for every
// CRM. change returns whether anything has changed; then an event of kind is appended, unless that is empty.
func (svc *Service) label(ctx context.Context, v Viewer, id domain.ID, kind EventKind,
	change func(Tx, *domain.InMail) (bool, error)) error {
	return svc.record.Update(ctx, func(tx Tx) error {
		m, err := one(tx.LockInMails, id)
		if err != nil {
			return err
		}
		if _, _, err := v.side(m); err != nil {
			return err
		}
		if !v.Operator {
			if err := v.asSender(m); err != nil {
				return err
			}
		}
		c := Change{InMail: m, FromStatus: m.Status, FromVersion: m.Version, Retagged: true}
		changed, err := change(tx, m)
		if err != nil || !changed {
			return err
		}
		m.Version++
		var events []Event
		if kind != "" {
			events = append(events, Event{Kind: kind, InMail: m.ID, Seq: m.Seq})
		}
		return save(tx, []Change{c}, events...)
	})
}
