package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sys/unix"
)

// processorTime returns the processor time that this process has used, without Redis and PostgreSQL. On a
// shared machine it is steadier than a rate. It is 0 when the system does not report it.
func processorTime() time.Duration {
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// spent is what the parts of the program have used so far. A part on another machine counts 0.
type spent struct {
	product, postgres, redis time.Duration
	wal                      int64 // bytes of PostgreSQL's write-ahead log
	trips                    int64 // round trips of the record's transactions
}

func (s spent) since(before spent) spent {
	return spent{s.product - before.product, s.postgres - before.postgres, s.redis - before.redis, s.wal - before.wal,
		s.trips - before.trips}
}

func (s spent) all() time.Duration { return s.product + s.postgres + s.redis }

// spent reads what was used until now.
func (b *bencher) spent(ctx context.Context) (s spent, err error) {
	s.product, s.trips = processorTime(), b.record.RoundTrips()
	if b.settings.Record.Postgres() {
		if s.postgres, s.wal, err = b.postgresSpent(ctx); err != nil {
			return s, fmt.Errorf("bench: %w", err)
		}
	}
	if b.redis != nil {
		client := b.redis.MakeRedisClient().(redis.UniversalClient)
		defer client.Close()
		info, err := client.Info(ctx, "cpu").Result()
		if err != nil {
			return s, fmt.Errorf("bench: %w", err)
		}
		for line := range strings.Lines(info) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
			if name == "used_cpu_sys" || name == "used_cpu_user" {
				seconds, _ := strconv.ParseFloat(value, 64)
				s.redis += time.Duration(seconds * float64(time.Second))
			}
		}
	}
	return s, nil
}

// postgresSpent returns the processor time of all processes of the server, those that have ended included,
// and the place in its write-ahead log. The processes are found by their parent, on this machine alone.
func (b *bencher) postgresSpent(ctx context.Context) (used time.Duration, wal int64, err error) {
	conn, err := pgx.Connect(ctx, b.settings.Record.URL)
	if err != nil {
		return 0, 0, err
	}
	defer conn.Close(ctx)
	var backend int
	err = conn.QueryRow(ctx, "SELECT pg_backend_pid(), (pg_current_wal_insert_lsn() - '0/0')::bigint").Scan(&backend, &wal)
	if err != nil {
		return 0, 0, err
	}
	own, err := readStat(backend)
	if err != nil || !strings.HasPrefix(own.name, "postgres") {
		return 0, wal, nil // the server is on another machine
	}
	paths, err := filepath.Glob("/proc/[0-9]*")
	for _, path := range paths {
		pid, _ := strconv.Atoi(filepath.Base(path))
		stat, err := readStat(pid)
		switch {
		case err != nil: // it has ended
		case pid == own.parent:
			used += stat.used + stat.children
		case stat.parent == own.parent:
			used += stat.used
		}
	}
	return used, wal, err
}

// stat is a line of /proc.
type stat struct {
	name           string
	parent         int
	used, children time.Duration // of the process, and of its children that have ended
}

// tick is the unit of processor time in /proc.
const tick = 10 * time.Millisecond

func readStat(pid int) (s stat, err error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return s, err
	}
	before, after, ok := strings.Cut(string(raw), ") ")
	fields := strings.Fields(after)
	if _, name, found := strings.Cut(before, "("); found {
		s.name = name
	}
	if !ok || len(fields) < 15 {
		return s, errors.New("not a line of /proc")
	}
	number := func(i int) int { n, _ := strconv.Atoi(fields[i]); return n }
	s.parent = number(1)
	s.used = time.Duration(number(11)+number(12)) * tick
	s.children = time.Duration(number(13)+number(14)) * tick
	return s, nil
}

// tableBytes returns how many bytes each table takes on disk, with its indexes. Parts of a table are added
// up.
func (b *bencher) tableBytes(ctx context.Context) (map[string]int64, error) {
	bytes := map[string]int64{}
	add := func(name string, n int64) {
		base := strings.TrimRight(name, "0123456789_")
		bytes[base] += n
	}
	if b.settings.Record.Postgres() {
		conn, err := pgx.Connect(ctx, b.settings.Record.URL)
		if err != nil {
			return nil, fmt.Errorf("bench: %w", err)
		}
		defer conn.Close(ctx)
		rows, err := conn.Query(ctx, `SELECT relname, pg_total_relation_size(oid) FROM pg_class
			WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace`)
		if err != nil {
			return nil, fmt.Errorf("bench: %w", err)
		}
		defer rows.Close()
		for rows.Next() {
			var name string
			var n int64
			if err := rows.Scan(&name, &n); err != nil {
				return nil, fmt.Errorf("bench: %w", err)
			}
			add(name, n)
		}
		return bytes, rows.Err()
	}
	db, err := sql.Open("sqlite", "file:"+b.settings.Record.File()+"?mode=ro")
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	defer db.Close()
	rows, err := db.QueryContext(ctx, `SELECT m.tbl_name, sum(s.pgsize) FROM dbstat s JOIN sqlite_master m ON m.name = s.name
		GROUP BY m.tbl_name`)
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var n int64
		if err := rows.Scan(&name, &n); err != nil {
			return nil, fmt.Errorf("bench: %w", err)
		}
		add(name, n)
	}
	return bytes, rows.Err()
}

// largest returns the tables that have grown by most, with the bytes an item of each, and the sum of all.
func largest(before, after map[string]int64, items int) (line string, sum float64) {
	type grown struct {
		name  string
		bytes float64
	}
	var all []grown
	for name, n := range after {
		if by := float64(n-before[name]) / float64(max(items, 1)); by >= 1 {
			all = append(all, grown{name, by})
			sum += by
		}
	}
	slices.SortFunc(all, func(a, b grown) int { return int(b.bytes - a.bytes) })
	var parts []string
	for _, g := range all[:min(len(all), 8)] {
		parts = append(parts, fmt.Sprintf("%s %.0f", g.name, g.bytes))
	}
	return strings.Join(parts, ", "), sum
}

// median returns the middle of values, which it sorts; 0 of none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// asynqServer is the neighbour that works tasks which do nothing: it returns when all n of a queue are done.
func asynqServer(ctx context.Context, redis asynq.RedisConnOpt, queue string, n int, cfg asynq.Config) (time.Duration, error) {
	done := make(chan struct{})
	var handled atomic.Int64
	cfg.Queues, cfg.LogLevel = map[string]int{queue: 1}, asynq.FatalLevel
	server := asynq.NewServer(redis, cfg)
	began := time.Now()
	if err := server.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
		if handled.Add(1) == int64(n) {
			close(done)
		}
		return nil
	})); err != nil {
		return 0, fmt.Errorf("bench: start Asynq: %w", err)
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
	took := time.Since(began)
	server.Shutdown()
	return took, ctx.Err()
}
