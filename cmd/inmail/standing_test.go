package main

import (
	"strings"
	"testing"
	"time"

	"inmail/domain/spam"
)

func TestStanding(t *testing.T) {
	r := newRunning(t)
	r.people()
	r.delivered("r1", "A question about Tuesday")
	r.pass(90 * time.Second)
	r.delivered("r2", "A question about Wednesday")

	shown := must(t, exitDone, "standing", "--member", "lena.hart")
	for _, line := range []string{"not restricted\n", "TRIGGER       VALUE  LIMIT              LEFT  EASES              COUNTS\n",
		"volume_hour       2     20  █·········    18  23 Nov 2026 10:00  sends in an hour\n",
		"strikes           0      3  ··········     2                     messages refused as spam in 30 days; the last of them restricts\n"} {
		if !strings.Contains(shown.out, line) {
			t.Errorf("no line %q in\n%s", line, shown.out)
		}
	}
	sameJSON(t, r.api("GET", "/v1/standing", "lena.hart"), must(t, exitDone, "standing", "--member", "lena.hart", "--json"))

	spam := []string{"send", "--member", "lena.hart", "--to", "r3", "--subject", "You have WON a prize", "--body",
		"Congratulations, you have won a cash prize! Act now, limited time offer, 100% risk free: make money fast, click here to claim your free gift."}
	for range 3 {
		if got := must(t, exitRefused, spam...); !strings.HasPrefix(got.err, "inmail: spam_content: ") {
			t.Fatalf("said %q", got.err)
		}
	}
	if got := must(t, exitRefused, spam...); !strings.HasPrefix(got.err, "inmail: restricted: ") {
		t.Errorf("said %q", got.err)
	}
	if got := must(t, exitDone, "standing", "--member", "lena.hart"); !strings.HasPrefix(got.out, "restricted until 24 Nov 2026 09:01 UTC by strikes\n") ||
		!strings.Contains(got.out, "strikes           4      3  ██████████  ") {
		t.Errorf("printed\n%s", got.out)
	}
}

// TestStandingExplainsEveryLimit fails when a limit of R41 is added and not explained.
func TestStandingExplainsEveryLimit(t *testing.T) {
	for _, n := range spam.StandingOf(monday, spam.Signals{}, spam.DefaultLimits(), nil).Triggers {
		if triggerTexts[n.Trigger] == "" {
			t.Errorf("inmail standing does not say what %s counts", n.Trigger)
		}
	}
	shown := standingAnswer{Warnings: []struct{ Detail string }{{"as even as a machine's"}}}.text()
	if !strings.HasSuffix(shown, "\nwarning: as even as a machine's\n") {
		t.Errorf("the warning is not shown:\n%s", shown)
	}
}
