package queue

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"github.com/hibiken/asynq"

	"inmail/domain/mailroom"
)

// MaxIDs is how many ids a task carries; Enqueue makes several tasks of more.
const MaxIDs = 500

// sendShards is how many queues sends is on a cluster, where one queue lives on one node. It is no setting: all processes must
// agree on it.
const sendShards = 8

// kind is how tasks of a type are treated.
type kind struct {
	timeout time.Duration // a handler that takes longer is given up and tried again
	retries int           // after which a task is archived; never under 3, or a task whose worker died is not run again
	keep    time.Duration // how long a periodic task's identity is kept after it ran: longer than its slot
}

// kinds are the task types of API.md; any other is treated like the first.
var kinds = map[string]kind{
	"":                        {timeout: 30 * time.Second, retries: 3, keep: 5 * time.Minute},
	mailroom.TaskSend:         {timeout: 30 * time.Second, retries: 5, keep: 5 * time.Minute},
	mailroom.TaskExpire:       {timeout: time.Minute, retries: 3, keep: 5 * time.Minute},
	mailroom.TaskRedrive:      {timeout: time.Minute, retries: 3, keep: 5 * time.Minute},
	mailroom.TaskCRMPush:      {timeout: 5 * time.Minute, retries: 3, keep: 5 * time.Minute},
	mailroom.TaskCRMReconcile: {timeout: time.Hour, retries: 3, keep: 48 * time.Hour},
	mailroom.TaskCRMBackfill:  {timeout: 6 * time.Hour, retries: 5, keep: 48 * time.Hour},
	mailroom.TaskSnapshot:     {timeout: time.Minute, retries: 3, keep: 5 * time.Minute},
	mailroom.TaskErase:        {timeout: 2 * time.Minute, retries: 5, keep: 5 * time.Minute},
	mailroom.TaskRetain:       {timeout: 10 * time.Minute, retries: 3, keep: 48 * time.Hour},
}

func kindOf(taskType string) kind {
	if k, found := kinds[taskType]; found {
		return k
	}
	return kinds[""]
}

// queueNames returns the names in Redis of all queues: sends, in shards on a cluster, crm and upkeep.
func queueNames(cluster bool) []string {
	return append(sendQueues(cluster), mailroom.QueueCRM, mailroom.QueueUpkeep)
}

func sendQueues(cluster bool) []string {
	if !cluster {
		return []string{mailroom.QueueSends}
	}
	var names []string
	for i := range sendShards {
		names = append(names, fmt.Sprintf("%s:%d", mailroom.QueueSends, i))
	}
	return names
}

// named returns the names in Redis of a queue of API.md.
func (b *Broker) named(queue string) ([]string, error) {
	switch queue {
	case mailroom.QueueSends:
		return b.queues[:len(b.queues)-2], nil
	case mailroom.QueueCRM, mailroom.QueueUpkeep:
		return []string{queue}, nil
	}
	return nil, fmt.Errorf("unknown queue %q: there are %s, %s and %s", queue, mailroom.QueueSends, mailroom.QueueCRM, mailroom.QueueUpkeep)
}

// payload is what a task holds in Redis: ids, never a text (R01, R27).
type payload struct {
	IDs []string `json:"ids"`
}

// message is a task as Asynq takes it.
type message struct {
	task    *asynq.Task
	options []asynq.Option
}

// messages returns what task becomes: one message for every MaxIDs ids, in their order, and one for no id. A text among the
// ids is refused (R27): what was refused may not lie in Redis.
func (b *Broker) messages(task mailroom.Task) ([]message, error) {
	if task.Type == "" {
		return nil, errors.New("a task needs a type")
	}
	shards, err := b.named(task.Queue)
	if err != nil {
		return nil, err
	}
	for _, id := range task.IDs {
		if !isID(id) {
			return nil, fmt.Errorf("a task of type %s carries something that is no id: ids are 1..64 of A-Z a-z 0-9 . _ : -", task.Type)
		}
	}
	k := kindOf(task.Type)
	var messages []message
	for part, ids := range chunks(task.IDs) {
		body, err := json.Marshal(payload{IDs: ids})
		if err != nil {
			return nil, fmt.Errorf("encode a task: %w", err)
		}
		options := []asynq.Option{asynq.MaxRetry(k.retries), asynq.Timeout(k.timeout)}
		spread := task.ID
		if task.ID != "" {
			id := task.ID
			if part > 0 {
				id = fmt.Sprintf("%s:part%d", id, part)
			}
			options = append(options, asynq.TaskID(id), asynq.Retention(k.keep))
		} else if len(ids) > 0 {
			spread = ids[0]
		}
		options = append(options, asynq.Queue(shard(shards, spread)))
		messages = append(messages, message{asynq.NewTask(task.Type, body), options})
	}
	return messages, nil
}

// chunks cuts ids into parts of at most MaxIDs; no ids are one empty part.
func chunks(ids []string) [][]string {
	if len(ids) == 0 {
		return [][]string{{}}
	}
	return slices.Collect(slices.Chunk(ids, MaxIDs))
}

// shard picks the queue for a task, the same one for the same word: an identity is unique in its queue only.
func shard(queues []string, word string) string {
	if len(queues) == 1 {
		return queues[0]
	}
	hash := fnv.New32a()
	hash.Write([]byte(word))
	return queues[hash.Sum32()%uint32(len(queues))]
}

// isID says whether s is an id of ours: 1..64 of A-Z a-z 0-9 . _ : -
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
