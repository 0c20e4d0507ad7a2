package mailroom

import (
	"context"
	"sync"
	"time"
)

// Shared is the state that the connectors of one CRM share in all workers of an installation, such as a
// session and the calls of a day. No value contains a secret in plain text. When it returns an error, a
// connector goes on with what its own process knows.
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
	clock  Clock
	mu     sync.Mutex
	values map[string]sharedValue
}

type sharedValue struct {
	value []byte
	n     int
	until time.Time
}

// NewMemory returns an empty Memory.
func NewMemory(clock Clock) *Memory {
	return &Memory{clock: clock, values: map[string]sharedValue{}}
}

// live returns the value of a key that has not expired. It is called with the lock held.
func (m *Memory) live(key string) sharedValue {
	v, ok := m.values[key]
	if ok && !m.clock.Now().Before(v.until) {
		delete(m.values, key)
		return sharedValue{}
	}
	return v
}

// Get implements Shared.
func (m *Memory) Get(_ context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.live(key).value, nil
}

// Put implements Shared.
func (m *Memory) Put(_ context.Context, key string, value []byte, ttl time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.values, key)
	if value != nil {
		m.values[key] = sharedValue{value: value, until: m.clock.Now().Add(ttl)}
	}
	return nil
}

// Add implements Shared.
func (m *Memory) Add(_ context.Context, key string, n int, ttl time.Duration) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v := m.live(key)
	v.n, v.until = v.n+n, m.clock.Now().Add(ttl)
	m.values[key] = v
	return v.n, nil
}
