package mailroom

import (
	"context"
	"errors"
	"testing"
)

// TestLargePreflightsWaitForEachOther checks that no more large preflights run at once than there are places,
// that small ones wait for none, and that waiting ends with the request.
func TestLargePreflightsWaitForEachOther(t *testing.T) {
	ps := make(places, 2)
	var leave []func()
	for range cap(ps) {
		l, err := ps.enter(t.Context(), MaxPreflight)
		if err != nil {
			t.Fatal(err)
		}
		leave = append(leave, l)
	}
	small, err := ps.enter(t.Context(), LargePreflight-1)
	if err != nil {
		t.Fatalf("a small one: %v", err)
	}
	small()
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := ps.enter(ended, LargePreflight); !errors.Is(err, context.Canceled) {
		t.Errorf("one too many, whose request ends: %v", err)
	}
	entered := make(chan error)
	go func() {
		_, err := ps.enter(t.Context(), LargePreflight)
		entered <- err
	}()
	leave[0]()
	if err := <-entered; err != nil {
		t.Errorf("after another has left: %v", err)
	}
}
