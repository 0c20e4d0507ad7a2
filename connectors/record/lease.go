package record

import (
	"time"

	"inmail/domain"
)

// extendLeases prolongs leases that have not been ended.
const extendLeases = `UPDATE crm_links SET leased_until = $3 WHERE crm = ` + crm1 + ` AND inmail IN (
		SELECT l.inmail FROM crm_links l WHERE l.crm = ` + crm1 + ` AND l.inmail IN (SELECT unnest($2::uuid[]))
			AND l.leased_until > 0
		ORDER BY l.inmail FOR UPDATE)`

// ExtendLeases prolongs the leases of ids until Now + leaseFor. A process that is still pushing keeps its
// leases this way; those of a process that died end by themselves soon.
func (t *tx) ExtendLeases(crm domain.CRM, ids []domain.ID, leaseFor time.Duration) error {
	if len(ids) == 0 {
		return nil
	}
	_, err := t.exec("hold leases", extendLeases, string(crm), ids, t.at(leaseFor))
	return err
}

// freeLeases ends all leases of due links, of every CRM.
const freeLeases = `UPDATE crm_links SET leased_until = 0 WHERE leased_until > 0 AND push_at IS NOT NULL`

// FreeLeases ends the leases that an earlier process left. Only a process that is alone
// on the record may call it.
func (t *tx) FreeLeases() error {
	_, err := t.exec("end leases", freeLeases)
	return err
}
