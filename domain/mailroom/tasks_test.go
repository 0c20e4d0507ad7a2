package mailroom_test

import (
	"slices"
	"testing"

	"inmail/domain/mailroom"
)

// TestTaskKinds checks what must be true of every row of the task table.
func TestTaskKinds(t *testing.T) {
	visited := map[string]bool{}
	for _, k := range mailroom.TaskKinds() {
		if visited[k.Type] {
			t.Errorf("%s stands twice", k.Type)
		}
		visited[k.Type] = true
		if !slices.Contains(mailroom.Queues(), k.Queue) {
			t.Errorf("%s: there is no queue %q", k.Type, k.Queue)
		}
		switch soon := k.Every > 0 && k.Every <= mailroom.RecursSoon; {
		case k.Timeout <= 0:
			t.Errorf("%s: time-out %s", k.Type, k.Timeout)
		case soon && k.Retries != 0:
			t.Errorf("%s comes again after %s, and is retried %d times", k.Type, k.Every, k.Retries)
		case !soon && k.Retries < mailroom.MinRetries:
			t.Errorf("%s: %d retries: a dead worker would be its end", k.Type, k.Retries)
		}
		if k.Every == 0 && (k.Setting != "" || k.AskedBy == "") {
			t.Errorf("%s has no slots, so whoever asks for it is named and nothing said of its slots: %+v", k.Type, k)
		}
		if k.Does == "" {
			t.Errorf("%s: what does it do?", k.Type)
		}
		if got, known := mailroom.TaskKindOf(k.Type); !known || got != k {
			t.Errorf("%s is found as %+v, %v", k.Type, got, known)
		}
	}
	if _, known := mailroom.TaskKindOf("inmail:later"); known {
		t.Error("a type without a row is known")
	}
}
