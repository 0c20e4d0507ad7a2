package worker

import (
	"testing"

	"inmail/domain/mailroom"
)

// TestHookTaskEndsInItsTime checks that a task which claims its last batch late still has the time of a whole
// lease, so that the queue cancels no batch that is under way.
func TestHookTaskEndsInItsTime(t *testing.T) {
	kind, _ := mailroom.TaskKindOf(mailroom.TaskWebhookDeliver)
	if longest := hookTask + mailroom.WebhookLease; longest > kind.Timeout {
		t.Errorf("a task may take %s of %s", longest, kind.Timeout)
	}
}
