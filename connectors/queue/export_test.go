package queue

import (
	"net/url"

	"github.com/redis/go-redis/v9"
)

// Redis is the broker's connection, for tests that look at what lies in Redis.
func (b *Broker) Redis() redis.UniversalClient { return b.redis }

// URL is how another process reaches the broker, the one inside this process too.
func (b *Broker) URL() string {
	if b.inProcess == nil {
		return b.config.URL
	}
	return "redis://:" + url.PathEscape(b.address.password) + "@" + b.address.hosts[0]
}
