package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Shared is a small memory that all processes of an installation have in common, in the same Redis as the tasks: a daily budget,
// a session. Nothing in it is the record: it may be gone at any time. A call takes no longer than queue_enqueue_timeout, and no
// time for a second after Redis did not answer (ErrDown).
type Shared struct{ broker *Broker }

// Shared returns the memory that is shared through this queue.
func (b *Broker) Shared() Shared { return Shared{b} }

// sharedPrefix keeps its keys apart from Asynq's.
const sharedPrefix = "inmail:shared:"

// Get returns the value under key; nil when there is none.
func (s Shared) Get(ctx context.Context, key string) (value []byte, err error) {
	err = s.ask(ctx, "get", func(ctx context.Context, r redis.UniversalClient) error {
		value, err = r.Get(ctx, sharedPrefix+key).Bytes()
		if errors.Is(err, redis.Nil) {
			return nil
		}
		return err
	})
	return value, err
}

// Put keeps a value until ttl is over; ttl is above 0. A nil value is taken away.
func (s Shared) Put(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	return s.ask(ctx, "put", func(ctx context.Context, r redis.UniversalClient) error {
		if value == nil {
			return r.Del(ctx, sharedPrefix+key).Err()
		}
		return r.Set(ctx, sharedPrefix+key, value, ttl).Err()
	})
}

// Add adds n to the number under key, which is 0 when there is none, keeps it for ttl from now, and returns the sum. When an answer is
// lost n may be in the sum twice, or although Add failed: who counts what may be spent errs on the safe side.
func (s Shared) Add(ctx context.Context, key string, n int, ttl time.Duration) (sum int, err error) {
	err = s.ask(ctx, "add", func(ctx context.Context, r redis.UniversalClient) error {
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

// ask makes one call within the time limit, and none while Redis is known to be down.
func (s Shared) ask(ctx context.Context, what string, call func(ctx context.Context, r redis.UniversalClient) error) error {
	if s.broker.down() {
		return fmt.Errorf("%s what is shared: %w", what, ErrDown)
	}
	limited, cancel := context.WithTimeout(ctx, s.broker.config.EnqueueTimeout)
	defer cancel()
	if err := call(limited, s.broker.redis); err != nil {
		s.broker.noteDown(ctx)
		return fmt.Errorf("%s what is shared: %w", what, s.broker.explain(err))
	}
	return nil
}
