package httpapi

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"
	"time"

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

	l := newLimiter(1, 1)
	for i := range 2*maxBuckets + 1 {
		l.take(fmt.Sprint(i), epoch.Add(time.Duration(i)*time.Microsecond))
		if len(l.buckets) > maxBuckets {
			t.Fatalf("%d buckets", len(l.buckets))
		}
	}
}
