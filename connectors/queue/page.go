package queue

import (
	"bytes"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/hibiken/asynqmon"
	"github.com/redis/go-redis/v9"
)

// Page returns Asynq's page about the queues: it lists every task (ids only), and can run, delete and
// pause. It checks no key, and is for operators only. root is the path under which it is served, such as
// /queues. Its text is in the fonts of the reader's system: it loads nothing from another host.
func (b *Broker) Page(root string) http.Handler {
	page := asynqmon.New(asynqmon.Options{RootPath: root, RedisConnOpt: connection{b.redis}})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = b.announce(r.Context()) // the page reports errors of Redis itself
		own := &ownHost{ResponseWriter: w}
		page.ServeHTTP(own, r)
		own.finish()
	})
}

// foreign finds the style sheets that the page asks another host for: they are fonts.
var foreign = regexp.MustCompile(`<link rel="stylesheet" href="https?://[^>]*>`)

// ownHost takes out of the page what it would load from other hosts. Other answers pass as they are.
type ownHost struct {
	http.ResponseWriter
	status int
	page   *bytes.Buffer // of an answer in HTML; nil: of another
}

func (o *ownHost) WriteHeader(status int) {
	if o.status = status; !o.isPage() {
		o.ResponseWriter.WriteHeader(status)
		return
	}
	o.page = new(bytes.Buffer)
}

func (o *ownHost) Write(b []byte) (int, error) {
	if o.status == 0 {
		o.status = http.StatusOK
		if o.Header().Get("Content-Type") == "" {
			o.Header().Set("Content-Type", http.DetectContentType(b))
		}
	}
	if !o.isPage() {
		return o.ResponseWriter.Write(b)
	}
	if o.page == nil {
		o.page = new(bytes.Buffer)
	}
	return o.page.Write(b)
}

func (o *ownHost) isPage() bool {
	return strings.HasPrefix(o.Header().Get("Content-Type"), "text/html")
}

// finish sends the page.
func (o *ownHost) finish() {
	if o.page == nil {
		return
	}
	own := foreign.ReplaceAll(o.page.Bytes(), nil)
	o.Header().Set("Content-Length", strconv.Itoa(len(own)))
	o.ResponseWriter.WriteHeader(o.status)
	_, _ = o.ResponseWriter.Write(own)
}

// connection passes our Redis client to a library that wants to make its own.
type connection struct{ client redis.UniversalClient }

// MakeRedisClient implements asynq.RedisConnOpt.
func (c connection) MakeRedisClient() any { return c.client }
