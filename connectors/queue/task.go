package queue

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/hibiken/asynq"

	"inmail/domain/mailroom"
)

// sendShards is the number of queues among which sends is split on a cluster, where each queue is on one
// node. It is no setting, because all processes must agree on it.
const sendShards = 8

// queueNames returns the names in Redis of a queue of API.md: its own, and of sends on a cluster those of
// its shards.
func queueNames(queue string, cluster bool) []string {
	if queue != mailroom.QueueSends || !cluster {
		return []string{queue}
	}
	var names []string
	for i := range sendShards {
		names = append(names, fmt.Sprintf("%s:%d", queue, i))
	}
	return names
}

// redisNames returns the names in Redis of a queue of API.md.
func (b *Broker) redisNames(queue string) ([]string, error) {
	names := b.names[queue]
	if names == nil {
		return nil, fmt.Errorf("unknown queue %q: there are %s", queue, strings.Join(mailroom.Queues(), ", "))
	}
	return names, nil
}

// payload is the content of a task in Redis: ids, never a text (R01, R27).
type payload struct {
	IDs []string `json:"ids"`
}

// message is a task in Asynq's form.
type message struct {
	task    *asynq.Task
	options []asynq.Option
}

// messages converts a task: into one message for each MaxIDs ids, in their order, and one when there is no
// id. A text among the ids is refused (R27), so that it is never stored in Redis.
func (b *Broker) messages(task mailroom.Task) ([]message, error) {
	kind, known := mailroom.TaskKindOf(task.Type)
	if !known {
		return nil, fmt.Errorf("there is no task type %q", task.Type)
	}
	shards, err := b.redisNames(kind.Queue)
	if err != nil {
		return nil, err
	}
	for _, id := range task.IDs {
		if !isID(id) {
			return nil, fmt.Errorf("a task of type %s has something among its ids that is no id: ids are 1..64 of "+
				"A-Z a-z 0-9 . _ : -", task.Type)
		}
	}
	var messages []message
	for part, ids := range chunks(task.IDs) {
		body, err := json.Marshal(payload{IDs: ids})
		if err != nil {
			return nil, fmt.Errorf("encode a task: %w", err)
		}
		options := []asynq.Option{asynq.MaxRetry(max(kind.Retries, mailroom.MinRetries)), asynq.Timeout(kind.Timeout)}
		spread := task.ID
		if task.ID != "" {
			id := task.ID
			if part > 0 {
				id = fmt.Sprintf("%s:part%d", id, part)
			}
			options = append(options, asynq.TaskID(id))
		} else if len(ids) > 0 {
			spread = ids[0]
		}
		options = append(options, asynq.Queue(shard(shards, spread)))
		messages = append(messages, message{asynq.NewTask(task.Type, body), options})
	}
	return messages, nil
}

// chunks splits ids into parts of at most MaxIDs. No ids are one empty part.
func chunks(ids []string) [][]string {
	if len(ids) == 0 {
		return [][]string{{}}
	}
	return slices.Collect(slices.Chunk(ids, mailroom.MaxTaskIDs))
}

// shard returns the queue for a task, always the same for the same word: Asynq keeps ids unique only within
// a queue.
func shard(queues []string, word string) string {
	if len(queues) == 1 {
		return queues[0]
	}
	hash := fnv.New32a()
	hash.Write([]byte(word))
	return queues[hash.Sum32()%uint32(len(queues))]
}

// isID reports whether s has the form of our ids: 1..64 of A-Z a-z 0-9 . _ : -
func isID(s string) bool {
	if len(s) == 0 || len(s) > 64 {
		return false
	}
	for _, r := range []byte(s) {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '.', r == '_', r == ':', r == '-':
		default:
			return false
		}
	}
	return true
}
