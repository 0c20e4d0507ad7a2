// Package sandbox is a small HubSpot in the process, for trying and testing. It is not HubSpot. It refuses
// what HubSpot is known to refuse, and where nothing is known it refuses too: results come in another
// order than the inputs, an archived record keeps its unique values, and one conflict fails a whole batch.
// What is refused is refused before anything is stored, except by a Fault that says otherwise.
package sandbox

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // zones are known on every machine
)

// Tier is the subscription of the portal, which sets its limits.
type Tier string

// The tiers.
const (
	Free         Tier = "Free"
	Starter      Tier = "Starter"
	Professional Tier = "Professional"
	Enterprise   Tier = "Enterprise"
)

// limitsOf are the limits of each tier: calls in ten seconds and in a day, and own properties. On Free the
// own properties of all objects count together.
var limitsOf = map[Tier]struct{ burst, daily, properties int }{
	Free:         {100, 250_000, 10},
	Starter:      {100, 250_000, 1000},
	Professional: {190, 625_000, 1000},
	Enterprise:   {190, 1_000_000, 1000},
}

// Options say what portal is made. The zero value is a Professional portal with the token "pat-sandbox".
type Options struct {
	Token       string           // the only one that is accepted; empty: pat-sandbox
	Portal      int64            // 0: 4711
	TimeZone    string           // of the portal: its day begins the daily limit; empty: UTC
	Tier        Tier             // empty: Professional
	Daily       int              // calls in a day; 0: as the tier has
	Scopes      []string         // nil: all that InMail needs
	PlainKeys   bool             // communications take no unique properties
	NoOwn       bool             // communications take no own properties at all
	Leads       bool             // the portal has leads
	RowConflict bool             // a conflict in a batch/create is the row's own, with 207
	HideMerged  bool             // records do not list which were merged into them
	IndexDelay  time.Duration    // how late searches show what was written; 0: at once
	Clock       func() time.Time // nil: time.Now
	Seed        uint64           // of the faults and of the order of results
}

// AllScopes are the scopes that InMail needs.
var AllScopes = []string{"crm.objects.contacts.read", "crm.objects.contacts.write", "crm.objects.companies.read",
	"crm.objects.companies.write", "crm.objects.owners.read", "crm.schemas.contacts.write"}

// Sandbox is one portal. Several goroutines may use it at once.
type Sandbox struct {
	options Options
	zone    *time.Location

	mu         sync.Mutex
	random     *rand.Rand
	nextID     int64
	objects    map[string]*object
	owners     []Owner
	recent     []time.Time // the calls of the last ten seconds
	searches   []time.Time // the searches of the last second
	day        string
	today      int
	calls      map[string]int
	faults     []Fault
	late       []lateWrite
	lateRows   int // rows that were written late
	history    []Change
	exchanges  []Exchange
	recording  bool
	correlated int
}

// Owner is a user to whom records can belong.
type Owner struct {
	ID       string
	Email    string
	Archived bool
}

// Change is one write to a communication: what its key and sequence number were after it.
type Change struct {
	ID       string
	Event    string // inmail_event_id
	Sequence string // inmail_sequence
	Body     string // hs_communication_body
	Created  bool
}

// Exchange is one call with its bodies, for tests that check their form.
type Exchange struct {
	Method, Path string
	Request      string
	Status       int
	Answer       string
}

// New makes a portal.
func New(o Options) (*Sandbox, error) {
	if o.Token == "" {
		o.Token = "pat-sandbox"
	}
	if o.Portal == 0 {
		o.Portal = 4711
	}
	if o.Tier == "" {
		o.Tier = Professional
	}
	limits, ok := limitsOf[o.Tier]
	if !ok {
		return nil, fmt.Errorf("tier: %q is not one of Free, Starter, Professional, Enterprise", o.Tier)
	}
	if o.Daily == 0 {
		o.Daily = limits.daily
	}
	if o.Scopes == nil {
		if o.Scopes = AllScopes; o.Leads {
			o.Scopes = slices.Concat(AllScopes, []string{"crm.objects.leads.read", "crm.objects.leads.write"})
		}
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.TimeZone == "" {
		o.TimeZone = "UTC"
	}
	zone, err := time.LoadLocation(o.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("time zone: %w", err)
	}
	s := &Sandbox{options: o, zone: zone, random: rand.New(rand.NewPCG(o.Seed, 1)), nextID: 1000,
		objects: standardObjects(), calls: map[string]int{}}
	if !o.Leads {
		delete(s.objects, "leads")
	}
	return s, nil
}

// Serve serves the portal until the context ends.
func (s *Sandbox) Serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: 10 * time.Second}
	stopped := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stopped()
	if err := server.Serve(listener); err != nil && ctx.Err() == nil {
		return fmt.Errorf("serve the HubSpot sandbox: %w", err)
	}
	return nil
}

// Calls returns how many calls were answered, by the kind of the call.
func (s *Sandbox) Calls() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[string]int, len(s.calls))
	for kind, n := range s.calls {
		out[kind] = n
	}
	return out
}

// History returns all writes to communications, in their order.
func (s *Sandbox) History() []Change {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.history)
}

// Record begins to keep the bodies of all calls, and Exchanges returns them.
func (s *Sandbox) Record() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recording = true
}

// Exchanges returns the calls since Record.
func (s *Sandbox) Exchanges() []Exchange {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.exchanges)
}

// AddOwner adds a user to whom records can belong.
func (s *Sandbox) AddOwner(o Owner) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owners = append(s.owners, o)
}

// now is the time of the portal.
func (s *Sandbox) now() time.Time { return s.options.Clock().UTC() }

// limited counts a call, and answers it when a limit is reached. Searches have a limit of their own.
func (s *Sandbox) limited(h http.Header, search bool) *refusal {
	now := s.now()
	if day := now.In(s.zone).Format(time.DateOnly); day != s.day {
		s.day, s.today = day, 0
	}
	burst := limitsOf[s.options.Tier].burst
	s.recent = slices.DeleteFunc(s.recent, func(at time.Time) bool { return now.Sub(at) >= 10*time.Second })
	if s.today >= s.options.Daily {
		return rateLimit("DAILY")
	}
	if len(s.recent) >= burst {
		return rateLimit("TEN_SECONDLY_ROLLING")
	}
	if search {
		s.searches = slices.DeleteFunc(s.searches, func(at time.Time) bool { return now.Sub(at) >= time.Second })
		if len(s.searches) >= 5 {
			return rateLimit("SECONDLY")
		}
		s.searches = append(s.searches, now)
	}
	s.recent = append(s.recent, now)
	s.today++
	if !search { // answers to searches have no such headers
		h.Set("X-HubSpot-RateLimit-Max", strconv.Itoa(burst))
		h.Set("X-HubSpot-RateLimit-Remaining", strconv.Itoa(burst-len(s.recent)))
		h.Set("X-HubSpot-RateLimit-Interval-Milliseconds", "10000")
		h.Set("X-HubSpot-RateLimit-Daily", strconv.Itoa(s.options.Daily))
		h.Set("X-HubSpot-RateLimit-Daily-Remaining", strconv.Itoa(s.options.Daily-s.today))
	}
	return nil
}

// allowed checks the token and the scopes of a call.
func (s *Sandbox) allowed(r *http.Request, scopes []string) *refusal {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || token != s.options.Token {
		return &refusal{Status: http.StatusUnauthorized, Category: "INVALID_AUTHENTICATION",
			Message: "Authentication credentials not found."}
	}
	var missing []string
	for _, scope := range scopes {
		if !slices.Contains(s.options.Scopes, scope) {
			missing = append(missing, scope)
		}
	}
	if missing == nil {
		return nil
	}
	return &refusal{Status: http.StatusForbidden, Category: "MISSING_SCOPES",
		Message: "This app hasn't been granted all required scopes to make this call.",
		Errors: []detail{{Message: "One or more of the following scopes are required.",
			Context: map[string][]string{"requiredGranularScopes": missing}}}}
}

// ArchiveOwner lets a user leave: no record may belong to the user from now on.
func (s *Sandbox) ArchiveOwner(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.owners {
		s.owners[i].Archived = s.owners[i].Archived || s.owners[i].ID == id
	}
}
