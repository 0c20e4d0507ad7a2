package sandbox

import "fmt"

// maxLosers is how many records one merge takes in.
const maxLosers = 2

// merge makes one record of several of one object: what hangs on the losers moves to the
// winner, the losers go to the recycle bin with MasterRecordId naming it.
func (tx *txn) merge(winnerID string, loserIDs []string) *apiError {
	full, _ := canonicalID(winnerID)
	o := tx.schema.objectOf(full)
	if o == nil || o.field("MasterRecordId") == nil {
		return &apiError{Code: "INVALID_TYPE", Message: "only leads, contacts and accounts can be merged"}
	}
	if len(loserIDs) == 0 || len(loserIDs) > maxLosers {
		return &apiError{Code: "LIMIT_EXCEEDED", Message: fmt.Sprintf("a merge takes 1 to %d losers, not %d", maxLosers, len(loserIDs))}
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
		tx.adopt(o, winner.id(), loser.id())
		if loser = tx.find(loser.id()); loser == nil {
			return nil // the database fails, and with it the commit
		}
		values := append([]any{}, loser.values...)
		values[posDeleted], values[posModstamp] = true, tx.at
		values[o.must("MasterRecordId").pos] = winner.id()
		tx.put(loser, &record{object: o, values: values, gone: &deletion{}})
	}
	return nil
}

// adopt moves every lookup from the loser to the winner.
func (tx *txn) adopt(o *object, winner, loser string) {
	for _, child := range tx.schema.children[o] {
		for _, c := range tx.holding(child.object, child.field, loser) {
			tx.setField(c, child.field, winner)
		}
	}
}
