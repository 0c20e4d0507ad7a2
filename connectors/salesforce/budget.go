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
	"time"

	"inmail/domain"
	"inmail/domain/crmcall"
	"inmail/domain/mailroom"
)

// budget counts every call that we make, and lets none pass when our share is spent (STYLE H12). It counts by
// the hour over the last 24 hours, and all workers share the sums. Every answer of the org gives the org's
// own count, which wins when it is stricter.
type budget struct {
	next   http.RoundTripper
	share  float64
	clock  mailroom.Clock
	shared Shared
	log    *slog.Logger
	notify func(ratio float64)
	slots  chan struct{} // limits how many calls run at once

	mu     sync.Mutex
	hour   int64         // hours since 1970 of the latest bucket that was read
	past   map[int64]int // calls by hour before this one, as read from the store
	recent int           // calls of this hour
	used   int           // calls of all users of the org, as the org counts them
	max    int           // the org's daily limit; 0: not known
	rest   rest          // until when the org said that it takes nothing
}

// rest is a period in which the org takes nothing.
type rest struct {
	Until time.Time           `json:"until"`
	Why   domain.FailureClass `json:"why"`
}

func newBudget(
	next http.RoundTripper, config Config, clock mailroom.Clock, shared Shared, log *slog.Logger, notify func(float64),
) *budget {
	return &budget{next: next, share: config.Budget, clock: clock, shared: shared, log: log, notify: notify,
		slots: make(chan struct{}, config.Concurrency), past: map[int64]int{}}
}

const (
	window    = 24 // hours
	keptHours = (window + 2) * time.Hour
	restKey   = "rest"
	limitKey  = "limit"
)

// RoundTrip sends a request when the budget has room for it, and notes the limit that the org answers with.
// At most as many requests run at once as the setting concurrency allows.
func (b *budget) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	select {
	case b.slots <- struct{}{}:
		defer func() { <-b.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if until, ok := b.spend(ctx); !ok {
		return nil, &crmcall.Parked{Until: until} // nothing left the process
	}
	crmcall.Made(ctx)
	resp, err := b.next.RoundTrip(req)
	if err == nil {
		b.note(ctx, resp.Header.Get("Sforce-Limit-Info"))
	}
	return resp, err
}

// spend counts one call. Without room for it ok is false, and until is when there will be room.
func (b *budget) spend(ctx context.Context) (until time.Time, ok bool) {
	now := b.clock.Now()
	b.refresh(ctx, now)
	b.mu.Lock()
	defer b.mu.Unlock()
	ceiling := b.allowed()
	if crmcall.InBackground(ctx) {
		ceiling = int(float64(ceiling) * crmcall.BackgroundShare)
	}
	if b.max > 0 && b.ours() >= ceiling {
		return b.freeAt(now, ceiling), false
	}
	sum, err := b.shared.Add(ctx, hourKey(b.hour), 1, keptHours)
	if err != nil {
		b.log.WarnContext(ctx, "count an API call for all workers", "error", err)
		sum = b.recent + 1
	}
	b.recent = max(sum, b.recent+1)
	if b.max > 0 && b.ours() > ceiling { // other workers spent the rest in the meantime
		until = b.freeAt(now, ceiling)
		if _, err := b.shared.Add(ctx, hourKey(b.hour), -1, keptHours); err == nil {
			b.recent--
		}
		return until, false
	}
	b.report()
	return time.Time{}, true
}

// allowed returns how many calls we may make in 24 hours.
func (b *budget) allowed() int { return int(b.share * float64(b.max)) }

// ours returns how many calls we made in the window.
func (b *budget) ours() int {
	n := b.recent
	for _, calls := range b.past {
		n += calls
	}
	return n
}

// freeAt returns when so many of the oldest hours have left the window that fewer calls than ceiling remain.
// A ceiling of 0 is tried again in an hour.
func (b *budget) freeAt(now time.Time, ceiling int) time.Time {
	left := b.ours()
	for h := b.hour - window; h < b.hour; h++ {
		left -= b.past[h]
		if left < ceiling {
			return startOf(h + window + 1)
		}
	}
	if ceiling <= 0 {
		return now.Add(time.Hour)
	}
	return startOf(b.hour + window + 1)
}

func startOf(hour int64) time.Time { return time.Unix(hour*3600, 0).UTC() }

func hourKey(hour int64) string { return "calls:" + strconv.FormatInt(hour, 10) }

// refresh reads the counts of the earlier hours when a new hour begins, and the org's limit when it is not
// known.
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

// hours returns our calls by hour, as far as they are in the window.
func (b *budget) hours() map[int64]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	calls := map[int64]int{}
	for h, n := range b.past {
		calls[h] = n
	}
	if b.recent > 0 {
		calls[b.hour] = b.recent
	}
	return calls
}

// remember counts calls that were made before a restart, where the store of the workers has lost them.
func (b *budget) remember(ctx context.Context, calls map[int64]int) error {
	now := b.clock.Now().Unix() / 3600
	b.mu.Lock()
	defer b.mu.Unlock()
	for h, n := range calls {
		if h < now-window || h > now {
			continue
		}
		there, err := b.shared.Add(ctx, hourKey(h), 0, keptHours)
		if err == nil && there < n {
			_, err = b.shared.Add(ctx, hourKey(h), n-there, keptHours)
		}
		if err != nil {
			return fmt.Errorf("count the calls of the last day: %w", err)
		}
	}
	b.hour = 0 // read again with the next call
	return nil
}

var limitInfo = regexp.MustCompile(`(?:^|[\s,;])api-usage=([0-9]{1,12})/([0-9]{1,12})`)

// note keeps the org's own count from a header such as api-usage=10018/100000.
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

// keepLimit stores the org's limit for workers that have not called yet. It is called with the lock held,
// when the limit changes and every hour, so that a valid limit does not expire.
func (b *budget) keepLimit(ctx context.Context) {
	blob, _ := json.Marshal([2]int{b.used, b.max}) // numbers cannot fail to encode
	if err := b.shared.Put(ctx, limitKey, blob, keptHours); err != nil {
		b.log.WarnContext(ctx, "store the org's limit", "error", err)
	}
}

// report updates the metric of the budget's use. It is called with the lock held.
func (b *budget) report() {
	if allowed := b.allowed(); allowed > 0 {
		b.notify(float64(b.ours()) / float64(allowed))
	}
}

// park notes for all workers that the org takes nothing until a time.
func (b *budget) park(ctx context.Context, why domain.FailureClass, until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !until.After(b.rest.Until) {
		return
	}
	b.rest = rest{Until: until, Why: why}
	blob, _ := json.Marshal(b.rest)
	if err := b.shared.Put(ctx, restKey, blob, until.Sub(b.clock.Now())); err != nil {
		b.log.WarnContext(ctx, "store that the org takes nothing", "error", err)
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

// known returns what is known of the org's calls.
func (b *budget) known(ctx context.Context) mailroom.Budget {
	now := b.clock.Now()
	b.refresh(ctx, now)
	b.mu.Lock()
	defer b.mu.Unlock()
	var together rest
	blob, err := b.shared.Get(ctx, restKey)
	if err == nil && json.Unmarshal(blob, &together) == nil && together.Until.After(b.rest.Until) {
		b.rest = together
	}
	known := mailroom.Budget{Used: b.used, Max: b.max, Share: b.share, Ours: b.ours()}
	switch {
	case b.max > 0 && b.ours() >= b.allowed():
		known.ParkedUntil, known.Why = b.freeAt(now, b.allowed()), string(domain.LimitReached)
	case now.Before(b.rest.Until):
		known.ParkedUntil, known.Why = b.rest.Until, string(b.rest.Why)
	}
	return known
}
