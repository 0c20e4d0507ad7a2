package queue

import (
	"net/http"

	"github.com/hibiken/asynqmon"
	"github.com/redis/go-redis/v9"
)

// Page returns Asynq's page about the queues: it lists every task (ids only), and can run, delete and
// pause. It checks no key, and is for operators only. root is the path under which it is served, such as
// /queues.
func (b *Broker) Page(root string) http.Handler {
	page := asynqmon.New(asynqmon.Options{RootPath: root, RedisConnOpt: connection{b.redis}})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = b.announce(r.Context()) // the page reports errors of Redis itself
		page.ServeHTTP(w, r)
	})
}

// connection passes our Redis client to a library that wants to make its own.
type connection struct{ client redis.UniversalClient }

// MakeRedisClient implements asynq.RedisConnOpt.
func (c connection) MakeRedisClient() any { return c.client }
