package main

import (
	"strings"
	"testing"
)

func TestReply(t *testing.T) {
	r := newRunning(t)
	r.people()
	id := r.delivered("r1", "A question about Tuesday")

	if got := must(t, exitRefused, "reply", id, "--member", "lena.hart", "--body", "And another thing."); !strings.HasPrefix(got.err, "inmail: conflict: ") {
		t.Errorf("the sender before the first reply: said %q", got.err)
	}
	if got := must(t, exitRefused, "reply", id, "--member", "r1", "--body", " "); !strings.HasPrefix(got.err, "inmail: body_required: ") {
		t.Errorf("an empty reply: said %q", got.err)
	}
	must(t, exitFailed, "reply", id, "--member", "r2", "--body", "Not mine.")
	screen(t, "replied id..................................\n", must(t, exitDone, "reply", id, "--member", "r1", "--body", "One."))
	got := inmailReading(t, strings.NewReader("Two.\n"), "reply", id, "-", "--member", "r1", "--json")
	if got.code != exitDone || !uuidForm.MatchString(read[idAnswer](t, got).ID) {
		t.Errorf("from the standard input: %+v", got)
	}
	shown := read[shownInMail](t, must(t, exitDone, "open", id, "--member", "lena.hart", "--json"))
	if len(shown.Replies) != 2 || shown.Replies[0].Body != "One." || shown.Replies[1].Body != "Two." {
		t.Errorf("the conversation is %+v", shown.Replies)
	}
}

func TestReplyAutomatic(t *testing.T) {
	r := newRunning(t)
	r.people()
	id := r.delivered("r1", "A question about Tuesday")
	must(t, exitDone, "reply", id, "--member", "r1", "--automatic", "--body", "I have left the company.")
	must(t, exitDone, "reply", id, "--member", "r1", "--body", "Automatic reply: I am out of the office until Monday.")
	shown := must(t, exitDone, "open", id, "--member", "lena.hart")
	if strings.Count(shown.out, ", automatic reply\n") != 2 || !strings.Contains(shown.out, "sent") {
		t.Errorf("the sender reads %s", shown.out)
	}
}
