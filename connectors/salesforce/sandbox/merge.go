package sandbox

import "fmt"

// maxLosers is how many records one merge can absorb.
const maxLosers = 2

// merge joins records of one object: lookups to the losers move to the winner, and the losers go to the
// recycle bin with MasterRecordId naming the winner.
func (tx *txn) merge(winnerID string, loserIDs []string) *apiError {
	full, _ := canonicalID(winnerID)
	o := tx.schema.objectOf(full)
	if o == nil || o.field("MasterRecordId") == nil {
		return &apiError{Code: "INVALID_TYPE", Message: "only leads, contacts and accounts can be merged"}
	}
	if len(loserIDs) == 0 || len(loserIDs) > maxLosers {
		return &apiError{Code: "LIMIT_EXCEEDED",
			Message: fmt.Sprintf("a merge takes 1 to %d losers, not %d", maxLosers, len(loserIDs))}
	}
	winner, refused := tx.target(o, full)
	if refused != nil {
		return refused
	}
	for _, id := range loserIDs {
		loser, refused := tx.target(o, id)
		if refused != nil {
			return refused
		}
		for _, r := range []*record{winner, loser} {
			if f := o.field("IsConverted"); f != nil && r.flag(f) {
				return &apiError{Code: "CANNOT_UPDATE_CONVERTED_LEAD", Message: "a converted lead cannot be merged"}
			}
		}
		if loser.id() == winner.id() {
			return &apiError{Code: "INVALID_CROSS_REFERENCE_KEY", Message: "a record cannot be merged with itself"}
		}
		tx.moveLookups(o, winner.id(), loser.id())
		if loser = tx.find(loser.id()); loser == nil {
			return nil // the database failed: the commit will fail too
		}
		values := append([]any{}, loser.values...)
		values[posDeleted], values[posModstamp] = true, tx.at
		values[o.must("MasterRecordId").pos] = winner.id()
		tx.put(loser, &record{object: o, values: values, gone: &deletion{}})
	}
	return nil
}

// moveLookups points every lookup of the loser at the winner.
func (tx *txn) moveLookups(o *object, winner, loser string) {
	for _, child := range tx.schema.children[o] {
		for _, c := range tx.findBy(child.object, child.field, loser) {
			tx.setField(c, child.field, winner)
		}
	}
}
