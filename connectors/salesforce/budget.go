package salesforce

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// urgency orders calls when the budget gets tight: receipts go before reconcile and backfill.
type urgency int

const (
	receipts   urgency = iota // the current state of InMails, and logins
	background                // reconcile, backfill, check: only while enough is left for receipts
)

// backgroundShare is how much of the budget background calls may bring it to; the rest is for receipts.
const backgroundShare = 0.8

// Parked says that a call did not leave the process: our share of the org's daily calls is spent, or the org's
// own limit is (R53: nothing is lost, it waits).
type Parked struct{ Until time.Time }

func (p *Parked) Error() string {
	return "the budget of API calls is spent until " + p.Until.UTC().Format(time.RFC3339)
}

// budget counts every call of ours, whatever for, and lets none go when the share is spent (STYLE H12). The
// window of 24 hours rolls by the hour; its sums are shared by all workers. The org's own count, told with every
// answer, wins where it is the stricter one.
type budget struct {
	next   http.RoundTripper
	share  float64
	clock  mailroom.Clock
	shared Shared
	log    *slog.Logger
	notify func(ratio float64)
	slots  chan struct{} // calls at once

	mu     sync.Mutex
	hour   int64         // since 1970, of the newest bucket read
	past   map[int64]int // calls of the hours before, as read from the store
	recent int           // calls of this hour
	used   int           // by everybody, as the org counts
	max    int           // 0: not known
	rest   rest          // what the org said
}

// rest is a time in which the org takes nothing.
type rest struct {
	Until time.Time           `json:"until"`
	Why   domain.FailureClass `json:"why"`
}

func newBudget(next http.RoundTripper, config Config, clock mailroom.Clock, shared Shared, log *slog.Logger, notify func(float64)) *budget {
	return &budget{next: next, share: config.Budget, clock: clock, shared: shared, log: log, notify: notify,
		slots: make(chan struct{}, config.Concurrency), past: map[int64]int{}}
}

const (
	window    = 24 // hours
	keptHours = (window + 2) * time.Hour
	restKey   = "rest"
	limitKey  = "limit"
)

type urgencyKey struct{}

// withUrgency marks the calls of a context as background work.
func withUrgency(ctx context.Context, u urgency) context.Context {
	return context.WithValue(ctx, urgencyKey{}, u)
}

func urgencyOf(ctx context.Context) urgency {
	u, _ := ctx.Value(urgencyKey{}).(urgency)
	return u
}

type callsKey struct{}

// calls counts what a context's calls were.
type calls struct{ n atomic.Int64 }

// countCalls counts the calls that are made with a context from here on, logins included, as the org does.
func countCalls(ctx context.Context) (context.Context, *calls) {
	c := &calls{}
	return context.WithValue(ctx, callsKey{}, c), c
}

// take returns how many calls were made since it was last asked.
func (c *calls) take() int { return int(c.n.Swap(0)) }

// RoundTrip sends a request if the budget has room for it, one of a few at once, and notes what the org tells.
func (b *budget) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	select {
	case b.slots <- struct{}{}:
		defer func() { <-b.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if until, ok := b.spend(ctx); !ok {
		return nil, &Parked{Until: until} // nothing left the process
	}
	if c, ok := ctx.Value(callsKey{}).(*calls); ok {
		c.n.Add(1)
	}
	resp, err := b.next.RoundTrip(req)
	if err == nil {
		b.note(ctx, resp.Header.Get("Sforce-Limit-Info"))
	}
	return resp, err
}

// spend counts one call, or says until when there is no room for it.
func (b *budget) spend(ctx context.Context) (until time.Time, ok bool) {
	now := b.clock.Now()
	b.refresh(ctx, now)
	b.mu.Lock()
	defer b.mu.Unlock()
	room := b.allowed()
	if urgencyOf(ctx) == background {
		room = int(float64(room) * backgroundShare)
	}
	if b.max > 0 && b.ours() >= room {
		return b.roomAt(now, room), false
	}
	sum, err := b.shared.Add(ctx, hourKey(b.hour), 1, keptHours)
	if err != nil {
		b.log.WarnContext(ctx, "count an API call together", "error", err)
		sum = b.recent + 1
	}
	b.recent = max(sum, b.recent+1)
	if b.max > 0 && b.ours() > room { // others were faster than we knew
		until = b.roomAt(now, room)
		if _, err := b.shared.Add(ctx, hourKey(b.hour), -1, keptHours); err == nil {
			b.recent--
		}
		return until, false
	}
	b.report()
	return time.Time{}, true
}

// allowed is how many calls in 24 hours may be ours.
func (b *budget) allowed() int { return int(b.share * float64(b.max)) }

// ours is how many calls of the window were ours.
func (b *budget) ours() int {
	n := b.recent
	for _, calls := range b.past {
		n += calls
	}
	return n
}

// roomAt is when the oldest hours have left the window and there is room again.
func (b *budget) roomAt(now time.Time, room int) time.Time {
	left := b.ours()
	for h := b.hour - window; h < b.hour; h++ {
		left -= b.past[h]
		if left < room {
			return startOf(h + window + 1)
		}
	}
	if room <= 0 {
		return now.Add(time.Hour)
	}
	return startOf(b.hour + window + 1)
}

func startOf(hour int64) time.Time { return time.Unix(hour*3600, 0).UTC() }

func hourKey(hour int64) string { return "calls:" + strconv.FormatInt(hour, 10) }

// refresh reads the hours before this one when an hour begins, and what the org's limit is known to be.
func (b *budget) refresh(ctx context.Context, now time.Time) {
	hour := now.Unix() / 3600
	b.mu.Lock()
	defer b.mu.Unlock()
	if hour == b.hour {
		return
	}
	past := map[int64]int{}
	for h := hour - window; h < hour; h++ {
		n, err := b.shared.Add(ctx, hourKey(h), 0, keptHours)
		if err != nil {
			b.log.WarnContext(ctx, "read the calls of the last day", "error", err)
			n = b.past[h]
			if h == b.hour {
				n = b.recent
			}
		}
		if n > 0 {
			past[h] = n
		}
	}
	recent, err := b.shared.Add(ctx, hourKey(hour), 0, keptHours)
	if err != nil {
		recent = 0
	}
	b.hour, b.past, b.recent = hour, past, recent
	if b.max == 0 {
		var known [2]int
		if blob, err := b.shared.Get(ctx, limitKey); err == nil && json.Unmarshal(blob, &known) == nil {
			b.used, b.max = known[0], known[1]
		}
	} else {
		b.keepLimit(ctx)
	}
	b.report()
}

var limitInfo = regexp.MustCompile(`(?:^|[\s,;])api-usage=([0-9]{1,12})/([0-9]{1,12})`)

// note keeps the org's own count: api-usage=10018/100000.
func (b *budget) note(ctx context.Context, header string) {
	m := limitInfo.FindStringSubmatch(header)
	if m == nil {
		return
	}
	used, _ := strconv.Atoi(m[1])
	most, _ := strconv.Atoi(m[2])
	b.mu.Lock()
	defer b.mu.Unlock()
	changed := most != b.max
	b.used, b.max = used, most
	if changed {
		b.keepLimit(ctx)
	}
	b.report()
}

// keepLimit keeps the org's limit for workers that begin before they have called. It is called with the lock held, when the limit changes
// and every hour, so that it does not expire while it is true.
func (b *budget) keepLimit(ctx context.Context) {
	blob, _ := json.Marshal([2]int{b.used, b.max}) // of numbers: cannot fail
	if err := b.shared.Put(ctx, limitKey, blob, keptHours); err != nil {
		b.log.WarnContext(ctx, "keep the org's limit", "error", err)
	}
}

// report tells the metric. It is called with the lock held.
func (b *budget) report() {
	if allowed := b.allowed(); allowed > 0 {
		b.notify(float64(b.ours()) / float64(allowed))
	}
}

// park notes that the org takes nothing for a while, for all workers to see.
func (b *budget) park(ctx context.Context, why domain.FailureClass, until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !until.After(b.rest.Until) {
		return
	}
	b.rest = rest{Until: until, Why: why}
	blob, _ := json.Marshal(b.rest)
	if err := b.shared.Put(ctx, restKey, blob, until.Sub(b.clock.Now())); err != nil {
		b.log.WarnContext(ctx, "keep that the org takes nothing", "error", err)
	}
}

// unpark forgets that the org took nothing.
func (b *budget) unpark(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rest = rest{}
	if err := b.shared.Put(ctx, restKey, nil, 0); err != nil {
		return fmt.Errorf("forget that the org took nothing: %w", err)
	}
	return nil
}

// known tells what is known of the org's calls.
func (b *budget) known(ctx context.Context) mailroom.Budget {
	now := b.clock.Now()
	b.refresh(ctx, now)
	b.mu.Lock()
	defer b.mu.Unlock()
	var together rest
	if blob, err := b.shared.Get(ctx, restKey); err == nil && json.Unmarshal(blob, &together) == nil && together.Until.After(b.rest.Until) {
		b.rest = together
	}
	known := mailroom.Budget{Used: b.used, Max: b.max, Share: b.share, Ours: b.ours()}
	switch {
	case b.max > 0 && b.ours() >= b.allowed():
		known.ParkedUntil, known.Why = b.roomAt(now, b.allowed()), string(domain.LimitReached)
	case now.Before(b.rest.Until):
		known.ParkedUntil, known.Why = b.rest.Until, string(b.rest.Why)
	}
	return known
}
