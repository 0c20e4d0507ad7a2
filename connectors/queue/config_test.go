package queue

import (
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestDefaultIsValid(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Error(err)
	}
	if !Default().InProcess() {
		t.Error("the default asks for Redis")
	}
}

// TestValidateNamesEveryFault checks that all invalid settings are named at once, with value and bounds.
func TestValidateNamesEveryFault(t *testing.T) {
	cfg := Config{
		URL: "http://h", ConnectTimeout: time.Millisecond, Timeout: time.Hour, EnqueueTimeout: 0,
		Concurrency: 0, CRMConcurrency: 101, UpkeepConcurrency: -1, Pullers: 17, CheckInterval: time.Minute, Grace: -time.Second,
	}
	err := cfg.Validate()
	if err == nil {
		t.Fatal("all of it was accepted")
	}
	for _, want := range []string{
		"redis_url: has the unknown scheme", "redis_connect_timeout: 1ms is outside 100ms..1m0s", "redis_timeout: 1h0m0s is outside 100ms..1m0s",
		"queue_enqueue_timeout: 0s is outside 50ms..1m0s", "queue_concurrency: 0 is outside 1..1000", "queue_crm_concurrency: 101 is outside 1..100",
		"queue_upkeep_concurrency: -1 is outside 1..100", "queue_pullers: 17 is outside 1..16", "queue_check_interval: 1m0s is outside 1ms..10s",
		"queue_grace: -1s is outside 0s..10m0s",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not named in:\n%v", want, err)
		}
	}
	if _, err := Open(cfg, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a queue was opened with them")
	}
}
