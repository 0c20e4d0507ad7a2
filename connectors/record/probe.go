package record

import (
	"context"
	"errors"
	"sync"
	"time"

	"inmail/domain/mailroom"
)

const (
	// probeKept is how long the result of a probe is reused, because anybody may ask
	// /readyz as often as they like.
	probeKept = time.Second
	// damageKept is how long probes report a damaged page that a transaction met.
	damageKept = time.Minute
)

// probe is the state of the record as it was last found.
type probe struct {
	mu      sync.Mutex
	at      time.Time // of the last probe; zero: there was none
	err     error     // the result of the last probe; nil: the record works
	damage  error     // a fault of damage that a transaction met; nil: none did
	damaged time.Time // when that was
}

// stateProbe is the name of the row that a probe writes.
const stateProbe = "probe"

// Ping writes a row, commits it and looks for space: a record that can do this works. It also returns damage
// that a transaction met within damageKept, because a probe does not read every page.
func (r *Record) Ping(ctx context.Context) error {
	if err := r.Held(); err != nil {
		return err
	}
	p := &r.probe
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.at.IsZero() || time.Since(p.at) >= probeKept {
		ctx, cancel := context.WithTimeout(ctx, r.cfg.ConnectTimeout)
		defer cancel()
		p.err = r.UpdateHeld(ctx, func(tx mailroom.Tx) error {
			return tx.SetState(stateProbe, []byte(tx.Now().Format(time.RFC3339)))
		})
		if p.err == nil {
			p.err = explain("look for space", r.engine.space(ctx))
		}
		p.at = time.Now()
	}
	if p.err == nil && p.damage != nil && time.Since(p.damaged) < damageKept {
		return p.damage
	}
	return p.err
}

// noteDamage keeps the fault of a damaged file, so that probes report it.
func (r *Record) noteDamage(err error) {
	var f *Fault
	if errors.As(err, &f) && f.why == mailroom.CauseDamaged && r.probe.mu.TryLock() {
		r.probe.damage, r.probe.damaged = f, time.Now()
		r.probe.mu.Unlock()
	}
}
