package httpapi

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"inmail/domain/mailroom"
)

// fakeAuthenticator is a function of a test that answers Authenticate.
type fakeAuthenticator func(key string) (mailroom.Key, error)

func (l fakeAuthenticator) Authenticate(_ context.Context, key string) (mailroom.Key, error) {
	return l(key)
}

func TestKeyring(t *testing.T) {
	t.Run("believes for a while", func(t *testing.T) {
		w := newWorld(t)
		ask := func(status int) {
			t.Helper()
			w.T = t
			if a := w.ask(w.receiver, "GET", "/v1/inbox", nil); a.status != status {
				t.Errorf("status %d, want %d", a.status, status)
			}
		}
		ask(200)
		asked := w.fakeService.authentications
		w.fakeService.now = epoch.Add(2*time.Second - time.Millisecond)
		ask(200)
		if w.fakeService.authentications != asked {
			t.Error("asked again at once")
		}
		delete(w.fakeService.keys, sha256.Sum256([]byte(w.receiver))) // by another replica
		ask(200)
		w.fakeService.now = epoch.Add(2 * time.Second)
		ask(401)
	})
	t.Run("asks always when it may not believe", func(t *testing.T) {
		w := newWorld(t, func(p *Parts) { p.Config.KeyCache = 0 })
		for range 3 {
			w.ask(w.receiver, "GET", "/v1/inbox", nil).want(200, "")
		}
		if w.fakeService.authentications != 3 {
			t.Errorf("asked %d times", w.fakeService.authentications)
		}
	})
	t.Run("does not remember who is not known", func(t *testing.T) {
		w := newWorld(t)
		w.ask("inm_soon", "GET", "/v1/inbox", nil).want(401, "unauthorized")
		w.fakeService.keys[sha256.Sum256([]byte("inm_soon"))] = mailroom.Key{ID: "1", Role: mailroom.RoleMember, Member: "jo"}
		w.ask("inm_soon", "GET", "/v1/inbox", nil).want(200, "")
	})
	t.Run("keeps no answer that was asked for before a key was deleted", func(t *testing.T) {
		asking, deleted := make(chan struct{}), make(chan struct{})
		dead := false
		k := newKeyring(fakeAuthenticator(func(string) (mailroom.Key, error) {
			if dead {
				return mailroom.Key{}, mailroom.ErrNoKey
			}
			close(asking)
			<-deleted // the key was read before it was deleted, and the answer comes after that
			return mailroom.Key{ID: "1"}, nil
		}), time.Second)
		done := make(chan error)
		go func() {
			_, err := k.find(t.Context(), "key", epoch)
			done <- err
		}()
		<-asking
		k.forget(func(key mailroom.Key) bool { return key.ID == "1" })
		close(deleted)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		dead = true
		if _, err := k.find(t.Context(), "key", epoch); !errors.Is(err, mailroom.ErrNoKey) {
			t.Errorf("the dead key is believed: %v", err)
		}
	})
	t.Run("asks once for all who come with a key at the same time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			looks, answer := 0, make(chan struct{})
			k := newKeyring(fakeAuthenticator(func(key string) (mailroom.Key, error) {
				looks++
				<-answer
				return mailroom.Key{ID: key}, nil
			}), time.Second)
			find := func(key string) {
				go func() {
					if got, err := k.find(t.Context(), key, epoch); err != nil || got.ID != key {
						t.Errorf("%s: found %q, %v", key, got.ID, err)
					}
				}()
				synctest.Wait()
			}
			for range 5 {
				find("one")
				find("other")
			}
			if looks != 2 {
				t.Errorf("%d looks for two keys", looks)
			}
			k.forget(func(mailroom.Key) bool { return false })
			find("one")
			if looks != 3 {
				t.Errorf("%d looks: one that began before a key was deleted is not shared", looks)
			}
			gaveUp, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := k.find(gaveUp, "one", epoch); !errors.Is(err, context.Canceled) {
				t.Errorf("a caller who gave up got %v", err)
			}
			close(answer)
			synctest.Wait()
		})
	})
	t.Run("holds so many and no more", func(t *testing.T) {
		k := newKeyring(fakeAuthenticator(func(key string) (mailroom.Key, error) { return mailroom.Key{ID: key}, nil }), time.Second)
		for i := range 3*maxKnownKeys + 1 {
			if _, err := k.find(t.Context(), fmt.Sprint(i), epoch); err != nil {
				t.Fatal(err)
			}
			if len(k.known) > maxKnownKeys {
				t.Fatalf("%d keys", len(k.known))
			}
		}
	})
}

func TestRateLimit(t *testing.T) {
	w := newWorld(t, func(p *Parts) { p.Config.RateLimit, p.Config.RateBurst = 0.5, 3 })
	ask := func(key string, status int) string {
		t.Helper()
		a := w.ask(key, "GET", "/v1/sent", nil)
		if a.status != status {
			t.Errorf("status %d, want %d", a.status, status)
		}
		return a.header.Get("Retry-After")
	}
	for range 3 {
		ask(w.sender, 200)
	}
	if after := ask(w.sender, 429); after != "2" {
		t.Errorf("Retry-After is %q", after)
	}
	ask(w.receiver, 200) // a key of its own
	w.ask("", "GET", "/livez", nil).want(200, "")
	w.fakeService.now = epoch.Add(1999 * time.Millisecond)
	if after := ask(w.sender, 429); after != "1" {
		t.Errorf("Retry-After is %q", after)
	}
	w.fakeService.now = epoch.Add(2000 * time.Millisecond)
	ask(w.sender, 200)
	ask(w.sender, 429)
	w.fakeService.now = epoch.Add(time.Hour)
	for range 3 { // no more than the burst
		ask(w.sender, 200)
	}
	ask(w.sender, 429)
	w.fakeService.now = epoch // the clock stepped back: the bucket neither fills nor empties
	ask(w.sender, 429)

	l := newLimiter("key", 1, 1)
	for i := range 2*maxBuckets + 1 {
		l.take(fmt.Sprint(i), epoch.Add(time.Duration(i)*time.Microsecond))
		if len(l.buckets) > maxBuckets {
			t.Fatalf("%d buckets", len(l.buckets))
		}
	}
}

// TestRateLimitByAddress checks that an address is limited before its key is looked at, behind a proxy too,
// and what the headers say.
func TestRateLimitByAddress(t *testing.T) {
	w := newWorld(t, func(p *Parts) {
		p.Config.RateAddress, p.Config.RateBurst, p.Config.TrustedProxies = 0.5, 2, []string{"10.0.0.0/8"}
	})
	ask := func(peer, forwarded string, status int) answer {
		t.Helper()
		r := httptest.NewRequest("GET", "/v1/sent", nil)
		r.RemoteAddr = peer
		if forwarded != "" {
			r.Header.Set("X-Forwarded-For", forwarded)
		}
		a := w.askRaw(w.sender, r)
		if a.status != status {
			t.Errorf("%s for %s: status %d, want %d", peer, forwarded, a.status, status)
		}
		return a
	}
	ask("192.0.2.1:1", "", 200)
	a := ask("192.0.2.1:2", "", 200)
	if p, l := a.header.Get("RateLimit-Policy"), a.header.Get("RateLimit"); p != `"address";q=2;w=4` || l != `"address";r=0;t=0` {
		t.Errorf("the headers are %s and %s", p, l)
	}
	a = ask("192.0.2.1:3", "192.0.2.9", 429) // who is no proxy is not believed
	if a.header.Get("Retry-After") != "2" || a.header.Get("RateLimit") != `"address";r=0;t=2` {
		t.Errorf("the headers are %v", a.header)
	}
	for range 2 {
		ask("10.1.1.1:1", "203.0.113.5, 198.51.100.7, 10.2.2.2", 200)
	}
	ask("10.1.1.1:1", "203.0.113.6, 198.51.100.7", 429) // the last that is no proxy counts, not what stands before it
	for range 2 {
		ask("[2001:db8::1]:1", "", 200)
	}
	ask("[2001:db8::ffff]:1", "", 429) // of one /64
	ask("[2001:db8:0:1::1]:1", "", 200)
}

// TestWrongKeys checks that an address with many wrong keys is slowed down and noticed, while keys that were
// right a moment ago go on from there.
func TestWrongKeys(t *testing.T) {
	w := newWorld(t, func(p *Parts) { p.Config.WrongKeys, p.Config.KeyCache = 3, 10*time.Second })
	w.ask(w.sender, "GET", "/v1/sent", nil).want(200, "")
	for range 3 {
		w.ask("inm_wrong", "GET", "/v1/sent", nil).want(401, "unauthorized")
	}
	asked := w.fakeService.authentications
	a := w.ask("inm_wrong", "GET", "/v1/sent", nil).want(429, "rate_limited")
	if a.header.Get("Retry-After") != "20" {
		t.Errorf("Retry-After is %q", a.header.Get("Retry-After"))
	}
	w.ask(w.receiver, "GET", "/v1/inbox", nil).want(429, "rate_limited") // it may be the next guess
	if w.fakeService.authentications != asked {
		t.Error("the record was asked for a key of an address that is slowed down")
	}
	w.ask(w.sender, "GET", "/v1/sent", nil).want(200, "")
	if got := strings.Count(w.log.String(), "an address sends wrong keys"); got != 1 {
		t.Errorf("warned %d times, want once", got)
	}
	if got := testutil.ToFloat64(w.api.wrongKeysSent); got != 3 {
		t.Errorf("%v wrong keys are counted, want 3", got)
	}
	w.fakeService.now = epoch.Add(20 * time.Second)
	w.ask(w.receiver, "GET", "/v1/inbox", nil).want(200, "")
}

// TestRequestID checks that a plain id of a request goes to the log and back, and any other is replaced.
func TestRequestID(t *testing.T) {
	w := newWorld(t)
	for given, taken := range map[string]bool{"trace-1.2:3/4+5=": true, "": false, "with blank": false, "ü": false,
		strings.Repeat("x", maxRequestID+1): false} {
		w.log.Reset()
		got := w.ask(w.sender, "GET", "/v1/sent", nil, "X-Request-Id: "+given).header.Get("X-Request-Id")
		if (got == given) != taken || got == "" || !strings.Contains(w.log.String(), got) {
			t.Errorf("%q became %q; the log says %s", given, got, w.log)
		}
	}
}

// noted is what a test's fake was asked to store.
type noted chan map[string]time.Duration

func (n noted) NoteUses(_ context.Context, ago map[string]time.Duration) error {
	n <- ago
	return nil
}

// TestUsesOfKeys checks that uses are stored in the background once a minute for all keys, and the rest at
// the end.
func TestUsesOfKeys(t *testing.T) {
	stored := make(noted, 1)
	u := uses{service: stored}
	u.note("a", epoch)
	if diff := cmp.Diff(map[string]time.Duration{"a": 0}, <-stored); diff != "" {
		t.Errorf("at the first use (-want +got):\n%s", diff)
	}
	u.storing.Wait()
	u.note("a", epoch.Add(10*time.Second))
	u.note("b", epoch.Add(59*time.Second))
	if len(stored) > 0 {
		t.Error("stored before the minute is over")
	}
	u.note("c", epoch.Add(time.Minute))
	if diff := cmp.Diff(map[string]time.Duration{"a": 50 * time.Second, "b": time.Second, "c": 0}, <-stored); diff != "" {
		t.Errorf("after a minute (-want +got):\n%s", diff)
	}
	u.note("d", epoch.Add(61*time.Second))
	if err := u.stop(t.Context(), epoch.Add(62*time.Second)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]time.Duration{"d": time.Second}, <-stored); diff != "" {
		t.Errorf("at the end (-want +got):\n%s", diff)
	}
}
