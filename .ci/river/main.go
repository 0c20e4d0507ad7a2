// Command river serves River as the neighbour of inmail bench: POST / inserts a job over HTTP, and a worker
// that does nothing works it. GET / answers how many jobs were worked. Its first line of output is its
// address; it ends with its standard input. DATABASE_URL names the database; it uses the schema river there.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// schema is where River keeps its tables.
const schema = "river"

// connections is as many as inmail takes by default.
const connections = 20

type message struct {
	To      string `json:"to"`
	Subject string `json:"subject"`
	Body    string `json:"body"`
}

func (message) Kind() string { return "message" }

type worker struct {
	river.WorkerDefaults[message]
	worked atomic.Int64
}

func (w *worker) Work(context.Context, *river.Job[message]) error {
	w.worked.Add(1)
	return nil
}

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "river:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	cfg, err := pgxpool.ParseConfig(os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	cfg.MaxConns = connections
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return err
	}
	defer pool.Close()
	if _, err := pool.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+schema); err != nil {
		return err
	}
	driver := riverpgxv5.New(pool)
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Schema: schema, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	w := &worker{}
	workers := river.NewWorkers()
	river.AddWorker(workers, w)
	client, err := river.NewClient(driver, &river.Config{Schema: schema, Workers: workers, Logger: slog.New(slog.DiscardHandler),
		Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 100}}})
	if err != nil {
		return err
	}
	if err := client.Start(ctx); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			fmt.Fprint(rw, w.worked.Load())
			return
		}
		var m message
		err := json.NewDecoder(r.Body).Decode(&m)
		if err == nil {
			_, err = client.Insert(r.Context(), m, nil)
		}
		if err != nil {
			http.Error(rw, "insert", http.StatusInternalServerError)
			return
		}
		rw.WriteHeader(http.StatusAccepted)
	})}
	go func() { _ = server.Serve(listener) }()
	fmt.Println(listener.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
	ending, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return errors.Join(server.Close(), client.Stop(ending))
}
