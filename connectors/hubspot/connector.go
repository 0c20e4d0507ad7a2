package hubspot

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"inmail/connectors/trace"
	"inmail/domain"
	"inmail/domain/crmcall"
	"inmail/domain/mailroom"
)

// Name is the name of this CRM in settings, API, metrics and the record.
const Name domain.CRM = "hubspot"

// Deps is what the connector needs of the program.
type Deps struct {
	Observer  mailroom.CRMObserver // nil: nothing is observed
	Log       *slog.Logger         // nil: nothing is logged
	Clock     mailroom.Clock       // must not be nil
	Text      domain.CRMText       // which texts leave for HubSpot; empty: preview
	KeepDays  int                  // the portal need keep no InMail that is over for longer; 0: it keeps all
	Shared    Shared               // state that all workers share; nil: this process keeps its own
	Transport http.RoundTripper    // nil: newTransport, with TLS 1.2 and time-outs
	// Wait waits for d, or until the context ends. Nil waits by a timer.
	Wait func(ctx context.Context, d time.Duration) error
}

// Connector is the HubSpot side of the sync. Several goroutines may use its methods at once.
type Connector struct {
	config   Config
	owners   map[domain.MemberID]string
	keepFor  time.Duration // how long the portal keeps an InMail that is over; 0: for ever
	text     domain.CRMText
	budget   *budget
	observer mailroom.CRMObserver
	log      *slog.Logger
	clock    mailroom.Clock
	wait     func(context.Context, time.Duration) error

	learning sync.Mutex // held while the portal is asked about itself
	mu       sync.Mutex
	portal   *portal // what is known of the portal; nil: nothing yet
	kept     int64   // the id of the portal that was connected before; 0: none was

	contactMoves, companyMoves moves

	backfilling sync.Mutex
}

var (
	_ mailroom.CRM        = (*Connector)(nil)
	_ mailroom.Rememberer = (*Connector)(nil)
	_ mailroom.Checker    = (*Connector)(nil)
	_ mailroom.Installer  = (*Connector)(nil)
	_ mailroom.Linker     = (*Connector)(nil)
	_ mailroom.Titler     = (*Connector)(nil)
)

// New returns a connector to the portal of a config. Without a token the connector is not configured. New
// makes no call.
func New(config Config, deps Deps) (*Connector, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	owners, err := parseOwners(config.Owners)
	if err != nil {
		return nil, err
	}
	c := &Connector{config: config, owners: owners, text: deps.Text, keepFor: time.Duration(deps.KeepDays) * 24 * time.Hour,
		observer: deps.Observer, log: deps.Log, clock: deps.Clock, wait: deps.Wait}
	if c.text == "" {
		c.text = domain.CRMTextPreview
	}
	if c.observer == nil {
		c.observer = crmcall.NoObserver{}
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.wait == nil {
		c.wait = crmcall.Wait
	}
	shared, transport := deps.Shared, deps.Transport
	if shared == nil {
		shared = NewMemory(c.clock)
	}
	if transport == nil {
		transport = trace.Transport(string(Name), newTransport(config))
	}
	c.budget = newBudget(transport, config.Budget, c.clock, shared, c.log, c.observer.BudgetUsed)
	return c, nil
}

// newTransport returns a transport whose every wait has a time-out. A transport follows no redirect, so a
// token goes to no other host.
func newTransport(config Config) http.RoundTripper {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: config.Timeout,
		IdleConnTimeout:       90 * time.Second,
		MaxIdleConnsPerHost:   4,
		ForceAttemptHTTP2:     true,
	}
}

// Name returns the name of this CRM.
func (c *Connector) Name() domain.CRM { return Name }

// Title returns the name that people know.
func (c *Connector) Title() string { return "HubSpot" }

// Address returns where HubSpot is; empty: no portal is configured.
func (c *Connector) Address() string {
	if !c.Configured() {
		return ""
	}
	return c.config.URL
}

// RecordURL returns the address of the contact or company on whose timeline the InMail is. The double has
// no pages.
func (c *Connector) RecordURL(link domain.Link) string {
	u, err := url.Parse(c.config.URL)
	portal := link.Notes[portalNote]
	if err != nil || loopback(u.Hostname()) || portal == "" || link.RecordID == "" {
		return ""
	}
	at, kind, id := parentsOf(link), "0-1", ""
	if id = at.ContactID; id == "" {
		kind, id = "0-2", at.CompanyID
	}
	if id == "" {
		return ""
	}
	return "https://app.hubspot.com/contacts/" + portal + "/record/" + kind + "/" + id + "/?engagement=" + link.RecordID
}

// Configured says whether a portal is named.
func (c *Connector) Configured() bool { return c.config.Token != "" }

// These are the names of the ids that a sender may give.
const (
	contactID = "contact_id"
	companyID = "company_id"
)

// IDs describes the ids that a sender may name.
func (c *Connector) IDs() []mailroom.ForeignID {
	return []mailroom.ForeignID{
		{Name: contactID, Pattern: idForm.String(), Example: "51234"},
		{Name: companyID, Pattern: idForm.String(), Example: "87654"},
	}
}

// Judge refuses ids that HubSpot cannot have. It makes no call.
func (c *Connector) Judge(ids domain.ForeignIDs) error {
	for _, name := range []string{contactID, companyID} {
		if id := ids[name]; id != "" && !idForm.MatchString(id) {
			return domain.Refuse(domain.BadRequest, "hubspot.%s: a HubSpot id has 1 to 19 digits, such as 51234", name)
		}
	}
	return nil
}

// kept is what goes on after a restart.
type kept struct {
	Day    string `json:"day"`    // of the portal, to which Calls belongs
	Calls  int    `json:"calls"`  // ours of that day
	Portal int64  `json:"portal"` // the portal that is connected
}

// storeTimeout bounds a request to Shared that is made outside a caller's context.
const storeTimeout = 5 * time.Second

// Budget returns what is known of the portal's calls of today. It is zero when no portal is configured.
func (c *Connector) Budget() mailroom.Budget {
	if !c.Configured() {
		return mailroom.Budget{}
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	known := c.budget.known(ctx)
	c.budget.mu.Lock()
	k := kept{Day: c.budget.day, Calls: c.budget.today}
	c.budget.mu.Unlock()
	c.mu.Lock()
	k.Portal = c.kept
	c.mu.Unlock()
	known.Kept, _ = json.Marshal(k) // numbers and texts cannot fail to encode
	return known
}

// Remember goes on with what Budget kept before a restart: the calls of the day, and which portal it was.
func (c *Connector) Remember(ctx context.Context, blob json.RawMessage) error {
	var k kept
	if err := json.Unmarshal(blob, &k); err != nil {
		return fmt.Errorf("read what was kept of HubSpot: %w", err)
	}
	c.mu.Lock()
	c.kept = k.Portal
	c.mu.Unlock()
	if k.Day == "" {
		return nil
	}
	return c.budget.remember(ctx, k.Day, k.Calls)
}

// Resume forgets that HubSpot took nothing for a while, and what is known of the portal, so that both are
// tried again at once. It is called by a person who has removed the cause.
func (c *Connector) Resume(ctx context.Context) error {
	if !c.Configured() {
		return mailroom.ErrNotConfigured
	}
	c.forgetPortal()
	return c.budget.unpark(ctx)
}

// waits returns the error of a spent limit as a *mailroom.Waits with the time of the next try, and any
// other error unchanged.
func (c *Connector) waits(err error) error {
	var f *Fault
	if !errors.As(err, &f) || f.Class != domain.LimitReached {
		return err
	}
	until := f.until
	if now := c.clock.Now(); !until.After(now) {
		until = now.Add(time.Minute)
	}
	return &mailroom.Waits{Until: until, Err: err}
}
