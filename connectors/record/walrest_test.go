package record_test

import (
	"os"
	"testing"
	"time"
)

// TestLogIsEmptiedAtRest checks that the log of SQLite is emptied when nobody writes, and that all
// is there afterwards and goes on.
func TestLogIsEmptiedAtRest(t *testing.T) {
	cfg := sqliteConfig(t)
	s := newStock(t, cfg)
	size := func() int64 {
		info, err := os.Stat(cfg.File() + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	ids := s.insert(1000)
	for size() < 1<<20 { // a slow machine rests while it writes
		ids = s.insert(1000)
	}
	for size() > 0 {
		time.Sleep(20 * time.Millisecond)
	}
	s.deliver(ids)
	size()
}
