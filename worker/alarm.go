package worker

import (
	"context"
	"sync"
	"time"
)

// alarm runs something once after a time. The zero value is ready for use.
type alarm struct {
	mu    sync.Mutex
	timer *time.Timer // nil: none was set
	over  bool        // nothing runs any more
}

// set lets ask run after wait, and not what was set before.
func (a *alarm) set(wait time.Duration, ask func(context.Context)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.over {
		return
	}
	if a.timer != nil {
		a.timer.Stop()
	}
	a.timer = time.AfterFunc(wait, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if !a.over {
			ask(context.Background())
		}
	})
}

// end waits for what runs; afterwards nothing does.
func (a *alarm) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.over = true
	if a.timer != nil {
		a.timer.Stop()
	}
}
