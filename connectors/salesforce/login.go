package salesforce

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/simpleforce/simpleforce"

	"inmail/domain"
)

// session is the result of a login: the org's address, the token of the calls, and the id of the User who
// makes them; empty when the org did not give it.
type session struct{ token, instance, user string }

// These constants are the times of logging in.
const (
	// assertionLife is how long a JWT is valid. The org takes three minutes at most.
	assertionLife = 2 * time.Minute
	// sessionKept is how long a session is stored for other workers. The org does not say how long a session
	// lasts; a 401 shows that it has ended.
	sessionKept = 12 * time.Hour
	// failureKept is how long a failed login is not tried again, because the org locks out users who fail
	// often.
	failureKept = 10 * time.Minute
	// loginLease is how long other workers wait for the one that logs in, and loginLook is the pause between
	// their checks.
	loginLease = 30 * time.Second
	loginLook  = 200 * time.Millisecond
)

// login is the way in which this installation logs in.
type login struct {
	method method
	key    *rsa.PrivateKey // the private key of JWT bearer; nil for other methods
	print  string          // a hash of all login settings, in the keys of Shared
	seal   cipher.AEAD     // encrypts shared sessions with a key made from the secrets
	busy   chan struct{}   // one login at a time in a process
}

// newLogin returns the login of the settings. secret is the client secret, the password or the private key.
func newLogin(c Config, m method, key *rsa.PrivateKey, secret []byte) (*login, error) {
	h := sha256.New()
	for _, part := range []string{string(m), c.URL, c.ClientID, c.Username, c.Token, c.Audience, string(secret)} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	settings := h.Sum(nil)
	sealedBy := sha256.Sum256(append([]byte("seal "), settings...))
	print := sha256.Sum256(append([]byte("name "), settings...))
	block, err := aes.NewCipher(sealedBy[:])
	if err != nil {
		return nil, fmt.Errorf("seal sessions: %w", err)
	}
	seal, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("seal sessions: %w", err)
	}
	return &login{method: m, key: key, print: hex.EncodeToString(print[:8]), seal: seal,
		busy: make(chan struct{}, 1)}, nil
}

// session returns the session of all workers. ended is the token of a session that is known to have ended, or
// empty. Without another session it logs in. One caller in this process logs in while the others wait for it.
func (c *Connector) session(ctx context.Context, ended string) (session, error) {
	if s := c.current.Load(); s != nil && s.token != ended {
		return *s, nil
	}
	select {
	case c.login.busy <- struct{}{}:
		defer func() { <-c.login.busy }()
	case <-ctx.Done():
		return session{}, unanswered(0, fmt.Errorf("wait for a login: %w", ctx.Err()))
	}
	if s := c.current.Load(); s != nil && s.token != ended {
		return *s, nil
	}
	if s, ok := c.sharedSession(ctx); ok && s.token != ended {
		c.current.Store(&s)
		return s, nil
	}
	if s, ok := c.loginOfAnother(ctx, ended); ok {
		c.current.Store(&s)
		return s, nil
	}
	defer c.endLogin(ctx, ended)
	if f := c.failedLogin(ctx); f != nil {
		return session{}, f
	}
	s, err := c.logIn(ctx)
	if f := (*Fault)(nil); errors.As(err, &f) && f.Class == domain.LoginFailed {
		c.keepFailure(ctx, f)
		c.log.WarnContext(ctx, "log in to Salesforce", "by", c.login.method, "answer", f.Detail())
	}
	if err != nil {
		return session{}, err
	}
	c.current.Store(&s)
	c.shareSession(ctx, s)
	return s, nil
}

// loginOfAnother waits for the session of another worker that is replacing the same ended session, because an
// org takes only a few thousand logins an hour and locks out users who fail often. It returns false when no
// other worker logs in, when that login fails, and when it takes too long.
func (c *Connector) loginOfAnother(ctx context.Context, ended string) (session, bool) {
	at, err := c.shared.Add(ctx, c.loginKey(ended), 1, loginLease)
	if err != nil || at == 1 {
		return session{}, false
	}
	for range loginLease / loginLook {
		if c.wait(ctx, loginLook) != nil {
			return session{}, false
		}
		if s, ok := c.sharedSession(ctx); ok && s.token != ended {
			return s, true
		}
		if at, err := c.shared.Add(ctx, c.loginKey(ended), 0, loginLease); err != nil || at == 0 {
			// The login of the other worker ended without a session.
			return session{}, false
		}
	}
	return session{}, false
}

// endLogin notifies waiting workers that this worker's login has ended, with or without a session.
func (c *Connector) endLogin(ctx context.Context, ended string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	if err := c.shared.Put(ctx, c.loginKey(ended), nil, 0); err != nil {
		c.log.WarnContext(ctx, "notify other workers that a login has ended", "error", err)
	}
}

// loginKey returns the key of Shared under which the logins that replace an ended session are counted.
func (c *Connector) loginKey(ended string) string {
	sum := sha256.Sum256([]byte("ended " + c.login.print + " " + ended))
	return "login:" + c.login.print + ":" + hex.EncodeToString(sum[:8])
}

// logIn asks the org for a session. Every error is a *Fault.
func (c *Connector) logIn(ctx context.Context) (session, error) {
	var s session
	var err error
	if c.login.method == soapLogin {
		s, err = c.logInBySOAP(ctx)
	} else {
		s, err = c.logInByOAuth(ctx)
	}
	if err != nil {
		return session{}, err
	}
	s.instance = strings.TrimRight(s.instance, "/")
	if err := checkAddress(s.instance); err != nil || s.token == "" {
		return session{}, &Fault{Class: domain.LoginFailed, Status: http.StatusOK,
			Errors: []orgError{{Code: "NO_USABLE_SESSION"}}}
	}
	return s, nil
}

func (c *Connector) logInByOAuth(ctx context.Context) (session, error) {
	form := url.Values{"grant_type": {"client_credentials"},
		"client_id": {c.config.ClientID}, "client_secret": {c.config.ClientSecret}}
	if c.login.method == jwtBearer {
		assertion, err := c.assertion()
		if err != nil {
			return session{}, &Fault{Class: domain.LoginFailed, cause: err}
		}
		form = url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {assertion}}
	}
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	address := strings.TrimRight(c.config.URL, "/") + "/services/oauth2/token"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return session{}, unanswered(0, errors.New("the login cannot be asked for"))
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := &wire{ctx: ctx, next: c.budget, called: c.observer.Called, limit: 1 << 20}
	w.got, w.err = w.send(req)
	a, err := w.outcome(ofLogin)
	if err != nil {
		return session{}, err
	}
	var granted struct {
		Token    string `json:"access_token"`
		Instance string `json:"instance_url"`
		Identity string `json:"id"` // an address that ends in the id of the User
	}
	if err := json.Unmarshal(a.body, &granted); err != nil {
		return session{}, unanswered(a.status, errors.New("the answer to the login cannot be read"))
	}
	user, _ := canonicalID(granted.Identity[strings.LastIndexByte(granted.Identity, '/')+1:], userPrefix)
	return session{granted.Token, granted.Instance, user}, nil
}

// assertion returns a JWT that identifies us. It is signed with the key whose certificate the org has.
func (c *Connector) assertion() (string, error) {
	claims := jwt.MapClaims{
		"iss": c.config.ClientID, "sub": c.config.Username, "aud": c.config.Audience,
		"exp": c.clock.Now().Add(assertionLife).Unix(),
	}
	signed, err := jwt.NewWithClaims(jwt.SigningMethodRS256, claims).SignedString(c.login.key)
	if err != nil {
		return "", fmt.Errorf("sign the login: %w", err)
	}
	return signed, nil
}

// emptySOAPAnswer is all that simpleforce sees of a SOAP login. simpleforce prints the user's name to the
// standard log, so the answer has none. That one log line cannot be prevented.
const emptySOAPAnswer = `<Envelope><Body><loginResponse><result>` +
	`<userInfo><userName>(name withheld)</userName></userInfo>` +
	`</result></loginResponse></Body></Envelope>`

// logInBySOAP logs in with a password through simpleforce. This legacy login is refused by new orgs and ends
// with API 64.0.
func (c *Connector) logInBySOAP(ctx context.Context) (session, error) {
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	version, err := versionNumber(c.config.APIVersion)
	if err != nil {
		return session{}, &Fault{Class: domain.Configuration, cause: err}
	}
	w := &wire{ctx: ctx, next: c.budget, called: c.observer.Called, limit: 1 << 20, shown: []byte(emptySOAPAnswer),
		header: http.Header{"Accept": {"text/xml"}}}
	client := simpleforce.NewClient(c.config.URL, "InMail", strconv.Itoa(min(version, soapAPI))+".0")
	client.SetHttpClient(&http.Client{Transport: w})
	// simpleforce escapes only the password.
	err = client.LoginPassword(escapeXML(c.config.Username), c.config.Password, escapeXML(c.config.Token))
	if err != nil {
		return session{}, unanswered(0, errors.New("the login cannot be asked for"))
	}
	a, err := w.outcome(ofLogin)
	f := (*Fault)(nil)
	if errors.As(err, &f) && f.Status == http.StatusInternalServerError && len(f.Errors) > 0 && !f.Known {
		f.Class = domain.LoginFailed // SOAP uses 500 for every fault of the caller
	}
	if err != nil {
		return session{}, err
	}
	var x struct {
		Server  string `xml:"Body>loginResponse>result>serverUrl"`
		Session string `xml:"Body>loginResponse>result>sessionId"`
		Expired bool   `xml:"Body>loginResponse>result>passwordExpired"`
		User    string `xml:"Body>loginResponse>result>userId"`
	}
	if err := xml.Unmarshal(a.body, &x); err != nil {
		return session{}, unanswered(a.status, errors.New("the answer to the login cannot be read"))
	}
	if x.Expired { // a session that may do nothing
		return session{}, &Fault{Class: domain.LoginFailed, Status: a.status,
			Errors: []orgError{{Code: "PASSWORD_EXPIRED"}}}
	}
	u, err := url.Parse(x.Server)
	if err != nil {
		return session{}, unanswered(a.status, errors.New("the answer to the login names no server"))
	}
	user, _ := canonicalID(x.User, userPrefix)
	return session{x.Session, u.Scheme + "://" + u.Host, user}, nil
}

func escapeXML(text string) string {
	var out bytes.Buffer
	// A bytes.Buffer returns no error.
	_ = xml.EscapeText(&out, []byte(text))
	return out.String()
}

// sharedSession returns the session that another worker stored, if there is one.
func (c *Connector) sharedSession(ctx context.Context) (session, bool) {
	sealed, err := c.shared.Get(ctx, "session:"+c.login.print)
	if err != nil {
		c.log.WarnContext(ctx, "read the session of all workers", "error", err)
		return session{}, false
	}
	size := c.login.seal.NonceSize()
	if len(sealed) < size {
		return session{}, false
	}
	plain, err := c.login.seal.Open(nil, sealed[:size], sealed[size:], nil)
	if err != nil {
		return session{}, false
	}
	token, rest, ok := strings.Cut(string(plain), "\n")
	instance, user, _ := strings.Cut(rest, "\n")
	return session{token, instance, user}, ok && token != ""
}

// shareSession stores the session, encrypted, for all workers.
func (c *Connector) shareSession(ctx context.Context, s session) {
	nonce := make([]byte, c.login.seal.NonceSize())
	rand.Read(nonce) // crypto/rand never returns an error
	sealed := c.login.seal.Seal(nonce, nonce, []byte(s.token+"\n"+s.instance+"\n"+s.user), nil)
	if err := c.shared.Put(ctx, "session:"+c.login.print, sealed, sessionKept); err != nil {
		c.log.WarnContext(ctx, "share the session with all workers", "error", err)
	}
}

// failedLogin returns the failure of a login in the last failureKept, or nil.
func (c *Connector) failedLogin(ctx context.Context) *Fault {
	code, err := c.shared.Get(ctx, "login_failed:"+c.login.print)
	if err != nil || code == nil {
		return nil
	}
	e := orgError{}
	e.Code, _, _ = strings.Cut(string(code), " ")
	if _, reason, ok := strings.Cut(string(code), " "); ok {
		e.Fields = []string{reason}
	}
	return &Fault{Class: domain.LoginFailed, Errors: []orgError{e}}
}

// forgetSession makes the next call of every worker log in anew.
func (c *Connector) forgetSession(ctx context.Context) error {
	c.current.Store(nil)
	c.lookedForMove.Store(0)
	if err := c.shared.Put(ctx, "session:"+c.login.print, nil, 0); err != nil {
		return fmt.Errorf("forget the session: %w", err)
	}
	return nil
}

func (c *Connector) keepFailure(ctx context.Context, f *Fault) {
	code := "LOGIN_FAILED"
	if len(f.Errors) > 0 && codeForm.MatchString(f.Errors[0].Code) {
		code = f.Errors[0].Code
		if len(f.Errors[0].Fields) > 0 {
			code += " " + f.Errors[0].Fields[0]
		}
	}
	if err := c.shared.Put(ctx, "login_failed:"+c.login.print, []byte(code), failureKept); err != nil {
		c.log.WarnContext(ctx, "store a failed login", "error", err)
	}
}

// forgetFailure deletes a stored failure, so that the next login is tried at once.
func (c *Connector) forgetFailure(ctx context.Context) error {
	if err := c.shared.Put(ctx, "login_failed:"+c.login.print, nil, 0); err != nil {
		return fmt.Errorf("forget a failed login: %w", err)
	}
	return nil
}
