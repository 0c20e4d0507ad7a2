package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"inmail/domain/mailroom"
)

// Broker is the queue. It is safe for concurrent use, and recovers by itself when Redis was away.
type Broker struct {
	config    Config
	address   address
	names     map[string][]string // names in Redis by queue of API.md
	queues    []string            // all names in Redis
	log       *slog.Logger
	redis     redis.UniversalClient
	client    *asynq.Client
	inspector *asynq.Inspector
	inProcess *inProcess // nil when Redis is configured
	wakes     *wakes
	notifier  *notifier                 // nil: no other process works on this queue
	downUntil atomic.Pointer[time.Time] // nil: it was never down. By the clock of the process that is never set
	downWhy   atomic.Value              // the mailroom.Cause for which Redis did not answer last
}

var _ mailroom.Queue = (*Broker)(nil)

// redisLogger makes the Redis client write to the log instead of the standard error output.
var redisLogger sync.Once

// Open returns the queue that cfg describes, and starts it when it is inside the process. It does not
// connect to Redis, because a process must be able to start while Redis is down; use Ping for that. The
// error names the setting and what to write.
func Open(cfg Config, log *slog.Logger) (*Broker, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("open the queue: %w", err)
	}
	redisLogger.Do(func() { redis.SetLogger(redisLog{log}) })
	b := &Broker{config: cfg, log: log, names: map[string][]string{}}
	b.address, _ = parseAddress(cfg.URL) // cannot fail: Validate has parsed it
	if cfg.InProcess() {
		var err error
		if b.inProcess, b.address, err = startInProcess(); err != nil {
			return nil, err
		}
	}
	for _, queue := range mailroom.Queues() {
		b.names[queue] = queueNames(queue, b.address.scheme == "redis-cluster")
		b.queues = append(b.queues, b.names[queue]...)
	}
	b.redis = b.address.connect(cfg)
	b.wakes = newWakes(b.rests())
	b.redis.AddHook(b.wakes)
	if b.inProcess == nil {
		b.notifier = newNotifier(b.redis, b.address.database, cfg.EnqueueTimeout)
	}
	b.client = asynq.NewClientFromRedisClient(b.redis)
	b.inspector = asynq.NewInspectorFromRedisClient(b.redis)
	return b, nil
}

// rests returns how long the workers of each queue wait for a task before they ask Redis, by the queue's name
// there. Queues that are split poll, since their workers ask one part after the other.
func (b *Broker) rests() map[string]rests {
	of := map[string]rests{}
	for queue, names := range b.names {
		_, _, poll, err := b.config.workers(queue)
		if len(names) > 1 || err != nil {
			continue
		}
		if b.inProcess != nil {
			poll = max(poll, inProcessRest)
		}
		of[names[0]] = rests{alone: poll, notified: max(poll, notifiedRest)}
	}
	return of
}

// Close closes the connections and stops the broker inside the process. Stop the Server first.
func (b *Broker) Close() error {
	err := b.redis.Close()
	if b.inProcess != nil {
		b.inProcess.stop()
	}
	if err != nil {
		return fmt.Errorf("close the queue: %w", err)
	}
	return nil
}

// Where returns the location of the queue without the password.
func (b *Broker) Where() string {
	if b.inProcess != nil {
		return address{}.String()
	}
	return b.address.String()
}

// The key that a probe writes, and how long it is kept.
const (
	probeKey = "inmail:probe"
	probeTTL = time.Minute
)

// Ping writes to Redis, as enqueueing does. It waits no longer than the timeouts of the configuration. The
// error names the setting at fault and the remedy; its cause, for everybody, is mailroom.CauseOf.
func (b *Broker) Ping(ctx context.Context) error {
	if err := b.redis.Set(ctx, probeKey, "", probeTTL).Err(); err != nil {
		return b.explain(err)
	}
	return nil
}

// outage is the error of a Redis that does not serve.
type outage struct {
	where, remedy string
	why           mailroom.Cause
	err           error
}

func (o *outage) Error() string {
	return fmt.Sprintf("redis_url: %s does not serve: %v; %s", o.where, o.err, o.remedy)
}

// Unwrap returns the error of the client, and mailroom.ErrQueueUnavailable.
func (o *outage) Unwrap() []error { return []error{o.err, mailroom.ErrQueueUnavailable} }

// Cause returns the reason in words for everybody.
func (o *outage) Cause() mailroom.Cause { return o.why }

// outages lists texts in Redis' errors with their meaning. The first that occurs in an error applies.
var outages = []struct {
	text, remedy string
	why          mailroom.Cause
}{
	{"WRONGPASS", "correct user and password in redis_url", mailroom.CauseRefused},
	{"NOAUTH", "correct user and password in redis_url", mailroom.CauseRefused},
	{"invalid password", "correct user and password in redis_url", mailroom.CauseRefused},
	{"NOPERM", "correct user and password in redis_url", mailroom.CauseRefused},
	{"OOM ", "Redis is full: give it more memory (maxmemory)", mailroom.CauseFull},
	{"MISCONF", "Redis cannot write its file: make room on its disk, and see its log", mailroom.CauseFull},
	{"READONLY", "this Redis is a replica: let redis_url name the master, or its sentinels", mailroom.CauseReadOnly},
	{"NOREPLICAS", "its replicas are away, and it takes no writes without them (min-replicas-to-write)",
		mailroom.CauseReadOnly},
	{"MASTERDOWN", "this Redis is a replica without its master: let redis_url name the master", mailroom.CauseReadOnly},
	{"CLUSTERDOWN", "a part of the cluster is down: start its nodes again", mailroom.CauseUnreachable},
	{"LOADING", "Redis reads its file and serves in a moment", mailroom.CauseStarting},
	{"BUSY ", "a script keeps Redis busy: SCRIPT KILL ends it", mailroom.CauseBusy},
	{"max number of clients", "raise Redis's maxclients", mailroom.CauseBusy},
	{"DB index is out of range", "correct the database number at the end of redis_url", mailroom.CauseRefused},
	{"certificate", "trust the server's certificate authority (SSL_CERT_FILE), or correct the host in redis_url",
		mailroom.CauseRefused},
	{"sentinel", "correct the sentinels and master= in redis_url", mailroom.CauseUnreachable},
}

// explain adds to an error of Redis what an operator should do.
func (b *Broker) explain(err error) error {
	o := &outage{where: b.Where(), remedy: "start Redis there, or correct redis_url", why: mailroom.CauseUnreachable,
		err: err}
	for _, known := range outages {
		if strings.Contains(err.Error(), known.text) {
			o.remedy, o.why = known.remedy, known.why
			return o
		}
	}
	var network net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &network) && network.Timeout() {
		o.remedy, o.why = "look whether it hangs, and whether a firewall lets its port through", mailroom.CauseSilent
	}
	return o
}

// Warnings returns the faults in Redis' configuration that could lose tasks: it must not evict keys when
// its memory is full. The broker inside the process has none.
func (b *Broker) Warnings(ctx context.Context) ([]string, error) {
	if b.inProcess != nil {
		return nil, nil
	}
	var mu sync.Mutex
	var warnings []string
	check := func(ctx context.Context, node *redis.Client) error {
		info, err := node.Info(ctx, "memory").Result()
		if err != nil {
			return err
		}
		_, rest, found := strings.Cut(info, "maxmemory_policy:")
		policy, _, _ := strings.Cut(rest, "\r\n")
		if found && policy != "noeviction" {
			mu.Lock()
			defer mu.Unlock()
			warnings = append(warnings,
				fmt.Sprintf("Redis at %s may drop tasks when its memory is full: maxmemory-policy is %s; set it to "+
					"noeviction", node.Options().Addr, policy))
		}
		return nil
	}
	var err error
	switch client := b.redis.(type) {
	case *redis.ClusterClient:
		err = client.ForEachMaster(ctx, check)
	case *redis.Client:
		err = check(ctx, client)
	}
	if err != nil {
		return nil, b.explain(err)
	}
	return warnings, nil
}

// announce adds the queues to the set that Asynq's inspector reads. Asynq does so only when a process first
// uses a queue, so that after a flush of Redis the queues would be invisible.
func (b *Broker) announce(ctx context.Context) error {
	names := make([]any, len(b.queues))
	for i, name := range b.queues {
		names[i] = name
	}
	if err := b.redis.SAdd(ctx, "asynq:queues", names...).Err(); err != nil {
		return b.explain(err)
	}
	return nil
}
