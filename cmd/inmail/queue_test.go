package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"inmail/connectors/queue"
	"inmail/connectors/queue/queuetest"
	"inmail/domain/mailroom"
)

func TestQueue(t *testing.T) {
	r := newRunning(t)
	var failing atomic.Bool
	workers, err := r.queue.Start(queuetest.Only(mailroom.TaskCRMReconcile, func(context.Context, []string) error {
		if failing.Load() {
			return errors.New("the org is away")
		}
		return nil
	}), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer workers.Stop(context.Background())

	screen(t, "no task has failed\n", must(t, exitDone, "queue", "failures"))
	screen(t, "0 to be tried again\n", must(t, exitDone, "queue", "retry"))

	failing.Store(true)
	must(t, exitDone, "crm", "reconcile")
	var failed []queue.Failure
	eventually(t, "the task has failed", func() error {
		if failed = read[[]queue.Failure](t, must(t, exitDone, "queue", "failures", "--json")); len(failed) != 1 {
			return fmt.Errorf("%d failures", len(failed))
		}
		return nil
	})
	shown := must(t, exitDone, "queue", "failures")
	line := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(failed[0].ID) + `  crm:reconcile  error  \d of 4 +\d+ \w+ \d\d:\d\d:\d\d +(\d+ \w+ \d{4} \d\d:\d\d|given up)  salesforce and 2 more$`)
	if !line.MatchString(shown.out) || !strings.HasPrefix(shown.out, "TASK ") {
		t.Errorf("printed\n%s", shown.out)
	}
	status := must(t, exitDone, "queue", "status")
	if !regexp.MustCompile(`(?m)^crm +\d+ .* 1 +\d+ +\d+ +1$`).MatchString(status.out) || !strings.HasSuffix(status.out, "\ninside the process; 4 groups of workers, four or more in a process\n") {
		t.Errorf("printed\n%s", status.out)
	}
	if s := read[queue.Status](t, must(t, exitDone, "queue", "status", "--json")); len(s.Queues) != 4 || s.Servers != 4 {
		t.Errorf("JSON is %+v", s)
	}
	sameJSON(t, r.api("GET", "/v1/queue/status", ""), must(t, exitDone, "queue", "status", "--json"))
	must(t, exitFailed, "queue", "retry", "nothing")

	failing.Store(false)
	if got := read[retryAnswer](t, must(t, exitDone, "queue", "retry", failed[0].ID, "--json")); got.Retried != 1 {
		t.Errorf("retried %+v", got)
	}
	eventually(t, "the task is done", func() error {
		if got := must(t, exitDone, "queue", "failures"); got.out != "no task has failed\n" {
			return errors.New(got.out)
		}
		return nil
	})
}

func TestQueueText(t *testing.T) {
	at := time.Date(2026, time.November, 23, 9, 0, 0, 0, time.UTC)
	screen(t, `
QUEUE  WAITING  FOR        RUNNING  TO RETRY  GIVEN UP  DONE TODAY  FAILED TODAY
sends     1200  3 min 5 s        8         1         0       90000             2  paused
crm          0                   0         0         3           0             3

redis://queue:6379; no workers: start a process with the role worker
warning: Redis may drop tasks
`, result{out: queueStatusText(queue.Status{Where: "redis://queue:6379", Warnings: []string{"Redis may drop tasks"}, Queues: []queue.QueueStatus{
		{Queue: "sends", Paused: true, Waiting: 1200, Oldest: 185 * time.Second, Running: 8, Retry: 1, Processed: 90000, Failed: 2},
		{Queue: "crm", Archived: 3, Failed: 3},
	}})})
	next := at.Add(time.Minute)
	screen(t, `
TASK  TYPE         ERROR    TRIES   LAST             NEXT               IDS
t1    inmail:send  timeout  1 of 6  23 Nov 09:00:00  23 Nov 2026 09:01  a and 2 more
t2    crm:push     network  4 of 4  23 Nov 09:00:00  given up

inmail queue retry runs them now; the server's log has more about each error
`, result{out: queueFailuresText([]queue.Failure{
		{ID: "t1", Type: "inmail:send", Class: "timeout", IDs: []string{"a", "b", "c"}, Attempts: 1, Limit: 6, At: at, Next: &next},
		{ID: "t2", Type: "crm:push", Class: "network", Attempts: 4, Limit: 4, At: at},
	})})
}
