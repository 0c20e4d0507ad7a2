package sandbox

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Credentials are the users and the app that the org accepts. There are no defaults.
type Credentials struct {
	ClientID     string           // consumer key of the app; empty: no OAuth
	ClientSecret string           // empty: neither client_credentials nor password
	RunAs        string           // user name that client_credentials acts as; empty: the first user
	JWTKeys      []*rsa.PublicKey // the certificates that are registered on the app
	Users        []User           // empty: one integration user without a password
}

// User is a user of the org.
type User struct {
	Username        string // such as integration@example.com
	Password        string // empty: cannot log in by password
	Token           string // security token, appended to the password
	FirstName       string
	LastName        string // empty: "User"
	Email           string
	Federation      string // FederationIdentifier; empty: none
	TimeZone        string // IANA name; empty: that of the org
	Inactive        bool
	PasswordExpired bool // a SOAP login answers a restricted session
	// Integration is the profile Minimum Access - API Only Integrations: the user may do what the package's
	// permission set InMail_Integration grants and nothing else. Without it the user is an administrator.
	Integration bool
	// Standard is the profile Standard User, without View All Data: the user sees what is shared with it.
	Standard bool
	// Role is the user's place in the role hierarchy, from its top: CEO/Sales/West. Those above see and
	// change what those below own. Empty: no role.
	Role string
}

// Login limits.
const (
	defaultSessionLife = 2 * time.Hour
	loginsPerHour      = 3600
	// maxAssertionLife is how far ahead the exp of a JWT may be. The documentation says three minutes;
	// go-salesforce, which is used with real orgs, sends five.
	maxAssertionLife = 5 * time.Minute
	maxFormBody      = 64 << 10
)

// orgID is the id of the org.
var orgID = newID("00D", 1)

// sessions are the access tokens that are valid.
type sessions struct {
	mu      sync.Mutex
	byToken map[string]session
	logins  map[string][]time.Time // by user id, of the last hour
}

type session struct {
	user       string
	from       time.Time
	restricted bool // the password has expired: the session may do nothing
}

// newToken makes an access token: the org's id, an exclamation mark and 90 random characters.
func newToken() string {
	var random [66]byte
	// rand.Read of crypto/rand does not fail.
	_, _ = rand.Read(random[:])
	return orgID[:15] + "!" + base64.RawURLEncoding.EncodeToString(random[:])
}

// open starts a session, unless the user has logged in too often.
func (ss *sessions) open(user string, now time.Time, restricted bool) (string, bool) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	recent := ss.logins[user][:0:0]
	for _, at := range ss.logins[user] {
		if now.Sub(at) < time.Hour {
			recent = append(recent, at)
		}
	}
	if len(recent) >= loginsPerHour {
		ss.logins[user] = recent
		return "", false
	}
	ss.logins[user] = append(recent, now)
	token := newToken()
	ss.byToken[token] = session{user, now, restricted}
	return token, true
}

func (ss *sessions) find(token string, now time.Time, life time.Duration) (session, bool) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	s, ok := ss.byToken[token]
	if ok && now.Sub(s.from) >= life {
		delete(ss.byToken, token)
		ok = false
	}
	return s, ok
}

// end closes a session. An empty token closes all of them.
func (ss *sessions) end(token string) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if token == "" {
		clear(ss.byToken)
		return
	}
	delete(ss.byToken, token)
}

// bearer reads the token of a request.
func bearer(r *http.Request) (string, *apiError) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return "", &apiError{Code: "INVALID_SESSION_ID", Message: "Session expired or invalid"}
	}
	scheme, token, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") && !strings.EqualFold(scheme, "OAuth") {
		return "", &apiError{Code: "INVALID_AUTH_HEADER", Message: "INVALID_HEADER_TYPE"}
	}
	return strings.TrimSpace(token), nil
}

// authenticate returns the user of a request's session.
func (s *Sandbox) authenticate(r *http.Request) (caller, *apiError) {
	token, refused := bearer(r)
	if refused != nil {
		return caller{}, refused
	}
	found, ok := s.sessions.find(token, s.now(), s.options.SessionLife)
	if !ok || found.restricted {
		return caller{}, &apiError{Code: "INVALID_SESSION_ID", Message: "Session expired or invalid"}
	}
	return s.callerOf(found.user), nil
}

func (s *Sandbox) callerOf(user string) caller {
	u := s.users[user]
	zone, err := time.LoadLocation(s.timeZone(u.TimeZone))
	if err != nil {
		zone = time.UTC
	}
	rights := (*s.rights.Load())[user]
	if rights == nil { // the operator
		rights = administrator(s.deployed.Load())
	}
	return caller{user: user, viewAllData: !u.Integration && !u.Standard, access: rights, zone: zone, role: u.Role, org: s}
}

// oauthError answers as the token endpoint does.
func (s *Sandbox) oauthError(w http.ResponseWriter, r *http.Request, status int, code, description string) {
	s.write(w, r, jsonReply(status, fmt.Appendf(nil, `{"error":%q,"error_description":%q}`, code, description)))
}

// oauth answers /services/oauth2/….
func (s *Sandbox) oauth(w http.ResponseWriter, r *http.Request, path []string) {
	if len(path) != 1 {
		s.write(w, r, notFound())
		return
	}
	switch path[0] {
	case "token":
		s.token(w, r)
	case "userinfo":
		s.userinfo(w, r)
	case "revoke":
		form, ok := s.form(w, r)
		if !ok {
			return
		}
		s.sessions.end(form.Get("token"))
		s.write(w, r, reply{status: http.StatusOK})
	default:
		s.write(w, r, notFound())
	}
}

// form reads an urlencoded body. It ignores parameters in the address: secrets do not belong there.
func (s *Sandbox) form(w http.ResponseWriter, r *http.Request) (url.Values, bool) {
	if r.Method != http.MethodPost {
		s.write(w, r, methodNotAllowed(r.Method, "POST"))
		return nil, false
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxFormBody)
	if err := r.ParseForm(); err != nil ||
		!strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		s.oauthError(w, r, http.StatusBadRequest, "invalid_request",
			"the body must be application/x-www-form-urlencoded")
		return nil, false
	}
	return r.PostForm, true
}

// token answers POST /services/oauth2/token.
func (s *Sandbox) token(w http.ResponseWriter, r *http.Request) {
	s.usage.count("token")
	hit := s.faults.pick("token")
	if !hit.before(s, w, r) {
		return
	}
	form, ok := s.form(w, r)
	if !ok {
		return
	}
	if id, secret, basic := r.BasicAuth(); basic {
		id, idErr := url.QueryUnescape(id)
		secret, secretErr := url.QueryUnescape(secret)
		if idErr != nil || secretErr != nil || form.Has("client_secret") {
			s.oauthError(w, r, http.StatusBadRequest, "invalid_request", "malformed client credentials")
			return
		}
		form.Set("client_id", id)
		form.Set("client_secret", secret)
	}
	switch form.Get("grant_type") {
	case "client_credentials":
		s.clientCredentials(w, r, form, hit)
	case "password":
		s.passwordGrant(w, r, form, hit)
	case "urn:ietf:params:oauth:grant-type:jwt-bearer":
		s.jwtBearer(w, r, form, hit)
	case "":
		s.oauthError(w, r, http.StatusBadRequest, "invalid_request", "grant_type is missing")
	default:
		s.oauthError(w, r, http.StatusBadRequest, "unsupported_grant_type", "grant type not supported")
	}
}

// checkClient checks the app's key and secret.
func (s *Sandbox) checkClient(form url.Values) (code, description string) {
	c := s.options.Credentials
	switch {
	case c.ClientID == "" || !same(form.Get("client_id"), c.ClientID):
		return "invalid_client_id", "client identifier invalid"
	case c.ClientSecret == "" || !same(form.Get("client_secret"), c.ClientSecret):
		return "invalid_client", "invalid client credentials"
	}
	return "", ""
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

func (s *Sandbox) clientCredentials(w http.ResponseWriter, r *http.Request, form url.Values, hit hit) {
	if code, description := s.checkClient(form); code != "" {
		s.oauthError(w, r, http.StatusBadRequest, code, description)
		return
	}
	if s.runAs == "" || s.users[s.runAs].Inactive {
		s.oauthError(w, r, http.StatusBadRequest, "invalid_grant", "no client credentials user enabled")
		return
	}
	s.grant(w, r, s.runAs, hit)
}

func (s *Sandbox) passwordGrant(w http.ResponseWriter, r *http.Request, form url.Values, hit hit) {
	if code, description := s.checkClient(form); code != "" {
		s.oauthError(w, r, http.StatusBadRequest, code, description)
		return
	}
	id := s.checkPassword(form.Get("username"), form.Get("password"))
	if id == "" || s.users[id].PasswordExpired {
		s.oauthError(w, r, http.StatusBadRequest, "invalid_grant", "authentication failure")
		return
	}
	s.grant(w, r, id, hit)
}

// checkPassword returns the id of the user with this name and password (with the token appended), or
// nothing.
func (s *Sandbox) checkPassword(username, password string) string {
	id := s.userID(username)
	u, ok := s.users[id]
	if !ok || u.Inactive || u.Password == "" || !same(password, u.Password+u.Token) {
		return ""
	}
	return id
}

// userID finds a user by name, in any case.
func (s *Sandbox) userID(username string) string {
	for id, u := range s.users {
		if username != "" && strings.EqualFold(u.Username, username) {
			return id
		}
	}
	return ""
}

// jwtBearer grants a session for an assertion that is signed by a registered key (RS256) and whose iss,
// sub, aud and exp are right.
func (s *Sandbox) jwtBearer(w http.ResponseWriter, r *http.Request, form url.Values, hit hit) {
	id, description := s.checkAssertion(form.Get("assertion"), r)
	if description != "" {
		s.oauthError(w, r, http.StatusBadRequest, "invalid_grant", description)
		return
	}
	s.grant(w, r, id, hit)
}

// numericDate is an exp, which some clients send as a string.
type numericDate int64

func (d *numericDate) UnmarshalJSON(data []byte) error {
	n, err := strconv.ParseFloat(strings.Trim(string(data), `"`), 64)
	*d = numericDate(n)
	return err
}

type assertion struct {
	Issuer   string      `json:"iss"`
	Subject  string      `json:"sub"`
	Audience string      `json:"aud"`
	Expires  numericDate `json:"exp"`
}

// These methods satisfy the library's interface; checkAssertion checks the claims itself.
func (assertion) GetExpirationTime() (*jwt.NumericDate, error) { return nil, nil }
func (assertion) GetIssuedAt() (*jwt.NumericDate, error)       { return nil, nil }
func (assertion) GetNotBefore() (*jwt.NumericDate, error)      { return nil, nil }
func (a assertion) GetIssuer() (string, error)                 { return a.Issuer, nil }
func (a assertion) GetSubject() (string, error)                { return a.Subject, nil }
func (a assertion) GetAudience() (jwt.ClaimStrings, error) {
	return jwt.ClaimStrings{a.Audience}, nil
}

// checkAssertion returns the user that a JWT is issued for, or the reason why it is refused.
func (s *Sandbox) checkAssertion(text string, r *http.Request) (id, description string) {
	var claims assertion
	signed := false
	for _, key := range s.options.Credentials.JWTKeys {
		claims = assertion{}
		parser := jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithoutClaimsValidation())
		if _, err := parser.ParseWithClaims(text, &claims,
			func(*jwt.Token) (any, error) { return key, nil }); err == nil {
			signed = true
			break
		}
	}
	now := s.now()
	expires := time.Unix(int64(claims.Expires), 0)
	switch {
	case !signed:
		return "", "invalid assertion"
	case s.options.Credentials.ClientID == "" || claims.Issuer != s.options.Credentials.ClientID:
		return "", "invalid app access"
	case claims.Audience != "https://login.salesforce.com" && claims.Audience != "https://test.salesforce.com" &&
		claims.Audience != s.origin(r):
		return "", "audience is invalid"
	case !expires.After(now):
		return "", "expired authorization code"
	case expires.After(now.Add(maxAssertionLife)):
		return "", "expiry time is too far in the future"
	}
	id = s.userID(claims.Subject)
	if id == "" || s.users[id].Inactive {
		return "", "user hasn't approved this consumer"
	}
	return id, ""
}

// origin is the address at which the client reached the org.
func (s *Sandbox) origin(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	if at := s.instance.Load(); at != nil && at.origin != "" {
		return at.origin
	}
	return scheme + "://" + r.Host
}

// grant answers with a new session.
func (s *Sandbox) grant(w http.ResponseWriter, r *http.Request, user string, hit hit) {
	now := s.now()
	token, ok := s.sessions.open(user, now, false)
	if !ok {
		s.oauthError(w, r, http.StatusBadRequest, "invalid_grant", "login rate exceeded")
		return
	}
	identity := s.origin(r) + "/id/" + orgID + "/" + user
	issued := strconv.FormatInt(now.UnixMilli(), 10)
	mac := hmac.New(sha256.New, []byte(s.options.Credentials.ClientSecret))
	mac.Write([]byte(identity + issued))
	body, _ := json.Marshal(map[string]string{
		"access_token": token, "instance_url": s.origin(r), "id": identity, "token_type": "Bearer",
		"scope": "api", "issued_at": issued, "signature": base64.StdEncoding.EncodeToString(mac.Sum(nil)),
	})
	s.finish(w, r, jsonReply(http.StatusOK, body), hit)
}

// userinfo answers who a session belongs to.
func (s *Sandbox) userinfo(w http.ResponseWriter, r *http.Request) {
	who, refused := s.authenticate(r)
	if refused != nil {
		s.write(w, r, reply{status: http.StatusForbidden, mimeType: "text/html", body: []byte("Bad_OAuth_Token")})
		return
	}
	s.identity(w, r, orgID, who.user)
}

// identity answers the address in the id of a token.
func (s *Sandbox) identity(w http.ResponseWriter, r *http.Request, org, user string) {
	who, refused := s.authenticate(r)
	if refused != nil || org != orgID || user != who.user {
		s.write(w, r, reply{status: http.StatusForbidden, mimeType: "text/html", body: []byte("Bad_OAuth_Token")})
		return
	}
	u := s.users[who.user]
	body, _ := json.Marshal(map[string]any{
		"id": s.origin(r) + "/id/" + orgID + "/" + user, "user_id": user, "organization_id": orgID, "sub": user,
		"username": u.Username, "preferred_username": u.Username,
		"display_name": strings.TrimSpace(u.FirstName + " " + u.LastName),
		"email":        u.Email, "active": !u.Inactive, "user_type": "STANDARD",
		"urls": map[string]string{
			"rest":     s.origin(r) + "/services/data/v{version}/",
			"sobjects": s.origin(r) + "/services/data/v{version}/sobjects/",
			"query":    s.origin(r) + "/services/data/v{version}/query/",
		},
	})
	s.write(w, r, jsonReply(http.StatusOK, body))
}
