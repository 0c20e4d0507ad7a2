package queue_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"inmail/connectors/queue"
	"inmail/connectors/queue/queuetest"
	"inmail/domain/mailroom"
)

// both runs a benchmark over Redis and over the broker inside the process, with the default settings.
func both(b *testing.B, bench func(b *testing.B, q *queue.Broker)) {
	for _, engine := range []string{"redis", "embedded"} {
		b.Run(engine, func(b *testing.B) {
			cfg := queue.Default()
			cfg.EnqueueTimeout = time.Minute
			if engine == "redis" {
				cfg.URL = testRedis(b)
			}
			bench(b, open(b, cfg, slog.New(slog.DiscardHandler)).Broker)
		})
	}
}

func numbered(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("0190163d-8694-739b-aea5-%012d", i)
	}
	return ids
}

// BenchmarkEnqueue enqueues one task at a time, from one caller and from 64, and tasks of 500 ids.
func BenchmarkEnqueue(b *testing.B) {
	both(b, func(b *testing.B, q *queue.Broker) {
		for _, ids := range []int{1, mailroom.MaxTaskIDs} {
			task := mailroom.Task{Type: mailroom.TaskSend, IDs: numbered(ids)}
			b.Run(fmt.Sprintf("%d_ids/alone", ids), func(b *testing.B) {
				for b.Loop() {
					if err := q.Enqueue(b.Context(), task); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run(fmt.Sprintf("%d_ids/64_callers", ids), func(b *testing.B) {
				b.SetParallelism(32) // times GOMAXPROCS
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if err := q.Enqueue(b.Context(), task); err != nil {
							b.Error(err)
							return
						}
					}
				})
			})
		}
	})
}

// BenchmarkIdle enqueues one task on an idle queue and waits until a handler receives it.
func BenchmarkIdle(b *testing.B) {
	both(b, func(b *testing.B, q *queue.Broker) {
		ran := make(chan struct{}, 1)
		serveBench(b, q, func(context.Context, []string) error {
			ran <- struct{}{}
			return nil
		})
		var took []time.Duration
		for b.Loop() {
			began := time.Now()
			if err := q.Enqueue(b.Context(), mailroom.Task{Type: mailroom.TaskSend, IDs: []string{"a"}}); err != nil {
				b.Fatal(err)
			}
			<-ran
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
		b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	})
}

// BenchmarkWork runs b.N waiting tasks through a handler that does nothing.
func BenchmarkWork(b *testing.B) {
	both(b, func(b *testing.B, q *queue.Broker) {
		tasks := make([]mailroom.Task, b.N)
		for i, id := range numbered(b.N) {
			tasks[i] = mailroom.Task{Type: mailroom.TaskSend, IDs: []string{id}}
		}
		if err := q.Enqueue(b.Context(), tasks...); err != nil {
			b.Fatal(err)
		}
		var left atomic.Int64
		left.Store(int64(b.N))
		done := make(chan struct{})
		b.ResetTimer()
		serveBench(b, q, func(context.Context, []string) error {
			if left.Add(-1) == 0 {
				close(done)
			}
			return nil
		})
		<-done
		b.StopTimer()
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
	})
}

func serveBench(b *testing.B, q *queue.Broker, handler queue.Handler) {
	b.Helper()
	server, err := q.Start(queuetest.Only(mailroom.TaskSend, handler), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := server.Stop(context.Background()); err != nil {
			b.Error(err)
		}
	})
}
