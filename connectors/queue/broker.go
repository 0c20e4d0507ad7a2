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

// Broker is the queue. It is safe for concurrent use, and goes on when Redis went away and came back.
type Broker struct {
	config    Config
	address   address
	names     map[string][]string // the names in Redis of each queue of API.md
	queues    []string            // all names
	log       *slog.Logger
	redis     redis.UniversalClient
	client    *asynq.Client
	inspector *asynq.Inspector
	inProcess *inProcess // nil when Redis is configured
	downUntil atomic.Int64
}

var _ mailroom.Queue = (*Broker)(nil)

// quietRedis sends what the Redis client has to say of itself, which goes to the standard error output, to the log.
var quietRedis sync.Once

// Open returns the queue that cfg describes, started when it is inside the process. It does not wait for Redis: a process
// must start while Redis is down. Ping tells. The error names the setting and what to write.
func Open(cfg Config, log *slog.Logger) (*Broker, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("open the queue: %w", err)
	}
	quietRedis.Do(func() { redis.SetLogger(redisLog{log}) })
	b := &Broker{config: cfg, log: log, names: map[string][]string{}}
	b.address, _ = parseAddress(cfg.URL) // Validate has read it
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
	b.client = asynq.NewClientFromRedisClient(b.redis)
	b.inspector = asynq.NewInspectorFromRedisClient(b.redis)
	return b, nil
}

// Close ends the connections, and the broker that is inside the process. Stop what Start has started first.
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

// Where returns where the queue is, as it may be shown: no password.
func (b *Broker) Where() string {
	if b.inProcess != nil {
		return address{}.String()
	}
	return b.address.String()
}

// probeKey is the key that a probe writes; it is kept for probeTTL.
const (
	probeKey = "inmail:probe"
	probeTTL = time.Minute
)

// Ping does what enqueueing does: it writes to Redis. It waits no longer than the timeouts of the configuration; the error says
// which setting is at fault and what to do, and knows the cause for everybody (mailroom.CauseOf).
func (b *Broker) Ping(ctx context.Context) error {
	if err := b.redis.Set(ctx, probeKey, "", probeTTL).Err(); err != nil {
		return b.explain(err)
	}
	return nil
}

// outage is a Redis that does not serve.
type outage struct {
	where, remedy string
	why           mailroom.Cause
	err           error
}

func (o *outage) Error() string {
	return fmt.Sprintf("redis_url: %s does not serve: %v; %s", o.where, o.err, o.remedy)
}

// Unwrap returns what the client said.
func (o *outage) Unwrap() error { return o.err }

// Cause says in words for everybody why the queue cannot work now.
func (o *outage) Cause() mailroom.Cause { return o.why }

// outages says what a text in Redis's answer means, the first that is found.
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
	{"NOREPLICAS", "its replicas are away, and it takes no writes without them (min-replicas-to-write)", mailroom.CauseReadOnly},
	{"MASTERDOWN", "this Redis is a replica without its master: let redis_url name the master", mailroom.CauseReadOnly},
	{"CLUSTERDOWN", "a part of the cluster is down: start its nodes again", mailroom.CauseUnreachable},
	{"LOADING", "Redis reads its file and serves in a moment", mailroom.CauseStarting},
	{"BUSY ", "a script keeps Redis busy: SCRIPT KILL ends it", mailroom.CauseBusy},
	{"max number of clients", "raise Redis's maxclients", mailroom.CauseBusy},
	{"DB index is out of range", "correct the database number at the end of redis_url", mailroom.CauseRefused},
	{"certificate", "trust the server's certificate authority (SSL_CERT_FILE), or correct the host in redis_url", mailroom.CauseRefused},
	{"sentinel", "correct the sentinels and master= in redis_url", mailroom.CauseUnreachable},
}

// explain turns an error of Redis into one that an operator can act on.
func (b *Broker) explain(err error) error {
	o := &outage{where: b.Where(), remedy: "start Redis there, or correct redis_url", why: mailroom.CauseUnreachable, err: err}
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

// Warnings returns what is wrong with how Redis is set up, in plain words: it must not drop keys when it is full, which would
// drop tasks. Nothing for the broker inside the process.
func (b *Broker) Warnings(ctx context.Context) ([]string, error) {
	if b.inProcess != nil {
		return nil, nil
	}
	var mu sync.Mutex
	var warnings []string
	look := func(ctx context.Context, node *redis.Client) error {
		info, err := node.Info(ctx, "memory").Result()
		if err != nil {
			return err
		}
		_, rest, found := strings.Cut(info, "maxmemory_policy:")
		policy, _, _ := strings.Cut(rest, "\r\n")
		if found && policy != "noeviction" {
			mu.Lock()
			defer mu.Unlock()
			warnings = append(warnings, fmt.Sprintf("Redis at %s may drop tasks when its memory is full: maxmemory-policy is %s; set it to noeviction", node.Options().Addr, policy))
		}
		return nil
	}
	var err error
	switch client := b.redis.(type) {
	case *redis.ClusterClient:
		err = client.ForEachMaster(ctx, look)
	case *redis.Client:
		err = look(ctx, client)
	}
	if err != nil {
		return nil, b.explain(err)
	}
	return warnings, nil
}

// announce lists the queues where Asynq's inspector looks for them. Asynq does so when a process first uses a queue and never
// again, so that after a flush of Redis nobody would see them.
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
