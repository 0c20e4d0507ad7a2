package hubspot

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"inmail/domain"
	"inmail/domain/crmcall"
	"inmail/domain/mailroom"
)

// budget counts every call that we make, and lets none pass when our share is spent (STYLE H12). HubSpot
// has two limits: of an app for some seconds, and of the account for a day, which begins at midnight of
// the portal. Both come with the headers of its answers. All workers share the sum of the day; the short
// limit is kept by each process, because only one at a time pushes.
type budget struct {
	next   http.RoundTripper
	share  float64
	clock  mailroom.Clock
	shared Shared
	log    *slog.Logger
	notify func(ratio float64)

	mu       sync.Mutex
	zone     *time.Location // of the portal; UTC until it is known
	day      string
	today    int // our calls of this day
	used     int // calls of all apps today, as HubSpot counts them
	daily    int // the limit of a day; 0: not known
	burst    int // the limit of an interval; 0: not known
	interval time.Duration
	recent   []time.Time // our calls of the last interval
	rest     rest        // until when HubSpot takes nothing
}

// rest is a period in which HubSpot takes nothing.
type rest struct {
	Until time.Time           `json:"until"`
	Why   domain.FailureClass `json:"why"`
}

// These are the keys in Shared, and how long a count is kept there.
const (
	dayPrefix = "hubspot:calls:"
	restKey   = "hubspot:rest"
	keptDay   = 50 * time.Hour
)

func newBudget(next http.RoundTripper, share float64, clock mailroom.Clock, shared Shared, log *slog.Logger,
	notify func(float64)) *budget {
	return &budget{next: next, share: share, clock: clock, shared: shared, log: log, notify: notify,
		zone: time.UTC, interval: 10 * time.Second}
}

// RoundTrip sends a request when the budget has room for it, and notes the limits that the answer gives.
func (b *budget) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	if until, ok := b.spend(ctx); !ok {
		return nil, &crmcall.Parked{Until: until} // nothing left the process
	}
	crmcall.Made(ctx)
	resp, err := b.next.RoundTrip(req)
	if err == nil {
		b.note(resp.Header)
	}
	return resp, err
}

// spend counts one call. Without room for it ok is false, and until is when there will be room.
func (b *budget) spend(ctx context.Context) (until time.Time, ok bool) {
	now := b.clock.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refresh(ctx, now)
	share := b.share
	if crmcall.InBackground(ctx) {
		share *= crmcall.BackgroundShare
	}
	if b.daily > 0 && b.today >= max(1, int(share*float64(b.daily))) {
		return b.midnight(now), false
	}
	if b.burst > 0 {
		for len(b.recent) > 0 && now.Sub(b.recent[0]) >= b.interval {
			b.recent = b.recent[1:]
		}
		if n := max(1, int(share*float64(b.burst))); len(b.recent) >= n {
			return b.recent[len(b.recent)-n].Add(b.interval), false
		}
		b.recent = append(b.recent, now)
	}
	sum, err := b.shared.Add(ctx, dayPrefix+b.day, 1, keptDay)
	if err != nil {
		b.log.WarnContext(ctx, "count an API call for all workers", "crm", Name, "error", err)
	}
	b.today = max(sum, b.today+1)
	b.report()
	return time.Time{}, true
}

// refresh begins the count of a new day, with what other workers have counted. It is called with the lock
// held.
func (b *budget) refresh(ctx context.Context, now time.Time) {
	day := now.In(b.zone).Format(time.DateOnly)
	if day == b.day {
		return
	}
	sum, err := b.shared.Add(ctx, dayPrefix+day, 0, keptDay)
	if err != nil {
		b.log.WarnContext(ctx, "read the calls of the day", "crm", Name, "error", err)
	}
	b.day, b.today, b.used = day, sum, 0
	b.report()
}

// midnight returns when the day of the portal ends.
func (b *budget) midnight(now time.Time) time.Time {
	y, m, d := now.In(b.zone).Date()
	return time.Date(y, m, d+1, 0, 0, 0, 0, b.zone).UTC()
}

// setZone makes the days those of the portal.
func (b *budget) setZone(zone *time.Location) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.zone = zone
}

// note keeps the limits from the headers of an answer. Answers to searches have none.
func (b *budget) note(h http.Header) {
	number := func(name string) int {
		n, _ := strconv.Atoi(h.Get("X-HubSpot-RateLimit-" + name))
		return max(n, 0)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := number("Max"); n > 0 {
		b.burst = n
	}
	if n := number("Interval-Milliseconds"); n > 0 && n <= 600_000 {
		b.interval = time.Duration(n) * time.Millisecond
	}
	if n := number("Daily"); n > 0 {
		b.daily = n
		if h.Get("X-HubSpot-RateLimit-Daily-Remaining") != "" {
			b.used = max(n-number("Daily-Remaining"), 0)
		}
	}
	b.report()
}

// report updates the metric of the budget's use. It is called with the lock held.
func (b *budget) report() {
	if allowed := b.share * float64(b.daily); allowed > 0 {
		b.notify(float64(b.today) / allowed)
	}
}

// park notes for all workers that HubSpot takes nothing until a time.
func (b *budget) park(ctx context.Context, why domain.FailureClass, until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !until.After(b.rest.Until) {
		return
	}
	b.rest = rest{Until: until, Why: why}
	blob, _ := json.Marshal(b.rest) // times and texts cannot fail to encode
	if err := b.shared.Put(ctx, restKey, blob, max(until.Sub(b.clock.Now()), time.Second)); err != nil {
		b.log.WarnContext(ctx, "store that HubSpot takes nothing", "error", err)
	}
}

// unpark forgets that HubSpot took nothing.
func (b *budget) unpark(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rest = rest{}
	if err := b.shared.Put(ctx, restKey, nil, 0); err != nil {
		return fmt.Errorf("forget that HubSpot took nothing: %w", err)
	}
	return nil
}

// known returns what is known of the portal's calls of today. Only what lasts longer than an interval parks
// the sync.
func (b *budget) known(ctx context.Context) mailroom.Budget {
	now := b.clock.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refresh(ctx, now)
	var together rest
	blob, err := b.shared.Get(ctx, restKey)
	if err == nil && json.Unmarshal(blob, &together) == nil && together.Until.After(b.rest.Until) {
		b.rest = together
	}
	known := mailroom.Budget{Used: b.used, Max: b.daily, Share: b.share, Ours: b.today}
	switch {
	case b.daily > 0 && b.today >= max(1, int(b.share*float64(b.daily))):
		known.ParkedUntil, known.Why = b.midnight(now), string(domain.LimitReached)
	case now.Before(b.rest.Until):
		known.ParkedUntil, known.Why = b.rest.Until, string(b.rest.Why)
	}
	return known
}

// remember counts calls of today that were made before a restart, where the store of the workers has lost
// them.
func (b *budget) remember(ctx context.Context, day string, calls int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	there, err := b.shared.Add(ctx, dayPrefix+day, 0, keptDay)
	if err == nil && there < calls {
		_, err = b.shared.Add(ctx, dayPrefix+day, calls-there, keptDay)
	}
	if err != nil {
		return fmt.Errorf("count the calls of the day: %w", err)
	}
	b.day = "" // read again with the next call
	return nil
}
