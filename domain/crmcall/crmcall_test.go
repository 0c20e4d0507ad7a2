package crmcall

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestContexts checks what a context carries of calls.
func TestContexts(t *testing.T) {
	ctx, made := Count(context.Background())
	if InBackground(ctx) || !InBackground(Background(ctx)) {
		t.Error("a context is taken for another")
	}
	Made(Background(ctx))
	Made(ctx)
	Made(context.Background()) // counted by nobody
	if n, again := made.Take(), made.Take(); n != 2 || again != 0 {
		t.Errorf("%d calls, then %d", n, again)
	}
}

// TestWait checks that an ended context ends a wait.
func TestWait(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := Wait(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := Wait(context.Background(), time.Millisecond); err != nil {
		t.Error(err)
	}
}
