package httpapi

import (
	"encoding/base64"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// FuzzCursor checks that a list reads the cursors that it makes, and takes no text that it would not make.
func FuzzCursor(f *testing.F) {
	for l := sentList; l <= restrictionList; l++ {
		f.Add(l.encode(mailroom.Cursor{At: epoch, ID: "019abf5e-8c00-7000-8000-000000000001"}), byte(l))
	}
	f.Add("BQAAAaIHojKAMDE5YWJmNWUtOGMwMC03MDAwLTgwMDAtMDA\nwMDAwMDAwMDAx8sLAXg", byte(5))
	f.Add("", byte(1))
	f.Add("AAAAAAAAAAAAAAAAAAAAAAAAAA", byte(2))
	f.Add("AQAAAZqr3gA", byte(1))
	f.Fuzz(func(t *testing.T, s string, which byte) {
		l := list(which)
		c, err := l.decode(s)
		if err != nil {
			if !errors.Is(err, domain.BadRequest) {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		if again := l.encode(c); again != s {
			t.Errorf("%q reads as %v, which is %q", s, c, again)
		}
	})
}

func TestCursorRoundTrip(t *testing.T) {
	for _, c := range []mailroom.Cursor{{At: epoch, ID: "x"}, {At: time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), ID: "company:Ä/B"}, {At: time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC), ID: "z"}} {
		got, err := auditList.decode(auditList.encode(c))
		if diff := cmp.Diff(c, got); err != nil || diff != "" {
			t.Errorf("%v: %v %s", c, err, diff)
		}
	}
	// Every single bit counts.
	raw, err := base64.RawURLEncoding.DecodeString(sentList.encode(mailroom.Cursor{At: epoch, ID: "019abf5e-8c00-7000-8000-000000000001"}))
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		for bit := range 8 {
			raw[i] ^= 1 << bit
			if c, err := sentList.decode(base64.RawURLEncoding.EncodeToString(raw)); err == nil {
				t.Errorf("bit %d of byte %d changed, and it reads as %v", bit, i, c)
			}
			raw[i] ^= 1 << bit
		}
	}
}
