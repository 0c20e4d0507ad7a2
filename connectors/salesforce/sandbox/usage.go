package sandbox

import (
	"fmt"
	"maps"
	"sync"
	"time"
)

// Limits of the org (SALESFORCE.md 2.4).
const (
	defaultDailyLimit = 15_000 // a Developer org
	defaultLongCalls  = 5      // of a Developer org: concurrent calls that have run 20 s or more
	longCall          = 20 * time.Second
	bucketSize        = 10 * time.Minute
	bucketsPerDay     = 24 * 6
)

// usage counts API calls: by resource, and those of the last 24 hours in buckets of ten minutes.
type usage struct {
	mu       sync.Mutex
	daily    int
	long     int
	resource map[string]int
	sub      map[string]int
	buckets  map[int64]int // by the bucket's number since 1970
	used     int           // sum of the buckets
	running  map[*time.Time]struct{}
}

func newUsage(daily, long int) *usage {
	return &usage{
		daily: daily, long: long, resource: map[string]int{}, sub: map[string]int{},
		buckets: map[int64]int{}, running: map[*time.Time]struct{}{},
	}
}

// count counts a request on arrival, whatever its outcome.
func (u *usage) count(resource string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.resource[resource]++
}

// countSub counts a subrequest of a composite, which is no API call.
func (u *usage) countSub(resource string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.sub[resource]++
}

// forget drops buckets that are older than a day.
func (u *usage) forget(now time.Time) {
	oldest := now.Unix()/int64(bucketSize/time.Second) - bucketsPerDay
	for number, n := range u.buckets {
		if number <= oldest {
			u.used -= n
			delete(u.buckets, number)
		}
	}
}

// admit counts a call against both limits, or refuses it. The caller must call the returned function when
// the call ends.
func (u *usage) admit(now time.Time) (func(), *apiError) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.forget(now)
	if u.used >= u.daily {
		return nil, totalLimit
	}
	long := 0
	for started := range u.running {
		if now.Sub(*started) >= longCall {
			long++
		}
	}
	if long >= u.long {
		return nil, concurrentLimit
	}
	u.buckets[now.Unix()/int64(bucketSize/time.Second)]++
	u.used++
	key := &now
	u.running[key] = struct{}{}
	return func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		delete(u.running, key)
	}, nil
}

var (
	totalLimit      = &apiError{Code: "REQUEST_LIMIT_EXCEEDED", Message: "TotalRequests Limit exceeded."}
	concurrentLimit = &apiError{Code: "REQUEST_LIMIT_EXCEEDED",
		Message: "ConcurrentRequests (Concurrent API Requests) Limit exceeded."}
)

// spend adds calls of other clients, who use up the same limit.
func (u *usage) spend(now time.Time, n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.forget(now)
	u.buckets[now.Unix()/int64(bucketSize/time.Second)] += n
	u.used += n
}

// limit changes how many calls the org takes in 24 hours.
func (u *usage) limit(daily int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.daily = daily
}

func (u *usage) today(now time.Time) (used, limit int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.forget(now)
	return u.used, u.daily
}

// info is the value of Sforce-Limit-Info.
func (u *usage) info(now time.Time) string {
	used, limit := u.today(now)
	return fmt.Sprintf("api-usage=%d/%d", used, limit)
}

func (u *usage) underWay() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.running)
}

// calls copies the counts by resource: requests, and subrequests of composites.
func (u *usage) calls() (requests, subrequests map[string]int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return maps.Clone(u.resource), maps.Clone(u.sub)
}

// limits answers GET /limits.
func (c *call) limits() reply {
	if c.method != "GET" {
		return methodNotAllowed(c.method, "GET", "HEAD")
	}
	used, limit := c.sandbox.usage.today(c.at)
	batches := c.sandbox.jobs.batches.today(c.at)
	out := []byte{'{'}
	for i, l := range []struct {
		name           string
		max, remaining int
	}{
		{"DailyApiRequests", limit, max(0, limit-used)},
		{"DailyBulkApiBatches", maxBatchesPerDay, maxBatchesPerDay - batches},
		{"DailyBulkV2QueryJobs", maxQueryJobsPerDay, maxQueryJobsPerDay - c.sandbox.jobs.queries.today(c.at)},
		{"DataStorageMB", 5, 5},
		{"FileStorageMB", 20, 20},
	} {
		if i > 0 {
			out = append(out, ',')
		}
		out = fmt.Appendf(out, `"%s":{"Max":%d,"Remaining":%d}`, l.name, l.max, l.remaining)
	}
	return jsonReply(200, append(out, '}'))
}
