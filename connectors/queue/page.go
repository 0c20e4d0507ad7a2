package queue

import (
	"net/http"

	"github.com/hibiken/asynqmon"
	"github.com/redis/go-redis/v9"
)

// Page returns Asynq's own page about the queues, for a person: it shows every task (ids only), and runs, deletes and pauses.
// It checks nobody's key and is for operators only. root is the path that it is served under, such as /queues.
func (b *Broker) Page(root string) http.Handler {
	page := asynqmon.New(asynqmon.Options{RootPath: root, RedisConnOpt: connection{b.redis}})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = b.announce(r.Context()) // what is wrong with Redis the page says itself
		page.ServeHTTP(w, r)
	})
}

// connection hands the one client to a library that wants to make its own.
type connection struct{ client redis.UniversalClient }

// MakeRedisClient implements asynq.RedisConnOpt.
func (c connection) MakeRedisClient() any { return c.client }
