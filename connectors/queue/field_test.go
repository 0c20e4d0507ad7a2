package queue_test

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"inmail/connectors/porttest"
	"inmail/domain/mailroom"
)

// TestField tests cases from the field (F35): a Redis that answers PING but cannot take a task.
func TestField(t *testing.T) {
	for name, c := range map[string]struct {
		set  []string // of the server, once it runs
		want mailroom.Cause
	}{
		"F35_redis_full":    {[]string{"maxmemory", "1"}, mailroom.CauseFull},
		"F35_redis_replica": {[]string{"replicaof"}, mailroom.CauseReadOnly},
	} {
		t.Run(name, func(t *testing.T) {
			address := porttest.Address(t)
			startServer(t, address, "--maxmemory-policy", "noeviction", "--replica-read-only", "yes")
			b := dial(t, "redis://"+address, discard())
			if err := b.Ping(t.Context()); err != nil {
				t.Fatalf("before: %v", err)
			}
			admin := redis.NewClient(&redis.Options{Addr: address})
			defer admin.Close()
			var err error
			if c.set[0] == "replicaof" {
				err = admin.ReplicaOf(t.Context(), "127.0.0.1", "1").Err()
			} else {
				err = admin.ConfigSet(t.Context(), c.set[0], c.set[1]).Err()
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := admin.Ping(t.Context()).Err(); err != nil {
				t.Fatalf("it does not answer PING either: %v", err)
			}
			if err := b.Ping(t.Context()); mailroom.CauseOf(err) != c.want || err == nil {
				t.Errorf("the probe says %v: %q, want %q", err, mailroom.CauseOf(err), c.want)
			}
		})
	}
	t.Run("F35_redis_hung", func(t *testing.T) {
		address := porttest.Address(t)
		startServer(t, address)
		b := dial(t, "redis://"+address, discard())
		if err := b.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
		admin := redis.NewClient(&redis.Options{Addr: address})
		defer admin.Close()
		if err := admin.Do(t.Context(), "CLIENT", "PAUSE", 600_000, "ALL").Err(); err != nil {
			t.Fatal(err)
		}
		if err := b.Ping(t.Context()); err == nil || mailroom.CauseOf(err) != mailroom.CauseSilent {
			t.Errorf("the probe says %v: %q, want %q", err, mailroom.CauseOf(err), mailroom.CauseSilent)
		}
	})
}
