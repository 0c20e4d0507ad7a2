// Package sandbox is a small, strict Salesforce within the process, for the embedded default, the tests and
// the demo. It refuses before storing what the real one refuses; where the behaviour of the real one is not
// known, it refuses too (SALESFORCE.md 5). README.md says what is faithful and what is not.
package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	sfpackage "inmail/connectors/salesforce/package"
)

// banner is the answer to the root path, for a person who opens it.
const banner = "InMail Salesforce sandbox: not Salesforce, nothing here is real. Control paths are under /sandbox/.\n"

// Options configure an org. The zero value is a Developer org that nobody can log in to.
type Options struct {
	Credentials Credentials
	// Clock returns the current time; nil: time.Now.
	Clock func() time.Time
	// Sleep waits for the slow faults; nil: it really waits. It returns early, with the context's error,
	// when the context ends.
	Sleep func(context.Context, time.Duration) error
	// TimeZone is the org's zone, and that of users who name none; empty: America/Los_Angeles, as in a new
	// org.
	TimeZone string
	// DailyLimit is how many API calls the org takes in 24 hours; 0: 15,000.
	DailyLimit int
	// LongCalls is how many calls may run for 20 s or more at once; 0: 5.
	LongCalls int
	// SessionLife is how long a session lasts, used or not; 0: 2 hours.
	SessionLife time.Duration
	// SOAPDisabled refuses every SOAP login, as a new org does.
	SOAPDisabled bool
	// PermissionSetUnassigned hides the package's object and fields, as before an administrator has
	// assigned its permission set.
	PermissionSetUnassigned bool
	// PeopleSetUnassigned leaves integration users without edit on Lead and Contact, as an administrator may.
	PeopleSetUnassigned bool
	// CampaignsSetAssigned lets integration users add members to campaigns.
	CampaignsSetAssigned bool
	// Undeployed starts an org without the package, which a deployment brings. Its permission sets are then
	// assigned to nobody.
	Undeployed bool
	// Seed is the seed of the faults that have a rate, so that runs are repeatable.
	Seed uint64
	// File is the path of the org's SQLite database. A commit is in the file, or in the log beside it,
	// before it is acknowledged. Empty: a temporary database, which ends with the process.
	File string
	// Log receives failures that no answer can report; nil: slog.Default.
	Log *slog.Logger
	// ControlKey is the Bearer token that paths under /sandbox/ require; empty: none.
	ControlKey string
}

// Sandbox is an org. Its methods are safe for concurrent use.
type Sandbox struct {
	options     Options
	schema      *schema
	store       *store
	model       sfpackage.Model
	users       map[string]User                     // by id; never changed after New
	rights      atomic.Pointer[map[string]*access]  // by id of the user, from profile and permission sets
	shares      atomic.Pointer[map[*object]OrgWide] // org-wide defaults that differ from those of a new org
	runAs       string                              // id of the user that client_credentials acts as
	deployed    atomic.Bool                         // the package is in the org
	oldest      atomic.Int32                        // oldest version that is answered
	soapAllowed atomic.Bool                         // SOAP logins are allowed
	instance    atomic.Pointer[movedTo]             // where the org has moved; nil: it never did
	sessions    sessions
	usage       *usage
	faults      *faults
	cursors     cursors
	layouts     *layouts
	metadata    metadata
	jobs        jobs
}

// New makes an org from the contents of its file. It fails when the package has a rule or formula that the
// sandbox cannot evaluate, or when the file cannot be used.
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
		return nil, fmt.Errorf("sandbox: DailyLimit %d, LongCalls %d and SessionLife %v must not be negative",
			o.DailyLimit, o.LongCalls, o.SessionLife)
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
		options: o, schema: schema, model: model, users: map[string]User{},
		sessions: sessions{byToken: map[string]session{}, logins: map[string][]time.Time{}},
		usage:    newUsage(o.DailyLimit, o.LongCalls), faults: newFaults(o.Seed),
	}
	s.shares.Store(&map[*object]OrgWide{})
	s.layouts, s.metadata.files = schema.newLayouts(), map[string][]byte{}
	if !o.Undeployed {
		files, err := sfpackage.Deployable()
		if err != nil {
			return nil, err
		}
		delete(files, "package.xml")
		for name, body := range files {
			if layout, ok := strings.CutSuffix(strings.TrimPrefix(name, "layouts/"), ".layout"); ok {
				_, elements, err := sfpackage.Elements(body)
				if err != nil {
					return nil, err
				}
				s.layouts.put(layout, elements)
				continue
			}
			s.metadata.files[name] = body
		}
	}
	s.deployed.Store(!o.Undeployed)
	s.soapAllowed.Store(!o.SOAPDisabled)
	s.oldest.Store(oldestVersion)
	if s.store, err = openStore(schema, o.File, o.Log); err != nil {
		return nil, err
	}
	if err := s.addUsers(); err != nil {
		return nil, errors.Join(err, s.store.close())
	}
	if err := s.addPermissionSets(); err != nil {
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

// addUsers replaces the User records by those of the credentials.
func (s *Sandbox) addUsers() error {
	c := s.options.Credentials
	users := c.Users
	if len(users) == 0 {
		users = []User{{Username: "integration@sandbox.invalid", FirstName: "Integration"}}
	}
	tx := s.store.begin(s.now, caller{user: newID("005", operatorNumber), system: true})
	defer tx.rollback()
	tx.exec("DELETE FROM " + tx.tables[s.schema.object("User")].name)
	tx.exec("DELETE FROM " + tx.tables[s.schema.object("UserRole")].name)
	roles := map[string]string{}
	for i, u := range users {
		id := newID("005", uint64(i)+1)
		if u.LastName == "" {
			u.LastName = "User"
		}
		if s.userID(u.Username) != "" || u.Username == "" {
			return fmt.Errorf("sandbox: user name %q is empty or comes twice", u.Username)
		}
		s.users[id] = u
		u.TimeZone = s.timeZone(u.TimeZone)
		if err := tx.addUser(id, u); err != nil {
			return err
		}
		if u.Role != "" {
			tx.setField(tx.find(id), s.schema.object("User").must("UserRoleId"), tx.addRole(u.Role, roles))
		}
		if s.runAs == "" && (c.RunAs == "" || c.RunAs == u.Username) {
			s.runAs = id
		}
	}
	if s.runAs == "" {
		return fmt.Errorf("sandbox: RunAs %q is no user", c.RunAs)
	}
	if err := tx.addUser(newID("005", operatorNumber),
		User{Username: operatorName, FirstName: "Sandbox", LastName: "Operator"}); err != nil {
		return err
	}
	tx.exec("DELETE FROM " + tx.tables[s.schema.object("Organization")].name)
	d := tx.newDraft(s.schema.object("Organization"), nil)
	d.set("Name", "InMail sandbox")
	d.set("TimeZoneSidKey", s.timeZone(""))
	d.set("DefaultLocaleSidKey", "en_US")
	d.set("IsSandbox", true)
	d.set("InstanceName", "SBX1S")
	d.set("OrganizationType", "Developer Edition")
	d.set("LanguageLocaleKey", "en_US")
	d.values[posID], d.values[posCreatedDate], d.values[posCreatedBy] = orgID, tx.at, tx.who.user
	d.stamp()
	return tx.commit()
}

// timeZone returns the zone of a user.
func (s *Sandbox) timeZone(own string) string {
	return cmp.Or(own, s.options.TimeZone, "America/Los_Angeles")
}

// addUser creates the record of a user.
func (tx *txn) addUser(id string, u User) error {
	o := tx.schema.object("User")
	d := tx.newDraft(o, nil)
	for name, v := range map[string]string{"Username": u.Username, "FirstName": u.FirstName, "LastName": u.LastName,
		"Email": u.Email, "FederationIdentifier": u.Federation} {
		value, refused := o.must(name).convertText(v)
		if refused != nil {
			return fmt.Errorf("sandbox: user %q: %w", u.Username, refused)
		}
		d.set(name, value)
	}
	d.set("IsActive", !u.Inactive)
	if u.TimeZone != "" {
		d.set("TimeZoneSidKey", u.TimeZone)
	}
	d.values[posID], d.values[posCreatedDate], d.values[posCreatedBy] = id, tx.at, tx.who.user
	if e := d.checkRequired(); e != nil {
		return fmt.Errorf("sandbox: user %q: %w", u.Username, e)
	}
	d.stamp()
	return nil
}

// Handler serves the org and its control paths.
func (s *Sandbox) Handler() http.Handler { return http.HandlerFunc(s.serve) }

// Serve serves the org on a listener until the context ends. It then waits at most five seconds for calls
// in progress, and closes the connections that are left: one on which nobody has asked anything may be among
// them.
func (s *Sandbox) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		err := server.Shutdown(grace)
		if errors.Is(err, context.DeadlineExceeded) {
			err = server.Close()
		}
		stopped <- err
	})
	err := server.Serve(l)
	if stop() || !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("sandbox: serve: %w", err)
	}
	return <-stopped
}

// Close closes the org's database. Later calls are refused.
func (s *Sandbox) Close() (err error) {
	if s.store.path != "" {
		err = s.store.scrub() // first, because closing moves the log into the file unscrubbed
	}
	return errors.Join(err, s.store.close())
}

// ExpireSessions ends every session: the next call of each client is answered 401.
func (s *Sandbox) ExpireSessions() { s.sessions.end("") }

// Inject activates faults. When one is not valid it activates none.
func (s *Sandbox) Inject(faults ...Fault) error { return s.faults.add(faults...) }

// ClearFaults removes all faults.
func (s *Sandbox) ClearFaults() { s.faults.clear() }

// Struck returns how often faults of each kind have struck since the org was made.
func (s *Sandbox) Struck() map[FaultKind]int { return s.faults.counts() }

// Calls returns the number of requests by resource since the org was made, including refused ones.
func (s *Sandbox) Calls() map[string]int { requests, _ := s.usage.calls(); return requests }

// Subrequests returns the number of subrequests of composites by resource; they are no API calls.
func (s *Sandbox) Subrequests() map[string]int { _, subrequests := s.usage.calls(); return subrequests }

// UnderWay is the number of calls in progress, including those whose client has disconnected.
func (s *Sandbox) UnderWay() int { return s.usage.underWay() }

// SpendCalls uses up n of the day's API calls, as another integration in the same org would.
func (s *Sandbox) SpendCalls(n int) { s.usage.spend(s.now(), n) }

// CallsToday returns the API calls of the last 24 hours and the limit of the org.
func (s *Sandbox) CallsToday() (used, limit int) { return s.usage.today(s.now()) }

// History returns every committed change of InMail__c, and of Tasks that have an event id, in the order of
// the commits; nil when the database cannot be read.
func (s *Sandbox) History() []Change { return s.history("", "") }

func (s *Sandbox) history(object, key string) (changes []Change) {
	s.snapshot(func(v *view) { changes = v.history(object, key) })
	return changes
}
