package queue

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// Shared is a small store that all processes of an installation have in common, in the same Redis as the
// tasks: for a daily budget, or a session. It is not the record: its content may be lost at any time. A
// call takes no longer than queue_enqueue_timeout, and fails at once with ErrDown within a second after
// Redis did not answer.
type Shared struct{ broker *Broker }

// Shared returns the store that is shared through this queue.
func (b *Broker) Shared() Shared { return Shared{b} }

// sharedPrefix separates its keys from Asynq's.
const sharedPrefix = "inmail:shared:"

// Get returns the value under key; nil when there is none.
func (s Shared) Get(ctx context.Context, key string) (value []byte, err error) {
	err = s.broker.do(ctx, "get a shared value", func(ctx context.Context, r redis.UniversalClient) error {
		value, err = r.Get(ctx, sharedPrefix+key).Bytes()
		if errors.Is(err, redis.Nil) {
			return nil
		}
		return err
	})
	return value, err
}

// Put stores a value for ttl, which is above 0. A nil value deletes the key.
func (s Shared) Put(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	return s.broker.do(ctx, "put a shared value", func(ctx context.Context, r redis.UniversalClient) error {
		if value == nil {
			return r.Del(ctx, sharedPrefix+key).Err()
		}
		return r.Set(ctx, sharedPrefix+key, value, ttl).Err()
	})
}

// Add adds n to the number under key (0 when there is none), sets its ttl anew, and returns the sum. When
// an answer is lost, n may have been added twice, or although Add failed: a budget then counts too much,
// never too little.
func (s Shared) Add(ctx context.Context, key string, n int, ttl time.Duration) (sum int, err error) {
	err = s.broker.do(ctx, "add to a shared value", func(ctx context.Context, r redis.UniversalClient) error {
		var added *redis.IntCmd
		_, err := r.TxPipelined(ctx, func(tx redis.Pipeliner) error {
			added = tx.IncrBy(ctx, sharedPrefix+key, int64(n))
			tx.PExpire(ctx, sharedPrefix+key, ttl)
			return nil
		})
		sum = int(added.Val())
		return err
	})
	return sum, err
}
