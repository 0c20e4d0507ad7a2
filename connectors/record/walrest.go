package record

import (
	"context"
	"os"
	"sync"
	"time"
)

const (
	// restBegins is how long nothing is written before the log is emptied.
	restBegins = time.Second
	// smallLog is the size up to which a log is left alone, in bytes.
	smallLog = 1 << 20
)

// rest calls a function once nothing was written for restBegins.
type rest struct {
	mu    sync.Mutex
	timer *time.Timer // nil: nothing was written yet
	ended bool
}

// begin notes a write: then is called after restBegins, unless another write comes before.
func (r *rest) begin(then func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.ended:
	case r.timer == nil:
		r.timer = time.AfterFunc(restBegins, then)
	default:
		r.timer.Reset(restBegins)
	}
}

// end lets nothing be called any more.
func (r *rest) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended = true; r.timer != nil {
		r.timer.Stop()
	}
}

// emptyLog copies the write-ahead log into the file and empties it, while nobody writes. Under load SQLite
// does the first by itself, at 16 MiB. What it costs falls into a time of rest: the copying holds nobody up,
// and the rest takes a moment of the connection that writes. A fault is none: the next commits find it.
func (s *sqlite) emptyLog() {
	info, err := os.Stat(s.cfg.File() + "-wal")
	if err != nil || info.Size() <= smallLog {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), endWithin)
	defer cancel()
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return
	}
	_, err = conn.ExecContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)")
	if _ = conn.Close(); err != nil {
		return
	}
	select {
	case c := <-s.writer:
		defer func() { s.writer <- c }()
		if c.conn == nil {
			return
		}
		// Whoever reads the log would be waited for: then it is left for the next time.
		_, _ = c.conn.ExecContext(ctx, "PRAGMA busy_timeout = 0")
		_, _ = c.conn.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
		_, _ = c.conn.ExecContext(ctx, "PRAGMA busy_timeout = "+milliseconds(s.cfg.LockTimeout))
	default: // somebody writes again
	}
}
