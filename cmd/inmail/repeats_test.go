package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/singleflight"

	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/worker"
)

// TestRepeatsAtOnce checks that of requests under one key that come while the first is judged none is judged
// again, even when it is refused, and that one whose caller gives up is answered to the others (R28).
func TestRepeatsAtOnce(t *testing.T) {
	r := newRunning(t)
	r.people()
	letter := func(key, body string) *mailroom.Letter {
		return r.service.Read(mailroom.Send{From: "lena.hart", To: "r1", Subject: "A question about Tuesday", Body: body, Key: key})
	}
	first, other, later := letter("k1", "Is Tuesday free?"), letter("k1", "Is Wednesday free?"), letter("k2", "Is Tuesday free?")
	plain := letter("", "Is Tuesday free?")
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var judged atomic.Int64
		group := worker.NewGroup(worker.GroupLimits{Batch: 1, Waiting: 100, Parallel: 10, Timeout: time.Hour},
			func(_ context.Context, letters []*mailroom.Letter) ([]mailroom.Accepted, error) {
				<-release
				judged.Add(int64(len(letters)))
				return []mailroom.Accepted{{Err: domain.Refuse(domain.NoCredits, "none is left")}}, nil
			})
		s := sender{service: r.service, group: group, repeats: new(singleflight.Group)}
		impatient, giveUp := context.WithCancel(t.Context())
		answers := make(chan error, 10)
		ask := func(ctx context.Context, l *mailroom.Letter) {
			go func() {
				a, err := s.judge(ctx, l)
				answers <- errors.Join(err, a.Err)
			}()
		}
		ask(impatient, first)
		synctest.Wait()
		for range 4 {
			ask(t.Context(), first)
		}
		ask(t.Context(), other)
		ask(t.Context(), later)
		ask(t.Context(), plain)
		ask(t.Context(), plain)
		synctest.Wait()
		giveUp()
		if err := <-answers; !errors.Is(err, context.Canceled) {
			t.Errorf("who gave up got %v", err)
		}
		close(release)
		for range 8 {
			if err := <-answers; !errors.Is(err, domain.NoCredits) {
				t.Errorf("answered %v", err)
			}
		}
		if n := judged.Load(); n != 5 {
			t.Errorf("%d letters were judged, want 5: one of each request, and each without a key", n)
		}
		ask(t.Context(), first) // later, it is judged anew
		synctest.Wait()
		<-answers
		if n := judged.Load(); n != 6 {
			t.Errorf("%d letters were judged after another request, want 6", n)
		}
	})
}

// testKeyAfterRefusal sends under a key again what was refused, by the API and by the command line (F31).
func testKeyAfterRefusal(t *testing.T) {
	r := newRunning(t)
	r.people()
	t.Setenv("INMAIL_MEMBER", "lena.hart")
	send := func(code int, to, subject string) string {
		t.Helper()
		got := must(t, code, "send", "--json", "--to", to, "--subject", subject, "--body", "Is Tuesday free?", "--key", "order-1")
		if code != exitDone {
			return ""
		}
		return read[idAnswer](t, got).ID
	}
	send(exitRefused, "new", "A question about Tuesday") // unknown_recipient
	r.api("PUT", "/v1/members/new", "", `{"name":"New"}`)
	send(exitRefused, "new", " ") // subject_required
	id := send(exitDone, "new", "A question about Tuesday")
	if again := send(exitDone, "new", "A question about Tuesday"); again != id {
		t.Errorf("the accepted one is %s, and again %s", id, again)
	}
	send(exitRefused, "new", "Another question") // idempotency_conflict

	body := `{"to":"r1","subject":"A question about Tuesday","body":"Is Tuesday free?"}`
	post := func(member string) int {
		t.Helper()
		req, err := http.NewRequest("POST", "http://"+r.apiAddress+"/v1/inmails", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+r.operatorKey)
		req.Header.Set("Inmail-Member", member)
		req.Header.Set("Idempotency-Key", "order-2")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	if got := post("basic.bo"); got != 422 {
		t.Errorf("without credits: %d", got)
	}
	r.api("PATCH", "/v1/members/basic.bo", "", `{"account_type":"job_seeker"}`)
	for range 2 {
		if got := post("basic.bo"); got != 202 {
			t.Errorf("after the upgrade: %d", got)
		}
	}
	if sent := read[sentAnswer](t, must(t, exitDone, "sent", "--json", "--member", "basic.bo")); len(sent.Items) != 1 {
		t.Errorf("%d were sent, want 1", len(sent.Items))
	}
}
