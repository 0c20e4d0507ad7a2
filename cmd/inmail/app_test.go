package main

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"inmail/config"
	"inmail/domain"
)

func TestASecondProcessOnADataFolderIsToldSo(t *testing.T) {
	noSettings(t)
	s, err := config.Load(config.Sources{Flags: map[string]string{"data": t.TempDir(), "listen": "127.0.0.1:0"}})
	if err != nil {
		t.Fatal(err)
	}
	first, err := build(t.Context(), s, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := build(t.Context(), s, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "another inmail works on this folder") {
		t.Errorf("the second one: %v, want to be told of the first", err)
	}
	if err := first.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	next, err := build(t.Context(), s, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("after the first one ended: %v", err)
	}
	if err := next.Stop(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestAnOperatorKeyIsTheOperatorsChoice(t *testing.T) {
	for key, good := range map[string]bool{"short": true, "inm_test_operator_key_0123456789": true, "with blank": false, "schlüssel": false, "line\nbreak": false} {
		s, err := config.Load(config.Sources{Environment: []string{"INMAIL_OPERATOR_KEY=" + key}})
		if (err == nil) != good {
			t.Errorf("key %q: %v, want it taken: %v", key, err, good)
		}
		if good && s.Program.OperatorKey != key {
			t.Errorf("key %q became %q", key, s.Program.OperatorKey)
		}
	}
}

func TestTheClockNeverGoesBackwards(t *testing.T) {
	c := &clock{}
	before := c.Now()
	now, err := c.Advance(100 * 365 * 24 * time.Hour)
	if err != nil || now.Before(before.Add(100*365*24*time.Hour)) {
		t.Fatalf("%s, %v; want a hundred years on", now, err)
	}
	if _, err := c.Advance(math.MaxInt64); !errors.Is(err, domain.BadRequest) {
		t.Errorf("further than a duration reaches: %v, want bad_request", err)
	}
	if got := c.Now(); got.Before(now) || got.After(now.Add(time.Hour)) {
		t.Errorf("the clock shows %s after a refusal, want it to run on from %s", got, now)
	}
}
