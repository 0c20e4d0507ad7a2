package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"inmail/domain/mailroom"
)

// takeSlot takes the next slot of a periodic task, or returns the newest.
//
// Input:
// KEYS[1] the number of the newest slot
// ARGV[1] the newest slot that the caller knows; 0: none
// ARGV[2] the length of a slot, in milliseconds
// ARGV[3] how long the number is kept, in milliseconds
//
// Output:
// the number of the newest slot
// 1 when the caller took it, else 0
// how long it goes on, in milliseconds, by the clock of Redis
var takeSlot = redis.NewScript(`
local newest = tonumber(redis.call("GET", KEYS[1]) or "0")
local left = redis.call("PTTL", KEYS[1]) - tonumber(ARGV[3]) + tonumber(ARGV[2])
local known = tonumber(ARGV[1])
if newest == 0 or newest == known or (known == 0 and left <= 0) then
	newest = redis.call("INCR", KEYS[1])
	redis.call("PEXPIRE", KEYS[1], ARGV[3])
	return {newest, 1, tonumber(ARGV[2])}
end
return {newest, 0, left}
`)

// slotKept is how long the number of a slot is kept after it ended: longer than Asynq keeps archived tasks,
// so that no task is enqueued under the id of one of them.
const slotKept = 100 * 24 * time.Hour

// TakeSlot takes the next slot of a periodic task for its caller, when known is still the newest slot: the
// caller has waited for the length of a slot since it learnt of known, by its own clock, which is never set.
// Otherwise another scheduler took one, and the newest is returned. A caller that knows none (0) takes the
// next slot when the newest has ended. It answers as fast as Enqueue does.
func (b *Broker) TakeSlot(ctx context.Context, task mailroom.Task, every time.Duration,
	known int64) (slot mailroom.Slot, err error) {
	key, err := b.slotKey(task)
	if err != nil {
		return slot, err
	}
	kept := every + slotKept
	err = b.do(ctx, "take a slot", func(ctx context.Context, r redis.UniversalClient) error {
		answer, err := takeSlot.Run(ctx, r, []string{key}, known, every.Milliseconds(), kept.Milliseconds()).Int64Slice()
		if err != nil {
			return err
		}
		if len(answer) != 3 {
			return fmt.Errorf("%d numbers in the answer of the script, want 3", len(answer))
		}
		// The clock of Redis may be set too: what is left is no more than a slot.
		left := min(max(time.Duration(answer[2])*time.Millisecond, 0), every)
		slot = mailroom.Slot{Number: answer[0], Taken: answer[1] == 1, Left: left}
		return nil
	})
	return slot, err
}

// NewestSlot returns the number of the newest slot of a periodic task; 0 when none was ever taken.
func (b *Broker) NewestSlot(ctx context.Context, task mailroom.Task) (number int64, err error) {
	key, err := b.slotKey(task)
	if err != nil {
		return 0, err
	}
	err = b.do(ctx, "read the newest slot", func(ctx context.Context, r redis.UniversalClient) error {
		number, err = r.Get(ctx, key).Int64()
		if errors.Is(err, redis.Nil) {
			return nil
		}
		return err
	})
	return number, err
}

// slotKey returns the key of a periodic task's slots. On a cluster it is on the same node as the queue, so
// that a slot is not taken where its task cannot be enqueued.
func (b *Broker) slotKey(task mailroom.Task) (string, error) {
	kind, known := mailroom.TaskKindOf(task.Type)
	if !known {
		return "", fmt.Errorf("there is no task type %q", task.Type)
	}
	names, err := b.redisNames(kind.Queue)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("inmail:slot:{%s}:%s", names[0], strings.Join(append([]string{task.Type}, task.IDs...), ":")), nil
}
