package queue

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"inmail/domain"
)

type classed string

func (c classed) Error() string { return "a text" }
func (c classed) Class() string { return string(c) }

type databaseError struct{}

func (*databaseError) Error() string    { return "invalid input: Ada" }
func (*databaseError) SQLState() string { return "22P02" }

func TestClassOf(t *testing.T) {
	for want, err := range map[string]error{
		"limit":          fmt.Errorf("push: %w", classed("limit")),
		"other":          classed("Dear Ada,\nabout your talk"),
		"body_too_long":  fmt.Errorf("deliver: %w", &domain.Refusal{Code: domain.BodyTooLong}),
		"timeout":        fmt.Errorf("begin: %w", context.DeadlineExceeded),
		"canceled":       fmt.Errorf("begin: %w", context.Canceled),
		"worker_lost":    asynq.ErrLeaseExpired,
		"sqlstate 22P02": fmt.Errorf("insert: %w", &databaseError{}),
		"network":        fmt.Errorf("connect: %w", &net.OpError{Op: "dial", Err: errors.New("refused")}),
		"error":          fmt.Errorf("deliver: %w", errors.New("Dear Ada")),
	} {
		if got := classOf(err); got != want {
			t.Errorf("%v is of class %q, want %q", err, got, want)
		}
	}
}

func TestRetryDelay(t *testing.T) {
	for _, row := range []struct {
		retried   int
		low, high time.Duration
	}{
		{0, 500 * time.Millisecond, time.Second},
		{1, time.Second, 2 * time.Second},
		{5, 16 * time.Second, 32 * time.Second},
		{10, 5 * time.Minute, 10 * time.Minute},
		{1_000, 5 * time.Minute, 10 * time.Minute},
	} {
		visited := map[time.Duration]bool{}
		for range 200 {
			delay := retryDelay(row.retried, errors.New("busy"), nil)
			if delay < row.low || delay >= row.high {
				t.Errorf("after %d tries %v is outside %v..%v", row.retried, delay, row.low, row.high)
			}
			visited[delay] = true
		}
		if len(visited) < 100 {
			t.Errorf("after %d tries all wait alike: %d different delays of 200", row.retried, len(visited))
		}
	}
}
