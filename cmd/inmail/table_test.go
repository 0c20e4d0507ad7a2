package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTable(t *testing.T) {
	table := newTable("NAME", "", "LAST")
	table.row("Maria\tLópez\x1b[31m", "a\nb", "")
	table.row("Jo\u202e", "", "\u2066end")
	want := "NAME                  LAST\nMaria López[31m  a b\nJo                    end\n"
	if diff := cmp.Diff(want, table.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestTableFitsTheTerminal checks that ids are shortened before texts, the widest text first, and that
// figures and times stay whole.
func TestTableFitsTheTerminal(t *testing.T) {
	t.Cleanup(func() { tableWidth = 0 })
	for width, want := range map[int]string{
		0: "ID                                    FROM         SENT               SUBJECT\n" +
			"019abf5e-8c00-7a31-9c55-0d6a3f6b7e21  Maria López  23 Nov 2026 09:00  A question about Tuesday and the fair\n" +
			"019abf5e-8c00-7a31-9c55-1d6a3f6b7e21  Jo           23 Nov 2026 09:01  Short\n",
		60: "ID            FROM         SENT               SUBJECT\n" +
			"0d6a3f6b7e21  Maria López  23 Nov 2026 09:00  A question ab…\n" +
			"1d6a3f6b7e21  Jo           23 Nov 2026 09:01  Short\n",
		20: "ID            FROM      SENT               SUBJECT\n" +
			"0d6a3f6b7e21  Maria L…  23 Nov 2026 09:00  A quest…\n" +
			"1d6a3f6b7e21  Jo        23 Nov 2026 09:01  Short\n",
	} {
		tableWidth = width
		table := ofInMails("ID", "FROM", "SENT", "SUBJECT")
		table.row("019abf5e-8c00-7a31-9c55-0d6a3f6b7e21", "Maria López", "23 Nov 2026 09:00", "A question about Tuesday and the fair")
		table.row("019abf5e-8c00-7a31-9c55-1d6a3f6b7e21", "Jo", "23 Nov 2026 09:01", "Short")
		if diff := cmp.Diff(want, table.String()); diff != "" {
			t.Errorf("in %d columns (-want +got):\n%s", width, diff)
		}
	}
}

func TestProseReachesTheTerminalAsText(t *testing.T) {
	if got, want := prose("one\r\ntwo\tthree\x1b]0;title\x07\u009b2J\x00"), "one\ntwo    three]0;title2J"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestBar(t *testing.T) {
	for share, want := range map[float64]string{0: "····", 1: "████", 0.5: "██··", 0.28: "█▏··", 2: "████", -1: "····", 0.001: "····"} {
		if got := bar(share, 4); got != want {
			t.Errorf("bar(%v) is %q, want %q", share, got, want)
		}
	}
}

func TestCut(t *testing.T) {
	for _, row := range []struct {
		in   string
		n    int
		want string
	}{{"", 3, ""}, {"été", 3, "été"}, {"étés", 3, "ét…"}, {"a bc", 3, "a…"}} {
		if got := cut(row.in, row.n); got != row.want {
			t.Errorf("cut(%q, %d) is %q, want %q", row.in, row.n, got, row.want)
		}
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 ms", 15 * time.Millisecond: "15 ms", 59 * time.Second: "59 s", 61 * time.Second: "1 min 1 s", 3*time.Hour + 4*time.Minute: "3 h 4 min", 50 * time.Hour: "2 d 2 h",
	} {
		if got := span(d); got != want {
			t.Errorf("span(%v) is %q, want %q", d, got, want)
		}
	}
}

func TestTimesAreLocal(t *testing.T) {
	at := time.Date(2027, time.January, 1, 0, 30, 0, 0, time.FixedZone("CET", 3600)) // not time.Local
	if got, want := when(at)+"|"+moment(at)+"|"+whenAt(at), "31 Dec 2026 23:30|31 Dec 2026 23:30 UTC|31 Dec 23:30:00"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := when(time.Time{}) + moment(time.Time{}) + whenAt(time.Time{}); got != "" {
		t.Errorf("no time is %q", got)
	}
}
