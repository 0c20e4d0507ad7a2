package hubspot

import (
	"context"
	"sync"
	"time"

	"inmail/domain/mailroom"
)

// Shared is the state that all workers of an installation share: the calls of the day, and until when
// HubSpot takes nothing. When it returns an error, the connector goes on with what its own process knows.
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

// at returns the entry of a key that has not expired. It is called with the lock held.
func (m *Memory) at(key string) entry {
	e := m.values[key]
	if !m.clock.Now().Before(e.until) {
		delete(m.values, key)
		return entry{}
	}
	return e
}

// Get implements Shared.
func (m *Memory) Get(_ context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.at(key).value, nil
}

// Put implements Shared.
func (m *Memory) Put(_ context.Context, key string, value []byte, ttl time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.values, key)
	if value != nil {
		m.values[key] = entry{value: value, until: m.clock.Now().Add(ttl)}
	}
	return nil
}

// Add implements Shared.
func (m *Memory) Add(_ context.Context, key string, n int, ttl time.Duration) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.at(key)
	e.n, e.until = e.n+n, m.clock.Now().Add(ttl)
	m.values[key] = e
	return e.n, nil
}
