package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"inmail/connectors/porttest"
	"inmail/connectors/webhook"
)

// subscriber is an end point that fails a share of what comes, verifies the rest, and can be killed.
type subscriber struct {
	t       *testing.T
	address string
	share   float64 // of requests that fail

	mu     sync.Mutex
	server *http.Server
	secret []byte
	ids    map[string]int   // event id → how often it was taken
	order  map[string][]int // InMail → sequence numbers, as each was first taken
	tries  atomic.Int64
}

func newSubscriber(t *testing.T, share float64) *subscriber {
	t.Helper()
	l, err := net.Listen("tcp", porttest.Address(t)) // reserved: it listens there again after each kill
	if err != nil {
		t.Fatal(err)
	}
	s := &subscriber{t: t, address: l.Addr().String(), share: share, ids: map[string]int{}, order: map[string][]int{}}
	s.serve(l)
	t.Cleanup(s.kill)
	return s
}

func (s *subscriber) serve(l net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.server = &http.Server{Handler: s}
	go func(server *http.Server) { _ = server.Serve(l) }(s.server)
}

// kill breaks all connections off.
func (s *subscriber) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.server.Close()
}

// start listens again at the same address.
func (s *subscriber) start() {
	s.t.Helper()
	eventually(s.t, "the end point listens again", func() error {
		l, err := net.Listen("tcp", s.address)
		if err == nil {
			s.serve(l)
		}
		return err
	})
}

func (s *subscriber) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.tries.Add(1)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if rand.Float64() < s.share {
		w.WriteHeader([]int{500, 503, 429, 404, 301}[rand.IntN(5)])
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := webhook.Verify(r.Header, s.secret, time.Now(), body); err != nil {
		s.t.Errorf("a webhook is not verified: %v", err)
	}
	var e struct {
		Type string
		Data struct {
			ID  string
			Seq int
		}
	}
	if err := json.Unmarshal(body, &e); err != nil {
		s.t.Error(err)
	}
	id := r.Header.Get("webhook-id")
	if s.ids[id]++; s.ids[id] == 1 {
		s.order[e.Data.ID] = append(s.order[e.Data.ID], e.Data.Seq)
	}
}

func (s *subscriber) taken() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.ids)
}

// TestWebhookStorm sends 100 InMails, in the long form 10,000, and opens them, while the end point fails 30 %
// and is killed twice, and the server is killed 2 times, in the long form 5. Every event is taken at least
// once, those of one InMail in their order, and none that was not committed; the feed has the same events,
// and they are the receipts (R68).
func TestWebhookStorm(t *testing.T) {
	t.Parallel() // it mostly waits
	n, kills := sized(100, 10_000), sized(2, 5)
	senders := n / 50
	for _, d := range deployments {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			args, env, _ := d.setup(t)
			s := newServer(t, args, append(env, append([]string{"INMAIL_WEBHOOK_ALLOW_PRIVATE=1", "INMAIL_TIME_TRAVEL=1"}, calmEnv...)...)...)
			s.Start()
			s.network(senders, "recruiter_50", n)
			sub := newSubscriber(t, 0.3)
			sub.mu.Lock()
			made := s.must(http.StatusCreated, "POST", "/v1/webhooks", "", map[string]any{"url": "http://" + sub.address + "/", "events": []string{"inmail.*"}})
			sub.secret, _ = webhook.ReadSecret(made["secret"].(string))
			sub.mu.Unlock()
			var sent atomic.Int64
			var ids map[string]string
			var wg sync.WaitGroup
			wg.Go(func() { ids = s.load(n, senders, &sent) })
			for k := range kills {
				eventually(t, "some more are sent", func() error {
					if at := int64((k + 1) * n / (kills + 1)); sent.Load() < at {
						return fmt.Errorf("%d of %d", sent.Load(), at)
					}
					return nil
				})
				if k < 2 {
					sub.kill()
				}
				s.Kill()
				s.Start()
				if k < 2 {
					sub.start()
				}
			}
			wg.Wait()
			s.openAll(ids)
			minutes, before := 1, 0 // the pauses before an event that failed eight times are hours
			eventually(t, "every event is taken", func() error {
				s.must(http.StatusOK, "POST", "/v1/clock", "", map[string]any{"advance": fmt.Sprint(minutes, "m")})
				time.Sleep(300 * time.Millisecond) // the workers look once a second
				if minutes = min(2*minutes, 60); sub.taken() != before {
					minutes, before = 1, sub.taken()
				}
				if got := sub.taken(); got < 2*n {
					return fmt.Errorf("%d of %d", got, 2*n)
				}
				return nil
			})
			sub.mu.Lock()
			defer sub.mu.Unlock()
			feed := s.feedIDs()
			for id := range sub.ids {
				if !feed[id] {
					t.Errorf("the event %s was sent and is not in the record", id)
				}
			}
			if len(feed) != 2*n || len(sub.ids) != 2*n {
				t.Errorf("%d events in the feed, %d taken, want %d", len(feed), len(sub.ids), 2*n)
			}
			twice := 0
			for _, times := range sub.ids {
				if times > 1 {
					twice++
				}
			}
			for id, seqs := range sub.order {
				if !slices.Equal(seqs, []int{2, 3}) {
					t.Errorf("InMail %s: the events came as %v", id, seqs)
				}
			}
			t.Logf("%d events, %d tries, %d taken more than once", len(sub.ids), sub.tries.Load(), twice)
		})
	}
}

// openAll lets each recipient open its InMail when it is delivered.
func (s *server) openAll(ids map[string]string) {
	s.t.Helper()
	var wg sync.WaitGroup
	slots := make(chan struct{}, 8)
	for _, id := range ids {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			s.eventually("an InMail is opened", func() error {
				status, out, err := s.call("POST", "/v1/inmails/"+id+"/open", s.recipientOf(id), nil)
				if err != nil || status != http.StatusOK {
					return fmt.Errorf("%d %v %v", status, out, err)
				}
				return nil
			})
		})
	}
	wg.Wait()
}

// recipientOf returns the recipient of an InMail.
func (s *server) recipientOf(id string) string {
	_, out, err := s.call("GET", "/v1/inmails/"+id, "", nil)
	if to, ok := out["to"].(map[string]any); ok && err == nil {
		return to["id"].(string)
	}
	return "r0"
}

// feedIDs reads the feed from its beginning, and compares it with the receipts of each InMail.
func (s *server) feedIDs() map[string]bool {
	s.t.Helper()
	ids, byInMail := map[string]bool{}, map[string][]string{}
	for after, more := "", true; more; {
		out := s.must(http.StatusOK, "GET", "/v1/events?limit=200"+after, "", nil)
		for _, item := range out["items"].([]any) {
			e := item.(map[string]any)
			data := e["data"].(map[string]any)
			ids[e["id"].(string)] = true
			inmail := data["id"].(string)
			byInMail[inmail] = append(byInMail[inmail], fmt.Sprint(data["seq"], data["status"], e["timestamp"]))
		}
		if more, _ = out["more"].(bool); out["after"] != nil {
			after = "&after=" + out["after"].(string)
		}
	}
	for inmail, got := range byInMail {
		view := s.must(http.StatusOK, "GET", "/v1/inmails/"+inmail, "", nil)
		var want []string
		for _, item := range view["receipts"].([]any)[1:] {
			r := item.(map[string]any)
			want = append(want, fmt.Sprint(r["seq"], r["status"], r["at"]))
		}
		if !slices.Equal(got, want) {
			s.t.Errorf("InMail %s: the events are %s, the receipts %s", inmail, strings.Join(got, ", "), strings.Join(want, ", "))
		}
	}
	return ids
}
