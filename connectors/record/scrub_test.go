package record

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

type fixed time.Time

func (f fixed) Now() time.Time { return time.Time(f) }

// TestScrubEmptiesTheGapsOfPages checks that bytes which a page split left are in the gaps of pages before a
// scrub, and nowhere after it. The first half shows that there was something to remove.
func TestScrubEmptiesTheGapsOfPages(t *testing.T) {
	cfg := Default()
	cfg.Data = t.TempDir()
	rec, err := Open(t.Context(), cfg, fixed(time.Date(2026, 11, 18, 9, 0, 0, 0, time.UTC)))
	if err != nil {
		t.Fatal(err)
	}
	defer rec.Close()
	random := rand.New(rand.NewPCG(1, 2))
	for range 40 { // connections in no order, with ids of many lengths: their pages split and split
		var pairs []mailroom.Pair
		for range 100 {
			id := func() domain.MemberID {
				return domain.MemberID(fmt.Sprintf("zq-mark-%0*d", 1+random.IntN(50), random.IntN(1e9)))
			}
			pairs = append(pairs, mailroom.Pair{From: id(), To: id()})
		}
		if err := rec.Update(t.Context(), func(tx mailroom.Tx) error { return tx.Connect(pairs) }); err != nil {
			t.Fatal(err)
		}
	}
	lite := rec.engine.(*sqlite)
	gaps := func() (withMark, pages int) {
		session, err := lite.begin(t.Context(), false)
		if err != nil {
			t.Fatal(err)
		}
		defer session.rollback()
		err = session.query(t.Context(), readPages, []any{1, 1 << 30}, func(r row) error {
			var number int
			var page []byte
			if err := r.Scan(&number, &page); err != nil {
				return err
			}
			pages++
			cleaned := bytes.Clone(page)
			emptyGap(number, 1000, cleaned)
			if bytes.Count(cleaned, []byte("zq-mark")) < bytes.Count(page, []byte("zq-mark")) {
				withMark++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return withMark, pages
	}
	before, pages := gaps()
	if before == 0 {
		t.Fatalf("no split of %d pages left anything behind: this test looks for nothing", pages)
	}
	if err := rec.Scrub(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after, _ := gaps(); after != 0 {
		t.Errorf("left in the gaps of %d pages", after)
	}
	var verdict string
	session, err := lite.begin(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	defer session.rollback()
	each, _ := one(&verdict)
	if err := session.query(t.Context(), "PRAGMA integrity_check", nil, each); err != nil || verdict != "ok" {
		t.Errorf("integrity: %q, %v", verdict, err)
	}
}

// TestEmptyGap checks that only B-tree pages change, and only between their cell pointers and their cells.
func TestEmptyGap(t *testing.T) {
	page := func(kind byte, header, cells, start int) []byte {
		p := bytes.Repeat([]byte{0xee}, 512)
		p[header], p[header+3], p[header+4], p[header+5], p[header+6] = kind, byte(cells>>8), byte(cells), byte(start>>8), byte(start)
		return p
	}
	for name, test := range map[string]struct {
		number, last int
		page         []byte
		from, to     int // what is emptied
	}{
		"leaf":                        {2, 9, page(leafTable, 0, 3, 300), 14, 300},
		"inner":                       {2, 9, page(interiorIndex, 0, 3, 300), 18, 300},
		"the first":                   {1, 9, page(leafTable, 100, 2, 200), 112, 200},
		"no gap":                      {2, 9, page(leafIndex, 0, 4, 16), 0, 0},
		"no cells":                    {2, 9, page(leafIndex, 0, 0, 512), 8, 512},
		"overlapping":                 {2, 9, page(leafIndex, 0, 100, 20), 0, 0},
		"beyond the page":             {2, 9, page(leafIndex, 0, 1, 513), 0, 0},
		"overflow":                    {2, 9, page(0, 0, 3, 300), 0, 0},
		"a file too large to be sure": {2, 2 << 24, page(leafTable, 0, 3, 300), 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			want := bytes.Clone(test.page)
			clear(want[test.from:test.to])
			if got := emptyGap(test.number, test.last, test.page); got != (test.from < test.to) {
				t.Errorf("says %v", got)
			}
			if !bytes.Equal(want, test.page) {
				t.Errorf("emptied the wrong bytes")
			}
		})
	}
}
