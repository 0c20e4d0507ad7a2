package recordtest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"inmail/domain/mailroom"
)

// Settle waits until every event that is stored may be read (R68), and returns up to where. On PostgreSQL it
// waits for the transactions that are open on the server, be they of another database.
func Settle(t testing.TB, rec mailroom.Record) (settled int64) {
	t.Helper()
	for range 60_000 {
		var newest int64
		err := rec.View(t.Context(), func(tx mailroom.Tx) (err error) { newest, err = tx.NewestEvent(); return err })
		if err == nil {
			settled, err = rec.Settled(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		if settled >= newest {
			return settled
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the events do not settle")
	return 0
}

// eventsByPosition checks every way of reading events against all of them, where transactions appended one or
// several (R68).
func eventsByPosition(t *testing.T, w *world) {
	var want []mailroom.Event // without positions
	var ends []int            // how many there are after each transaction
	kinds := mailroom.EventKinds()
	for i, size := range []int{1, 3, 1, 1, 5, 2, 1010, 1} {
		var events []mailroom.Event
		for k := range size {
			e := mailroom.Event{Kind: kinds[(i+k)%len(kinds)], InMail: newID(), Seq: k % 4, At: w.Now()}
			if k%5 == 2 {
				e.InMail, e.About = "", fmt.Sprint("about ", k)
			}
			events = append(events, e)
		}
		w.update(func(tx mailroom.Tx) error { return tx.AppendEvents(events) })
		want = append(want, events...)
		ends = append(ends, len(want))
		w.advance(time.Hour)
	}
	settled := Settle(t, w.rec)
	all := read(w, func(tx mailroom.Tx) ([]mailroom.Event, error) { return tx.Events(0, settled, len(want)+1) })
	positions := make([]int64, len(all))
	for i := range all {
		positions[i] = all[i].Position
		if i < len(want) {
			want[i].Position = positions[i]
		}
		if i > 0 && positions[i] <= positions[i-1] {
			t.Fatalf("event %d has the position %d, behind %d", i, positions[i], positions[i-1])
		}
	}
	if diff := gocmp.Diff(want, all); diff != "" {
		t.Fatalf("all events (-want +got):\n%s", diff)
	}

	// Around every edge of a transaction, and inside.
	at := []int64{positions[0] - 1, positions[len(positions)-1] + 1}
	for _, i := range []int{0, 1, 3, 4, 8, 12, 62, 63, 500, 1012, 1013, len(all) - 1} {
		at = append(at, positions[i])
	}
	same := func(what string, want, got []mailroom.Event) {
		t.Helper()
		if diff := gocmp.Diff(want, got); diff != "" && len(want)+len(got) > 0 {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	w.view(func(tx mailroom.Tx) error {
		for _, after := range at {
			for _, upTo := range at {
				if upTo < after {
					continue
				}
				for _, limit := range []int{1, 4, 2000} {
					var want []mailroom.Event
					for _, e := range all {
						if e.Position > after && e.Position <= upTo {
							want = append(want, e)
						}
					}
					got, err := tx.Events(after, upTo, limit)
					if err != nil {
						return err
					}
					same(fmt.Sprintf("%d behind %d up to %d", limit, after, upTo), want[:min(limit, len(want))], got)
					want = slices.DeleteFunc(want, func(e mailroom.Event) bool { return e.Position == upTo })
					slices.Reverse(want)
					if got, err = tx.EventsBefore(upTo, after, limit); err != nil {
						return err
					}
					same(fmt.Sprintf("%d before %d behind %d", limit, upTo, after), want[:min(limit, len(want))], got)
				}
			}
		}
		got, err := tx.EventsAt(append(slices.Clone(at), at...))
		if err != nil {
			return err
		}
		same("at positions", slices.DeleteFunc(slices.Clone(all), func(e mailroom.Event) bool { return !slices.Contains(at, e.Position) }), got)
		if newest, err := tx.NewestEvent(); err != nil || newest != positions[len(positions)-1] {
			t.Errorf("the newest is %d, %v", newest, err)
		}
		for i, end := range ends[:len(ends)-1] {
			after, err := tx.EventsSince(all[end].At)
			if err != nil {
				return err
			}
			if after < positions[end-1] || after >= positions[end] {
				t.Errorf("events since transaction %d are behind %d, want %d", i+2, after, positions[end-1])
			}
		}
		return nil
	})

	// The first three transactions are old; then all are, and the newest row stays.
	for _, c := range []struct {
		before      time.Time
		limit, n    int
		last, stays int
	}{{all[ends[2]].At, 2, 2, ends[1], ends[1]}, {all[ends[2]].At, 10, 1, ends[2], ends[2]}, {w.Now(), 100, 24, ends[6], ends[6]}, {w.Now(), 100, 0, 0, ends[6]}} {
		var n int
		var last int64
		w.update(func(tx mailroom.Tx) (err error) { n, last, err = tx.DropEvents(c.before, c.limit); return err })
		var wantLast int64
		if c.last > 0 {
			wantLast = positions[c.last-1]
		}
		if n != c.n || last != wantLast {
			t.Errorf("dropped %d up to %d, want %d up to %d", n, last, c.n, wantLast)
		}
		left := read(w, func(tx mailroom.Tx) ([]mailroom.Event, error) { return tx.Events(0, settled, len(all)) })
		same("left", all[c.stays:], left)
	}
	w.update(func(tx mailroom.Tx) error { return tx.AppendEvents(want[:2]) })
	newest := read(w, func(tx mailroom.Tx) (int64, error) { return tx.NewestEvent() })
	if newest < positions[len(positions)-1]+2 {
		t.Errorf("two more are at %d, and before the newest was at %d", newest, positions[len(positions)-1])
	}
}
