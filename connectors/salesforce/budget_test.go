package salesforce

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"inmail/connectors/salesforce/sandbox"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// allowing gives an org a limit of daily calls, and us a share of it.
func allowing(daily int, share float64) set {
	return func(s *sandbox.Options, c *Config, _ *Deps) { s.DailyLimit, c.Budget = daily, share }
}

// TestShareIsKept checks that nothing leaves the process when our share is spent, and that answers say when
// there will be room again.
func TestShareIsKept(t *testing.T) {
	o := newOrg(t, allowing(100, 0.2))
	taken := 0
	var parked domain.PushAnswer
	for i := range 40 {
		a := o.push(plain(i))[0]
		if a.Class == domain.Taken {
			taken++
			continue
		}
		parked = a
	}
	all := o.Calls()
	if sum := all["composite"] + all["token"]; sum != 20 || taken != 19 {
		t.Errorf("%d calls of 20, %d InMails: %v", sum, taken, all)
	}
	if parked.Class != domain.LimitReached || parked.Until != testNow.Add(25*time.Hour) || parked.Link.Attempts != 0 || parked.Link.Detail != "budget spent" {
		t.Errorf("%+v", parked)
	}
	b := o.crm.Budget()
	if b.Ours != 20 || b.Max != 100 || b.Used != 19 || b.Share != 0.2 || b.ParkedUntil != parked.Until || b.Why != string(domain.LimitReached) {
		t.Errorf("%+v", b)
	}
	if o.tally.ratio != 1 {
		t.Errorf("the ratio is %v", o.tally.ratio)
	}
	t.Run("until a day has passed", func(t *testing.T) {
		o.clock.move(25*time.Hour - time.Millisecond)
		if a := o.push(plain(50))[0]; a.Class != domain.LimitReached {
			t.Errorf("%+v", a)
		}
		o.clock.move(time.Millisecond)
		if a := o.push(plain(50))[0]; a.Class != domain.Taken {
			t.Errorf("%+v", a)
		}
	})
}

// TestWindowRolls checks that the hours leave the window one by one.
func TestWindowRolls(t *testing.T) {
	o := newOrg(t, allowing(100, 0.1), func(s *sandbox.Options, _ *Config, _ *Deps) { s.SessionLife = 48 * time.Hour })
	push := func(n int) domain.PushAnswer { return o.push(plain(n))[0] }
	for i := range 4 { // the login and 4 calls at 9 o'clock
		push(i)
	}
	o.clock.move(3 * time.Hour)
	for i := range 5 { // 5 more calls at 12 o'clock
		if a := push(10 + i); a.Class != domain.Taken {
			t.Fatalf("%+v", a)
		}
	}
	if a := push(20); a.Class != domain.LimitReached || a.Until != testNow.Add(25*time.Hour) {
		t.Fatalf("%+v", a)
	}
	// At 10 o'clock on the next day the calls of 9 o'clock have left the window.
	o.clock.move(22 * time.Hour)
	for i := range 5 {
		if a := push(30 + i); a.Class != domain.Taken {
			t.Errorf("%d: %+v", i, a)
		}
	}
	if a := push(40); a.Class != domain.LimitReached || a.Until != testNow.Add(28*time.Hour) {
		t.Errorf("%+v", a)
	}
}

// TestCountIsShared checks that workers share one count and that a new process knows it.
func TestCountIsShared(t *testing.T) {
	o := newOrg(t, allowing(100, 0.2))
	shared := NewMemory(o.clock)
	join := func(_ *Config, d *Deps) { d.Shared = shared }
	workers := []*Connector{o.connect(join), o.connect(join), o.connect(join)}
	for i := range 60 {
		pushBy(t, workers[i%3], plain(i))
	}
	all := o.Calls()
	if sum := all["composite"] + all["token"]; sum != 20 {
		t.Errorf("%d calls of 20: %v", sum, all)
	}
	before := all["composite"]
	if a := pushBy(t, o.connect(join), plain(100))[0]; a.Class != domain.LimitReached || o.Calls()["composite"] != before {
		t.Errorf("a new process: %+v", a)
	}
}

// TestOrgIsUsedUpByOthers checks that everything waits when other users have spent the org's limit.
func TestOrgIsUsedUpByOthers(t *testing.T) {
	o := newOrg(t, allowing(100, 0.2))
	o.push(plain(0))
	o.SpendCalls(99)
	a := o.push(plain(1))[0]
	if a.Class != domain.LimitReached || a.Until != testNow.Add(restLimit) || a.Link.Detail != "REQUEST_LIMIT_EXCEEDED" {
		t.Errorf("%+v", a)
	}
	if b := o.crm.Budget(); b.ParkedUntil != a.Until || b.Used < b.Max {
		t.Errorf("%+v", b)
	}
	t.Run("other workers see it", func(t *testing.T) {
		shared := NewMemory(o.clock)
		one, two := o.connect(func(_ *Config, d *Deps) { d.Shared = shared }), o.connect(func(_ *Config, d *Deps) { d.Shared = shared })
		pushBy(t, one, plain(2))
		if b := two.Budget(); b.ParkedUntil.IsZero() {
			t.Errorf("%+v", b)
		}
		if err := two.Resume(context.Background()); err != nil {
			t.Fatal(err)
		}
		if b := two.Budget(); !b.ParkedUntil.IsZero() {
			t.Errorf("resumed: %+v", b)
		}
	})
}

// TestLimitIsKept checks that a new worker knows the org's limit, however long ago it changed.
func TestLimitIsKept(t *testing.T) {
	o := newOrg(t, allowing(1000, 0.2))
	shared := NewMemory(o.clock)
	join := func(_ *Config, d *Deps) { d.Shared = shared }
	old := o.connect(join)
	for hour := range 40 {
		if a := pushBy(t, old, plain(hour))[0]; a.Class != domain.Taken {
			t.Fatalf("hour %d: %+v", hour, a)
		}
		o.clock.move(time.Hour)
	}
	if b := o.connect(join).Budget(); b.Max != 1000 {
		t.Errorf("%+v", b)
	}
}

// TestReceiptsGoBeforeBackground checks that receipts are still sent when reconcile and backfill must stop.
func TestReceiptsGoBeforeBackground(t *testing.T) {
	o := newOrg(t, allowing(100, 0.2))
	o.record = newLedger()
	for i := range 15 { // with the login 16 of 20 calls, which is four fifths
		o.push(plain(i))
	}
	for _, repairs := range []bool{true, false} {
		var waits *mailroom.Waits
		if _, err := o.crm.Compare(context.Background(), o.record, repairs, nil); asFault(err).Class != domain.LimitReached || !errors.As(err, &waits) || !waits.Until.After(testNow) {
			t.Errorf("%v", err)
		}
	}
	if n := o.Calls()["query"]; n != 0 {
		t.Errorf("%d queries", n)
	}
	if a := o.push(plain(99))[0]; a.Class != domain.Taken {
		t.Errorf("%+v", a)
	}
}

// TestBrokenStore checks that a failing store does not stop InMails and that the process then counts alone.
func TestBrokenStore(t *testing.T) {
	o := newOrg(t, allowing(100, 0.2), func(_ *sandbox.Options, _ *Config, d *Deps) { d.Shared = broken{} })
	taken := 0
	for i := range 40 {
		if o.push(plain(i))[0].Class == domain.Taken {
			taken++
		}
	}
	if taken != 19 {
		t.Errorf("%d InMails", taken)
	}
	o.clock.move(time.Hour)
	if a := o.push(plain(99))[0]; a.Class != domain.LimitReached {
		t.Errorf("the count is forgotten in the next hour: %+v", a)
	}
}

type broken struct{}

var errBroken = errors.New("the store is gone")

func (broken) Get(context.Context, string) ([]byte, error)                  { return nil, errBroken }
func (broken) Put(context.Context, string, []byte, time.Duration) error     { return errBroken }
func (broken) Add(context.Context, string, int, time.Duration) (int, error) { return 0, errBroken }

// TestCallsAtOnce checks that no more calls run at once than the setting allows.
func TestCallsAtOnce(t *testing.T) {
	o := newOrg(t, func(_ *sandbox.Options, c *Config, _ *Deps) { c.Concurrency = 2 })
	o.push(plain(0))
	var mu sync.Mutex
	running, most := 0, 0
	arrived, leave := make(chan struct{}), make(chan struct{})
	o.through(&tamper{before: func(req *http.Request) *http.Response {
		if !isComposite(req) {
			return nil
		}
		mu.Lock()
		running++
		most = max(most, running)
		mu.Unlock()
		arrived <- struct{}{}
		<-leave
		mu.Lock()
		running--
		mu.Unlock()
		return nil
	}})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() { pushBy(t, o.crm, plain(i)) })
	}
	for range 8 {
		<-arrived
		if len(o.crm.budget.slots) > 2 {
			t.Errorf("%d slots", len(o.crm.budget.slots))
		}
		leave <- struct{}{}
	}
	wg.Wait()
	if most > 2 {
		t.Errorf("%d calls at once", most)
	}
}

// TestLimitInfo checks that every form of the org's limit is read and that no other header is.
func TestLimitInfo(t *testing.T) {
	for header, want := range map[string][2]int{
		"api-usage=18/5000": {18, 5000},
		"per-app-api-usage=17/250(appName=sample-connected-app), api-usage=18/5000": {18, 5000},
		"api-usage=18/5000, per-app-api-usage=17/250(appName=x)":                    {18, 5000},
		"": {}, "api-usage=x/y": {}, "api-usage=": {},
		"api-usage=99999999999999999999999/5": {},
	} {
		b := newBudget(nil, Default(), &testClock{now: testNow}, NewMemory(&testClock{now: testNow}), nil, func(float64) {})
		b.note(context.Background(), header)
		if got := [2]int{b.used, b.max}; got != want {
			t.Errorf("%q: %v, want %v", header, got, want)
		}
	}
}
