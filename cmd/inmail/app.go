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
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/singleflight"
	"golang.org/x/sys/unix"

	"inmail/config"
	"inmail/connectors/httpapi"
	"inmail/connectors/metrics"
	"inmail/connectors/queue"
	"inmail/connectors/record"
	"inmail/connectors/salesforce"
	"inmail/connectors/salesforce/sandbox"
	"inmail/connectors/trace"
	"inmail/connectors/webhook"
	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/worker"
)

// app is the running program. Each part is registered with onStop where it is made; Stop stops them in
// reverse order.
type app struct {
	traces   bool // the settings ask for traces
	settings config.Settings
	log      *slog.Logger
	clock    *clock
	registry *prometheus.Registry
	process  *metrics.Process
	record   *record.Record
	queue    *queue.Broker
	service  *mailroom.Service
	sandbox  *sandbox.Sandbox // nil: Salesforce is a real org, or not configured
	jobs     *worker.Jobs
	hooks    *webhook.Client
	beat     *worker.Beat // of the schedule, whichever process runs it

	apiAddress     string // where the API listens
	sandboxAddress string // where the sandbox listens
	operatorKey    string // from the settings, or made by embedded mode; empty: none
	newKey         bool   // operatorKey was made at this start, and is printed once
	ownSandbox     bool   // start a sandbox when no Salesforce is configured, also outside embedded mode
	leads          []config.SampleLead
	failed         <-chan error // receives the error when the API ends by itself
	working        bool         // the workers and the schedule of this process were started
	stopBeats      func()       // nil: they were not started
	stops          []stop
}

type stop struct {
	name string
	do   func(context.Context) error
}

// onStop registers the function that stops a part; name is for its error.
func (a *app) onStop(name string, do func(context.Context) error) {
	a.stops = append(a.stops, stop{name, do})
}

// build makes the parts up to the service: what every command that works on the record directly needs. It
// starts no goroutine that works by itself. On an error it stops what was already made.
func build(ctx context.Context, s config.Settings, log *slog.Logger) (*app, error) {
	return buildOn(ctx, s, &clock{}, log)
}

// buildOn is build on a given clock.
func buildOn(ctx context.Context, s config.Settings, c *clock, log *slog.Logger) (*app, error) {
	a := &app{settings: s, log: log, clock: c, registry: prometheus.NewRegistry()}
	if err := a.openParts(ctx); err != nil {
		return nil, errors.Join(err, a.Stop(context.WithoutCancel(ctx)))
	}
	return a, nil
}

// openParts opens the parts of build; on an error the caller stops those that are open.
func (a *app) openParts(ctx context.Context) (err error) {
	s := a.settings
	if err := a.openData(); err != nil {
		return err
	}
	stop, err := trace.Start(ctx, version(), a.log)
	if err != nil {
		return err
	}
	a.traces = trace.Wanted(os.Getenv)
	a.onStop("traces", stop)
	a.process = metrics.NewProcess(a.registry)
	if a.record, err = record.Open(ctx, s.Record, a.clock); err != nil {
		return err
	}
	a.onStop("record", func(context.Context) error { a.record.Close(); return nil })
	a.record.WatchClock(a.warnOfClock)
	a.registry.MustRegister(metrics.ClockOffset(a.record.ClockOffset),
		metrics.RecordHeld(func() bool { return a.record.Held() != nil }))
	if a.queue, err = queue.Open(s.Queue, a.log); err != nil {
		return err
	}
	a.onStop("queue", func(context.Context) error { return a.queue.Close() })
	a.beat = worker.NewBeat(a.queue)
	a.registry.MustRegister(metrics.ScheduleBeat(a.beat.Age))
	a.hooks = webhook.New(s.Webhooks)
	crms, err := a.connectCRMs()
	if err != nil {
		return err
	}
	a.service, err = mailroom.New(ctx, mailroom.Config{Plans: s.Plans, Policy: s.Policy, CRMs: crms, Webhooks: a.hooks}, a.record, a.queue, a.record, uuids{}, a.process)
	return err
}

// openData makes the data folder and locks it: only one process at a time may work on a SQLite file.
// PostgreSQL needs no folder.
func (a *app) openData() error {
	if a.settings.Record.Postgres() {
		return nil
	}
	folder := a.settings.Record.Data
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("data %s: %w; %s", folder, err, unlessFull(err))
	}
	unix.Umask(0o077) // what SQLite makes here is the owner's alone
	if err := closeFiles(folder); err != nil {
		return err
	}
	lock, err := os.OpenFile(filepath.Join(folder, "inmail.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("data %s: %w; %s", folder, err, unlessFull(err))
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		lock.Close()
		return fmt.Errorf("data %s: another inmail works on this folder; "+
			"stop it, or choose another folder (--data, INMAIL_DATA)", folder)
	}
	a.onStop("data folder", func(context.Context) error { return lock.Close() })
	return nil
}

// closeFiles takes the rights on our files away from other users, in a folder that was there before: the
// record holds what people wrote, and its copies of a moment are as open as the record.
func closeFiles(folder string) error {
	for _, pattern := range []string{"inmail.db*", "sandbox.db*", "operator.key", "inmail.lock", addressFile} {
		paths, err := filepath.Glob(filepath.Join(folder, pattern))
		if err != nil {
			return err
		}
		for _, path := range paths {
			if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 == 0 {
				continue
			}
			if err := os.Chmod(path, 0o600); err != nil {
				return fmt.Errorf("data %s: others may read %s: %w; give the file to the user who runs inmail", folder,
					filepath.Base(path), err)
			}
		}
	}
	return nil
}

// unlessFull returns what to do when a file cannot be made in the data folder.
func unlessFull(err error) string {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return "the disk is full: make room on it"
	}
	return "choose a folder that this user can write (--data, INMAIL_DATA)"
}

// Start starts the roles of this process: the CRMs, the workers, the schedule and the API. It returns when
// the API answers. While the record is held (R61), only the API runs; the others start when it is resumed.
func (a *app) Start(ctx context.Context) error {
	commit, _ := revision()
	a.registry.MustRegister(metrics.BuildInfo(version(), commit, runtime.Version()), collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), a.queue.Collector())
	for _, name := range a.settings.Unknown {
		a.log.WarnContext(ctx, "there is no such setting; inmail config check lists them", "variable", name)
	}
	for _, warning := range a.settings.Warnings() {
		a.log.WarnContext(ctx, warning)
	}
	if err := a.installOperatorKey(ctx); err != nil {
		return err
	}
	if err := a.resumeBySetting(ctx); err != nil {
		return err
	}
	if err := a.startCRMs(ctx); err != nil {
		return err
	}
	a.jobs = newJobs(a)
	if a.record.Held() == nil {
		if err := a.startWork(ctx); err != nil {
			return err
		}
	}
	a.run("watch over the schedule", func(ctx context.Context) { a.beat.Watch(ctx, a.log) })
	if err := a.startAPI(); err != nil {
		return err
	}
	a.startBeats()
	return nil
}

// startWork starts the workers and the schedule.
func (a *app) startWork(ctx context.Context) error {
	if !a.settings.Record.Postgres() { // the locked data folder proves that no other process pushes
		if err := errors.Join(a.service.FreePushes(ctx), a.service.FreeDeliveries(ctx)); err != nil {
			return err
		}
	}
	if a.settings.Has(config.RoleWorker) {
		if err := a.startWorkers(); err != nil {
			return err
		}
		a.run("index the names of members", func(ctx context.Context) {
			if err := a.service.IndexNames(ctx); err != nil && ctx.Err() == nil {
				a.log.WarnContext(ctx, "some members of before are not found by name; a restart goes on", "error", err)
			}
		})
	}
	if a.settings.Has(config.RoleScheduler) {
		a.startSchedule()
	}
	a.working = true
	return nil
}

// installOperatorKey stores the operator key of the settings. When there is none, embedded mode makes one and
// keeps it in the data folder, readable by this user only.
func (a *app) installOperatorKey(ctx context.Context) error {
	key := a.settings.Program.OperatorKey
	if key == "" && a.settings.Embedded() {
		var err error
		if key, err = a.embeddedOperatorKey(); err != nil {
			return err
		}
	}
	a.operatorKey = key
	if key == "" {
		if a.settings.Has(config.RoleAPI) {
			a.log.WarnContext(ctx, "no operator key is set (INMAIL_OPERATOR_KEY or INMAIL_OPERATOR_KEY_FILE); "+
				"only keys that are stored already work")
		}
		return nil
	}
	return a.service.InstallKeys(ctx, key, a.settings.Program.NextOperatorKey)
}

// embeddedOperatorKey reads the operator key of the data folder, or makes it when there is none or it is too
// short.
func (a *app) embeddedOperatorKey() (string, error) {
	path := filepath.Join(a.settings.Record.Data, "operator.key")
	stored, err := os.ReadFile(path)
	if err == nil && len(strings.TrimSpace(string(stored))) >= config.MinKey {
		return strings.TrimSpace(string(stored)), nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("read the operator key: %w", err)
	}
	secret := uuids{}.NewSecret()
	key := mailroom.KeyPrefix + hex.EncodeToString(secret[:])
	if err := os.WriteFile(path, []byte(key+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("keep the operator key: %w; %s", err, unlessFull(err))
	}
	a.newKey = true
	return key, nil
}

// newJobs makes the handlers of all tasks over the parts of the program.
func newJobs(a *app) *worker.Jobs {
	jobs := &worker.Jobs{Service: a.service, Depth: a.queue.Depth, Log: a.log, Snapshot: a.snapshot,
		Writers: a.writers(), Webhooks: a.hooks}
	if a.traces {
		jobs.Trace = trace.Work
	}
	return jobs
}

// startWorkers starts the workers that process the queue.
func (a *app) startWorkers() error {
	handlers := map[string]queue.Handler{}
	for taskType, h := range a.jobs.Handlers() {
		handlers[taskType] = a.traced(taskType, a.unlessHeld(h))
	}
	server, err := a.queue.Start(handlers, func(taskType, result string,
		took time.Duration) {
		a.process.Ran(taskType, took, result == "ok")
	})
	if err != nil {
		return err
	}
	a.onStop("wake-ups", func(context.Context) error { a.jobs.Close(); return nil })
	a.onStop("workers", server.Stop)
	return nil
}

// traced makes a span of each task of a type. One about InMails belongs to their traces.
func (a *app) traced(taskType string, h queue.Handler) queue.Handler {
	if !a.traces {
		return h
	}
	return func(ctx context.Context, ids []string) error {
		var inmails []domain.ID
		if taskType == mailroom.TaskSend {
			for _, id := range ids {
				inmails = append(inmails, domain.ID(id))
			}
		}
		ctx, end := trace.Work(ctx, "task "+taskType, inmails)
		err := h(ctx, ids)
		end(err)
		return err
	}
}

// startSchedule starts to enqueue the periodic tasks.
func (a *app) startSchedule() {
	a.run("schedule", func(ctx context.Context) {
		worker.Run(ctx, a.queue, worker.Schedule(a.settings.Program.Every(), a.crmNames()), a.log)
	})
}

// run lets fn run until Stop ends its context.
func (a *app) run(name string, fn func(ctx context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn(ctx)
	}()
	a.onStop(name, func(context.Context) error { cancel(); <-done; return nil })
}

// The limits of the group commit of accept: the most sends in one transaction, the most that wait for one,
// and the time limit of one transaction.
const (
	acceptBatch   = 200
	acceptWaiting = 10_000
	acceptTimeout = 20 * time.Second
)

// sender accepts sends by group commit: each caller validates its own send, and many share one transaction.
type sender struct {
	service *mailroom.Service
	group   *worker.Group[*mailroom.Letter, mailroom.Accepted]
	repeats *singleflight.Group // the sends with a key that are being judged (R28)
}

// Accept implements httpapi.Sender.
func (s sender) Accept(ctx context.Context, send mailroom.Send) (mailroom.Accepted, error) {
	ctx, end := trace.Work(ctx, "accept", nil)
	accepted, err := s.judge(ctx, s.service.Read(send))
	end(err)
	if errors.Is(err, worker.ErrBusy) {
		err = mailroom.Because(mailroom.CauseBusy, fmt.Errorf("%w: %w", mailroom.ErrUnavailable, err))
	}
	return accepted, err
}

// judge hands a letter to the group commit. Of requests that are repeated under one key at the same time one
// is judged, and the others get its answer, even when it is a refusal, which binds no key (R28).
func (s sender) judge(ctx context.Context, letter *mailroom.Letter) (mailroom.Accepted, error) {
	request, keyed := letter.Request()
	if !keyed {
		return s.group.Do(ctx, letter)
	}
	answer := s.repeats.DoChan(request, func() (any, error) {
		return s.group.Do(context.WithoutCancel(ctx), letter) // one caller who gives up does not end it for the others
	})
	select {
	case a := <-answer:
		return a.Val.(mailroom.Accepted), a.Err
	case <-ctx.Done():
		return mailroom.Accepted{}, ctx.Err()
	}
}

// writers returns how many group commits of a kind run at once; SQLite allows one writer.
func (a *app) writers() int {
	if a.settings.Record.Postgres() {
		return 4
	}
	return 1
}

// startAPI listens and serves. A process without the role api serves only the pages of health and metrics,
// since no other process reports what this one counts.
func (a *app) startAPI() (err error) {
	announcer := worker.NewAnnouncer(a.service.Announce)
	a.onStop("announcing", announcer.Stop)
	group := worker.NewGroup(worker.GroupLimits{Batch: acceptBatch, Waiting: acceptWaiting, Parallel: a.writers(),
		Timeout: acceptTimeout},
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
		Sender: sender{a.service, group, new(singleflight.Group)}, Probes: a.probes(), Metrics: metrics.Handler(a.registry),
		Domain: metrics.Handler(domainRegistry), Queues: a.queue.Page("/queues"),
		QueueInspector: queueInspector{a.queue}, AnchorDay: a.settings.Policy.AnchorDay,
		Registry: a.registry, Log: a.log,
	}
	if a.traces {
		parts.NewID = uuids{}.NewID
	}
	if a.settings.Program.TimeTravel {
		parts.Advance = func(ctx context.Context, d time.Duration) (time.Time, error) {
			_, err := a.clock.Advance(d)
			if err == nil {
				a.sweep(ctx)
			}
			return a.record.Now(), err
		}
	}
	if a.settings.Web.Pages && !parts.PagesOnly {
		if parts.Pages, err = a.pages(parts); err != nil {
			return err
		}
	}
	api, err := httpapi.New(parts)
	if err != nil {
		return err
	}
	server, err := httpapi.Listen(context.Background(), api)
	if err != nil && parts.PagesOnly { // when several workers share a machine, one without pages still works
		a.log.Warn("the metrics of this process cannot be scraped; "+
			"give it an address of its own (--listen, INMAIL_LISTEN)", "error", err)
		return nil
	}
	if err != nil {
		return err
	}
	a.apiAddress = server.Addr().String()
	server.Start()
	a.failed = server.Failed()
	a.onStop("API", server.Stop)
	return a.noteAddress()
}

// addressFile is the file of the data folder in which a server notes its address, for the commands that are
// given in the same folder.
const addressFile = "server.url"

// noteAddress notes where the API answers on this machine, until it ends.
func (a *app) noteAddress() error {
	if a.settings.Record.Postgres() {
		return nil
	}
	path := filepath.Join(a.settings.Record.Data, addressFile)
	_, address, _ := strings.Cut(ownServer(a.apiAddress), "://")
	if err := os.WriteFile(path, []byte(a.settings.HTTP.Scheme()+"://"+address+"\n"), 0o600); err != nil {
		return fmt.Errorf("note the address of the API: %w; %s", err, unlessFull(err))
	}
	a.onStop("address of the API", func(context.Context) error { return os.Remove(path) })
	return nil
}

// sweep asks for what may have come due all at once, as the clock was set forward. The schedule would ask a
// little later, and does where this fails.
func (a *app) sweep(ctx context.Context) {
	err := a.queue.Enqueue(ctx, mailroom.Task{Type: mailroom.TaskExpire}, mailroom.Task{Type: mailroom.TaskRedrive})
	if err != nil {
		a.log.InfoContext(ctx, "what came due waits for the schedule", "error", err)
	}
}

// snapshot computes and stores the figures of the metrics. Its own duration is measured by the machine's
// clock, not by a clock that was set forward.
func (a *app) snapshot(ctx context.Context) error {
	began := time.Now()
	return a.service.TakeSnapshot(ctx, a.settings.Program.MetricsTags,
		func() time.Duration { return time.Since(began) })
}

// Stop stops the parts in the reverse of the order in which they were made, all within ctx, and returns their
// errors.
func (a *app) Stop(ctx context.Context) error {
	var errs []error
	if a.stopBeats != nil { // first: they may start other parts
		a.stopBeats()
		a.stopBeats = nil
	}
	for _, s := range slices.Backward(a.stops) {
		if err := s.do(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", s.name, err))
		}
	}
	a.stops = nil
	return errors.Join(errs...)
}

// embeddedCredentials are the login of the sandbox's integration user, with the permissions of the package,
// and two Users who are senders of the sample: one is found by the Federation ID, the other by the address.
func embeddedCredentials(c salesforce.Config) sandbox.Credentials {
	return sandbox.Credentials{ClientID: c.ClientID, ClientSecret: c.ClientSecret,
		Users: []sandbox.User{{
			Username: "inmail@sandbox.invalid", FirstName: "InMail", LastName: "Integration", Integration: true,
		}, {
			Username: "lena.hart@sandbox.invalid", FirstName: "Lena", LastName: "Hart", Federation: "lena.hart", Standard: true, Role: "Sales/North",
		}, {
			Username: "tomas.reyes@sandbox.invalid", FirstName: "Tomás", LastName: "Reyes", Email: "tomas.reyes@example.org", Standard: true,
			Role: "Sales/South",
		}}}
}

// startSandbox serves a Salesforce sandbox on loopback and returns the settings that connect to it. Its org
// is kept in the data folder.
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

// probes returns the checks of /readyz. A part is critical to a process that cannot do anything without it:
// the record to each; the queue to one without the API, as the API goes on accepting; the schedule to one
// that does nothing else. Without the others, work waits.
func (a *app) probes() []httpapi.Probe {
	schedulesOnly := !a.settings.Has(config.RoleAPI) && !a.settings.Has(config.RoleWorker)
	probes := []httpapi.Probe{
		{Name: "record", Critical: true, Check: a.service.Ready},
		{Name: "queue", Critical: !a.settings.Has(config.RoleAPI), Check: a.queue.Ping},
		{Name: "schedule", Critical: schedulesOnly, Check: a.beat.Check},
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
			} else if err == nil && !status.UnreachableSince.IsZero() {
				err = mailroom.Because(mailroom.CauseSilent, fmt.Errorf("%s does not answer since %s", crm.Name(),
					status.UnreachableSince.Format(time.RFC3339)))
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

// newLog returns the log of the settings: text on a terminal, JSON elsewhere. Lines contain ids only (STYLE
// H15).
func newLog(s config.Program, out *os.File) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(s.LogLevel)) // the settings have validated it
	o := &slog.HandlerOptions{Level: level}
	if s.Log == "text" || s.Log == "" && isTerminal(out) {
		return slog.New(slog.NewTextHandler(out, o))
	}
	return slog.New(slog.NewJSONHandler(out, o))
}
