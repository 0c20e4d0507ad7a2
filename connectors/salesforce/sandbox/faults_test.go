package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func (g *org) inject(f ...Fault) {
	g.t.Helper()
	g.ClearFaults()
	if err := g.Inject(f...); err != nil {
		g.t.Fatal(err)
	}
}

func TestFaultsThatRefuse(t *testing.T) {
	g := newOrg(t)
	body := map[string]any{"records": typed("InMail__c", []Fields{{"InMail_Id__c": "a"}})}
	const path = "composite/sobjects/InMail__c/InMail_Id__c"
	for kind, want := range map[FaultKind]struct {
		status int
		part   string
	}{
		LimitTotal:      {403, `"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"TotalRequests Limit exceeded."`},
		LimitConcurrent: {403, `"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"ConcurrentRequests (Concurrent API Requests) Limit exceeded."`},
		UnavailableHTML: {503, "<html>"},
		ServerError:     {500, "UNKNOWN_EXCEPTION"},
		BadGateway:      {502, "<html>"},
		GatewayTimeout:  {504, "<html>"},
		QueryTimeout:    {400, "QUERY_TIMEOUT"},
		InMaintenance:   {503, "ORG_IN_MAINTENANCE"},
		APIDisabled:     {403, "API_CURRENTLY_DISABLED"},
		EmptyErrorList:  {500, "[]"},
	} {
		t.Run(string(kind), func(t *testing.T) {
			g.t = t
			g.inject(Fault{Kind: kind, Resource: "composite/sobjects", Next: 1})
			status, answer := g.do("PATCH", path, body)
			if status != want.status || !strings.Contains(string(answer), want.part) {
				t.Errorf("%d %s", status, answer)
			}
			if n := len(g.Records("InMail__c")); n != 0 {
				t.Errorf("%d records are stored", n)
			}
		})
	}
	t.Run("session_expired", func(t *testing.T) {
		g.t = t
		g.inject(Fault{Kind: SessionExpired, Next: 1})
		g.refused(401, "INVALID_SESSION_ID", "PATCH", path, body)
		g.refused(401, "INVALID_SESSION_ID", "PATCH", path, body) // the session has ended
		g.login()
	})
	t.Run("drop_before", func(t *testing.T) {
		g.inject(Fault{Kind: DropBefore, Next: 1})
		if err := g.try("PATCH", path, body); err == nil {
			t.Error("there was an answer")
		}
		if n := len(g.Records("InMail__c")); n != 0 {
			t.Errorf("%d records are stored", n)
		}
	})
}

// try sends a call that may be cut off and returns the error.
func (g *org) try(method, path string, body any) error {
	g.t.Helper()
	in, err := rowsReader(body)
	if err != nil {
		g.t.Fatal(err)
	}
	req, err := http.NewRequest(method, g.server.URL+"/services/data/v67.0/"+path, in)
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+g.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := g.server.Client().Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.ReadAll(resp.Body)
	return err
}

func TestFaultsAfterTheCommit(t *testing.T) {
	for _, kind := range []FaultKind{DropAfter, TruncatedBody, EmptyBody, TimeoutAfter} {
		t.Run(string(kind), func(t *testing.T) {
			g := newOrg(t)
			g.inject(Fault{Kind: kind, Resource: "composite/sobjects", Next: 1})
			body := map[string]any{"records": typed("InMail__c", []Fields{{"InMail_Id__c": "a"}})}
			err := g.try("PATCH", "composite/sobjects/InMail__c/InMail_Id__c", body)
			if (kind == DropAfter || kind == TruncatedBody) != (err != nil) {
				t.Errorf("the call ended with %v", err)
			}
			if n := len(g.query("SELECT Id FROM InMail__c")); n != 1 {
				t.Errorf("%d records are stored, want 1", n)
			}
		})
	}
}

func TestRowFaults(t *testing.T) {
	g := newOrg(t)
	g.inject(Fault{Kind: RowLock, Skip: 1, Next: 2}, Fault{Kind: RowDuplicate, Resource: "composite/sobjects", Skip: 1, Next: 1})
	rows := []Fields{{"InMail_Id__c": "a"}, {"InMail_Id__c": "b"}, {"InMail_Id__c": "c"}, {"InMail_Id__c": "d"}}
	if diff := cmp.Diff([]string{"stored", "UNABLE_TO_LOCK_ROW", "UNABLE_TO_LOCK_ROW", "DUPLICATE_VALUE"}, g.upsert(rows...)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"stored", "stored", "stored", "stored"}, g.upsert(rows...)); diff != "" {
		t.Errorf("again (-want +got):\n%s", diff)
	}
	t.Run("inside_a_composite", func(t *testing.T) {
		g.t = t
		for _, resource := range []string{"composite", "composite/sobjects"} {
			g.inject(Fault{Kind: RowLock, Resource: resource, Next: 1})
			_, bodies := g.composite(false, sub("PATCH", "composite/sobjects/InMail__c/InMail_Id__c", "a", Fields{"records": typed("InMail__c", rows)}))
			if n := strings.Count(string(bodies[0]), "UNABLE_TO_LOCK_ROW"); n != 1 {
				t.Errorf("%s: %d rows were hit", resource, n)
			}
		}
	})
}

func TestFaultsByRateAreRepeatable(t *testing.T) {
	run := func() (hits string) {
		g := newOrg(t, func(o *Options) { o.Seed = 7 })
		g.inject(Fault{Kind: ServerError, Resource: "limits", Rate: 0.3})
		for range 200 {
			status, _ := g.do("GET", "limits", nil)
			hits += fmt.Sprint(status/100, " ")
		}
		return hits
	}
	first := run()
	if n := strings.Count(first, "5"); n < 30 || n > 90 {
		t.Errorf("%d of 200 calls were hit at a rate of 0.3", n)
	}
	if second := run(); second != first {
		t.Error("the same seed gave other faults")
	}
}

func TestFaultsAreCounted(t *testing.T) {
	gt := newGate()
	g := newOrg(t, func(o *Options) { o.ControlKey, o.Sleep = "control key", gt.sleep })
	g.inject(Fault{Kind: ServerError, Next: 2}, Fault{Kind: RowLock, Next: 3}, Fault{Kind: SlowBefore, Resource: "limits", Delay: time.Second, Next: 1}, Fault{Kind: BadGateway, Skip: 100})
	for range 2 {
		g.do("GET", "sobjects", nil)
	}
	g.upsert(Fields{"InMail_Id__c": "a"}, Fields{"InMail_Id__c": "b"})
	g.upsert(Fields{"InMail_Id__c": "a"}, Fields{"InMail_Id__c": "b"})
	ended := make(chan struct{})
	go func() {
		g.do("GET", "limits", nil)
		close(ended)
	}()
	<-gt.waiting
	var answer struct {
		Struck   map[FaultKind]int
		UnderWay int `json:"under_way"`
	}
	g.control("GET", "calls", nil, &answer)
	if answer.UnderWay != 1 {
		t.Errorf("%d calls are under way while one waits", answer.UnderWay)
	}
	close(gt.open)
	<-ended
	g.control("GET", "faults", nil, &answer)
	if diff := cmp.Diff(map[FaultKind]int{ServerError: 2, RowLock: 3, SlowBefore: 1}, answer.Struck); diff != "" {
		t.Errorf("struck (-want +got):\n%s", diff)
	}
	g.ClearFaults()
	if g.Struck()[RowLock] != 3 {
		t.Error("the counts went with the faults")
	}
	g.server.Close() // ends the calls
	if g.UnderWay() != 0 {
		t.Error("a call is under way when all have ended")
	}
}

func TestLoginFaults(t *testing.T) {
	g := newOrg(t)
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"app"}, "client_secret": {"app secret"}}
	for kind, code := range map[FaultKind]string{InvalidGrant: "invalid_grant", InvalidClient: "invalid_client"} {
		g.inject(Fault{Kind: kind, Resource: "token", Next: 1})
		if status, got, _ := g.ask(form); status != http.StatusBadRequest || got != code {
			t.Errorf("%s: %d %s", kind, status, got)
		}
		if _, got, token := g.ask(form); token == "" {
			t.Errorf("the next login: %s", got)
		}
	}
	g.inject(Fault{Kind: ServerError}) // of the REST API only
	if _, got, token := g.ask(form); token == "" {
		t.Errorf("a fault of all calls hit the login: %s", got)
	}
	g.inject(Fault{Kind: InvalidLogin, Resource: "soap"})
	resp, body := g.send("POST", "/services/Soap/u/64.0", "<x/>", http.Header{"Content-Type": {"text/xml"}, "Soapaction": {""}})
	if resp.StatusCode != http.StatusInternalServerError || !strings.Contains(string(body), "sf:INVALID_LOGIN") {
		t.Errorf("soap: %d %s", resp.StatusCode, body)
	}
}

func TestFaultsRefused(t *testing.T) {
	g := newOrg(t)
	for name, f := range map[string]Fault{
		"unknown_kind":     {Kind: "x"},
		"rate_above_1":     {Kind: RowLock, Rate: 1.5},
		"negative_next":    {Kind: RowLock, Next: -1},
		"slow_no_delay":    {Kind: SlowAfter},
		"unknown_resource": {Kind: RowLock, Resource: "x"},
		"grant_elsewhere":  {Kind: InvalidGrant, Resource: "query"},
		"login_elsewhere":  {Kind: InvalidLogin},
	} {
		if err := g.Inject(Fault{Kind: ServerError}, f); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if status, _ := g.do("GET", "limits", nil); status != http.StatusOK {
		t.Error("a valid fault beside an invalid one was added")
	}
}

// gate is a Sleep that blocks every caller until it is opened.
type gate struct {
	waiting chan time.Duration
	open    chan struct{}
}

func newGate() *gate {
	return &gate{waiting: make(chan time.Duration, 100), open: make(chan struct{})}
}

func (g *gate) sleep(ctx context.Context, d time.Duration) error {
	g.waiting <- d
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-g.open:
		return nil
	}
}

func TestSlowCalls(t *testing.T) {
	gt := newGate()
	var mu sync.Mutex
	now := testNow
	g := newOrg(t, func(o *Options) {
		o.Sleep, o.LongCalls = gt.sleep, 2
		o.Clock = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	})
	g.inject(Fault{Kind: SlowBefore, Resource: "sobjects", Next: 1, Delay: 30 * time.Second}, Fault{Kind: SlowAfter, Resource: "sobjects", Next: 1, Delay: 40 * time.Second})
	results := make(chan int, 2)
	for range 2 {
		go func() {
			status, _ := g.do("POST", "sobjects/Lead", Fields{"LastName": "L", "Company": "A"})
			results <- status
		}()
	}
	if delays := (<-gt.waiting) + (<-gt.waiting); delays != 70*time.Second {
		t.Errorf("the calls wait %v in all", delays)
	}
	if n := len(g.Records("Lead")); n != 1 {
		t.Errorf("%d leads are stored while one call waits before and one after its commit", n)
	}
	if status, body := g.do("GET", "limits", nil); status != http.StatusOK {
		t.Errorf("before 20 s: %d %s", status, body)
	}
	mu.Lock()
	now = now.Add(longCall)
	mu.Unlock()
	g.refused(403, "REQUEST_LIMIT_EXCEEDED", "GET", "limits", nil)
	if _, body := g.do("GET", "limits", nil); !strings.Contains(string(body), "ConcurrentRequests") {
		t.Errorf("message %s", body)
	}
	close(gt.open)
	for range 2 {
		if status := <-results; status != http.StatusCreated {
			t.Errorf("a slow call ended with %d", status)
		}
	}
	if status, body := g.do("GET", "limits", nil); status != http.StatusOK {
		t.Errorf("afterwards: %d %s", status, body)
	}
	if n := len(g.Records("Lead")); n != 2 {
		t.Errorf("%d leads are stored", n)
	}
}

func TestCallGoesOnWithoutItsClient(t *testing.T) {
	gt := newGate()
	g := newOrg(t, func(o *Options) { o.Sleep = gt.sleep })
	g.inject(Fault{Kind: SlowBefore, Next: 1, Delay: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "POST", g.server.URL+"/services/data/v67.0/sobjects/Lead", strings.NewReader(`{"LastName":"L","Company":"A"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+g.token)
	req.Header.Set("Content-Type", "application/json")
	ended := make(chan error)
	go func() {
		_, err := g.server.Client().Do(req)
		ended <- err
	}()
	<-gt.waiting
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the client got %v", err)
	}
	if n := len(g.Records("Lead")); n != 0 {
		t.Errorf("%d leads are stored while the call waits", n)
	}
	close(gt.open)
	g.server.Close() // waits for the handler
	if n := len(g.Records("Lead")); n != 1 {
		t.Errorf("%d leads are stored: the org has the request, its client only gave up", n)
	}
}

func TestDailyLimit(t *testing.T) {
	g := newOrg(t, func(o *Options) { o.DailyLimit = 3 })
	for i := range 3 {
		resp, _ := g.send("GET", "limits", nil, nil)
		if want := fmt.Sprintf("api-usage=%d/3", i+1); resp.StatusCode != http.StatusOK || resp.Header.Get("Sforce-Limit-Info") != want {
			t.Errorf("call %d: %d, %q, want %q", i+1, resp.StatusCode, resp.Header.Get("Sforce-Limit-Info"), want)
		}
	}
	g.refused(403, "REQUEST_LIMIT_EXCEEDED", "GET", "limits", nil)
	g.refused(403, "REQUEST_LIMIT_EXCEEDED", "POST", "sobjects/Lead", Fields{"LastName": "L", "Company": "A"})
	if n := len(g.Records("Lead")); n != 0 {
		t.Errorf("%d leads are stored beyond the limit", n)
	}
	g.now = g.now.Add(24*time.Hour - time.Second)
	g.login()
	g.refused(403, "REQUEST_LIMIT_EXCEEDED", "GET", "limits", nil)
	g.now = g.now.Add(time.Second)
	if status, body := g.do("GET", "limits", nil); status != http.StatusOK || !strings.Contains(string(body), `"DailyApiRequests":{"Max":3,"Remaining":2}`) {
		t.Errorf("24 hours later: %d %s", status, body)
	}
	g.SpendCalls(2)
	g.refused(403, "REQUEST_LIMIT_EXCEEDED", "GET", "limits", nil)
	g.SetDailyLimit(10)
	if used, limit := g.CallsToday(); used != 3 || limit != 10 {
		t.Errorf("%d of %d", used, limit)
	}
	if n := g.Calls()["limits"]; n != 7 {
		t.Errorf("%d requests for limits were counted, want 7 with the refused ones", n)
	}
}
