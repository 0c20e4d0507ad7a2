package queue

import (
	"net/url"

	"github.com/redis/go-redis/v9"
)

// Redis is the broker's connection, for tests that read what is stored in Redis.
func (b *Broker) Redis() redis.UniversalClient { return b.redis }

// URL is the address at which another process reaches the broker, even one inside this process.
func (b *Broker) URL() string {
	if b.inProcess == nil {
		return b.config.URL
	}
	return "redis://:" + url.PathEscape(b.address.password) + "@" + b.address.hosts[0]
}
