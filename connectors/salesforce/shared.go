package salesforce

import (
	"context"
	"sync"
	"time"

	"inmail/domain/mailroom"
)

// Shared is what all workers of one installation know together: the session, a failed login, the calls of the last
// 24 hours. A Redis does it with GET, SET PX, DEL and INCRBY with PEXPIRE. Values hold no secret in the clear. An error
// is of the store: the connector goes on with what this process knows.
type Shared interface {
	// Get returns the value under key; nil when there is none.
	Get(ctx context.Context, key string) ([]byte, error)
	// Put keeps a value until ttl is over; ttl is above 0. A nil value is taken away.
	Put(ctx context.Context, key string, value []byte, ttl time.Duration) error
	// Add adds n to the number under key, which is 0 when there is none, keeps it for ttl from now, and returns the sum.
	Add(ctx context.Context, key string, n int, ttl time.Duration) (sum int, err error)
}

// Memory is the Shared of a single process.
type Memory struct {
	clock  mailroom.Clock
	mu     sync.Mutex
	values map[string]kept
}

type kept struct {
	value []byte
	n     int
	until time.Time
}

// NewMemory returns an empty Memory.
func NewMemory(clock mailroom.Clock) *Memory {
	return &Memory{clock: clock, values: map[string]kept{}}
}

// Get returns the value under key; nil when there is none.
func (m *Memory) Get(_ context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.live(key).value, nil
}

// Put keeps a value until ttl is over.
func (m *Memory) Put(_ context.Context, key string, value []byte, ttl time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if value == nil {
		delete(m.values, key)
		return nil
	}
	m.values[key] = kept{value: value, until: m.clock.Now().Add(ttl)}
	return nil
}

// Add adds n to the number under key.
func (m *Memory) Add(_ context.Context, key string, n int, ttl time.Duration) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.live(key)
	k.n += n
	k.until = m.clock.Now().Add(ttl)
	m.values[key] = k
	return k.n, nil
}

// live returns what is kept under key and forgets what is over.
func (m *Memory) live(key string) kept {
	k, ok := m.values[key]
	if ok && !m.clock.Now().Before(k.until) {
		delete(m.values, key)
		return kept{}
	}
	return k
}
