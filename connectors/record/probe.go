package record

import (
	"context"
	"errors"
	"sync"
	"time"

	"inmail/domain/mailroom"
)

const (
	probeKept  = time.Second // one answer of the probe holds for so long: /readyz may be asked by anybody, as often as they like
	damageKept = time.Minute // a damaged page that a transaction met is told for so long
)

// probe is what was last found out about the record.
type probe struct {
	mu      sync.Mutex
	at      time.Time // of the last probe; zero: there was none
	err     error     // what it found
	damage  error     // a fault of damage that a transaction met; nil: none did
	damaged time.Time // when that was
}

// stateProbe is the name of the row that a probe writes.
const stateProbe = "probe"

// Ping writes a row and commits it: a record that can do so can do its work. Damage that a transaction met a moment ago is told as
// well, for a probe does not read every page.
func (r *Record) Ping(ctx context.Context) error {
	p := &r.probe
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.at.IsZero() || time.Since(p.at) >= probeKept {
		ctx, cancel := context.WithTimeout(ctx, r.cfg.ConnectTimeout)
		defer cancel()
		p.err = r.Update(ctx, func(tx mailroom.Tx) error {
			return tx.SetState(stateProbe, []byte(tx.Now().Format(time.RFC3339)))
		})
		p.at = time.Now()
	}
	if p.err == nil && p.damage != nil && time.Since(p.damaged) < damageKept {
		return p.damage
	}
	return p.err
}

// noteDamage keeps a fault of a damaged file for the next probe.
func (r *Record) noteDamage(err error) {
	var f *Fault
	if errors.As(err, &f) && f.why == mailroom.CauseDamaged && r.probe.mu.TryLock() {
		r.probe.damage, r.probe.damaged = f, time.Now()
		r.probe.mu.Unlock()
	}
}
