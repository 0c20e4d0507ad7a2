package sandbox

// remove moves a record to the recycle bin. The relationships of its children decide whether they are
// deleted too, lose their lookup, or prevent the deletion.
func (tx *txn) remove(o *object, id string) *apiError {
	if !tx.who.may(toRemove, o) {
		return denied(o)
	}
	r := tx.live(id)
	if r == nil {
		return &apiError{Code: "ENTITY_IS_DELETED", Message: "entity is deleted"}
	}
	if !tx.shares(toRemove, r) {
		return notShared
	}
	gone := &deletion{By: tx.who.user}
	for _, child := range tx.schema.children[o] {
		for _, c := range tx.findBy(child.object, child.field, id) {
			switch {
			case c.id() == id:
			case child.field.onDelete == restrict:
				return &apiError{Code: "DELETE_FAILED",
					Message: "Your attempt to delete the record could not be completed because it is associated " +
						"with " + c.id()}
			case child.field.onDelete == cascade:
				gone.With = append(gone.With, c.id())
			default:
				gone.Cleared = append(gone.Cleared, clearedRef{c.id(), child.field.name})
				tx.setField(c, child.field, nil)
			}
		}
	}
	for _, along := range gone.With {
		if c := tx.live(along); c != nil {
			if e := tx.remove(c.object, along); e != nil {
				return e
			}
		}
	}
	if r = tx.live(id); r == nil { // the deletion of a child may have deleted it
		return nil
	}
	values := append([]any{}, r.values...)
	values[posDeleted] = true
	values[posModstamp] = tx.at
	tx.put(r, &record{object: o, values: values, gone: gone})
	return nil
}

// setField changes one field as the org itself does: LastModifiedById and LastModifiedDate stay.
func (tx *txn) setField(r *record, f *field, v any) {
	values := append([]any{}, r.values...)
	values[f.pos] = v
	values[posModstamp] = tx.at
	tx.put(r, &record{object: r.object, values: values, gone: r.gone})
}

// undelete takes a record out of the recycle bin, together with what was deleted with it, and restores
// cleared lookups that have no new value.
func (tx *txn) undelete(id string) *apiError {
	r := tx.find(id)
	if r == nil {
		return &apiError{Code: "INVALID_CROSS_REFERENCE_KEY", Message: "invalid cross reference id"}
	}
	if !r.deleted() {
		return &apiError{Code: "UNDELETE_FAILED", Message: "Entity is not in the recycle bin"}
	}
	d := tx.newDraft(r.object, r)
	if e := d.checkUnique(); e != nil {
		return e
	}
	values := append([]any{}, r.values...)
	values[posDeleted] = false
	values[posModstamp] = tx.at
	if master := r.object.field("MasterRecordId"); master != nil {
		values[master.pos] = nil
	}
	gone := r.gone
	tx.put(r, &record{object: r.object, values: values})
	if gone == nil {
		return nil
	}
	for _, along := range gone.With {
		if c := tx.find(along); c != nil && c.deleted() {
			if e := tx.undelete(along); e != nil {
				return e
			}
		}
	}
	for _, cleared := range gone.Cleared {
		c := tx.find(cleared.ID)
		if c == nil {
			continue
		}
		if f := c.object.field(cleared.Field); f != nil && c.at(f) == nil {
			tx.setField(c, f, id)
		}
	}
	return nil
}

// purge removes a record from the recycle bin for good.
func (tx *txn) purge(id string) *apiError {
	r := tx.find(id)
	if r == nil || !r.deleted() {
		return &apiError{Code: "INVALID_CROSS_REFERENCE_KEY", Message: "Entity is not in the recycle bin"}
	}
	tx.put(r, nil)
	return nil
}
