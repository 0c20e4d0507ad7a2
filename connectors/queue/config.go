// Package queue is the job queue: Asynq on Redis (one server, Sentinel or Cluster), or on a broker inside
// the process when no Redis is configured. A task carries ids and means "look at these" (R01, R27). When
// all tasks are lost nothing is, because the record knows what is due. README.md beside this file is for
// the operator.
package queue

import (
	"errors"
	"fmt"
	"net"
	"time"

	"inmail/domain/mailroom"
)

// Config is the location of the queue and how much a process works on it. Start from Default.
type Config struct {
	URL               string        `koanf:"redis_url"`                // secret; see urlForms; empty: in the process
	ConnectTimeout    time.Duration `koanf:"redis_connect_timeout"`    // of one connection; 100ms..1m
	Timeout           time.Duration `koanf:"redis_timeout"`            // of one answer; 100ms..1m
	EnqueueTimeout    time.Duration `koanf:"queue_enqueue_timeout"`    // of one Enqueue with all its tasks; 50ms..1m
	Concurrency       int           `koanf:"queue_concurrency"`        // tasks of sends at once, per process; 1..1000
	CRMConcurrency    int           `koanf:"queue_crm_concurrency"`    // tasks of crm at once; 1..100
	HooksConcurrency  int           `koanf:"queue_hooks_concurrency"`  // tasks of hooks at once; 1..1000; below mailroom.WebhookWorkers, end points that hang delay others
	UpkeepConcurrency int           `koanf:"queue_upkeep_concurrency"` // tasks of upkeep at once; 1..100
	Pullers           int           `koanf:"queue_pullers"`            // fetch sends, some 7,000/s each; 1..16
	CheckInterval     time.Duration `koanf:"queue_check_interval"`     // polls of an empty sends, without messages; 1ms..10s
	Grace             time.Duration `koanf:"queue_grace"`              // for running tasks at a stop; 0s..10m
}

// Default returns the settings of the queue inside the process.
func Default() Config {
	return Config{
		ConnectTimeout: 2 * time.Second, Timeout: 3 * time.Second, EnqueueTimeout: time.Second,
		Concurrency: 32, CRMConcurrency: 4, HooksConcurrency: mailroom.WebhookWorkers, UpkeepConcurrency: 4, Pullers: 1,
		CheckInterval: 15 * time.Millisecond, Grace: 20 * time.Second,
	}
}

// Validate reports all invalid settings, each with its name, its value (never a password) and its bounds.
func (c Config) Validate() error {
	var faults []error
	if _, err := parseAddress(c.URL); err != nil {
		faults = append(faults, fmt.Errorf("redis_url: %w", err))
	}
	for _, f := range []struct {
		name           string
		got, low, high time.Duration
	}{
		{"redis_connect_timeout", c.ConnectTimeout, 100 * time.Millisecond, time.Minute},
		{"redis_timeout", c.Timeout, 100 * time.Millisecond, time.Minute},
		{"queue_enqueue_timeout", c.EnqueueTimeout, 50 * time.Millisecond, time.Minute},
		{"queue_check_interval", c.CheckInterval, time.Millisecond, 10 * time.Second},
		{"queue_grace", c.Grace, 0, 10 * time.Minute},
	} {
		if f.got < f.low || f.got > f.high {
			faults = append(faults, fmt.Errorf("%s: %v is outside %v..%v", f.name, f.got, f.low, f.high))
		}
	}
	for _, f := range []struct {
		name      string
		got, high int
	}{
		{"queue_concurrency", c.Concurrency, 1000},
		{"queue_crm_concurrency", c.CRMConcurrency, 100},
		{"queue_hooks_concurrency", c.HooksConcurrency, 1000},
		{"queue_upkeep_concurrency", c.UpkeepConcurrency, 100},
		{"queue_pullers", c.Pullers, 16},
	} {
		if f.got < 1 || f.got > f.high {
			faults = append(faults, fmt.Errorf("%s: %d is outside 1..%d", f.name, f.got, f.high))
		}
	}
	return errors.Join(faults...)
}

// InProcess reports whether the queue is inside the process, because no Redis is configured.
func (c Config) InProcess() bool { return c.URL == "" }

// Masked returns the URL without the password. Of a URL that cannot be parsed it returns nothing.
func (c Config) Masked() string {
	a, err := parseAddress(c.URL)
	if err != nil {
		return "(masked)"
	}
	return a.String()
}

// Unencrypted returns a host other than this machine to which the connection goes without TLS; empty: none.
func (c Config) Unencrypted() string {
	a, err := parseAddress(c.URL)
	if err != nil || a.tls {
		return ""
	}
	for _, address := range a.hosts {
		host, _, err := net.SplitHostPort(address)
		ip := net.ParseIP(host)
		if err == nil && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return host
		}
	}
	return ""
}
