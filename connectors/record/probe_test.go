package record_test

import (
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"inmail/connectors/record"
	"inmail/connectors/record/recordtest"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// cannot checks that a probe fails for a cause.
func cannot(t *testing.T, rec *record.Record, want mailroom.Cause) {
	t.Helper()
	err := rec.Ping(t.Context())
	if !errors.Is(err, mailroom.ErrUnavailable) || mailroom.CauseOf(err) != want {
		t.Errorf("the probe says %v: %q, want %q", err, mailroom.CauseOf(err), want)
	}
}

// TestField checks what the record answers in cases from the field (F35, F37).
func TestField(t *testing.T) {
	t.Run("F35_sqlite_full", func(t *testing.T) {
		cfg := sqliteConfig(t)
		cfg.MaxBytes = 2 << 20
		rec := open(t, cfg)
		if err := rec.Ping(t.Context()); err != nil {
			t.Fatalf("a record with space left: %v", err)
		}
		fill := func() error {
			m, receipt := domain.New(domain.InMail{ID: domain.ID(uuid.Must(uuid.NewV7()).String()), Sender: "ada", Recipient: "bob",
				Body: strings.Repeat("x", 3000)}, time.Now())
			return rec.Update(t.Context(), func(tx mailroom.Tx) error {
				return tx.Insert([]*domain.InMail{m}, []domain.Receipt{receipt})
			})
		}
		var err error
		for range 2000 {
			if err = fill(); err != nil {
				break
			}
		}
		if mailroom.CauseOf(err) != mailroom.CauseFull {
			t.Errorf("a full record answers %v: %q", err, mailroom.CauseOf(err))
		}
		rec.Close()
		rec = open(t, cfg) // its probe is new
		cannot(t, rec, mailroom.CauseFull)
	})
	t.Run("F35_sqlite_damaged_page", func(t *testing.T) {
		cfg := sqliteConfig(t)
		rec := open(t, cfg)
		if err := rec.Update(t.Context(), func(tx mailroom.Tx) error { return tx.SetState("a", []byte("b")) }); err != nil {
			t.Fatal(err)
		}
		rec.Close()
		file, err := os.OpenFile(cfg.File(), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		info, _ := file.Stat()
		for page := int64(2); page < info.Size()/4096; page++ { // the first holds the schema
			if _, err := file.WriteAt([]byte(strings.Repeat("\xff", 64)), page*4096); err != nil {
				t.Fatal(err)
			}
		}
		file.Close()
		cfg.Migrate = false
		rec, err = record.Open(t.Context(), cfg, wall{})
		if err == nil { // the pages that the start reads were whole
			defer rec.Close()
			err = rec.Ping(t.Context())
		}
		if err == nil || mailroom.CauseOf(err) != mailroom.CauseDamaged {
			t.Errorf("a damaged record says %v: %q", err, mailroom.CauseOf(err))
		}
	})
	t.Run("F35_postgres_read_only", func(t *testing.T) {
		cfg := postgresConfig(t)
		u, _ := url.Parse(cfg.URL)
		name := strings.TrimPrefix(u.Path, "/")
		recordtest.Admin(t, "ALTER DATABASE "+name+" SET default_transaction_read_only = on")
		defer recordtest.Admin(t, "ALTER DATABASE "+name+" RESET default_transaction_read_only")
		rec := open(t, cfg)
		cannot(t, rec, mailroom.CauseReadOnly)
		if err := rec.View(t.Context(), func(tx mailroom.Tx) error { _, err := tx.State("probe"); return err }); err != nil {
			t.Errorf("it cannot be read either: %v", err)
		}
	})
	t.Run("F35_postgres_hung", func(t *testing.T) {
		cfg := postgresConfig(t)
		u, _ := url.Parse(cfg.URL)
		relay := startRelay(t, u.Host)
		u.Host = relay.address
		cfg.URL, cfg.Patience = u.String(), record.Default().Patience
		rec := open(t, cfg)
		if err := rec.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
		relay.hang()
		update := func() error {
			return rec.Update(t.Context(), func(tx mailroom.Tx) error { return tx.SetState("a", []byte("b")) })
		}
		if err := update(); mailroom.CauseOf(err) != mailroom.CauseSilent {
			t.Errorf("who waits for a hung database hears %v: %q", err, mailroom.CauseOf(err))
		}
		began := time.Now()
		const calls = 100
		for range calls { // each is answered at once: together they take a fraction of what they would wait
			if err := update(); mailroom.CauseOf(err) != mailroom.CauseSilent {
				t.Fatalf("once it is known: %v: %q", err, mailroom.CauseOf(err))
			}
		}
		if took := time.Since(began); took > calls*cfg.Patience/2 {
			t.Errorf("%d refusals took %s", calls, took)
		}
		relay.release()
		for err := update(); err != nil; err = update() {
			if t.Context().Err() != nil || time.Since(began) > 10*time.Minute {
				t.Fatalf("the circuit does not close: %v", err)
			}
			time.Sleep(50 * time.Millisecond)
		}
	})
	for name, c := range map[string]struct {
		change func(u *url.URL)
		want   string
	}{
		"F37_tls_asked_and_absent": {func(u *url.URL) { u.RawQuery = "sslmode=require" }, "offers no TLS"},
		"F37_unknown_host":         {func(u *url.URL) { u.Host = "no-such-host.invalid:5432" }, "has no address"},
		"F37_closed_port":          {func(u *url.URL) { u.Host = "127.0.0.1:1" }, "nothing listens"},
		"F37_absent_schema":        {func(u *url.URL) { u.RawQuery = "search_path=nowhere" }, "schema that search_path names does not exist"},
		"F37_no_socket":            {func(u *url.URL) { u.Host, u.RawQuery = "", "host=/nowhere/run" }, "no socket"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := record.Default()
			u, err := url.Parse(recordtest.EmptyDatabase(t, ""))
			if err != nil {
				t.Fatal(err)
			}
			c.change(u)
			cfg.URL = u.String()
			refused(t, cfg, c.want, "; ")
		})
	}
	t.Run("F37_socket_in_the_host_place", func(t *testing.T) {
		for in, want := range map[string]string{
			"postgres://u@%2Fvar%2Frun/db":                   "/var/run",
			"postgres://u:secret@%2Fvar%2Frun:5433/db?a=b":   "/var/run",
			"postgresql://%2Fvar%2Frun%2Fpg/db":              "/var/run/pg",
			"postgres://u@/db?host=%2Fvar%2Frun":             "/var/run",
			"postgres://u:secret@host.example:5432/db?a=%2F": "host.example",
		} {
			cfg := record.Default()
			cfg.URL = in
			if err := cfg.Validate(); err != nil {
				t.Errorf("%s: %v", in, err)
			}
			shown, err := url.QueryUnescape(cfg.Masked())
			if err != nil || !strings.Contains(shown, want) || strings.Contains(shown, "secret") {
				t.Errorf("%s is shown as %s, %v", in, shown, err)
			}
		}
	})
}

// relay passes connections on to a server until the test makes it hang: then it accepts
// bytes and passes on none.
type relay struct {
	address string
	mu      sync.Mutex
	gate    chan struct{} // closed while bytes pass
}

func startRelay(t *testing.T, to string) *relay {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{address: listener.Addr().String(), gate: make(chan struct{})}
	close(r.gate)
	t.Cleanup(func() { r.release(); _ = listener.Close() })
	go func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			for _, way := range [][2]net.Conn{{in, out}, {out, in}} {
				go func() {
					defer way[0].Close()
					defer way[1].Close()
					_, _ = io.Copy(gated{way[1], r}, way[0])
				}()
			}
		}
	}()
	return r
}

// gated writes when its relay does not hang.
type gated struct {
	io.Writer
	relay *relay
}

func (g gated) Write(b []byte) (int, error) {
	g.relay.mu.Lock()
	gate := g.relay.gate
	g.relay.mu.Unlock()
	<-gate
	return g.Writer.Write(b)
}

func (r *relay) hang() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gate = make(chan struct{})
}

func (r *relay) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.gate:
	default:
		close(r.gate)
	}
}
