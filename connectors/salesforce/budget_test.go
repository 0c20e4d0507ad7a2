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

// allowing lets an org take so many calls a day, of which a share may be ours.
func allowing(daily int, share float64) set {
	return func(s *sandbox.Options, c *Config, _ *Deps) { s.DailyLimit, c.Budget = daily, share }
}

// When our share is spent nothing leaves the process, and what waits is told when there is room again.
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

// The hours roll out of the window one by one.
func TestWindowRolls(t *testing.T) {
	o := newOrg(t, allowing(100, 0.1), func(s *sandbox.Options, _ *Config, _ *Deps) { s.SessionLife = 48 * time.Hour })
	push := func(n int) domain.PushAnswer { return o.push(plain(n))[0] }
	for i := range 4 { // login and 4, at 9
		push(i)
	}
	o.clock.move(3 * time.Hour)
	for i := range 5 { // 5 more at 12
		if a := push(10 + i); a.Class != domain.Taken {
			t.Fatalf("%+v", a)
		}
	}
	if a := push(20); a.Class != domain.LimitReached || a.Until != testNow.Add(25*time.Hour) {
		t.Fatalf("%+v", a)
	}
	o.clock.move(22 * time.Hour) // 10 on the next day: those of 9 are out
	for i := range 5 {
		if a := push(30 + i); a.Class != domain.Taken {
			t.Errorf("%d: %+v", i, a)
		}
	}
	if a := push(40); a.Class != domain.LimitReached || a.Until != testNow.Add(28*time.Hour) {
		t.Errorf("%+v", a)
	}
}

// Workers share one count, and a new process knows it.
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

// The neighbours in the org may use it up: then everything waits, as the org says.
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

// The limit is known to a worker that begins, however long ago it last changed.
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

// Receipts go on where reconcile and backfill must stop.
func TestReceiptsGoBeforeBackground(t *testing.T) {
	o := newOrg(t, allowing(100, 0.2))
	o.record = newLedger()
	for i := range 15 { // with the login 16 of 20: four fifths
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

// A store that fails does not keep InMails back: the process counts alone.
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

// No more calls run at once than the settings allow.
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

// What the org tells of its limit is read in every form, and nothing else is.
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
