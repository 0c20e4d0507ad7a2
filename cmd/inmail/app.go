package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sys/unix"

	"inmail/config"
	"inmail/connectors/httpapi"
	"inmail/connectors/metrics"
	"inmail/connectors/queue"
	"inmail/connectors/record"
	"inmail/connectors/salesforce"
	"inmail/connectors/salesforce/sandbox"
	"inmail/domain/mailroom"
	"inmail/worker"
)

// app is the running program. Each part registers how it stops where it is made; Stop runs these in reverse.
type app struct {
	settings config.Settings
	log      *slog.Logger
	clock    *clock
	registry *prometheus.Registry
	process  *metrics.Process
	record   *record.Record
	queue    *queue.Broker
	service  *mailroom.Service
	sandbox  *sandbox.Sandbox // nil: a real org, or none
	jobs     *worker.Jobs

	apiAddress     string // where the API listens
	sandboxAddress string // where the sandbox listens
	operatorKey    string // the key of the settings, or embedded mode's own
	newKey         bool   // it was made at this start
	ownSandbox     bool   // a sandbox serves where no Salesforce is configured, embedded or not
	leads          []config.SampleLead
	failed         <-chan error // when the API ended by itself
	stops          []stop
}

type stop struct {
	name string
	do   func(context.Context) error
}

// onStop registers how a part ends.
func (a *app) onStop(name string, do func(context.Context) error) {
	a.stops = append(a.stops, stop{name, do})
}

// build makes the parts up to the room: what every command that works on the record directly needs. It starts nothing
// that runs by itself. On an error everything that was made is taken down again.
func build(ctx context.Context, s config.Settings, log *slog.Logger) (*app, error) {
	a := &app{settings: s, log: log, clock: &clock{}, registry: prometheus.NewRegistry()}
	if err := a.make(ctx); err != nil {
		return nil, errors.Join(err, a.Stop(context.WithoutCancel(ctx)))
	}
	return a, nil
}

// make makes what build promises.
func (a *app) make(ctx context.Context) (err error) {
	s := a.settings
	if err := a.openData(); err != nil {
		return err
	}
	a.process = metrics.NewProcess(a.registry)
	if a.record, err = record.Open(ctx, s.Record, a.clock); err != nil {
		return err
	}
	a.onStop("record", func(context.Context) error { a.record.Close(); return nil })
	a.record.WatchClock(a.warnOfClock)
	a.registry.MustRegister(metrics.ClockOffset(a.record.ClockOffset))
	if a.queue, err = queue.Open(s.Queue, a.log); err != nil {
		return err
	}
	a.onStop("queue", func(context.Context) error { return a.queue.Close() })
	crms, err := a.connectCRMs()
	if err != nil {
		return err
	}
	a.service, err = mailroom.New(ctx, mailroom.Config{Plans: s.Plans, Policy: s.Policy, CRMs: crms}, a.record, a.queue, a.record, uuids{}, a.process)
	return err
}

// openData makes the data folder and takes its lock: one process at a time works on a file.
func (a *app) openData() error {
	if a.settings.Record.Postgres() {
		return nil
	}
	folder := a.settings.Record.Data
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("data %s: %w; choose a folder that this user can write (--data, INMAIL_DATA)", folder, err)
	}
	lock, err := os.OpenFile(filepath.Join(folder, "inmail.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("data %s: %w; choose a folder that this user can write (--data, INMAIL_DATA)", folder, err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		lock.Close()
		return fmt.Errorf("data %s: another inmail works on this folder; stop it, or choose another folder (--data, INMAIL_DATA)", folder)
	}
	a.onStop("data folder", func(context.Context) error { return lock.Close() })
	return nil
}

// Start runs the roles of this process: the CRMs, the workers, the schedule, the API. It returns when the API answers.
func (a *app) Start(ctx context.Context) error {
	a.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), a.queue.Collector())
	for _, name := range a.settings.Unknown {
		a.log.WarnContext(ctx, "there is no such setting; inmail config check lists them", "variable", name)
	}
	if err := a.installOperatorKey(ctx); err != nil {
		return err
	}
	if err := a.startCRMs(ctx); err != nil {
		return err
	}
	if !a.settings.Record.Postgres() { // the lock on the data folder says that nobody else is here
		if err := a.service.FreePushes(ctx); err != nil {
			return err
		}
	}
	a.jobs = newJobs(a)
	if a.settings.Has(config.RoleWorker) {
		if err := a.startWorkers(); err != nil {
			return err
		}
	}
	if a.settings.Has(config.RoleScheduler) {
		a.startSchedule()
	}
	return a.startAPI()
}

// operatorKeyID is the id of the key that the settings bring.
const operatorKeyID = "operator"

// safeKey is how many characters make a key that nobody guesses.
const safeKey = 16

// installOperatorKey stores the operator key of the settings. Embedded mode makes one when there is none, and keeps it in the data
// folder, readable by this user only.
func (a *app) installOperatorKey(ctx context.Context) error {
	key := a.settings.Program.OperatorKey
	if key == "" && a.settings.Embedded() {
		var err error
		if key, err = a.ownOperatorKey(); err != nil {
			return err
		}
	}
	a.operatorKey = key
	if key == "" {
		if a.settings.Has(config.RoleAPI) {
			a.log.WarnContext(ctx, "no operator key is set (INMAIL_OPERATOR_KEY or INMAIL_OPERATOR_KEY_FILE); only keys that are stored already work")
		}
		return nil
	}
	if len(key) < safeKey {
		a.log.WarnContext(ctx, "the operator key is so short that it can be guessed; use a longer one", "characters", len(key), "safe", safeKey)
	}
	return a.service.InstallKey(ctx, operatorKeyID, key)
}

func (a *app) ownOperatorKey() (string, error) {
	path := filepath.Join(a.settings.Record.Data, "operator.key")
	stored, err := os.ReadFile(path)
	if err == nil && len(strings.TrimSpace(string(stored))) >= safeKey {
		return strings.TrimSpace(string(stored)), nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("read the operator key: %w", err)
	}
	secret := uuids{}.NewSecret()
	key := mailroom.KeyPrefix + hex.EncodeToString(secret[:])
	if err := os.WriteFile(path, []byte(key+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("keep the operator key: %w", err)
	}
	a.newKey = true
	return key, nil
}

// newJobs joins the jobs with what they need.
func newJobs(a *app) *worker.Jobs {
	return &worker.Jobs{Service: a.service, Depth: a.queue.Depth, Log: a.log, Snapshot: a.snapshot, Deliveries: a.writers()}
}

// startWorkers begins to work on the queue.
func (a *app) startWorkers() error {
	handlers := map[string]queue.Handler{}
	for taskType, h := range a.jobs.Handlers() {
		handlers[taskType] = h
	}
	server, err := a.queue.Start(handlers, func(taskType, result string, took time.Duration) { a.process.Ran(taskType, took, result == "ok") })
	if err != nil {
		return err
	}
	a.onStop("workers", server.Stop)
	return nil
}

// startSchedule begins to ask for the periodic tasks.
func (a *app) startSchedule() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		worker.Run(ctx, a.queue, worker.Schedule(a.settings.Program.Every(), a.crmNames()), a.log)
	}()
	a.onStop("schedule", func(context.Context) error { cancel(); <-done; return nil })
}

// The group commit of accept: how many sends share a transaction, how many may wait, how many transactions run at once.
const (
	acceptBatch   = 200
	acceptWaiting = 10_000
	acceptTimeout = 20 * time.Second
)

// sender puts the group commit in front of the room: each caller reads its own send, and all share the transaction.
type sender struct {
	service *mailroom.Service
	group   *worker.Group[*mailroom.Letter, mailroom.Accepted]
}

// Accept implements httpapi.Sender.
func (s sender) Accept(ctx context.Context, send mailroom.Send) (mailroom.Accepted, error) {
	accepted, err := s.group.Do(ctx, s.service.Read(send))
	if errors.Is(err, worker.ErrBusy) {
		err = fmt.Errorf("%w: %w", mailroom.ErrUnavailable, err)
	}
	return accepted, err
}

// writers is how many group commits of a kind run at once: SQLite has one writer.
func (a *app) writers() int {
	if a.settings.Record.Postgres() {
		return 4
	}
	return 1
}

// startAPI listens and serves. A process without the role api has the pages of health and metrics all the same: what it
// counts is told by nobody else.
func (a *app) startAPI() error {
	announcer := worker.NewAnnouncer(a.service.Announce)
	a.onStop("announcing", announcer.Stop)
	group := worker.NewGroup(worker.GroupLimits{Batch: acceptBatch, Waiting: acceptWaiting, Parallel: a.writers(), Timeout: acceptTimeout},
		func(ctx context.Context, letters []*mailroom.Letter) ([]mailroom.Accepted, error) {
			answers, queued, err := a.service.AcceptRead(ctx, letters)
			announcer.Announce(queued)
			return answers, err
		})
	domainRegistry := prometheus.NewRegistry()
	domainRegistry.MustRegister(metrics.NewDomain(a.service.StoredSnapshot, a.crmNames()[0], a.log))
	parts := httpapi.Parts{
		PagesOnly: !a.settings.Has(config.RoleAPI),
		Config:    a.settings.HTTP, Service: httpapi.NewUseCases(a.service),
		Sender: sender{a.service, group}, Probes: a.probes(), Metrics: metrics.Handler(a.registry),
		Domain: metrics.Handler(domainRegistry), Queues: a.queue.Page("/queues"), QueueInspector: queueInspector{a.queue}, AnchorDay: a.settings.Policy.AnchorDay, Registry: a.registry, Log: a.log,
	}
	if a.settings.Program.TimeTravel {
		parts.Advance = func(_ context.Context, d time.Duration) (time.Time, error) {
			_, err := a.clock.Advance(d)
			return a.record.Now(), err
		}
	}
	api, err := httpapi.New(parts)
	if err != nil {
		return err
	}
	server, err := httpapi.Listen(context.Background(), api)
	if err != nil && parts.PagesOnly { // several workers may share a machine: one without pages works all the same
		a.log.Warn("nobody can scrape this process; give it an address of its own (--listen, INMAIL_LISTEN)", "error", err)
		return nil
	}
	if err != nil {
		return err
	}
	a.apiAddress = server.Addr().String()
	server.Start()
	a.failed = server.Failed()
	a.onStop("API", server.Stop)
	return nil
}

// snapshot computes and stores the figures, and measures itself by the wall clock.
func (a *app) snapshot(ctx context.Context) error {
	began := time.Now()
	return a.service.TakeSnapshot(ctx, a.settings.Program.MetricsTags, func() time.Duration { return time.Since(began) })
}

// Stop ends the parts in the reverse of the order in which they were made, each within what ctx leaves, and returns what went
// wrong.
func (a *app) Stop(ctx context.Context) error {
	var faults []error
	for _, s := range slices.Backward(a.stops) {
		if err := s.do(ctx); err != nil {
			faults = append(faults, fmt.Errorf("stop %s: %w", s.name, err))
		}
	}
	a.stops = nil
	return errors.Join(faults...)
}

// embeddedCredentials let one integration user in, with the rights that the package gives it.
func embeddedCredentials(c salesforce.Config) sandbox.Credentials {
	return sandbox.Credentials{ClientID: c.ClientID, ClientSecret: c.ClientSecret,
		Users: []sandbox.User{{Username: "inmail@sandbox.invalid", FirstName: "InMail", LastName: "Integration", Integration: true}}}
}

// startSandbox serves a Salesforce of our own on loopback. Its org is kept in the data folder.
func (a *app) startSandbox(c salesforce.Config) (salesforce.Config, error) {
	secret := uuids{}.NewSecret()
	c.ClientID, c.ClientSecret = "inmail-embedded", hex.EncodeToString(secret[:])
	var err error
	a.sandbox, err = sandbox.New(sandbox.Options{
		Credentials: embeddedCredentials(c),
		Clock:       a.clock.Now, DailyLimit: 100_000, ControlKey: a.operatorKey,
		File: filepath.Join(a.settings.Record.Data, "sandbox.db"),
	})
	if err != nil {
		return c, fmt.Errorf("start the Salesforce sandbox: %w", err)
	}
	a.onStop("Salesforce sandbox's org", func(context.Context) error { return a.sandbox.Close() })
	if err := a.seedSandbox(); err != nil {
		return c, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return c, fmt.Errorf("start the Salesforce sandbox: %w", err)
	}
	a.sandboxAddress = listener.Addr().String()
	c.URL = "http://" + a.sandboxAddress
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.sandbox.Serve(ctx, listener) }()
	a.onStop("Salesforce sandbox", func(context.Context) error { cancel(); return <-done })
	return c, nil
}

// probes are what /readyz asks: without the record nothing can be answered, without the rest something waits.
func (a *app) probes() []httpapi.Probe {
	probes := []httpapi.Probe{
		{Name: "record", Critical: true, Check: a.service.Ready},
		{Name: "queue", Check: a.queue.Ping},
		{Name: "clock", Check: a.checkClock},
	}
	for _, crm := range a.service.Connectors() {
		if !crm.Configured() {
			continue
		}
		probes = append(probes, httpapi.Probe{Name: string(crm.Name()), Check: func(ctx context.Context) error {
			status, err := a.service.CRMStatus(ctx, crm.Name())
			if err == nil && status.Pause != nil {
				err = mailroom.Because(mailroom.CausePaused, fmt.Errorf("the sync is paused: %s", status.Pause.Why))
			}
			return err
		}})
	}
	return probes
}

// warnOfClock says when this machine's clock and the record's time are found apart, and when that has ended.
func (a *app) warnOfClock(offset time.Duration, apart bool) {
	if apart {
		a.log.Warn("this machine's clock and the record's time are apart; the record's decides; set the clock",
			"record_ahead_seconds", offset.Seconds())
		return
	}
	a.log.Warn("this machine's clock and the record's time are together again", "record_ahead_seconds", offset.Seconds())
}

// checkClock compares this machine's clock with the record's time, as the transactions of a moment ago found
// them.
func (a *app) checkClock(ctx context.Context) error {
	if err := a.record.Ping(ctx); err != nil {
		return nil // the record's own probe says so
	}
	if offset := a.record.ClockOffset(); offset.Abs() > record.MaxOffset {
		return mailroom.Because(mailroom.CauseApart, fmt.Errorf("the record's time is %s ahead of this machine's clock", offset))
	}
	return nil
}

// version is the version of the program as the Go tool knows it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}

// newLog returns the log: text on a terminal, else JSON; ids only (STYLE H15).
func newLog(s config.Program, out *os.File) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(s.LogLevel)) // checked with the settings
	o := &slog.HandlerOptions{Level: level}
	if s.Log == "text" || s.Log == "" && isTerminal(out) {
		return slog.New(slog.NewTextHandler(out, o))
	}
	return slog.New(slog.NewJSONHandler(out, o))
}
