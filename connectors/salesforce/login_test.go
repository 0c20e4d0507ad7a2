package salesforce

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"inmail/connectors/salesforce/sandbox"
	"inmail/domain"
)

// plain returns an InMail that needs no matching.
func plain(n int) domain.Push {
	p := sent(n, "robin")
	p.Link.Match = domain.Unmatched
	return p
}

// logins returns the number of logins that reached the org.
func (o *org) logins() int { return o.Calls()["token"] + o.Calls()["soap"] }

func TestSessionIsSharedByAllWorkers(t *testing.T) {
	o := newOrg(t)
	shared := &watched{Memory: NewMemory(o.clock), kept: map[string][]byte{}}
	join := func(_ *Config, d *Deps) { d.Shared = shared }
	for i := range 5 {
		if a := pushBy(t, o.connect(join), plain(i))[0]; a.Class != domain.Taken {
			t.Fatalf("%+v", a)
		}
	}
	if n := o.logins(); n != 1 {
		t.Errorf("%d logins", n)
	}
	t.Run("sealed", func(t *testing.T) {
		token := o.connect(join)
		s, err := token.session(context.Background(), "")
		if err != nil {
			t.Fatal(err)
		}
		if len(shared.kept) == 0 {
			t.Error("nothing is shared")
		}
		for key, value := range shared.kept {
			if bytes.Contains(value, []byte(s.token)) || bytes.Contains(value, []byte(testSecret)) || strings.Contains(key, testSecret) {
				t.Errorf("%s has a secret in plain text", key)
			}
		}
	})
	t.Run("not by those with another secret", func(t *testing.T) {
		other := o.connect(join, func(c *Config, _ *Deps) { c.ClientSecret = "another" })
		if a := pushBy(t, other, plain(9))[0]; a.Class != domain.LoginFailed {
			t.Errorf("%+v", a)
		}
		if a := pushBy(t, o.connect(join), plain(9))[0]; a.Class != domain.Taken {
			t.Errorf("the failure of another login counts here: %+v", a)
		}
	})
}

// TestEndedSessionIsReplacedOnce checks that sixteen workers whose session ended together log in once.
func TestEndedSessionIsReplacedOnce(t *testing.T) {
	o := newOrg(t)
	o.push(plain(0))
	o.ExpireSessions()
	before := o.logins()
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			<-start
			if a := pushBy(t, o.crm, plain(i))[0]; a.Class != domain.Taken {
				t.Errorf("%+v", a)
			}
		})
	}
	close(start)
	wg.Wait()
	if n := o.logins() - before; n != 1 {
		t.Errorf("%d logins", n)
	}
}

// TestOneProcessLogsIn checks that one of several processes with the same ended session logs in, and that the
// others use its session.
func TestOneProcessLogsIn(t *testing.T) {
	o := newOrg(t)
	shared := NewMemory(o.clock)
	looked, asked, release := make(chan struct{}, 1000), make(chan struct{}), make(chan struct{})
	first := &tamper{next: newTransport(o.config), before: func(req *http.Request) *http.Response {
		if strings.HasSuffix(req.URL.Path, "/token") {
			close(asked)
			<-release
		}
		return nil
	}}
	join := func(_ *Config, d *Deps) {
		d.Shared = shared
		d.Wait = func(ctx context.Context, pause time.Duration) error {
			looked <- struct{}{}
			o.clock.move(time.Millisecond)
			// The pause is real time, in which the first worker gets its session.
			select {
			case <-time.After(time.Millisecond):
			case <-ctx.Done():
			}
			return ctx.Err()
		}
	}
	sessions := make(chan session, 3)
	log := func(c *Connector) {
		s, err := c.session(context.Background(), "")
		if err != nil {
			t.Error(err)
		}
		sessions <- s
	}
	go log(o.connect(join, func(_ *Config, d *Deps) { d.Transport = first }))
	<-asked
	for range 2 {
		go log(o.connect(join))
	}
	<-looked
	if n := o.logins(); n != 0 {
		t.Errorf("%d logins besides the one that is under way", n)
	}
	close(release)
	got := []session{<-sessions, <-sessions, <-sessions}
	if got[0] != got[1] || got[1] != got[2] || o.logins() != 1 {
		t.Errorf("%d logins, one session: %v", o.logins(), got[0] == got[1] && got[1] == got[2])
	}
	t.Run("one that died is not waited for long", func(t *testing.T) {
		c := o.connect(func(_ *Config, d *Deps) {
			d.Shared = shared
			d.Wait = func(ctx context.Context, pause time.Duration) error { o.clock.move(pause); return ctx.Err() }
		})
		// A worker was killed before its login.
		if _, err := shared.Add(context.Background(), c.loginKey(got[0].token), 1, loginLease); err != nil {
			t.Fatal(err)
		}
		before := o.clock.Now()
		s, err := c.session(context.Background(), got[0].token)
		if err != nil || s == got[0] || o.logins() != 2 {
			t.Errorf("%d logins, %v", o.logins(), err)
		}
		if waited := o.clock.Now().Sub(before); waited > loginLease {
			t.Errorf("waited %v", waited)
		}
	})
	t.Run("one that failed is not waited for at all", func(t *testing.T) {
		c := o.connect(join, func(c *Config, _ *Deps) { c.ClientSecret = "another" })
		for range 2 {
			if _, err := c.session(context.Background(), ""); asFault(err).Class != domain.LoginFailed {
				t.Errorf("%v", err)
			}
		}
		if n := o.logins(); n != 3 {
			t.Errorf("%d logins", n)
		}
		if v, err := shared.Add(context.Background(), c.loginKey(""), 0, time.Minute); err != nil || v != 0 {
			t.Errorf("its lease is still taken: %d, %v", v, err)
		}
	})
}

func TestSessionThatEndsAgainAndAgain(t *testing.T) {
	o := newOrg(t)
	o.inject(sandbox.Fault{Kind: sandbox.SessionExpired, Next: 1})
	if a := o.push(plain(0))[0]; a.Class != domain.Taken {
		t.Errorf("once: %+v", a)
	}
	before := o.logins()
	o.inject(sandbox.Fault{Kind: sandbox.SessionExpired})
	a := o.push(plain(1))[0]
	if a.Class != domain.SessionEnded || a.Link.Detail != "INVALID_SESSION_ID" {
		t.Errorf("again: %+v", a)
	}
	if n := o.logins() - before; n != 1 {
		t.Errorf("%d logins", n)
	}
}

func TestFailedLoginIsNotHammered(t *testing.T) {
	o := newOrg(t, func(_ *sandbox.Options, c *Config, d *Deps) { c.ClientSecret = "wrong" })
	for range 5 {
		a := o.push(plain(0))[0]
		if a.Class != domain.LoginFailed || a.Link.Detail != "invalid_client" {
			t.Fatalf("%+v", a)
		}
	}
	if n := o.logins(); n != 1 {
		t.Errorf("%d logins", n)
	}
	o.clock.move(failureKept)
	o.push(plain(0))
	if n := o.logins(); n != 2 {
		t.Errorf("%d logins after the rest", n)
	}
	t.Run("but tried at once when a person has removed the cause", func(t *testing.T) {
		if err := o.crm.Resume(context.Background()); err != nil {
			t.Fatal(err)
		}
		o.push(plain(0))
		if n := o.logins(); n != 3 {
			t.Errorf("%d logins", n)
		}
	})
}

func TestLoginThatDoesNotAnswerIsNoFailedLogin(t *testing.T) {
	for _, kind := range []sandbox.FaultKind{sandbox.UnavailableHTML, sandbox.DropBefore, sandbox.EmptyBody, sandbox.TruncatedBody, sandbox.ServerError} {
		t.Run(string(kind), func(t *testing.T) {
			o := newOrg(t)
			o.inject(sandbox.Fault{Kind: kind, Resource: "token", Next: 1})
			if a := o.push(plain(0))[0]; a.Class != domain.Locked && a.Class != domain.Unreachable {
				t.Errorf("%+v", a)
			}
			if a := o.push(plain(0))[0]; a.Class != domain.Taken {
				t.Errorf("afterwards: %+v", a)
			}
		})
	}
	t.Run("invalid_grant", func(t *testing.T) {
		o := newOrg(t)
		o.inject(sandbox.Fault{Kind: sandbox.InvalidGrant, Resource: "token", Next: 1})
		if a := o.push(plain(0))[0]; a.Class != domain.LoginFailed || a.Link.Detail != "invalid_grant" {
			t.Errorf("%+v", a)
		}
	})
}

// newKey writes a private key to a file and returns both.
func newKey(t *testing.T) (*rsa.PrivateKey, string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "key.pem")
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return key, path
}

func TestJWTBearer(t *testing.T) {
	key, path := newKey(t)
	jwt := func(s *sandbox.Options, c *Config, _ *Deps) {
		s.Credentials.JWTKeys = []*rsa.PublicKey{&key.PublicKey}
		c.ClientSecret, c.Username, c.JWTKeyFile = "", testUsername, path
	}
	o := newOrg(t, jwt)
	if a := o.push(plain(0))[0]; a.Class != domain.Taken {
		t.Errorf("%+v", a)
	}
	t.Run("sandbox org", func(t *testing.T) {
		o := newOrg(t, jwt, func(_ *sandbox.Options, c *Config, _ *Deps) { c.Audience = "https://test.salesforce.com" })
		if a := o.push(plain(0))[0]; a.Class != domain.Taken {
			t.Errorf("%+v", a)
		}
	})
	t.Run("key of another app", func(t *testing.T) {
		_, other := newKey(t)
		o := newOrg(t, jwt, func(_ *sandbox.Options, c *Config, _ *Deps) { c.JWTKeyFile = other })
		if a := o.push(plain(0))[0]; a.Class != domain.LoginFailed || a.Link.Detail != "invalid_grant" {
			t.Errorf("%+v", a)
		}
	})
	t.Run("no key in the file", func(t *testing.T) {
		config := o.config
		config.JWTKeyFile = filepath.Join(t.TempDir(), "none.pem")
		if _, err := New(config, o.deps); err == nil || !strings.Contains(err.Error(), "salesforce.jwt_key_file") {
			t.Errorf("%v", err)
		}
		if err := os.WriteFile(config.JWTKeyFile, []byte("no key"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := New(config, o.deps); err == nil || !strings.Contains(err.Error(), "salesforce.jwt_key_file") || strings.Contains(err.Error(), "no key\n") {
			t.Errorf("%v", err)
		}
	})
}

// bySOAP sets a login with a password. For it simpleforce writes a line to the standard log.
func bySOAP(_ *sandbox.Options, c *Config, _ *Deps) {
	c.ClientID, c.ClientSecret = "", ""
	c.Username, c.Password, c.Token = testUsername, "pass<word>", "to&ken"
}

// captureStandardLog collects the standard log until the test ends.
func captureStandardLog(t *testing.T) *safeBuffer {
	t.Helper()
	out := &safeBuffer{}
	old := log.Writer()
	log.SetOutput(out)
	t.Cleanup(func() { log.SetOutput(old) })
	return out
}

type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func TestSOAPLogin(t *testing.T) {
	out := captureStandardLog(t)
	o := newOrg(t, bySOAP)
	o.ExpireSessions()
	if a := o.push(plain(0))[0]; a.Class != domain.Taken {
		t.Errorf("%+v", a)
	}
	if text := out.String(); strings.Contains(text, testUsername) || strings.Count(text, "\n") != 1 || !strings.Contains(text, "(name withheld)") {
		t.Errorf("the standard log has %q", text)
	}
	for _, row := range []struct {
		name   string
		change set
		detail string
	}{
		{"wrong password", func(_ *sandbox.Options, c *Config, _ *Deps) { c.Password = "wrong" }, "INVALID_LOGIN"},
		{"disabled", func(s *sandbox.Options, _ *Config, _ *Deps) { s.SOAPDisabled = true }, "INVALID_OPERATION"},
		{"password expired", func(s *sandbox.Options, _ *Config, _ *Deps) { s.Credentials.Users[0].PasswordExpired = true }, "PASSWORD_EXPIRED"},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := newOrg(t, bySOAP, row.change)
			for range 3 {
				if a := o.push(plain(0))[0]; a.Class != domain.LoginFailed || a.Link.Detail != row.detail {
					t.Fatalf("%+v", a)
				}
			}
			if n := o.logins(); n != 1 {
				t.Errorf("%d logins", n)
			}
		})
	}
	if text := out.String(); strings.Contains(text, "pass") || strings.Contains(text, testUsername) {
		t.Errorf("the standard log has %q", text)
	}
}

// TestSessionForAnUnsafeAddressIsRefused checks that a session for an address without TLS is refused, because
// its token would be sent in plain text.
func TestSessionForAnUnsafeAddressIsRefused(t *testing.T) {
	for _, body := range []string{
		`{"access_token":"t","instance_url":"http://acme.my.salesforce.com"}`,
		`{"access_token":"","instance_url":"https://acme.my.salesforce.com"}`,
		`{"access_token":"t","instance_url":"https://user:password@acme.my.salesforce.com"}`,
		`{}`,
	} {
		o := newOrg(t)
		tampered := o.through(&tamper{before: func(req *http.Request) *http.Response {
			return respond(http.StatusOK, body)
		}})
		if a := o.push(plain(0))[0]; a.Class != domain.LoginFailed || a.Link.Detail != "NO_USABLE_SESSION" {
			t.Errorf("%s: %+v", body, a)
		}
		if len(tampered.requests) != 1 {
			t.Errorf("%v", tampered.requests)
		}
	}
}

// TestWaitingForALoginHasAnEnd checks that a worker stops waiting for a login when its context ends.
func TestWaitingForALoginHasAnEnd(t *testing.T) {
	o := newOrg(t)
	o.crm.login.busy <- struct{}{} // another goroutine logs in
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	answers, err := o.crm.Push(ctx, []domain.Push{plain(0)})
	if err != nil || answers[0].Class != domain.Unreachable {
		t.Errorf("%+v, %v", answers, err)
	}
}

// watched keeps a copy of all that was shared.
type watched struct {
	*Memory
	mu   sync.Mutex
	kept map[string][]byte
}

func (w *watched) Put(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kept[key] = bytes.Clone(value)
	return w.Memory.Put(ctx, key, value, ttl)
}
