package hubspot

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// Forget empties members' ids on the contacts that have them (R60). The texts of their InMails are emptied
// by the push that follows an erasure. It may be repeated.
func (c *Connector) Forget(ctx context.Context, ids []domain.MemberID) error {
	if !c.Configured() {
		return mailroom.ErrNotConfigured
	}
	if err := c.forget(ctx, ids); err != nil {
		return fmt.Errorf("forget members in HubSpot: %w", err)
	}
	return nil
}

func (c *Connector) forget(ctx context.Context, ids []domain.MemberID) error {
	p, err := c.learn(ctx)
	if err != nil {
		return err
	}
	if !p.contact[memberProperty] || len(ids) == 0 {
		return nil
	}
	if !p.byMember { // contacts are not found by the id, so all are read
		return c.forgetThose(ctx, func(id domain.MemberID) bool { return slices.Contains(ids, id) })
	}
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = string(id)
	}
	found, err := c.read(ctx, contacts, memberProperty, texts, memberProperty)
	if err != nil {
		return err
	}
	found = slices.DeleteFunc(found, func(r result) bool { return !slices.Contains(texts, r.text(memberProperty)) })
	return c.emptyMembers(ctx, found)
}

// ForgetThose is Forget for members whose ids are no longer known: gone recognizes each of them. It reads
// all contacts of the portal from the store, because the index of the search is late.
func (c *Connector) ForgetThose(ctx context.Context, gone func(domain.MemberID) bool) error {
	if !c.Configured() {
		return mailroom.ErrNotConfigured
	}
	if err := c.forgetThose(ctx, gone); err != nil {
		return fmt.Errorf("forget members in HubSpot: %w", err)
	}
	return nil
}

func (c *Connector) forgetThose(ctx context.Context, gone func(domain.MemberID) bool) error {
	p, err := c.learn(ctx)
	if err != nil || !p.contact[memberProperty] {
		return err
	}
	for after := ""; ; {
		page, next, err := c.listPage(ctx, contacts, after, memberProperty)
		if err != nil {
			return err
		}
		found := slices.DeleteFunc(page, func(r result) bool {
			id := r.text(memberProperty)
			return id == "" || !gone(domain.MemberID(id))
		})
		if err := c.emptyMembers(ctx, found); err != nil {
			return err
		}
		if after = next; after == "" {
			return nil
		}
	}
}

// emptyMembers empties the id of a member on contacts. A contact that is gone meanwhile has none.
func (c *Connector) emptyMembers(ctx context.Context, found []result) error {
	for part := range slices.Chunk(found, maxBatch) {
		var in inputs[updateInput]
		for _, r := range part {
			in.Inputs = append(in.Inputs, updateInput{r.ID, r.ID, map[string]string{memberProperty: ""}})
		}
		var out batch
		if err := c.call(ctx, updating, http.MethodPost, c.path("objects", contacts, "batch", "update"), in, &out); err != nil {
			return err
		}
		for _, e := range out.Errors {
			if f := rowFault(e); !f.gone {
				return f
			}
		}
	}
	return nil
}

// detachedNote is the note of a link whose records were taken off the contact of an erased recipient.
const detachedNote = "detached"

// detach takes the records of erased recipients off their contacts. A communication without any association
// can neither be found nor removed by people, so one that belongs to no company either is archived.
func (c *Connector) detach(ctx context.Context, works []*work) {
	byID := map[string]*work{}
	var ids []string
	for _, w := range unsettled(works) {
		if w.push.InMail.Recipient != domain.Erased || !w.wrote || w.link.RecordID == "" || w.link.Notes[detachedNote] != "" {
			continue
		}
		for _, id := range []string{w.link.RecordID, w.link.Notes[repliedNote]} {
			if id != "" && id != removed {
				byID[id] = w
				ids = append(ids, id)
			}
		}
	}
	if len(ids) == 0 {
		return
	}
	people, err := c.linked(ctx, communications, contacts, ids)
	var firms map[string][]linkedTo
	if err == nil {
		firms, err = c.linked(ctx, communications, companies, ids)
	}
	var drop []endOf
	var orphans inputs[key]
	for _, id := range ids {
		if len(firms[id]) == 0 {
			orphans.Inputs = append(orphans.Inputs, key{id})
			continue
		}
		e := endOf{From: key{id}}
		for _, to := range people[id] {
			e.To = append(e.To, key{string(to.ID)})
		}
		if e.To != nil {
			drop = append(drop, e)
		}
	}
	if err == nil {
		err = c.associate(ctx, contacts, nil, drop)
	}
	for part := range slices.Chunk(orphans.Inputs, maxBatch) {
		if err == nil {
			err = c.call(ctx, updating, http.MethodPost, c.path("objects", communications, "batch", "archive"), inputs[key]{part}, nil)
		}
	}
	if err != nil {
		for _, w := range byID {
			w.note(contactPart, asFault(err), true)
		}
		return
	}
	for _, w := range byID {
		w.setNote(detachedNote, "yes")
	}
	for _, o := range orphans.Inputs {
		if w := byID[o.ID]; w.link.RecordID == o.ID {
			w.wasRemoved(sentEvent)
		} else {
			w.wasRemoved(repliedEvent)
		}
	}
}
