package worker_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/worker"
)

// advising is a record whose partitions an operator has to make.
type advising struct {
	mailroom.Record
	now, before time.Time // as it was asked
}

func (a *advising) Partition(_ context.Context, now, before time.Time) (string, error) {
	a.now, a.before = now, before
	return "run: inmail migrate", nil
}

// TestPartitionsTask checks that the task asks for the partitions by the record's time and the policy, and
// that what an operator has to do is a warning, and no failure.
func TestPartitionsTask(t *testing.T) {
	o := newOffice(t)
	for days, want := range map[int]time.Time{0: {}, 30: o.clock.Now().AddDate(0, 0, -30)} {
		record := &advising{Record: o.record}
		policy := domain.DefaultPolicy()
		policy.RetainDays = days
		svc, err := mailroom.New(t.Context(), mailroom.Config{Plans: domain.ShippedPlans(), Policy: policy}, record, o.queue, o.clock, uuids{}, nobody{})
		if err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		jobs := &worker.Jobs{Service: svc, Log: slog.New(slog.NewTextHandler(&log, nil))}
		if err := jobs.Handlers()[mailroom.TaskPartitions](t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if !record.now.Equal(o.clock.Now()) || !record.before.Equal(want) {
			t.Errorf("retain_days %d: asked at %s for what is before %s", days, record.now, record.before)
		}
		if said := log.String(); strings.Count(said, "level=WARN") != 1 || !strings.Contains(said, "run: inmail migrate") {
			t.Errorf("the log says %q", said)
		}
	}
}
