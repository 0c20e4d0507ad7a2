package queue

import (
	"net/url"
	"time"

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

// DownUntil returns until when Redis is not asked; the zero time: it was never down.
func (b *Broker) DownUntil() (until time.Time) {
	if at := b.downUntil.Load(); at != nil {
		until = *at
	}
	return until
}
