package httpapi

import (
	"context"
	"maps"
	"sync"
	"time"
)

// uses collects when keys were last used, and stores it once a minute for all: a request costs no write. What
// a process that dies had not stored is lost; the stamps are to the minute, and a use is soon followed by
// another.
type uses struct {
	service interface {
		NoteUses(ctx context.Context, ago map[string]time.Duration) error
	}
	storing sync.WaitGroup

	mu     sync.Mutex
	last   map[string]time.Time // by the key's id
	stored time.Time            // when last was begun to be stored
}

// useEvery is how often the uses of keys are stored.
const useEvery = time.Minute

// note keeps that a key is used now, and stores all that is kept, in the background, when that is due.
func (u *uses) note(id string, now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.last == nil || len(u.last) >= maxKnownKeys {
		u.last = map[string]time.Time{}
	}
	u.last[id] = now
	if now.Sub(u.stored) < useEvery {
		return
	}
	u.stored = now
	u.storing.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), useEvery)
		defer cancel()
		_ = u.store(ctx, now) // what was not stored is kept for the next time
	})
}

// store stores what is kept.
func (u *uses) store(ctx context.Context, now time.Time) error {
	u.mu.Lock()
	taken := u.last
	u.last = nil
	u.mu.Unlock()
	if len(taken) == 0 {
		return nil
	}
	ago := make(map[string]time.Duration, len(taken))
	for id, at := range taken {
		ago[id] = max(0, now.Sub(at))
	}
	err := u.service.NoteUses(ctx, ago)
	if err != nil {
		u.mu.Lock()
		defer u.mu.Unlock()
		maps.Copy(taken, u.last) // what came since is newer
		u.last = taken
	}
	return err
}

// stop stores what is kept, when all that was under way has ended.
func (u *uses) stop(ctx context.Context, now time.Time) error {
	u.storing.Wait()
	return u.store(ctx, now)
}
