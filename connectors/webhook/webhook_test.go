package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"inmail/connectors/porttest/nodetest"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// TestRules proves what of R68 the sender decides: where events go, and how they are signed.
func TestRules(t *testing.T) {
	t.Run("R68_signed_as_standard_webhooks_says", vectors)
	t.Run("R68_verified_by_the_library_of_subscribers", byTheirLibrary)
	t.Run("R68_public_addresses_alone", publicAlone)
	t.Run("R68_no_redirect_time_and_size_limits", limits)
	t.Run("R68_a_host_that_hangs_for_one_answers_another", oneHost)
}

// vectors are those of the specification of Standard Webhooks.
func vectors(t *testing.T) {
	secret, err := ReadSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	const id, body, want = "msg_p5jXN8AQM9LWM0D4loKWxJek", `{"test": 2432232314}`, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	at := time.Unix(1614265330, 0)
	h := http.Header{}
	Sign(h, [][]byte{secret}, id, at, []byte(body))
	if got := h.Get("webhook-signature"); got != want {
		t.Errorf("the signature is %s, want %s", got, want)
	}
	if err := Verify(h, secret, at, []byte(body)); err != nil {
		t.Error(err)
	}
	for what, err := range map[string]error{
		"another body":    Verify(h, secret, at, []byte(body+" ")),
		"another secret":  Verify(h, []byte("another"), at, []byte(body)),
		"too old":         Verify(h, secret, at.Add(Tolerance+time.Second), []byte(body)),
		"from the future": Verify(h, secret, at.Add(-Tolerance-time.Second), []byte(body)),
		"no headers":      Verify(http.Header{}, secret, at, []byte(body)),
	} {
		if err == nil {
			t.Errorf("%s: verified", what)
		}
	}
	for _, text := range []string{"", "whsec_", "whsec_%"} {
		if _, err := ReadSecret(text); err == nil {
			t.Errorf("the secret %q was read", text)
		}
	}
}

// byTheirLibrary lets the npm library standardwebhooks verify what the client sends.
func byTheirLibrary(t *testing.T) {
	const folder = "testdata/standardwebhooks"
	nodetest.Install(t, folder)
	var lines []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		headers := map[string]string{}
		for name := range r.Header {
			headers[strings.ToLower(name)] = r.Header.Get(name)
		}
		for _, secret := range []string{"first", "second", "none of them"} {
			line, _ := json.Marshal(map[string]any{"secret": mailroom.ShowSecret([]byte(secret)), "headers": headers, "body": string(body)})
			lines = append(lines, string(line))
		}
		headers["webhook-id"] = "evt_other"
		line, _ := json.Marshal(map[string]any{"secret": mailroom.ShowSecret([]byte("first")), "headers": headers, "body": string(body)})
		lines = append(lines, string(line))
	}))
	defer server.Close()
	body := `{"type":"inmail.sent","timestamp":"2026-11-23T09:00:00.000Z","data":{"id":"ä","to":{"name":"María <López>"}}}`
	answer := open().Send(t.Context(), mailroom.WebhookMessage{URL: server.URL, ID: "evt_1", Body: []byte(body), Secrets: [][]byte{[]byte("first"), []byte("second")}})
	if answer.Reason != "" {
		t.Fatalf("%+v", answer)
	}
	cmd := exec.Command("node", "verify.cjs")
	cmd.Dir = folder
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	out, err := cmd.CombinedOutput()
	if want := "ok\nok\nNo matching signature found\nNo matching signature found\n"; err != nil || string(out) != want {
		t.Errorf("%v: the library says\n%s, want\n%s", err, out, want)
	}
}

// open is a client that may reach private addresses.
func open() *Client { return New(Config{AllowPrivate: true, Timeout: 20 * time.Second}) }

// publicAlone checks that nothing is sent to an address that is not public, however it is named.
func publicAlone(t *testing.T) {
	var reached atomic.Int64
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer server.Close()
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	strict := New(Default())
	for _, host := range []string{"127.0.0.1", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "192.168.1.1", "172.16.0.1", "100.64.0.1", "0.0.0.0", "[fe80::1]", "[fd00::1]",
		"[64:ff9b::7f00:1]", "[2002:7f00:1::]", "224.0.0.1", "255.255.255.255"} {
		target := "https://" + host + ":" + port + "/"
		u, _ := url.Parse(target)
		if err := strict.Judge(u); !errors.Is(err, domain.BadRequest) {
			t.Errorf("%s is judged %v", host, err)
		}
		if a := strict.Send(t.Context(), mailroom.WebhookMessage{URL: target}); a.Reason != "private_address" {
			t.Errorf("%s: %+v", host, a)
		}
	}
	// Names, and forms of an address that only a resolver understands, are judged by what they resolve to.
	for _, host := range []string{"localhost", "127.1", "2130706433", "0x7f.1"} {
		a := strict.Send(t.Context(), mailroom.WebhookMessage{URL: "https://" + host + ":" + port + "/"})
		if a.Reason != "private_address" && (host == "localhost" || a.Reason != "unknown_host") {
			t.Errorf("%s: %+v", host, a)
		}
	}
	// A name of a subscriber that is resolved to the address of a service of the cloud.
	for _, at := range []string{"169.254.169.254:80", "127.0.0.1:" + port, "[::1]:443"} {
		named := New(Default())
		dial := named.http.Transport.(*http.Transport).DialContext
		named.http.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dial(ctx, network, at) // as the resolver would answer
		}
		if a := named.Send(t.Context(), mailroom.WebhookMessage{URL: "https://hooks.example.com/"}); a.Reason != "private_address" {
			t.Errorf("a name that resolves to %s: %+v", at, a)
		}
	}
	for _, u := range []string{"http://hooks.example.com/", "ftp://hooks.example.com/", "file:///etc/passwd"} {
		parsed, _ := url.Parse(u)
		if err := strict.Judge(parsed); !errors.Is(err, domain.BadRequest) {
			t.Errorf("%s is judged %v", u, err)
		}
		if a := strict.Send(t.Context(), mailroom.WebhookMessage{URL: u}); a.Reason != "private_address" {
			t.Errorf("%s: %+v", u, a)
		}
	}
	for _, a := range []string{"1.1.1.1", "8.8.8.8", "2606:4700::1111"} {
		if !public(netip.MustParseAddr(a)) {
			t.Errorf("%s is taken for private", a)
		}
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("the server was reached %d times", n)
	}
}

// limits checks that a redirect is not followed, a slow end point is given up, and a long answer is not read.
func limits(t *testing.T) {
	var inside atomic.Int64
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/redirect":
			http.Redirect(w, r, "/inside", http.StatusTemporaryRedirect)
		case "/inside":
			inside.Add(1)
		case "/hang":
			<-hang
		case "/long":
			for range 100 {
				if _, err := w.Write(make([]byte, 1<<20)); err != nil {
					return
				}
			}
		case "/gone":
			w.WriteHeader(http.StatusGone)
		}
	}))
	defer server.Close()
	defer close(hang)
	c, brief := open(), New(Config{AllowPrivate: true, Timeout: 300 * time.Millisecond})
	for path, want := range map[string]mailroom.WebhookAnswer{
		"/":         {Status: 200},
		"/redirect": {Status: 307, Reason: "redirect"},
		"/gone":     {Status: 410, Reason: "status"},
	} {
		if got := c.Send(t.Context(), mailroom.WebhookMessage{URL: server.URL + path}); got != want {
			t.Errorf("%s: %+v, want %+v", path, got, want)
		}
	}
	if got := brief.Send(t.Context(), mailroom.WebhookMessage{URL: server.URL + "/hang"}); got != (mailroom.WebhookAnswer{Reason: "time_out"}) {
		t.Errorf("an answer that does not come: %+v", got)
	}
	if got := c.Send(t.Context(), mailroom.WebhookMessage{URL: server.URL + "/long"}); got.Status != 200 {
		t.Errorf("a long answer: %+v", got)
	}
	if inside.Load() != 0 {
		t.Error("a redirect was followed")
	}
	server.CloseClientConnections()
	if got := c.Send(t.Context(), mailroom.WebhookMessage{URL: "http://127.0.0.1:1/"}); got.Reason != "unreachable" {
		t.Errorf("a closed port: %+v", got)
	}
	tls := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer tls.Close()
	if got := open().Send(t.Context(), mailroom.WebhookMessage{URL: tls.URL}); got.Reason != "tls" {
		t.Errorf("a certificate of nobody: %+v", got)
	}
	if err := (Config{Timeout: time.Hour}).Validate(); err == nil || !strings.Contains(fmt.Sprint(err), "webhook_timeout") {
		t.Errorf("an hour is %v", err)
	}
}

// oneHost lets all tries of several end points of one host hang, as those of a service for automation may,
// while another end point of that host is answered.
func oneHost(t *testing.T) {
	const hanging = 40
	inside, release := make(chan struct{}, hanging), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/quick" {
			inside <- struct{}{}
			<-release
		}
	}))
	defer server.Close()
	c := New(Config{AllowPrivate: true, Timeout: time.Hour})
	var wg sync.WaitGroup
	for i := range hanging {
		wg.Go(func() {
			c.Send(t.Context(), mailroom.WebhookMessage{URL: fmt.Sprintf("%s/%d", server.URL, i/8)})
		})
	}
	for range hanging {
		<-inside
	}
	if got := c.Send(t.Context(), mailroom.WebhookMessage{URL: server.URL + "/quick"}); got.Status != 200 {
		t.Errorf("the quick one: %+v", got)
	}
	close(release)
	wg.Wait()
}
