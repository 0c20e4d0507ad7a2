package httpapi

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// serve runs the API of w on a free port.
func (w *world) serve() *Server {
	w.Helper()
	s, err := Listen(w.Context(), w.api)
	if err != nil {
		w.Fatal(err)
	}
	s.Start()
	w.Cleanup(func() { s.http.Close() })
	return s
}

func anyPort(p *Parts) { p.Config.Listen = "127.0.0.1:0" }

func (w *world) over(s *Server, method, target string, body io.Reader, media string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(w.Context(), method, "http://"+s.Addr().String()+target, body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+w.operator)
	r.Header.Set("Content-Type", media)
	return http.DefaultClient.Do(r)
}

func TestListenNamesTheRemedy(t *testing.T) {
	w := newWorld(t, anyPort)
	s := w.serve()
	other := newWorld(t, func(p *Parts) { p.Config.Listen = s.Addr().String() })
	_, err := Listen(t.Context(), other.api)
	if err == nil || !strings.Contains(err.Error(), s.Addr().String()) || !strings.Contains(err.Error(), "INMAIL_LISTEN") {
		t.Errorf("the error is %v", err)
	}
	nowhere := newWorld(t, func(p *Parts) { p.Config.Listen = "192.0.2.1:1" })
	if _, err := Listen(t.Context(), nowhere.api); err == nil || !strings.Contains(err.Error(), "192.0.2.1:1") {
		t.Errorf("the error is %v", err)
	}
}

// TestStop checks that requests under way are finished, that no new one is accepted, and
// that /readyz is 503 before.
func TestStop(t *testing.T) {
	inHand, finish := make(chan struct{}), make(chan struct{})
	w := newWorld(t, anyPort, func(p *Parts) {
		p.Advance = func(context.Context, time.Duration) (time.Time, error) {
			close(inHand)
			<-finish
			return epoch, nil
		}
	})
	s := w.serve()
	answered := make(chan string)
	go func() {
		resp, err := w.over(s, "POST", "/v1/clock", strings.NewReader(`{"advance":"0s"}`), "application/json")
		if err != nil {
			answered <- err.Error()
			return
		}
		defer resp.Body.Close()
		answered <- resp.Status
	}()
	<-inHand
	stopped := make(chan error)
	go func() { stopped <- s.Stop(t.Context()) }()
	// The listener is gone as soon as stopping has begun; wait for that.
	for deadline := time.Now().Add(time.Minute); ; {
		c, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			break
		}
		c.Close()
		if time.Now().After(deadline) {
			t.Fatal("the server still takes connections")
		}
	}
	w.ask("", "GET", "/readyz", nil).want(503, "unavailable")
	close(finish)
	if got := <-answered; got != "200 OK" {
		t.Errorf("what was in hand ended with %s", got)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if err := <-s.Failed(); err != nil {
		t.Errorf("a server that was stopped says %v", err)
	}
}

func TestStopGivesUp(t *testing.T) {
	inHand, never := make(chan struct{}), make(chan struct{})
	defer close(never)
	w := newWorld(t, anyPort, func(p *Parts) {
		p.Config.ShutdownTimeout = time.Millisecond
		p.Advance = func(ctx context.Context, _ time.Duration) (time.Time, error) {
			close(inHand)
			select {
			case <-never:
			case <-ctx.Done(): // its connection was closed
			}
			return epoch, errors.New("given up")
		}
	})
	s := w.serve()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		if resp, err := w.over(s, "POST", "/v1/clock", strings.NewReader(`{"advance":"0s"}`), "application/json"); err == nil {
			resp.Body.Close()
		}
	}()
	<-inHand
	if err := s.Stop(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("stopping said %v", err)
	}
	<-gone
}

// TestSlowClients checks that the server closes the connection of a client that is too
// slow with a head or a body.
func TestSlowClients(t *testing.T) {
	w := newWorld(t, anyPort, func(p *Parts) {
		p.Config.ReadHeaderTimeout, p.Config.ReadTimeout, p.Config.WriteTimeout, p.Config.RequestTimeout = 100*time.Millisecond, 300*time.Millisecond, 300*time.Millisecond, 200*time.Millisecond
	})
	s := w.serve()
	for name, start := range map[string]string{
		"head": "GET /livez HTTP/1.1\r\nHost: x\r\n",
		"body": "POST /v1/inmails HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\nAuthorization: Bearer " + w.sender + "\r\n\r\n{",
	} {
		t.Run(name, func(t *testing.T) {
			c, err := net.Dial("tcp", s.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			io.WriteString(c, start)
			c.SetReadDeadline(time.Now().Add(time.Minute))
			if _, err := io.Copy(io.Discard, c); err != nil { // ends when the server hangs up
				t.Errorf("the server waits: %v", err)
			}
		})
	}
}

// connection records the deadlines that a handler sets.
type connection struct {
	*httptest.ResponseRecorder
	read, write []time.Time
}

func (c *connection) SetReadDeadline(t time.Time) error {
	c.read = append(c.read, t)
	return nil
}

func (c *connection) SetWriteDeadline(t time.Time) error {
	c.write = append(c.write, t)
	return nil
}

// TestPatientImport checks that every read moves the deadlines on: an import may take long while data comes.
func TestPatientImport(t *testing.T) {
	w := newWorld(t)
	c := &connection{ResponseRecorder: httptest.NewRecorder()}
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/v1/import", iotest.OneByteReader(strings.NewReader("{}\n{}\n")))
	r.Header.Set("Authorization", "Bearer "+w.operator)
	before := time.Now()
	w.api.ServeHTTP(c, r)
	if c.Code != 200 || len(c.read) < 6 || len(c.write) != len(c.read) {
		t.Fatalf("%d after %d reads with %d and %d deadlines: %s", c.Code, 6, len(c.read), len(c.write), c.Body)
	}
	for i := range c.read {
		if c.read[i].Before(before.Add(Default().ReadTimeout)) || !c.write[i].After(c.read[i]) || i > 0 && c.read[i].Before(c.read[i-1]) {
			t.Errorf("deadline %d is %s for reading and %s for writing", i, c.read[i], c.write[i])
		}
	}
	// The deadlines that move are those of the real connection.
	reached := newWorld(t, anyPort, func(p *Parts) {
		p.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, http.NewResponseController(w).SetReadDeadline(time.Now().Add(time.Minute)))
		})
	})
	resp, err := reached.over(reached.serve(), "GET", "/metrics", nil, "")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got, err := io.ReadAll(resp.Body); err != nil || string(got) != "<nil>" {
		t.Errorf("the connection is not reached: %s %v", got, err)
	}
}

func TestHeadLimits(t *testing.T) {
	w := newWorld(t, anyPort, func(p *Parts) { p.Config.MaxHeaderBytes = 4096 })
	s := w.serve()
	for head, want := range map[string]string{
		"GET /livez HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 20_000) + "\r\n\r\n": "HTTP/1.1 431 ",
		"zebrafinch\r\n\r\n": "HTTP/1.1 400 ",
	} {
		c, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, head)
		line, err := bufio.NewReader(c).ReadString('\n')
		if c.Close(); err != nil || !strings.HasPrefix(line, want) {
			t.Errorf("%q %v, want %s", line, err, want)
		}
	}
}

// TestTooLargeOverTheWire checks that a client gets the refusal before the connection ends, also a client
// that reads the answer only when it has sent the whole body.
func TestTooLargeOverTheWire(t *testing.T) {
	w := newWorld(t, anyPort)
	s := w.serve()
	for name, body := range map[string]io.Reader{
		"length declared":     bytes.NewReader(make([]byte, maxBody+1)),
		"length not declared": io.MultiReader(bytes.NewReader(bytes.Repeat([]byte(" "), maxBody+1))),
	} {
		t.Run(name, func(t *testing.T) {
			resp, err := w.over(s, "PUT", "/v1/members/x", body, "application/json")
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusRequestEntityTooLarge {
				t.Errorf("status %s", resp.Status)
			}
		})
	}
}

// TestRefusedUnread checks that the body of a request that is refused for its key is read
// before the connection ends.
func TestRefusedUnread(t *testing.T) {
	w := newWorld(t, anyPort)
	s := w.serve()
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, maxDrained-1) // more than fits into the buffers between client and server
	if _, err := fmt.Fprintf(c, "POST /v1/inmails HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", len(body)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(body); err != nil {
		t.Fatalf("the server hung up on who was speaking: %v", err)
	}
	if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 401 ") {
		t.Errorf("%q, %v", line, err)
	}
}

// TestClientGone checks that a request whose client hung up is not logged as a fault of the server.
func TestClientGone(t *testing.T) {
	entered := make(chan struct{})
	w := newWorld(t, func(p *Parts) {
		p.Advance = func(ctx context.Context, _ time.Duration) (time.Time, error) {
			close(entered)
			<-ctx.Done()
			return time.Time{}, fmt.Errorf("look at the clock: %w", ctx.Err())
		}
	})
	ctx, hangUp := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, "POST", "/v1/clock", strings.NewReader(`{"advance":"0s"}`))
	if err != nil {
		t.Fatal(err)
	}
	go func() { <-entered; hangUp() }()
	w.askRaw(w.operator, r)
	if log := w.log.String(); !strings.Contains(log, "code=499") || strings.Contains(log, "level=ERROR") {
		t.Errorf("the log is %s", log)
	}
}

func TestConfig(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Errorf("the default: %v", err)
	}
	err := Config{Listen: "8080", RateLimit: -1, RateAddress: -1, WrongKeys: -1, TrustedProxies: []string{"proxy.internal"}, KeyCache: time.Minute}.Validate()
	for _, name := range []string{"listen", "read_header_timeout", "read_timeout", "write_timeout", "idle_timeout", "request_timeout", "key_cache", "max_header_bytes", "rate_limit", "rate_address", "wrong_keys", "trusted_proxies", "rate_burst"} {
		if err == nil || !strings.Contains(err.Error(), name+":") {
			t.Errorf("%s is not named in: %v", name, err)
		}
	}
	if _, err := New(Parts{Config: Config{}}); err == nil {
		t.Error("an API without settings was made")
	}
	if _, err := New(Parts{Config: Default()}); err == nil || !strings.Contains(err.Error(), "Service") {
		t.Errorf("an API without parts: %v", err)
	}
	for _, port := range []string{"127.0.0.1:http", "127.0.0.1:65536", "127.0.0.1:-1"} {
		c := Default()
		if c.Listen = port; c.Validate() == nil {
			t.Errorf("%s is fine", port)
		}
	}
}
