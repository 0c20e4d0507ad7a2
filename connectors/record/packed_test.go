package record

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// TestPackedEvents checks that every kind of event is read as it was stored (R68), that a kind keeps its
// number, and that a row which is cut or damaged is an error.
func TestPackedEvents(t *testing.T) {
	at := time.UnixMilli(7).UTC()
	var events []mailroom.Event
	for i, kind := range mailroom.EventKinds() {
		e := mailroom.Event{Kind: kind, At: at, Position: int64(101 + i), Seq: i * 1000, InMail: "019abf5e-8c00-7a31-9c55-0d6a3f6b7e21"}
		if i%3 == 1 {
			e.InMail, e.About = "", "salesforce:unreachable"
		}
		events = append(events, e)
	}
	if len(packedKinds) != len(events) {
		t.Errorf("%d kinds have a number, of %d", len(packedKinds), len(events))
	}
	for number, kind := range map[int]mailroom.EventKind{0: "inmail.sent", 4: "inmail.replied", 8: "inmail.expired", 13: "webhook.test"} {
		if packedKinds[number] != kind {
			t.Errorf("the number %d was %s and is %s", number, kind, packedKinds[number])
		}
	}
	packed, err := packEvents(events)
	if err != nil {
		t.Fatal(err)
	}
	got, err := unpackEvents(packed, int64(100+len(events)), at)
	if diff := cmp.Diff(events, got); diff != "" || err != nil {
		t.Errorf("%v (-stored +read):\n%s", err, diff)
	}
	ends := []int{0} // of each event
	for i := range events {
		part, _ := packEvents(events[:i+1])
		ends = append(ends, len(part))
	}
	for n := range packed {
		if part, err := unpackEvents(packed[:n], 0, at); (err == nil) != slices.Contains(ends, n) {
			t.Errorf("%d bytes of %d are %d events, %v", n, len(packed), len(part), err)
		}
	}
	for _, damaged := range [][]byte{{99, 2, 0, 0}, {255}, {0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 127}} {
		if _, err := unpackEvents(damaged, 0, at); err == nil {
			t.Errorf("%v is read", damaged)
		}
	}
	for _, e := range []mailroom.Event{{Kind: "inmail.lost"}, {Kind: mailroom.InMailSent, Seq: -1}} {
		if _, err := packEvents([]mailroom.Event{e}); err == nil {
			t.Errorf("%+v is stored", e)
		}
	}
}

// TestAccountTypeCodes checks that every account type is read as it was stored, that the words of earlier
// versions are read, and that no two types share a code or a word.
func TestAccountTypeCodes(t *testing.T) {
	stored := map[string]domain.AccountType{}
	for _, a := range append(domain.AccountTypes(), "new") {
		for _, as := range slices.Compact([]string{writeAccountType(a), string(a)}) {
			if got := readAccountType(as); got != a {
				t.Errorf("%s is stored as %q and read as %q", a, as, got)
			}
			if other, taken := stored[as]; taken {
				t.Errorf("%q is stored of %s and of %s", as, a, other)
			}
			stored[as] = a
		}
	}
	if got := writeAccountType(domain.Recruiter); got != "r" {
		t.Errorf("a recruiter is stored as %q", got)
	}
}
