// Package queuetest tests what every queue must do, on any broker. The test of a broker is a call to
// Exercise.
package queuetest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"inmail/connectors/queue"
	"inmail/domain/mailroom"
)

// Engines are the brokers under test by name. Each function opens an empty queue that is closed when its
// test ends.
type Engines map[string]func(t *testing.T, cfg queue.Config, log *slog.Logger) Instance

// Instance is a queue and other ways to reach it.
type Instance struct {
	*queue.Broker
	Redis redis.UniversalClient // the Redis behind it
	URL   string                // its address for another process
}

// soon bounds every wait of a test. Nothing here needs a hundredth of it.
const soon = 10 * time.Minute

// Exercise runs every test of the port on every engine. The engine is the last part of the name:
// TestQueue/EnqueueSplitsAt500/redis.
func Exercise(t *testing.T, engines Engines) {
	each := func(name string, test func(t *testing.T, open opener)) {
		t.Run(name, func(t *testing.T) {
			for engine, open := range engines {
				t.Run(engine, func(t *testing.T) { test(t, open) })
			}
		})
	}
	each("EnqueueHandsOverIDsInOrder", handsOverIDsInOrder)
	each("EnqueueSplitsAt500", splitsAt500)
	each("TakeSlotGivesASlotToOneScheduler", givesASlotToOneScheduler)
	each("TakeSlotGoesOnWhateverTheClockOfRedis", goesOnWhateverTheClockOfRedis)
	each("TakeSlotBeginsAgainAfterAFlush", beginsAgainAfterAFlush)
	each("EnqueueNothing", enqueuesNothing)
	each("EnqueueRefusesAnUnknownType", refusesAnUnknownType)
	each("EnqueueGivesUpWithItsCaller", givesUpWithItsCaller)
	each("DepthCountsWaitingTasks", depthCountsWaitingTasks)
	each("StartNamesAMissingHandler", startNamesAMissingHandler)
	each("ServerRunsEveryTaskAtLeastOnce", runsAtLeastOnce)
	each("ServerTriesAgainAfterAnError", triesAgainAfterAnError)
	each("ServerTriesAgainAfterAPanic", triesAgainAfterAPanic)
	each("ServerKeepsTheAttemptsOfParkedTasks", keepsTheAttemptsOfParkedTasks)
	each("ServerForgetsASlotThatFailed", forgetsASlotThatFailed)
	each("ServerDropsWhatIsNotArchivedAnyMore", dropsWhatIsNotArchivedAnyMore)
	each("ServerDeliversBesideASlowSalesforce", deliversBesideASlowSalesforce)
	each("ServerKeepsATypeWithoutHandler", keepsATypeWithoutHandler)
	each("StopFinishesRunningTasks", stopFinishesRunningTasks)
	each("StopReturnsUnfinishedTasks", stopReturnsUnfinishedTasks)
	each("KilledServerLosesNothing", killedServerLosesNothing)
	each("QueueRecoversFromAFlush", recoversFromAFlush)
	each("FailuresAreListedAndRetried", failuresAreListedAndRetried)
	each("UnreadableTaskIsArchived", unreadableTaskIsArchived)
	each("PageListsAndPauses", pageListsAndPauses)
	each("CollectorCountsEveryQueue", collectorCountsEveryQueue)
	each("SharedByAllProcesses", sharedByAllProcesses)
	each("SharedForgets", sharedForgets)
}

// ExerciseRules runs the tests of the rules that a queue decides, on every engine.
func ExerciseRules(t *testing.T, engines Engines) {
	for name, test := range map[string]func(t *testing.T, open opener){
		"R27_refuses_a_text":      refusesAText,
		"R01_keeps_no_error_text": keepsNoErrorText,
	} {
		t.Run(name, func(t *testing.T) {
			for engine, open := range engines {
				t.Run(engine, func(t *testing.T) { test(t, open) })
			}
		})
	}
}

type opener = func(t *testing.T, cfg queue.Config, log *slog.Logger) Instance

// --- Shared by the tests --------------------------------------------------------------------------

// quick is a configuration with which tests need not wait.
func quick() queue.Config {
	cfg := queue.Default()
	cfg.CheckInterval = time.Millisecond
	cfg.EnqueueTimeout = time.Minute // the most that is allowed
	return cfg
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// run is a call of a handler.
type run struct {
	Type string
	IDs  []string
}

// recorder sends every call of its handlers to a channel and returns what answer returns.
type recorder struct {
	runs   chan run
	answer func(ctx context.Context, r run) error
}

func newRecorder(answer func(ctx context.Context, r run) error) *recorder {
	if answer == nil {
		answer = func(context.Context, run) error { return nil }
	}
	return &recorder{runs: make(chan run, 10_000), answer: answer}
}

func (r *recorder) handlers() map[string]queue.Handler {
	handlers := map[string]queue.Handler{}
	for _, kind := range mailroom.TaskKinds() {
		handlers[kind.Type] = func(ctx context.Context, ids []string) error {
			call := run{kind.Type, ids}
			r.runs <- call
			return r.answer(ctx, call)
		}
	}
	return handlers
}

// Only returns handlers of all types for a test that enqueues tasks of one type: the others fail.
func Only(taskType string, handler queue.Handler) map[string]queue.Handler {
	refuse := func(_ context.Context, r run) error { return fmt.Errorf("%s: this test enqueues no such task", r.Type) }
	handlers := newRecorder(refuse).handlers()
	handlers[taskType] = handler
	return handlers
}

// next returns the next call.
func (r *recorder) next(t *testing.T) run {
	t.Helper()
	return receive(t, r.runs, "a handler to be called")
}

func receive[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	select {
	case value := <-from:
		return value
	case <-time.After(soon):
		t.Fatalf("waited %v for %s", soon, what)
		panic("not reached")
	}
}

// eventually waits until condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(soon)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited %v until %s", soon, what)
		}
	}
}

// serve starts a server and stops it when the test ends.
func serve(t *testing.T, b *queue.Broker, handlers map[string]queue.Handler) *queue.Server {
	t.Helper()
	server, err := b.Start(handlers, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, server) })
	return server
}

func stop(t *testing.T, server *queue.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	if err := server.Stop(ctx); err != nil {
		t.Error(err)
	}
}

func enqueue(t *testing.T, b *queue.Broker, tasks ...mailroom.Task) {
	t.Helper()
	if err := b.Enqueue(t.Context(), tasks...); err != nil {
		t.Fatal(err)
	}
}

// send is a task of type inmail:send.
func send(ids ...string) mailroom.Task {
	return mailroom.Task{Type: mailroom.TaskSend, IDs: ids}
}

// numbered returns n ids in order.
func numbered(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("0190163d-8694-739b-aea5-%012d", i)
	}
	return ids
}

// count sums a figure over all queues.
func count(t *testing.T, b *queue.Broker, of func(queue.QueueStatus) int) int {
	t.Helper()
	status, err := b.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, q := range status.Queues {
		n += of(q)
	}
	return n
}

// unfinished counts the tasks that wait, run or have failed.
func unfinished(q queue.QueueStatus) int { return q.Waiting + q.Running + q.Retry + q.Archived }

// another opens the same queue as another process would.
func another(t *testing.T, on Instance) *queue.Broker {
	t.Helper()
	cfg := quick()
	cfg.URL = on.URL
	b, err := queue.Open(cfg, discard())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// --- Enqueue --------------------------------------------------------------------------------------

func handsOverIDsInOrder(t *testing.T, open opener) {
	q := open(t, quick(), discard())
	r := newRecorder(nil)
	serve(t, q.Broker, r.handlers())
	ids := numbered(500)
	slices.Reverse(ids)
	enqueue(t, q.Broker, send(ids...))
	if diff := cmp.Diff(run{mailroom.TaskSend, ids}, r.next(t)); diff != "" {
		t.Errorf("call (-want +got):\n%s", diff)
	}
	eventually(t, "the task is done", func() bool { return count(t, q.Broker, unfinished) == 0 })
}

func splitsAt500(t *testing.T, open opener) {
	q := open(t, quick(), discard())
	ids := numbered(1201)
	enqueue(t, q.Broker, send(ids...))
	if got := count(t, q.Broker, func(q queue.QueueStatus) int { return q.Waiting }); got != 3 {
		t.Errorf("%d tasks wait, want 3", got)
	}
	r := newRecorder(nil)
	serve(t, q.Broker, r.handlers())
	parts := [][]string{r.next(t).IDs, r.next(t).IDs, r.next(t).IDs}
	slices.SortFunc(parts, func(a, b []string) int { return strings.Compare(a[0], b[0]) })
	if diff := cmp.Diff([][]string{ids[:500], ids[500:1000], ids[1000:]}, parts); diff != "" {
		t.Errorf("parts (-want +got):\n%s", diff)
	}
}

// expiry is a task that recurs every second and is not retried; its slots here are of an hour.
var expiry = mailroom.Task{Type: mailroom.TaskExpire}

// take takes a slot of an hour.
func take(t *testing.T, q *queue.Broker, task mailroom.Task, known int64) mailroom.Slot {
	t.Helper()
	slot, err := q.TakeSlot(t.Context(), task, time.Hour, known)
	if err != nil {
		t.Fatal(err)
	}
	return slot
}

// isSlot checks a slot; what is left of it is up to the time that the test has taken.
func isSlot(t *testing.T, when string, got mailroom.Slot, number int64, taken bool) {
	t.Helper()
	if got.Number != number || got.Taken != taken || got.Left <= 0 || got.Left > time.Hour {
		t.Errorf("%s: %+v, want slot %d, taken %v", when, got, number, taken)
	}
}

// givesASlotToOneScheduler has schedulers take the same slots at the same moments.
func givesASlotToOneScheduler(t *testing.T, open opener) {
	q := open(t, quick(), discard())
	schedulers := []*queue.Broker{q.Broker, another(t, q), another(t, q)}
	if n, err := q.NewestSlot(t.Context(), expiry); n != 0 || err != nil {
		t.Errorf("before the first slot: %d, %v", n, err)
	}
	known := make([]int64, len(schedulers))
	for n := int64(1); n <= 20; n++ {
		var taken atomic.Int64
		var all sync.WaitGroup
		start := make(chan struct{})
		for i, scheduler := range schedulers {
			all.Go(func() {
				<-start
				slot, err := scheduler.TakeSlot(t.Context(), expiry, time.Hour, known[i])
				if known[i] = slot.Number; err != nil || slot.Number != n {
					t.Errorf("slot %d: %+v, %v", n, slot, err)
				}
				if slot.Taken {
					taken.Add(1)
				}
			})
		}
		close(start)
		all.Wait()
		if taken.Load() != 1 {
			t.Fatalf("slot %d was taken by %d schedulers", n, taken.Load())
		}
	}
	if n, err := schedulers[1].NewestSlot(t.Context(), expiry); n != 20 || err != nil {
		t.Errorf("after twenty slots: %d, %v", n, err)
	}
	isSlot(t, "one that starts now", take(t, another(t, q), expiry, 0), 20, false)
	push := mailroom.Task{Type: mailroom.TaskCRMPush, IDs: []string{"one"}}
	isSlot(t, "another task", take(t, q.Broker, push, 0), 1, true)
	push.IDs = []string{"two"}
	isSlot(t, "the same task for another CRM", take(t, q.Broker, push, 0), 1, true)
}

// goesOnWhateverTheClockOfRedis moves the end of a slot as a step of the clock of Redis does.
func goesOnWhateverTheClockOfRedis(t *testing.T, open opener) {
	q := open(t, quick(), discard())
	const key = "inmail:slot:{upkeep}:inmail:expire"
	step := func(by time.Duration) {
		t.Helper()
		left, err := q.Redis.PTTL(t.Context(), key).Result()
		if err != nil || left <= 0 {
			t.Fatalf("%s ends in %s, %v", key, left, err)
		}
		if err := q.Redis.PExpire(t.Context(), key, left-by).Err(); err != nil {
			t.Fatal(err)
		}
	}
	isSlot(t, "the first", take(t, q.Broker, expiry, 0), 1, true)
	for _, by := range []time.Duration{-time.Minute, -time.Hour, -365 * 24 * time.Hour} {
		step(by)
		isSlot(t, "one that starts after a step of "+by.String(), take(t, another(t, q), expiry, 0), 1, false)
		step(-by)
	}
	step(-time.Hour)
	isSlot(t, "the slot after an hour back", take(t, q.Broker, expiry, 1), 2, true)
	step(time.Hour) // the slot has ended by the clock of Redis, and nobody has waited it out
	isSlot(t, "one that starts after an hour forward", take(t, another(t, q), expiry, 0), 3, true)
	isSlot(t, "one that goes on after it", take(t, q.Broker, expiry, 2), 3, false)
	step(365 * 24 * time.Hour) // so far forward that the number is gone
	isSlot(t, "after a year forward", take(t, q.Broker, expiry, 3), 1, true)
}

// beginsAgainAfterAFlush empties Redis under two schedulers.
func beginsAgainAfterAFlush(t *testing.T, open opener) {
	q := open(t, quick(), discard())
	for known := range int64(3) {
		take(t, q.Broker, expiry, known)
	}
	flush(t, q.Redis)
	isSlot(t, "after the flush", take(t, q.Broker, expiry, 3), 1, true)
	isSlot(t, "another that knows the same", take(t, another(t, q), expiry, 3), 1, false)
	isSlot(t, "the next", take(t, q.Broker, expiry, 1), 2, true)
}

// forgetsASlotThatFailed lets slots fail by an error, a panic and an error that asks for another time: none
// is tried again and none is archived, while a task that is retried is.
func forgetsASlotThatFailed(t *testing.T, open opener) {
	q := open(t, quick(), discard())
	r := newRecorder(func(_ context.Context, r run) error {
		switch r.Type {
		case mailroom.TaskExpire:
			panic("the record is away")
		case mailroom.TaskRedrive:
			return parked{}
		}
		return errors.New("the record is away")
	})
	serve(t, q.Broker, r.handlers())
	for n := range 3 {
		for _, kind := range mailroom.TaskKinds() {
			if kind.Every > 0 && kind.Every <= mailroom.RecursSoon {
				enqueue(t, q.Broker, mailroom.Task{Type: kind.Type, ID: fmt.Sprintf("%s:%d", kind.Type, n)})
				r.next(t)
			}
		}
	}
	eventually(t, "nothing is left of them", func() bool { return count(t, q.Broker, unfinished) == 0 })
	enqueue(t, q.Broker, mailroom.Task{Type: mailroom.TaskRetain, ID: "record:retain:1"})
	r.next(t)
	eventually(t, "one that recurs late is tried again", func() bool {
		failures, err := q.Failures(t.Context(), 10)
		if err != nil {
			t.Fatal(err)
		}
		return len(failures) == 1 && failures[0].Type == mailroom.TaskRetain && failures[0].State == "retry"
	})
}

// dropsWhatIsNotArchivedAnyMore starts a server over what an older version archived.
func dropsWhatIsNotArchivedAnyMore(t *testing.T, open opener) {
	var log lockedBuffer
	q := open(t, quick(), slog.New(slog.NewTextHandler(&log, nil)))
	inspector := asynq.NewInspectorFromRedisClient(q.Redis)
	const old = 1200 // more than a page
	archive := func(task mailroom.Task) {
		enqueue(t, q.Broker, task)
		kind, _ := mailroom.TaskKindOf(task.Type)
		if err := inspector.ArchiveTask(kind.Queue, task.ID); err != nil {
			t.Fatal(err)
		}
	}
	for n := range old {
		archive(mailroom.Task{Type: mailroom.TaskExpire, ID: fmt.Sprintf("inmail:expire:%d", 1_790_000_000+n)})
	}
	archive(mailroom.Task{Type: mailroom.TaskCRMPush, ID: "crm:push:179000000"})
	archive(mailroom.Task{Type: mailroom.TaskRetain, ID: "record:retain:490000"})
	serve(t, q.Broker, newRecorder(nil).handlers())
	eventually(t, "one task is left", func() bool {
		return count(t, q.Broker, func(q queue.QueueStatus) int { return q.Archived }) == 1
	})
	failures, err := q.Failures(t.Context(), 10)
	if err != nil || len(failures) != 1 || failures[0].Type != mailroom.TaskRetain {
		t.Errorf("left: %+v, %v", failures, err)
	}
	eventually(t, "the log says how many", func() bool { return strings.Contains(log.String(), "tasks=1201") })
}

func enqueuesNothing(t *testing.T, open opener) {
	q := open(t, quick(), discard())
	enqueue(t, q.Broker)
	if got := count(t, q.Broker, unfinished); got != 0 {
		t.Errorf("%d tasks, want none", got)
	}
}

func refusesAnUnknownType(t *testing.T, open opener) {
	q := open(t, quick(), discard())
	err := q.Enqueue(t.Context(), send("a"), mailroom.Task{Type: "inmail:later", IDs: []string{"b"}})
	if err == nil || !strings.Contains(err.Error(), `"inmail:later"`) {
		t.Errorf("got %v, want an error that names the type", err)
	}
	if got := count(t, q.Broker, unfinished); got != 0 {
		t.Errorf("%d tasks of a refused call were enqueued", got)
	}
}

func givesUpWithItsCaller(t *testing.T, open opener) {
	q := open(t, quick(), discard())
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := q.Enqueue(gone, send("a")); err == nil {
		t.Error("Enqueue succeeded although its context had ended")
	}
	enqueue(t, q.Broker, send("b")) // must work: Redis was not the cause
}

// startNamesAMissingHandler checks that a task type without a handler, and a handler without a task type,
// are found at the start and not when they are needed.
func startNamesAMissingHandler(t *testing.T, open opener) {
	q := open(t, quick(), discard())
	handlers := newRecorder(nil).handlers()
	delete(handlers, mailroom.TaskErase)
	handlers[mailroom.TaskRedrive] = nil
	handlers["inmail:later"] = handlers[mailroom.TaskSend]
	server, err := q.Start(handlers, nil)
	if err == nil {
		stop(t, server)
		t.Fatal("started without two handlers and with one too many")
	}
	for _, want := range []string{
		"the task type member:erase has no handler",
		"the task type inmail:redrive has no handler",
		"the handler of inmail:later has no task type",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	serve(t, q.Broker, newRecorder(nil).handlers())
}

func depthCountsWaitingTasks(t *testing.T, open opener) {
	q := open(t, quick(), discard())
	for i := range 12 {
		enqueue(t, q.Broker, send(fmt.Sprintf("id-%d", i)))
	}
	for name, want := range map[string]int{mailroom.QueueSends: 12, mailroom.QueueCRM: 0} {
		if got, err := q.Depth(t.Context(), name); err != nil || got != want {
			t.Errorf("depth of %s is %d, %v; want %d", name, got, err, want)
		}
	}
	if _, err := q.Depth(t.Context(), "default"); err == nil {
		t.Error("an unknown queue has a depth")
	}
}

// --- The rules ------------------------------------------------------------------------------------

func refusesAText(t *testing.T, open opener) {
	q := open(t, quick(), discard())
	for _, text := range []string{"Dear Ada, about your talk", "ada@example.com", "", strings.Repeat("a", 65),
		"tab\there"} {
		err := q.Enqueue(t.Context(), send("one", text))
		if err == nil {
			t.Errorf("%q was enqueued", text)
		} else if len(text) > 0 && strings.Contains(err.Error(), text) {
			t.Errorf("the error repeats the text: %v", err)
		}
	}
	enqueue(t, q.Broker, send("one"))
	if got := everything(t, q.Redis); strings.Contains(got, "Ada") || strings.Contains(got, "example.com") {
		t.Errorf("a refused text is stored in Redis:\n%s", got)
	}
}

// keepsNoErrorText lets handlers fail in every way with a text in their error. The text must be neither in
// Redis nor, where the handler panicked, in the log.
func keepsNoErrorText(t *testing.T, open opener) {
	const text = "the confidential subject of Ada"
	var log lockedBuffer
	q := open(t, quick(), slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	r := newRecorder(func(_ context.Context, call run) error {
		switch call.IDs[0] {
		case "panics":
			panic(text)
		case "panics-with-error":
			panic(errors.New(text))
		}
		return fmt.Errorf("deliver: %w", errors.New(text))
	})
	serve(t, q.Broker, r.handlers())
	enqueue(t, q.Broker, send("panics"), send("panics-with-error"), send("fails"))
	eventually(t, "all three failed",
		func() bool { return count(t, q.Broker, func(q queue.QueueStatus) int { return q.Retry }) == 3 })
	if got := everything(t, q.Redis); strings.Contains(got, text) {
		t.Errorf("the text is stored in Redis:\n%s", got)
	}
	for _, line := range strings.Split(log.String(), "\n") {
		if strings.Contains(line, "panic") && strings.Contains(line, text) {
			t.Errorf("the text of a panic is in the log: %s", line)
		}
	}
	var classes []string
	failures, err := q.Failures(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, failure := range failures {
		classes = append(classes, failure.Class)
	}
	slices.Sort(classes)
	if diff := cmp.Diff([]string{"error", "panic", "panic"}, classes); diff != "" {
		t.Errorf("classes (-want +got):\n%s", diff)
	}
}

// --- Server ---------------------------------------------------------------------------------------

// runsAtLeastOnce runs many tasks on two servers and expects all of them. A task may run twice.
func runsAtLeastOnce(t *testing.T, open opener) {
	q := open(t, quick(), discard())
	r := newRecorder(nil)
	serve(t, q.Broker, r.handlers())
	serve(t, another(t, q), r.handlers())
	ids := numbered(300)
	var tasks []mailroom.Task
	for _, id := range ids {
		tasks = append(tasks, send(id))
	}
	enqueue(t, q.Broker, tasks...)
	visited := map[string]bool{}
	for len(visited) < len(ids) {
		visited[r.next(t).IDs[0]] = true
	}
	eventually(t, "nothing is left", func() bool { return count(t, q.Broker, unfinished) == 0 })
}

func triesAgainAfterAnError(t *testing.T, open opener) {
	q := open(t, quick(), discard())
	var second atomic.Bool
	r := newRecorder(func(context.Context, run) error {
		if !second.Swap(true) {
			return errors.New("the record is busy")
		}
		return nil
	})
	serve(t, q.Broker, r.handlers())
	enqueue(t, q.Broker, send("a"))
	r.next(t)
	if diff := cmp.Diff(run{mailroom.TaskSend, []string{"a"}}, r.next(t)); diff != "" {
		t.Errorf("second call (-want +got):\n%s", diff)
	}
	eventually(t, "the task is done", func() bool { return count(t, q.Broker, unfinished) == 0 })
}

func triesAgainAfterAPanic(t *testing.T, open opener) {
	q := open(t, quick(), discard())
	var second atomic.Bool
	r := newRecorder(func(context.Context, run) error {
		if !second.Swap(true) {
			panic("out of range")
		}
		return nil
	})
	serve(t, q.Broker, r.handlers())
	enqueue(t, q.Broker, send("a"), send("b"))
	for range 3 {
		r.next(t)
	}
	eventually(t, "both are done", func() bool { return count(t, q.Broker, unfinished) == 0 })
}

// parked is an error that says when to try again.
type parked struct{}

func (parked) Error() string             { return "parked" }
func (parked) RetryAfter() time.Duration { return time.Hour }
func (parked) Class() string             { return "limit" }

func keepsTheAttemptsOfParkedTasks(t *testing.T, open opener) {
	q := open(t, quick(), discard())
	r := newRecorder(func(context.Context, run) error { return fmt.Errorf("push: %w", parked{}) })
	serve(t, q.Broker, r.handlers())
	enqueue(t, q.Broker, mailroom.Task{Type: mailroom.TaskCRMBackfill})
	r.next(t)
	var failures []queue.Failure
	eventually(t, "the task waits", func() bool {
		var err error
		if failures, err = q.Failures(t.Context(), 10); err != nil {
			t.Fatal(err)
		}
		return len(failures) == 1
	})
	if f := failures[0]; f.Attempts != 0 || f.Class != "limit" || f.Next == nil ||
		time.Until(*f.Next) < 50*time.Minute {
		t.Errorf("got %+v, want class limit, no attempt spent, next in an hour", f)
	}
}

func deliversBesideASlowSalesforce(t *testing.T, open opener) {
	cfg := quick()
	q := open(t, cfg, discard())
	release := make(chan struct{})
	r := newRecorder(func(_ context.Context, call run) error {
		if call.Type == mailroom.TaskCRMPush {
			<-release
		}
		return nil
	})
	serve(t, q.Broker, r.handlers())
	defer close(release)
	for range 3 * cfg.CRMConcurrency {
		enqueue(t, q.Broker, mailroom.Task{Type: mailroom.TaskCRMPush})
	}
	for range cfg.CRMConcurrency {
		r.next(t)
	}
	enqueue(t, q.Broker, send("a"), mailroom.Task{Type: mailroom.TaskExpire})
	types := []string{r.next(t).Type, r.next(t).Type}
	slices.Sort(types)
	if diff := cmp.Diff([]string{mailroom.TaskExpire, mailroom.TaskSend}, types); diff != "" {
		t.Errorf("what ran beside it (-want +got):\n%s", diff)
	}
}

// keepsATypeWithoutHandler is an old worker that gets a new process's task during an update.
func keepsATypeWithoutHandler(t *testing.T, open opener) {
	q := open(t, quick(), discard())
	serve(t, q.Broker, newRecorder(nil).handlers())
	newer := asynq.NewTask("inmail:later", []byte(`{"ids":["a"]}`))
	client := asynq.NewClientFromRedisClient(q.Redis)
	if _, err := client.EnqueueContext(t.Context(), newer, asynq.Queue(mailroom.QueueUpkeep)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it waits for another worker", func() bool {
		failures, err := q.Failures(t.Context(), 10)
		if err != nil {
			t.Fatal(err)
		}
		return len(failures) == 1 && failures[0].State == "retry" && failures[0].Class == "no_handler"
	})
}

// --- Stop, kill and flush -------------------------------------------------------------------------

func stopFinishesRunningTasks(t *testing.T, open opener) {
	q := open(t, quick(), discard())
	release := make(chan struct{})
	var canceled error
	r := newRecorder(func(ctx context.Context, _ run) error {
		<-release
		canceled = ctx.Err()
		return nil
	})
	server := serve(t, q.Broker, r.handlers())
	enqueue(t, q.Broker, send("a"))
	r.next(t)
	impatient, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := server.Stop(impatient); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Stop did not wait for the running task: %v", err)
	}
	close(release)
	stop(t, server)
	if canceled != nil {
		t.Errorf("the running task was interrupted: %v", canceled)
	}
	if got := count(t, q.Broker, unfinished); got != 0 {
		t.Errorf("%d tasks are left, want none", got)
	}
	enqueue(t, q.Broker, send("b"))
	if got := count(t, q.Broker, func(q queue.QueueStatus) int { return q.Waiting }); got != 1 {
		t.Errorf("a stopped server took a task")
	}
}

func stopReturnsUnfinishedTasks(t *testing.T, open opener) {
	cfg := quick()
	cfg.Grace = time.Millisecond
	q := open(t, cfg, discard())
	r := newRecorder(func(ctx context.Context, _ run) error {
		<-ctx.Done()
		return ctx.Err()
	})
	server := serve(t, q.Broker, r.handlers())
	enqueue(t, q.Broker, send("a"))
	r.next(t)
	stop(t, server)
	next := newRecorder(nil)
	serve(t, another(t, q), next.handlers())
	if diff := cmp.Diff(run{mailroom.TaskSend, []string{"a"}}, next.next(t)); diff != "" {
		t.Errorf("call of the next server (-want +got):\n%s", diff)
	}
}

// childURL is the environment variable that makes the test binary a worker which takes a task and never
// ends.
const childURL = "INMAIL_QUEUETEST_CHILD"

// Main is for TestMain of the package that calls Exercise: it runs the tests, or the worker that one of
// them kills.
func Main(m *testing.M) int {
	url := os.Getenv(childURL)
	if url == "" {
		return m.Run()
	}
	cfg := quick()
	cfg.URL = url
	b, err := queue.Open(cfg, discard())
	if err != nil {
		fmt.Println(err)
		return 1
	}
	forever := newRecorder(func(context.Context, run) error {
		fmt.Println("taken")
		select {}
	})
	if _, err := b.Start(forever.handlers(), nil); err != nil {
		fmt.Println(err)
		return 1
	}
	<-time.After(soon) // in case the parent dies before it kills us
	return 1
}

func killedServerLosesNothing(t *testing.T, open opener) {
	q := open(t, quick(), discard())
	enqueue(t, q.Broker, send("a"))
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), childURL+"="+q.URL)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "taken\n" {
		t.Fatalf("the other process said %q, %v", line, err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // the error is that it was killed
	if got := count(t, q.Broker, func(q queue.QueueStatus) int { return q.Running }); got != 1 {
		t.Fatalf("%d tasks are leased by the dead process, want 1", got)
	}
	ageLeases(t, q.Redis)
	r := newRecorder(nil)
	serve(t, q.Broker, r.handlers())
	if diff := cmp.Diff(run{mailroom.TaskSend, []string{"a"}}, r.next(t)); diff != "" {
		t.Errorf("call after the kill (-want +got):\n%s", diff)
	}
	eventually(t, "nothing is left", func() bool { return count(t, q.Broker, unfinished) == 0 })
}

// ageLeases makes every lease end a minute earlier, to save the test that minute.
func ageLeases(t *testing.T, client redis.UniversalClient) {
	t.Helper()
	ctx := t.Context()
	names, err := client.SMembers(ctx, "asynq:queues").Result()
	if err != nil {
		t.Fatal(err)
	}
	aged := 0
	for _, name := range names {
		key := "asynq:{" + name + "}:lease"
		leases, err := client.ZRange(ctx, key, 0, -1).Result()
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range leases {
			if err := client.ZIncrBy(ctx, key, -61, id).Err(); err != nil {
				t.Fatal(err)
			}
			aged++
		}
	}
	if aged == 0 {
		t.Fatal("no lease to age")
	}
}

func recoversFromAFlush(t *testing.T, open opener) {
	q := open(t, quick(), discard())
	r := newRecorder(nil)
	serve(t, q.Broker, r.handlers())
	enqueue(t, q.Broker, send("before"))
	r.next(t)
	flush(t, q.Redis)
	enqueue(t, q.Broker, send("after"), mailroom.Task{Type: mailroom.TaskExpire})
	got := []string{r.next(t).Type, r.next(t).Type}
	slices.Sort(got)
	if diff := cmp.Diff([]string{mailroom.TaskExpire, mailroom.TaskSend}, got); diff != "" {
		t.Errorf("calls after the flush (-want +got):\n%s", diff)
	}
	eventually(t, "all are done", func() bool { return count(t, q.Broker, unfinished) == 0 })
	if _, err := q.Failures(t.Context(), 10); err != nil {
		t.Error(err)
	}
}

// flush empties Redis, including its cached scripts.
func flush(t *testing.T, client redis.UniversalClient) {
	t.Helper()
	empty := func(ctx context.Context, node *redis.Client) error {
		return errors.Join(node.FlushDB(ctx).Err(), node.ScriptFlush(ctx).Err())
	}
	var err error
	switch c := client.(type) {
	case *redis.ClusterClient:
		err = c.ForEachMaster(t.Context(), empty)
	case *redis.Client:
		err = empty(t.Context(), c)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// --- Failures, page, metrics and the shared store -------------------------------------------------

func failuresAreListedAndRetried(t *testing.T, open opener) {
	q := open(t, quick(), discard())
	fails := make(chan bool, 1)
	fails <- true
	r := newRecorder(func(context.Context, run) error {
		if failing := <-fails; failing {
			fails <- true
			return fmt.Errorf("deliver: %w", parked{})
		}
		fails <- false
		return nil
	})
	serve(t, q.Broker, r.handlers())
	before := time.Now().Add(-time.Second) // Asynq stores whole seconds
	enqueue(t, q.Broker, send("a", "b"), send("c"))
	r.next(t)
	r.next(t)
	var failures []queue.Failure
	eventually(t, "both failed", func() bool {
		var err error
		if failures, err = q.Failures(t.Context(), 10); err != nil {
			t.Fatal(err)
		}
		return len(failures) == 2
	})
	for _, f := range failures {
		if f.Type != mailroom.TaskSend || f.State != "retry" || f.Class != "limit" || f.Limit < 4 || f.Next == nil ||
			f.At.Before(before) || f.At.Location() != time.UTC {
			t.Errorf("failure %+v", f)
		}
	}
	if one, err := q.Failures(t.Context(), 1); err != nil || len(one) != 1 {
		t.Errorf("asked for one failure: %d, %v", len(one), err)
	}
	if _, err := q.Retry(t.Context(), "unknown"); !errors.Is(err, queue.ErrNoTask) {
		t.Errorf("retry of an unknown id: got %v, want %v", err, queue.ErrNoTask)
	}
	<-fails
	fails <- false
	if n, err := q.Retry(t.Context(), failures[0].ID); n != 1 || err != nil {
		t.Errorf("retried %d, %v; want 1", n, err)
	}
	if diff := cmp.Diff(failures[0].IDs, r.next(t).IDs); diff != "" {
		t.Errorf("retried (-want +got):\n%s", diff)
	}
	if n, err := q.Retry(t.Context()); n != 1 || err != nil {
		t.Errorf("retried the rest: %d, %v; want 1", n, err)
	}
	if diff := cmp.Diff(failures[1].IDs, r.next(t).IDs); diff != "" {
		t.Errorf("retried (-want +got):\n%s", diff)
	}
	eventually(t, "none is left", func() bool { return count(t, q.Broker, unfinished) == 0 })
}

func unreadableTaskIsArchived(t *testing.T, open opener) {
	q := open(t, quick(), discard())
	serve(t, q.Broker, newRecorder(nil).handlers())
	enqueue(t, q.Broker, send("a")) // so that the queue exists
	name := "sends"
	if names, err := q.Redis.SMembers(t.Context(), "asynq:queues").Result(); err != nil {
		t.Fatal(err)
	} else if !slices.Contains(names, name) {
		name = "sends:0"
	}
	if _, err := asynq.NewClientFromRedisClient(q.Redis).EnqueueContext(t.Context(),
		asynq.NewTask(mailroom.TaskSend, []byte("\x00")), asynq.Queue(name)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is archived", func() bool {
		failures, err := q.Failures(t.Context(), 10)
		if err != nil {
			t.Fatal(err)
		}
		return len(failures) == 1 && failures[0].State == "archived" && failures[0].Class == "unreadable" &&
			failures[0].Next == nil && failures[0].Attempts == 1
	})
	if n, err := q.Retry(t.Context()); n != 1 || err != nil {
		t.Errorf("retried %d, %v; want 1", n, err)
	}
}

func pageListsAndPauses(t *testing.T, open opener) {
	q := open(t, quick(), discard())
	page := httptest.NewServer(q.Page("/queues"))
	defer page.Close()
	ask := func(method, path string) (int, string) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, page.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		var body bytes.Buffer
		if _, err := body.ReadFrom(response.Body); err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, body.String()
	}
	if code, body := ask("GET", "/queues/"); code != http.StatusOK || !strings.Contains(body, "<html") || !strings.Contains(body, "</html>") || strings.Contains(body, "https://") {
		t.Errorf("the page: %d %.200s", code, body)
	}
	code, body := ask("GET", "/queues/api/queues")
	var listed struct {
		Queues []struct{ Queue string } `json:"queues"`
	}
	if err := json.Unmarshal([]byte(body), &listed); code != http.StatusOK || err != nil || len(listed.Queues) < 3 {
		t.Errorf("the page lists %d queues: %d %v %.300s", len(listed.Queues), code, err, body)
	}
	if code, body := ask("POST", "/queues/api/queues/crm:pause"); code >= 300 {
		t.Errorf("pausing: %d %s", code, body)
	}
	if got := count(t, q.Broker, func(q queue.QueueStatus) int { return map[bool]int{true: 1}[q.Paused] }); got != 1 {
		t.Errorf("%d queues are paused, want 1", got)
	}
	if code, _ := ask("GET", "/queues/api/servers"); code != http.StatusOK {
		t.Errorf("servers: %d", code)
	}
	flush(t, q.Redis)
	if code, body := ask("GET", "/queues/api/queues"); code != http.StatusOK || !strings.Contains(body, "upkeep") {
		t.Errorf("after a flush the page does not know the queues: %d %.300s", code, body)
	}
}

func collectorCountsEveryQueue(t *testing.T, open opener) {
	q := open(t, quick(), discard())
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(q.Collector())
	enqueue(t, q.Broker, mailroom.Task{Type: mailroom.TaskCRMPush})
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sizes := map[string]float64{}
	for _, family := range families {
		if family.GetName() != "asynq_queue_size" {
			continue
		}
		for _, metric := range family.GetMetric() {
			sizes[metric.GetLabel()[0].GetValue()] = metric.GetGauge().GetValue()
		}
	}
	if sizes["crm"] != 1 || sizes["upkeep"] != 0 || len(sizes) < 3 {
		t.Errorf("asynq_queue_size is %v, want 1 for crm and 0 for the others", sizes)
	}
}

// sharedByAllProcesses has two processes spend one budget at the same moment.
func sharedByAllProcesses(t *testing.T, open opener) {
	q := open(t, quick(), discard())
	here, there := q.Shared(), another(t, q).Shared()
	if got, err := here.Get(t.Context(), "session"); got != nil || err != nil {
		t.Errorf("a value that was never put: %q, %v", got, err)
	}
	if err := here.Put(t.Context(), "session", []byte{0, 1, 0xff}, time.Hour); err != nil {
		t.Fatal(err)
	}
	if got, err := there.Get(t.Context(), "session"); err != nil || !bytes.Equal(got, []byte{0, 1, 0xff}) {
		t.Errorf("the other process reads %q, %v", got, err)
	}
	if err := there.Put(t.Context(), "session", nil, time.Hour); err != nil {
		t.Fatal(err)
	}
	if got, err := here.Get(t.Context(), "session"); got != nil || err != nil {
		t.Errorf("a deleted value: %q, %v", got, err)
	}

	const each = 50
	var all sync.WaitGroup
	start := make(chan struct{})
	sums := make(chan int, 2*each)
	for _, process := range []queue.Shared{here, there} {
		all.Go(func() {
			<-start
			for range each {
				sum, err := process.Add(t.Context(), "calls", 2, time.Hour)
				if err != nil {
					t.Error(err)
				}
				sums <- sum
			}
		})
	}
	close(start)
	all.Wait()
	close(sums)
	visited := map[int]bool{}
	for sum := range sums {
		visited[sum] = true
	}
	if len(visited) != 2*each || !visited[2*2*each] {
		t.Errorf("%d different sums, the last %v; want %d up to %d", len(visited), visited[2*2*each], 2*each, 2*2*each)
	}
}

func sharedForgets(t *testing.T, open opener) {
	shared := open(t, quick(), discard()).Shared()
	if err := shared.Put(t.Context(), "session", []byte("s"), 10*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if _, err := shared.Add(t.Context(), "calls", 1, 10*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the value is gone", func() bool {
		got, err := shared.Get(t.Context(), "session")
		if err != nil {
			t.Fatal(err)
		}
		return got == nil
	})
	eventually(t, "the sum is gone", func() bool {
		got, err := shared.Get(t.Context(), "calls")
		if err != nil {
			t.Fatal(err)
		}
		return got == nil
	})
	if sum, err := shared.Add(t.Context(), "calls", 3, time.Hour); sum != 3 || err != nil {
		t.Errorf("counting again: %d, %v; want 3", sum, err)
	}
}

// everything returns the entire content of Redis as text.
func everything(t *testing.T, client redis.UniversalClient) string {
	t.Helper()
	var mu sync.Mutex
	var text strings.Builder
	read := func(ctx context.Context, node *redis.Client) error {
		keys, err := node.Keys(ctx, "*").Result()
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		for _, key := range keys {
			kind, err := node.Type(ctx, key).Result()
			if err != nil {
				return err
			}
			var value any
			switch kind {
			case "string":
				value, err = node.Get(ctx, key).Result()
			case "hash":
				value, err = node.HGetAll(ctx, key).Result()
			case "list":
				value, err = node.LRange(ctx, key, 0, -1).Result()
			case "set":
				value, err = node.SMembers(ctx, key).Result()
			case "zset":
				value, err = node.ZRange(ctx, key, 0, -1).Result()
			}
			if err != nil && !errors.Is(err, redis.Nil) {
				return err
			}
			fmt.Fprintf(&text, "%s %s %v\n", kind, key, value)
		}
		return nil
	}
	var err error
	switch c := client.(type) {
	case *redis.ClusterClient:
		err = c.ForEachMaster(t.Context(), read)
	case *redis.Client:
		err = read(t.Context(), c)
	}
	if err != nil {
		t.Fatal(err)
	}
	if text.Len() == 0 {
		t.Fatal("Redis is empty")
	}
	return text.String()
}

// lockedBuffer is a log that several goroutines write.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
