package mailroom

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"inmail/domain"
	"inmail/domain/spam"
)

// auditSlot is the length of a slot of the record's time. Like refusals of one slot are one entry of the
// audit with a count, and so are like reads of an operator: a flood of them costs a bounded record.
const auditSlot = time.Minute

// sameInSlot returns the value of AuditEntry.Same for an entry at a time that is like all entries with these
// fields. It begins with the slot, so that new values come last in their index, and names nobody.
func sameInSlot(at time.Time, fields ...string) string {
	b, _ := json.Marshal(fields) // strings can always be marshalled
	sum := sha256.Sum256(b)
	return fmt.Sprintf("%010x%x", at.UnixMilli()/auditSlot.Milliseconds(), sum[:16])
}

// sameRefusal returns AuditEntry.Same of a refused send. Like it are those of the same sender with the same
// true codes. Where spam_content is what refused, the verdict is the same too, because the entry is replayed
// from it (R43).
func sameRefusal(e AuditEntry, text content) string {
	fields := []string{e.Kind, string(e.Sender)}
	for _, code := range e.Refusals {
		fields = append(fields, string(code))
	}
	if v := text.verdict; v != nil && e.Refusals[0] == domain.SpamContent {
		verdict, _ := json.Marshal(v) // numbers and strings can always be marshalled
		fields = append(fields, string(verdict), fmt.Sprint(spam.RefuseScore))
	}
	return sameInSlot(e.At, fields...)
}

// sameRead returns AuditEntry.Same of an operator's read. Like it are those by the same key from the same
// address that are the same call on the same member and InMail (R70).
func sameRead(e AuditEntry, act Act) string {
	return sameInSlot(e.At, e.Kind, e.By, act.By.KeyName, act.Call, string(e.Sender), string(e.InMail), act.From.Address)
}

// DropAudit removes up to limit entries of the audit that are older than the policy audit_days, the oldest
// first, and returns how many. Restrictions and their undos are kept for spam.LadderTime at least, so that an
// operator finds the decision on each that counts (R42, R43).
func (svc *Service) DropAudit(ctx context.Context, limit int) (n int, err error) {
	keep := time.Duration(svc.policy.AuditDays) * 24 * time.Hour
	err = svc.record.Update(ctx, func(tx Tx) (err error) {
		n, err = tx.DropAudit(tx.Now().Add(-keep), tx.Now().Add(-max(keep, spam.LadderTime)), limit)
		return err
	})
	return n, wrap("drop old entries of the audit", err)
}
