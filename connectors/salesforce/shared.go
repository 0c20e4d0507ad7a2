package salesforce

import (
	"context"
	"sync"
	"time"

	"inmail/domain/mailroom"
)

// Shared is the state that all workers of an installation share: the session, a failed login, and the calls
// of the last 24 hours. Redis serves it with GET, SET PX, DEL and INCRBY with PEXPIRE. No value contains a
// secret in plain text. When Shared returns an error, the connector goes on with what its own process knows.
type Shared interface {
	// Get returns the value under key, or nil when there is none.
	Get(ctx context.Context, key string) ([]byte, error)
	// Put keeps a value for ttl, which is above 0. A nil value deletes the key.
	Put(ctx context.Context, key string, value []byte, ttl time.Duration) error
	// Add adds n to the number under key, keeps it for ttl from now, and returns the sum. A missing number
	// counts as 0.
	Add(ctx context.Context, key string, n int, ttl time.Duration) (sum int, err error)
}

// Memory is the Shared of an installation with one process.
type Memory struct {
	clock  mailroom.Clock
	mu     sync.Mutex
	values map[string]entry
}

type entry struct {
	value []byte
	n     int
	until time.Time
}

// NewMemory returns an empty Memory.
func NewMemory(clock mailroom.Clock) *Memory {
	return &Memory{clock: clock, values: map[string]entry{}}
}

// Get returns the value under key, or nil when there is none.
func (m *Memory) Get(_ context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.live(key).value, nil
}

// Put keeps a value for ttl. A nil value deletes the key.
func (m *Memory) Put(_ context.Context, key string, value []byte, ttl time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if value == nil {
		delete(m.values, key)
		return nil
	}
	m.values[key] = entry{value: value, until: m.clock.Now().Add(ttl)}
	return nil
}

// Add adds n to the number under key, keeps it for ttl from now, and returns the sum.
func (m *Memory) Add(_ context.Context, key string, n int, ttl time.Duration) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.live(key)
	k.n += n
	k.until = m.clock.Now().Add(ttl)
	m.values[key] = k
	return k.n, nil
}

// live returns the entry under key. It deletes an expired entry and returns the zero entry for it.
func (m *Memory) live(key string) entry {
	k, ok := m.values[key]
	if ok && !m.clock.Now().Before(k.until) {
		delete(m.values, key)
		return entry{}
	}
	return k
}
