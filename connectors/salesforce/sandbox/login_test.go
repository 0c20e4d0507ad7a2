package sandbox

import (
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// ask posts a form to the token endpoint and returns status, error code and token.
func (g *org) ask(form url.Values, change ...func(*http.Request)) (status int, code, token string) {
	g.t.Helper()
	req, err := http.NewRequest("POST", g.server.URL+"/services/oauth2/token", strings.NewReader(form.Encode()))
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, c := range change {
		c(req)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	var got struct {
		Error       string
		AccessToken string `json:"access_token"`
		InstanceURL string `json:"instance_url"`
		TokenType   string `json:"token_type"`
		IssuedAt    string `json:"issued_at"`
		ExpiresIn   any    `json:"expires_in"`
		Refresh     any    `json:"refresh_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		g.t.Fatal(err)
	}
	if got.AccessToken != "" && (got.InstanceURL != g.server.URL || got.TokenType != "Bearer" || got.IssuedAt == "" || got.ExpiresIn != nil || got.Refresh != nil) {
		g.t.Errorf("answer %+v", got)
	}
	return resp.StatusCode, got.Error, got.AccessToken
}

func TestTokens(t *testing.T) {
	g := newOrg(t)
	client := func(change func(url.Values)) url.Values {
		form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"app"}, "client_secret": {"app secret"}}
		change(form)
		return form
	}
	password := func(change func(url.Values)) url.Values {
		return client(func(f url.Values) {
			f.Set("grant_type", "password")
			f.Set("username", "Integration@example.com")
			f.Set("password", "passtoken")
			change(f)
		})
	}
	none := func(url.Values) {}
	cases := map[string]struct {
		form url.Values
		want string
	}{
		"client_credentials":     {client(none), ""},
		"unknown_client":         {client(func(f url.Values) { f.Set("client_id", "x") }), "invalid_client_id"},
		"wrong_secret":           {client(func(f url.Values) { f.Set("client_secret", "x") }), "invalid_client"},
		"no_secret":              {client(func(f url.Values) { f.Del("client_secret") }), "invalid_client"},
		"no_grant":               {client(func(f url.Values) { f.Del("grant_type") }), "invalid_request"},
		"unknown_grant":          {client(func(f url.Values) { f.Set("grant_type", "authorization_code") }), "unsupported_grant_type"},
		"password":               {password(none), ""},
		"password_without_token": {password(func(f url.Values) { f.Set("password", "pass") }), "invalid_grant"},
		"unknown_user":           {password(func(f url.Values) { f.Set("username", "x") }), "invalid_grant"},
		"password_wrong_client":  {password(func(f url.Values) { f.Set("client_secret", "x") }), "invalid_client"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			g.t = t
			status, code, token := g.ask(c.form)
			if code != c.want || (c.want == "") != (status == http.StatusOK && token != "") || c.want != "" && status != http.StatusBadRequest {
				t.Errorf("%d %q, want %q", status, code, c.want)
			}
		})
	}
	t.Run("basic", func(t *testing.T) {
		g.t = t
		form := url.Values{"grant_type": {"client_credentials"}}
		if _, code, token := g.ask(form, func(r *http.Request) { r.SetBasicAuth("app", url.QueryEscape("app secret")) }); token == "" {
			t.Errorf("code %q", code)
		}
		if _, code, _ := g.ask(form, func(r *http.Request) { r.SetBasicAuth("app", "x") }); code != "invalid_client" {
			t.Errorf("wrong secret: %q", code)
		}
	})
	t.Run("secret_in_the_address", func(t *testing.T) {
		g.t = t
		form := client(func(f url.Values) { f.Del("client_secret") })
		if _, code, _ := g.ask(form, func(r *http.Request) { r.URL.RawQuery = "client_secret=app+secret" }); code != "invalid_client" {
			t.Errorf("code %q", code)
		}
	})
	t.Run("json_body", func(t *testing.T) {
		g.t = t
		if _, code, _ := g.ask(client(none), func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }); code != "invalid_request" {
			t.Errorf("code %q", code)
		}
	})
	t.Run("inactive_run_as", func(t *testing.T) {
		h := newOrg(t, func(o *Options) {
			o.Credentials.Users = append(o.Credentials.Users, User{Username: "gone@example.com", Inactive: true})
		})
		h.runAs = h.userID("gone@example.com")
		if status, code, _ := h.ask(client(none)); status != http.StatusBadRequest || code != "invalid_grant" {
			t.Errorf("%d %q", status, code)
		}
	})
	t.Run("method_and_path", func(t *testing.T) {
		g.refused(405, "METHOD_NOT_ALLOWED", "GET", "/services/oauth2/token", nil)
		g.refused(404, "NOT_FOUND", "POST", "/services/oauth2/authorize", nil)
		g.refused(405, "METHOD_NOT_ALLOWED", "GET", "/services/Soap/u/64.0", nil)
		g.refused(404, "NOT_FOUND", "POST", "/services/Soap/c/64.0", nil)
	})
}

func TestSessions(t *testing.T) {
	g := newOrg(t)
	call := func(authorization string) (int, string) {
		resp, body := g.send("GET", "limits", nil, http.Header{"Authorization": {authorization}})
		if resp.StatusCode == http.StatusOK {
			return resp.StatusCode, ""
		}
		return resp.StatusCode, codes(t, body)[0]
	}
	for header, want := range map[string]string{
		"Bearer " + g.token: "", "OAuth " + g.token: "", "Bearer x": "INVALID_SESSION_ID", "Basic " + g.token: "INVALID_AUTH_HEADER", "": "INVALID_SESSION_ID",
	} {
		if status, got := call(header); got != want || want != "" && status != http.StatusUnauthorized {
			t.Errorf("%.10s: %d %q, want %q", header, status, got, want)
		}
	}
	g.now = g.now.Add(2*time.Hour - time.Second)
	if _, got := call("Bearer " + g.token); got != "" {
		t.Errorf("a second before its end: %s", got)
	}
	g.now = g.now.Add(time.Second)
	if _, got := call("Bearer " + g.token); got != "INVALID_SESSION_ID" {
		t.Errorf("at its end: %q", got)
	}
	g.login()
	g.ExpireSessions()
	if _, got := call("Bearer " + g.token); got != "INVALID_SESSION_ID" {
		t.Errorf("ended by hand: %q", got)
	}
}

func TestJWTBearer(t *testing.T) {
	key, _ := newRSA(t)
	other, _ := newRSA(t)
	g := newOrg(t, func(o *Options) { o.Credentials.JWTKeys = []*rsa.PublicKey{&other.PublicKey, &key.PublicKey} })
	stranger, _ := newRSA(t)
	claims := func(name string, v any) jwt.MapClaims {
		c := jwt.MapClaims{"iss": "app", "sub": "integration@example.com", "aud": "https://login.salesforce.com", "exp": testNow.Add(3 * time.Minute).Unix()}
		if name != "" {
			c[name] = v
		}
		return c
	}
	sign := func(method jwt.SigningMethod, key any, c jwt.MapClaims) string {
		text, err := jwt.NewWithClaims(method, c).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	rs := jwt.SigningMethodRS256
	cases := map[string]struct {
		assertion string
		ok        bool
	}{
		"login":           {sign(rs, key, claims("", nil)), true},
		"test":            {sign(rs, key, claims("aud", "https://test.salesforce.com")), true},
		"my_domain":       {sign(rs, key, claims("aud", g.server.URL)), true},
		"exp_as_text":     {sign(rs, key, claims("exp", fmt.Sprint(testNow.Add(5*time.Minute).Unix()))), true},
		"another_key":     {sign(rs, stranger, claims("", nil)), false},
		"none":            {sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, claims("", nil)), false},
		"hmac":            {sign(jwt.SigningMethodHS256, []byte("app secret"), claims("", nil)), false},
		"rs512":           {sign(jwt.SigningMethodRS512, key, claims("", nil)), false},
		"audience":        {sign(rs, key, claims("aud", "https://example.com")), false},
		"issuer":          {sign(rs, key, claims("iss", "x")), false},
		"subject":         {sign(rs, key, claims("sub", "x")), false},
		"expired":         {sign(rs, key, claims("exp", testNow.Unix())), false},
		"no_exp":          {sign(rs, key, claims("exp", nil)), false},
		"exp_too_far":     {sign(rs, key, claims("exp", testNow.Add(maxAssertionLife+time.Second).Unix())), false},
		"no_assertion":    {"", false},
		"half_of_one":     {strings.Split(sign(rs, key, claims("", nil)), ".")[0], false},
		"cut_off_the_end": {sign(rs, key, claims("", nil))[:300], false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			g.t = t
			status, code, token := g.ask(url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {c.assertion}})
			if c.ok && token == "" || !c.ok && (status != http.StatusBadRequest || code != "invalid_grant") {
				t.Errorf("%d %q", status, code)
			}
		})
	}
}

func TestLoginRate(t *testing.T) {
	ss := sessions{byToken: map[string]session{}, logins: map[string][]time.Time{}}
	for i := range loginsPerHour {
		if _, ok := ss.open("u", testNow, false); !ok {
			t.Fatalf("login %d was refused", i+1)
		}
	}
	if _, ok := ss.open("u", testNow.Add(time.Hour-time.Second), false); ok {
		t.Error("login 3,601 of an hour passed")
	}
	if _, ok := ss.open("other", testNow, false); !ok {
		t.Error("another user was refused")
	}
	if _, ok := ss.open("u", testNow.Add(time.Hour), false); !ok {
		t.Error("an hour later it was refused")
	}
}

func TestSOAPRefused(t *testing.T) {
	g := newOrg(t)
	login := `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><login xmlns="urn:partner.soap.sforce.com"><username>integration@example.com</username><password>passtoken</password></login></e:Body></e:Envelope>`
	post := func(version, body string, header http.Header) (int, string) {
		if header == nil {
			header = http.Header{"Content-Type": {"text/xml"}, "Soapaction": {`""`}}
		}
		resp, answer := g.send("POST", "/services/Soap/u/"+version, body, header)
		text := string(answer)
		if _, after, ok := strings.Cut(text, "<faultcode>"); ok {
			text, _, _ = strings.Cut(after, "</faultcode>")
		}
		return resp.StatusCode, text
	}
	for name, c := range map[string]struct{ version, body, code string }{
		"retired":      {"30.0", login, "sf:UNSUPPORTED_API_VERSION"},
		"unknown":      {"99.0", login, "sf:UNSUPPORTED_API_VERSION"},
		"since_65":     {"65.0", login, "sf:INVALID_OPERATION"},
		"wrong":        {"64.0", strings.Replace(login, "passtoken", "x", 1), "sf:INVALID_LOGIN"},
		"no_envelope":  {"64.0", "<x/>", "soapenv:Client"},
		"no_xml":       {"64.0", "{}", "soapenv:Client"},
		"another_call": {"64.0", strings.ReplaceAll(login, "login", "query"), "soapenv:Client"},
		"logout_of_nobody": {"64.0", strings.NewReplacer("<e:Body>", `<e:Header><SessionHeader xmlns="urn:partner.soap.sforce.com"><sessionId>x</sessionId></SessionHeader></e:Header><e:Body>`,
			`login xmlns`, `logout xmlns`, `</login`, `</logout`).Replace(login), "sf:INVALID_SESSION_ID"},
	} {
		if status, code := post(c.version, c.body, nil); status != http.StatusInternalServerError || code != c.code {
			t.Errorf("%s: %d %s, want %s", name, status, code, c.code)
		}
	}
	if status, _ := post("64.0", login, nil); status != http.StatusOK {
		t.Errorf("a good login: %d", status)
	}
	if status, code := post("64.0", login, http.Header{"Content-Type": {"text/xml"}}); status != http.StatusInternalServerError || code != "sf:UNSUPPORTED_CLIENT" {
		t.Errorf("without SOAPAction: %d %s", status, code)
	}
}

func TestIdentity(t *testing.T) {
	g := newOrg(t)
	for _, path := range []string{"/services/oauth2/userinfo", "/id/" + orgID + "/" + newID("005", 1)} {
		if status, body := g.do("GET", path, nil); status != http.StatusOK || !strings.Contains(string(body), `"username":"integration@example.com"`) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, _ := g.do("GET", "/id/"+orgID+"/"+newID("005", 2), nil); status != http.StatusForbidden {
		t.Errorf("another user: %d", status)
	}
	resp, err := http.PostForm(g.server.URL+"/services/oauth2/revoke", url.Values{"token": {g.token}})
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("revoke: %v", err)
	}
	resp.Body.Close()
	g.refused(401, "INVALID_SESSION_ID", "GET", "limits", nil)
}

func TestOptionsRefused(t *testing.T) {
	for name, o := range map[string]Options{
		"same_user_twice": {Credentials: Credentials{Users: []User{{Username: "a"}, {Username: "A"}}}},
		"user_no_name":    {Credentials: Credentials{Users: []User{{}}}},
		"user_long_name":  {Credentials: Credentials{Users: []User{{Username: strings.Repeat("a", 81)}}}},
		"run_as_nobody":   {Credentials: Credentials{RunAs: "x", Users: []User{{Username: "a"}}}},
		"negative_limit":  {DailyLimit: -1},
		"negative_life":   {SessionLife: -1},
		"file":            {File: t.TempDir()},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}
