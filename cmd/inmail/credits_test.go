package main

import "testing"

func TestCredits(t *testing.T) {
	r := newRunning(t)
	r.people()
	r.delivered("r1", "A question about Tuesday")
	r.send("r2", "A question about Wednesday")
	screen(t, `
remaining  24, of which 1 on the way
used       1 of 25
plan       sales_navigator_team_25
period     1 Nov 2026 00:00 UTC to 1 Dec 2026 00:00 UTC
`, must(t, exitDone, "credits", "--member", "lena.hart"))
	sameJSON(t, r.api("GET", "/v1/credits", "lena.hart"), must(t, exitDone, "credits", "--member", "lena.hart", "--json"))
	screen(t, `
remaining  0
used       0 of 0
plan       basic_0
period     1 Nov 2026 00:00 UTC to 1 Dec 2026 00:00 UTC
`, must(t, exitDone, "credits", "--member", "basic.bo"))
	must(t, exitFailed, "credits", "--member", "nobody")
}
