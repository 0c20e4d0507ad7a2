package queue

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"inmail/domain/mailroom"
)

// Broker is the queue. It is safe for concurrent use, and goes on when Redis went away and came back.
type Broker struct {
	config    Config
	address   address
	queues    []string // all, the shards of sends first
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
	b := &Broker{config: cfg, log: log}
	b.address, _ = parseAddress(cfg.URL) // Validate has read it
	if cfg.InProcess() {
		var err error
		if b.inProcess, b.address, err = startInProcess(); err != nil {
			return nil, err
		}
	}
	b.queues = queueNames(b.address.scheme == "redis-cluster")
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

// Ping asks Redis whether it is there and lets us in. It waits no longer than the timeouts of the configuration; the error
// says which setting is at fault and what to do.
func (b *Broker) Ping(ctx context.Context) error {
	if err := b.redis.Ping(ctx).Err(); err != nil {
		return b.explain(err)
	}
	return nil
}

// explain turns an error of Redis into one that an operator can act on.
func (b *Broker) explain(err error) error {
	remedy := "start Redis there, or correct redis_url"
	switch text := err.Error(); {
	case strings.Contains(text, "WRONGPASS"), strings.Contains(text, "NOAUTH"), strings.Contains(text, "invalid password"), strings.Contains(text, "NOPERM"):
		remedy = "correct user and password in redis_url"
	case strings.Contains(text, "OOM "):
		remedy = "Redis is full: give it more memory (maxmemory)"
	case strings.Contains(text, "DB index is out of range"):
		remedy = "correct the database number at the end of redis_url"
	case strings.Contains(text, "certificate"):
		remedy = "trust the server's certificate authority (SSL_CERT_FILE), or correct the host in redis_url"
	case strings.Contains(text, "sentinel"), strings.Contains(text, "all sentinels"):
		remedy = "correct the sentinels and master= in redis_url"
	}
	return fmt.Errorf("redis_url: %s does not serve: %w; %s", b.Where(), err, remedy)
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
