// Package sandbox is a small, strict Salesforce that lives in the process. It serves the
// embedded default, the tests and the demo, and refuses everything that the real one refuses
// before it stores; where it is not known what the real one does, it refuses (SALESFORCE.md 5).
// README.md says what is faithful and what is not.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	sfpackage "inmail/connectors/salesforce/package"
)

// banner is what a person who opens the root sees.
const banner = "InMail Salesforce sandbox: not Salesforce, nothing here is real. Control paths are under /sandbox/.\n"

// Options make an org. The zero value is a Developer org that nobody can log in to.
type Options struct {
	Credentials Credentials
	// Clock says what time it is; nil: time.Now.
	Clock func() time.Time
	// Sleep waits for the slow faults; nil: it really waits.
	// It returns early, with the context's error, when that ends.
	Sleep func(context.Context, time.Duration) error
	// DailyLimit is how many API calls the org takes in 24 hours; 0: 15,000.
	DailyLimit int
	// LongCalls is how many calls may run for 20 s or more at once; 0: 5.
	LongCalls int
	// SessionLife is how long a session lasts, used or not; 0: 2 hours.
	SessionLife time.Duration
	// SOAPDisabled refuses every SOAP login, as a new org does.
	SOAPDisabled bool
	// PermissionSetUnassigned hides the package's object and fields, as before an
	// administrator has assigned its permission set.
	PermissionSetUnassigned bool
	// Seed makes the faults that come by rate repeatable.
	Seed uint64
	// File is the SQLite database that the org lives in: a commit is in it, or in the log
	// beside it, before it is answered. Empty: a temporary one, which ends with the process.
	File string
	// Log is told what no answer can say; nil: slog.Default.
	Log *slog.Logger
	// ControlKey is asked for, as a Bearer token, under /sandbox/; empty: no key is needed.
	ControlKey string
}

// Sandbox is an org. Its methods may be used by several goroutines at once.
type Sandbox struct {
	options     Options
	schema      *schema
	store       *store
	users       map[string]User           // by id; never changed after New
	rights      map[bool]map[bool]*access // by User.Integration, then by whether the set is assigned
	runAs       string                    // id of the user that client_credentials acts as
	assigned    atomic.Bool               // the permission set is assigned
	oldest      atomic.Int32              // version that still answers
	soapAllowed atomic.Bool               // SOAP logins are let in
	sessions    sessions
	usage       *usage
	faults      *faults
	cursors     cursors
	jobs        jobs
}

// New makes an org, with what its file holds. It fails when the package holds a rule or
// formula that the sandbox cannot evaluate, and when the file cannot be used.
func New(o Options) (*Sandbox, error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.DailyLimit == 0 {
		o.DailyLimit = defaultDailyLimit
	}
	if o.LongCalls == 0 {
		o.LongCalls = defaultLongCalls
	}
	if o.SessionLife == 0 {
		o.SessionLife = defaultSessionLife
	}
	if o.DailyLimit < 0 || o.LongCalls < 0 || o.SessionLife < 0 {
		return nil, fmt.Errorf("sandbox: DailyLimit %d, LongCalls %d and SessionLife %v must not be negative", o.DailyLimit, o.LongCalls, o.SessionLife)
	}
	model, err := sfpackage.Load()
	if err != nil {
		return nil, err
	}
	schema, err := newSchema(model)
	if err != nil {
		return nil, err
	}
	s := &Sandbox{
		options: o, schema: schema, users: map[string]User{},
		sessions: sessions{byToken: map[string]session{}, logins: map[string][]time.Time{}},
		usage:    newUsage(o.DailyLimit, o.LongCalls), faults: newFaults(o.Seed),
		rights: map[bool]map[bool]*access{false: {}, true: {}},
	}
	for _, assigned := range []bool{false, true} {
		minimal, err := schema.integration(model, assigned)
		if err != nil {
			return nil, err
		}
		s.rights[true][assigned], s.rights[false][assigned] = minimal, administrator(assigned)
	}
	s.assigned.Store(!o.PermissionSetUnassigned)
	s.soapAllowed.Store(!o.SOAPDisabled)
	s.oldest.Store(oldestVersion)
	if s.store, err = openStore(schema, o.File, o.Log); err != nil {
		return nil, err
	}
	if err := s.addUsers(); err != nil {
		return nil, errors.Join(err, s.store.close())
	}
	return s, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func (s *Sandbox) now() time.Time { return s.options.Clock() }

// addUsers makes a User record for each user of the credentials, and for no other.
func (s *Sandbox) addUsers() error {
	c := s.options.Credentials
	users := c.Users
	if len(users) == 0 {
		users = []User{{Username: "integration@sandbox.invalid", FirstName: "Integration"}}
	}
	tx := s.store.begin(s.now, caller{user: newID("005", operatorNumber), system: true})
	defer tx.rollback()
	tx.exec("DELETE FROM " + tx.tables[s.schema.object("User")].name)
	for i, u := range users {
		id := newID("005", uint64(i)+1)
		if u.LastName == "" {
			u.LastName = "User"
		}
		if s.userID(u.Username) != "" || u.Username == "" {
			return fmt.Errorf("sandbox: user name %q is empty or comes twice", u.Username)
		}
		s.users[id] = u
		if err := tx.addUser(id, u); err != nil {
			return err
		}
		if s.runAs == "" && (c.RunAs == "" || c.RunAs == u.Username) {
			s.runAs = id
		}
	}
	if s.runAs == "" {
		return fmt.Errorf("sandbox: RunAs %q is no user", c.RunAs)
	}
	if err := tx.addUser(newID("005", operatorNumber), User{Username: operatorName, FirstName: "Sandbox", LastName: "Operator"}); err != nil {
		return err
	}
	return tx.commit()
}

// addUser makes the record of a user.
func (tx *txn) addUser(id string, u User) error {
	o := tx.schema.object("User")
	d := tx.newDraft(o, nil)
	for name, v := range map[string]string{"Username": u.Username, "FirstName": u.FirstName, "LastName": u.LastName, "Email": u.Email} {
		value, refused := o.must(name).convertText(v)
		if refused != nil {
			return fmt.Errorf("sandbox: user %q: %w", u.Username, refused)
		}
		d.set(name, value)
	}
	d.set("IsActive", !u.Inactive)
	d.values[posID], d.values[posCreatedDate], d.values[posCreatedBy] = id, tx.at, tx.who.user
	if e := d.checkRequired(); e != nil {
		return fmt.Errorf("sandbox: user %q: %w", u.Username, e)
	}
	d.stamp()
	return nil
}

// Handler serves the org and its control paths.
func (s *Sandbox) Handler() http.Handler { return http.HandlerFunc(s.serve) }

// Serve serves the org on a listener until the context ends, then lets calls that are under
// way finish, for at most five seconds.
func (s *Sandbox) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		stopped <- server.Shutdown(grace)
	})
	err := server.Serve(l)
	if stop() || !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("sandbox: serve: %w", err)
	}
	return <-stopped
}

// Close closes the org's database. Calls that come later are refused.
func (s *Sandbox) Close() (err error) {
	if s.store.path != "" {
		err = s.store.scrub() // or SQLite moves the log into the file as it is
	}
	return errors.Join(err, s.store.close())
}

// ExpireSessions ends every session: the next call of each client is answered 401.
func (s *Sandbox) ExpireSessions() { s.sessions.end("") }

// Inject adds standing faults, all or none of them.
func (s *Sandbox) Inject(orders ...Fault) error { return s.faults.add(orders...) }

// ClearFaults takes all faults away.
func (s *Sandbox) ClearFaults() { s.faults.clear() }

// Struck counts by kind how often faults have struck since the org was made.
func (s *Sandbox) Struck() map[FaultKind]int { return s.faults.counts() }

// Calls counts the requests by resource since the org was made, refused ones included.
func (s *Sandbox) Calls() map[string]int { requests, _ := s.usage.calls(); return requests }

// Subrequests counts the subrequests of composites by resource; they are no API calls.
func (s *Sandbox) Subrequests() map[string]int { _, subrequests := s.usage.calls(); return subrequests }

// UnderWay is how many calls the org is at work on; one whose client has given up is among them.
func (s *Sandbox) UnderWay() int { return s.usage.underWay() }

// SpendCalls uses up n of the day's API calls, as a neighbour in the same org does.
func (s *Sandbox) SpendCalls(n int) { s.usage.spend(s.now(), n) }

// CallsToday is how many API calls count for the last 24 hours, and how many the org takes.
func (s *Sandbox) CallsToday() (used, limit int) { return s.usage.today(s.now()) }

// History is every committed change of InMail__c, and of Tasks that carry an event id, in the
// order in which they were committed; nil when the database cannot be read.
func (s *Sandbox) History() []Change { return s.history("", "") }

func (s *Sandbox) history(object, key string) (changes []Change) {
	s.look(func(v *view) { changes = v.history(object, key) })
	return changes
}
