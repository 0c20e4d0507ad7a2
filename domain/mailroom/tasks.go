package mailroom

import (
	"slices"
	"time"
)

// Task asks the workers to do something. It carries ids and never a text (R01, R27). Its queue, time-out and
// retries follow from its type (TaskKind).
type Task struct {
	Type string   // one of the task types below
	IDs  []string // what the task is about, as its type says; empty for a sweep
	// ID identifies a periodic task: <name>:<slot> or <name>:<crm>:<slot>. When it is empty, each Enqueue
	// makes a new task.
	ID string
}

// Slot is the newest slot of a periodic task, as all schedulers of an installation count them. A slot has a
// number and a length, and no time of day: a clock that is set changes nothing.
type Slot struct {
	Number int64         // from 1; rises by 1
	Taken  bool          // the caller took it, and enqueues its task
	Left   time.Duration // how long it goes on
}

// MaxTaskIDs is how many ids a task carries at most. The queue splits a longer one into several tasks.
const MaxTaskIDs = 500

// The queues of API.md. Each has workers of its own, so that slow tasks of one do not delay another.
const (
	QueueSends  = "sends"
	QueueCRM    = "crm"
	QueueHooks  = "hooks"
	QueueUpkeep = "upkeep"
)

// Queues returns the names of all queues.
func Queues() []string { return []string{QueueSends, QueueCRM, QueueHooks, QueueUpkeep} }

// The task types of API.md.
const (
	TaskSend           = "inmail:send"
	TaskExpire         = "inmail:expire"
	TaskRedrive        = "inmail:redrive"
	TaskCRMPush        = "crm:push"
	TaskCRMReconcile   = "crm:reconcile"
	TaskCRMBackfill    = "crm:backfill"
	TaskSnapshot       = "analytics:snapshot"
	TaskErase          = "member:erase"
	TaskRetain         = "record:retain"
	TaskPartitions     = "record:partitions"
	TaskWebhookDeliver = "webhook:deliver"
)

// TaskKind describes the tasks of one type. The queue, the schedule, the metrics, the defaults of settings
// and worker/README.md are made from it. A new job is a row of the table and a handler in
// worker.Jobs.Handlers.
type TaskKind struct {
	Type    string
	Queue   string        // one of Queues
	PerCRM  bool          // each CRM has tasks of its own; their first id is its name
	Every   time.Duration // the length of a slot of the schedule, in real time; 0: it is not scheduled
	Setting string        // the setting that overrides Every; empty: none does
	Timeout time.Duration // a handler that takes longer is cancelled, and the task has failed
	Retries int           // tries after the first; then the queue archives the task. 0: the next slot makes good
	AskedBy string        // who enqueues it beside the schedule, as Markdown; empty: nobody
	Does    string        // what the handler does, as Markdown
}

// MinRetries is the least number of retries of a task that is retried at all: a worker that dies uses up one
// retry of its task, and a task that has none left is archived and does not run again.
const MinRetries = 3

// RecursSoon is the longest slot of a task that is not retried: when it fails, the next slot does its work,
// and so it is never archived.
const RecursSoon = time.Minute

// taskKinds is the table of all task types. What the schedule enqueues within RecursSoon again is not
// retried; the others have MinRetries or more.
var taskKinds = []TaskKind{
	{
		Type: TaskSend, Queue: QueueSends, Timeout: 30 * time.Second, Retries: 5,
		AskedBy: "every accept; `inmail:redrive`",
		Does:    "judges each InMail again and delivers, refuses or fails it, the batch in one transaction",
	},
	{
		Type: TaskExpire, Queue: QueueUpkeep, Every: 5 * time.Second,
		Timeout: time.Minute,
		AskedBy: "itself, when an InMail expires before the next slot; a clock that is set forward",
		Does:    "persists what the clock has expired, batch by batch; announces what expires within a day",
	},
	{
		Type: TaskRedrive, Queue: QueueUpkeep, Every: 3 * time.Second,
		Timeout: time.Minute,
		Does: "asks again for what was accepted a few seconds ago and is still queued, " +
			"unless sends wait in the queue; finishes erasures",
	},
	{
		Type: TaskCRMPush, Queue: QueueCRM, PerCRM: true,
		Every: 10 * time.Second, Setting: "crm_push_every",
		Timeout: 5 * time.Minute,
		AskedBy: "a retry by hand; an erasure; a run that made rows due",
		Does:    "claims what its CRM lacks, pushes it with no transaction open, stores the answers",
	},
	{
		Type: TaskCRMReconcile, Queue: QueueCRM, PerCRM: true, Every: 24 * time.Hour,
		Timeout: time.Hour, Retries: 3,
		AskedBy: "by hand, dry or not; `crm:push`, where one stands still",
		Does:    "compares its CRM with the record and repairs what differs; a dry one counts",
	},
	{
		Type: TaskCRMBackfill, Queue: QueueCRM, PerCRM: true, Timeout: 6 * time.Hour, Retries: 5,
		AskedBy: "by hand, dry or not; `crm:push`, where one stands still",
		Does:    "brings everything to its CRM in bulk, and goes on where it stopped; a dry one counts",
	},
	{
		Type: TaskSnapshot, Queue: QueueUpkeep, Every: 15 * time.Second, Setting: "snapshot_every",
		Timeout: time.Minute,
		Does:    "folds lessons into the spam filter, computes and stores the figures",
	},
	{
		Type: TaskErase, Queue: QueueUpkeep, Timeout: 2 * time.Minute, Retries: 5,
		AskedBy: "an erasure",
		Does: "takes names, ids and texts out of the record, batch by batch, lets the CRMs forget the id, " +
			"and scrubs the files; cut off anywhere, redrive goes on",
	},
	{
		Type: TaskRetain, Queue: QueueUpkeep, Every: time.Hour,
		Timeout: 10 * time.Minute, Retries: 3,
		Does: "drops old keys, events and entries of the audit, empties texts older than the policy `retain_days`, " +
			"then their bytes in the files; " +
			"such an InMail opens with empty texts, counts stay",
	},
	{
		Type: TaskPartitions, Queue: QueueUpkeep, Every: time.Hour,
		Timeout: 6 * time.Hour, Retries: 3,
		Does: "PostgreSQL: makes the partitions of the next months, " +
			"drops those whose texts are all older than the policy `retain_days`",
	},
	{
		Type: TaskWebhookDeliver, Queue: QueueHooks, Every: time.Second, Timeout: time.Minute,
		AskedBy: "itself, for each end point; a test; a replay",
		Does: "looks which end points have something due, and asks for each; for one it delivers, " +
			"the events of one InMail in their order and others at the same time",
	},
}

// TaskKinds returns the table of all task types.
func TaskKinds() []TaskKind { return slices.Clone(taskKinds) }

// TaskKindOf returns the row of a task type; known is false where there is none.
func TaskKindOf(taskType string) (kind TaskKind, known bool) {
	i := slices.IndexFunc(taskKinds, func(k TaskKind) bool { return k.Type == taskType })
	if i < 0 {
		return TaskKind{}, false
	}
	return taskKinds[i], true
}
