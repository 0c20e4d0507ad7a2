package record

import (
	"time"

	"inmail/domain"
)

// extendLeases holds leases that are held; one that was ended stays so.
const extendLeases = `UPDATE crm_links SET leased_until = $3 WHERE crm = $1 AND inmail IN (
		SELECT l.inmail FROM crm_links l WHERE l.crm = $1 AND l.inmail IN (SELECT unnest($2::uuid[])) AND l.leased_until > 0
		ORDER BY l.inmail FOR UPDATE)`

// ExtendLeases holds the leases of ids until Now + lease: whoever is still pushing keeps them, and those of a
// process that died end by themselves soon.
func (t *tx) ExtendLeases(crm domain.CRM, ids []domain.ID, leaseFor time.Duration) error {
	if len(ids) == 0 {
		return nil
	}
	_, err := t.exec("hold leases", extendLeases, string(crm), ids, t.at(leaseFor))
	return err
}

// freeLeases ends all leases of what is due, of every CRM.
const freeLeases = `UPDATE crm_links SET leased_until = 0 WHERE leased_until > 0 AND push_at IS NOT NULL`

// FreeLeases ends the leases that an earlier process left. Only a process that is alone on the record may ask.
func (t *tx) FreeLeases() error {
	_, err := t.exec("end leases", freeLeases)
	return err
}
