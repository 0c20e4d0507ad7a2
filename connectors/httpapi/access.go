package httpapi

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// access is who may make a call.
type access int

const (
	anyone       access = iota // no key
	metricsKey                 // the metrics key, where one is set
	anyKey                     // a member, an operator who acts for one, or a bare operator
	memberOnly                 // a member, or an operator who acts for one
	operatorOnly               // an operator
	operatorPage               // an operator in a browser: Basic too
)

// memberHeader names the member whom an operator acts for.
const memberHeader = "Inmail-Member"

// admit finds the caller and refuses, in this order: too many requests of the address (429), no key
// (401), too many of the key (429), the wrong role or a read-only key (403), an invalid Inmail-Member or none
// where a member is needed (400).
func (c *call) admit(who access) error {
	switch who {
	case anyone:
		return nil
	case metricsKey:
		return c.admitMetrics()
	}
	if err := c.limitRate(c.api.byAddress, network(c.client), "this address"); err != nil {
		return err
	}
	if err := c.authenticate(who); err != nil {
		return err
	}
	if err := c.limitRate(c.api.byKey, c.key.ID, "this key"); err != nil {
		return err
	}
	operator := c.key.Role == mailroom.RoleOperator
	if !operator && (who == operatorOnly || who == operatorPage) {
		return domain.Refuse(domain.Forbidden, "this call is for operators; use an operator key")
	}
	if c.key.ReadOnly && !c.changesNothing() {
		return domain.Refuse(domain.Forbidden, "this key is read-only: it makes GET and HEAD requests and preflights")
	}
	c.viewer = mailroom.Viewer{Member: c.key.Member, Operator: operator, ByOperator: operator, KeyID: c.key.ID,
		KeyName: c.key.Name}
	if ids := c.r.Header.Values(memberHeader); len(ids) > 0 {
		if !operator {
			return domain.Refuse(domain.Forbidden,
				"a member key acts as its own member; leave the header Inmail-Member out")
		}
		member := domain.MemberID(ids[0])
		if err := member.Validate(); err != nil || len(ids) > 1 {
			return domain.Refuse(domain.BadRequest, "Inmail-Member: one member id of 1 to 64 of A-Z a-z 0-9 . _ : -")
		}
		c.viewer.Member, c.viewer.Operator = member, false
	}
	if who == memberOnly && c.viewer.Member == "" {
		return domain.Refuse(domain.BadRequest,
			"this call needs a member; name the one to act for in the header Inmail-Member")
	}
	return nil
}

// authenticate finds the key that the request sends. The answer does not show whether a key is malformed,
// unknown, expired or deleted, so that nobody can guess keys by the difference. An address that has sent many
// wrong keys is answered 429 without a look into the record, until its next try is due.
func (c *call) authenticate(who access) (err error) {
	if len(c.r.Header.Values("Authorization")) > 1 {
		return domain.Refuse(domain.BadRequest, "Authorization: send it once")
	}
	shown := bearer(c.r)
	if who == operatorPage && shown == "" {
		_, shown, _ = c.r.BasicAuth()
	}
	if shown == "" {
		return domain.Refuse(unauthorized, "this call needs a key; send it as Authorization: Bearer <key>")
	}
	now, from := c.api.Now(), network(c.client)
	known := false
	if c.key, known = c.api.keys.cached(shown, now); !known {
		if wait, ok := c.api.wrongKeys.has(from, now); !ok {
			return c.tooMany("this address has sent too many wrong keys", wait)
		}
		c.key, err = c.api.keys.find(c.ctx, shown, now)
	}
	if errors.Is(err, mailroom.ErrNoKey) {
		c.wrongKey(from, now)
		return domain.Refuse(unauthorized, "this key is not known; it may have expired or been deleted")
	}
	if err == nil {
		c.api.uses.note(c.key.ID, now)
	}
	return err
}

// wrongKey counts a wrong key against the address it came from; when that has used up its tries, the log says
// so.
func (c *call) wrongKey(from string, now time.Time) {
	c.api.wrongKeysSent.Inc()
	c.api.wrongKeys.take(from, now)
	if _, ok := c.api.wrongKeys.has(from, now); !ok {
		c.api.Log.WarnContext(c.ctx, "an address sends wrong keys and is slowed down", "client", c.client.String(),
			"request_id", c.id, "tries_a_minute", c.api.Config.WrongKeys)
	}
}

// changesNothing is true for the requests that a read-only key may make.
func (c *call) changesNothing() bool {
	return c.r.Method == http.MethodGet || c.r.Method == http.MethodHead || c.route == "/v1/preflight"
}

// admitMetrics asks for the metrics key, where one is set.
func (c *call) admitMetrics() error {
	want := c.api.Config.MetricsKey
	if want == "" {
		return nil
	}
	got, expected := sha256.Sum256([]byte(bearer(c.r))), sha256.Sum256([]byte(want))
	if subtle.ConstantTimeCompare(got[:], expected[:]) != 1 {
		return domain.Refuse(unauthorized, "metrics need their key here; send it as Authorization: Bearer <key>")
	}
	return nil
}

// bearer returns the key of an Authorization: Bearer header; "" when there is none.
func bearer(r *http.Request) string {
	scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(key)
}

// authenticator finds API keys; mailroom.Service does.
type authenticator interface {
	// Authenticate finds the key that a caller sent; its error is mailroom.ErrNoKey when there is none.
	Authenticate(ctx context.Context, key string) (mailroom.Key, error)
}

// keyring is a cache of keys by their hash: for as long as keep says, a key is accepted without
// asking the record. A key that this process deletes leaves the cache at once; in other
// replicas it lives for up to keep.
type keyring struct {
	ask    authenticator
	keep   time.Duration // 0: nothing is cached
	mu     sync.RWMutex
	known  map[[32]byte]knownKey
	erased uint64 // how often forget ran: an answer that was asked for before the last one is not cached
	asking singleflight.Group
}

type knownKey struct {
	mailroom.Key
	until time.Time
}

// maxKnownKeys is how many keys the keyring holds at most; when it is full, it is emptied.
const maxKnownKeys = 10_000

func newKeyring(ask authenticator, keep time.Duration) *keyring {
	return &keyring{ask: ask, keep: keep, known: map[[32]byte]knownKey{}}
}

// cached returns a key that needs no look into the record.
func (k *keyring) cached(shown string, now time.Time) (key mailroom.Key, ok bool) {
	if k.keep == 0 {
		return key, false
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	known, ok := k.known[sha256.Sum256([]byte(shown))]
	return known.Key, ok && now.Before(known.until)
}

// find asks the record for a key, and caches it. Callers who come with one key at the same time share a look,
// unless it began before some key was deleted.
func (k *keyring) find(ctx context.Context, shown string, now time.Time) (mailroom.Key, error) {
	if k.keep == 0 {
		return k.ask.Authenticate(ctx, shown)
	}
	hash := sha256.Sum256([]byte(shown))
	k.mu.RLock()
	before := k.erased
	k.mu.RUnlock()
	look := k.asking.DoChan(fmt.Sprintf("%x after %d", hash, before), func() (any, error) {
		return k.look(context.WithoutCancel(ctx), shown, hash, before, now)
	})
	select {
	case found := <-look:
		key, _ := found.Val.(mailroom.Key)
		return key, found.Err
	case <-ctx.Done():
		return mailroom.Key{}, ctx.Err()
	}
}

// look asks the record for a key, and caches it when none was deleted since before was read.
func (k *keyring) look(ctx context.Context, shown string, hash [32]byte, before uint64,
	now time.Time) (mailroom.Key, error) {
	key, err := k.ask.Authenticate(ctx, shown)
	if err != nil {
		return key, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.erased == before {
		if len(k.known) >= maxKnownKeys {
			clear(k.known)
		}
		k.known[hash] = knownKey{key, now.Add(k.keep)}
	}
	return key, nil
}

// forget drops every key for which gone is true.
func (k *keyring) forget(gone func(mailroom.Key) bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.erased++
	for hash, known := range k.known {
		if gone(known.Key) {
			delete(k.known, hash)
		}
	}
}
