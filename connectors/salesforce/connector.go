package salesforce

import (
	"context"
	"crypto/rsa"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"inmail/connectors/trace"
	"inmail/domain"
	"inmail/domain/crmcall"
	"inmail/domain/mailroom"
)

// Name is the name of this CRM in settings, API, metrics and the record.
const Name domain.CRM = "salesforce"

// Resources are the parts of the API by which calls are counted, and Objects are the objects to which rows
// are pushed. Both lists are closed, because they become label values of metrics.
var (
	Resources = []string{"login", "query", "composite", "collections", "bulk", "describe", "limits", "other"}
	Objects   = []string{inMailObject, taskObject, leadObject, contactObject, memberObject}
)

// Deps is what the connector needs of the program.
type Deps struct {
	Observer  mailroom.CRMObserver // nil: nothing is observed
	Log       *slog.Logger         // nil: nothing is logged
	Clock     mailroom.Clock       // of budget and logins; must not be nil
	Text      domain.CRMText       // which texts leave for Salesforce; empty: preview
	KeepDays  int                  // the org need keep no InMail that is over for longer; 0: it keeps all
	Address   string               // where people reach the pages; empty: records have no link to them
	Profiles  string               // address of a member's profile, with {member}; empty: that of our pages
	Shared    Shared               // state that all workers share; nil: this process keeps its own
	Transport http.RoundTripper    // nil: newTransport, with TLS 1.2 and time-outs
	// Wait waits for d, or until the context ends. Nil waits by a timer.
	Wait func(ctx context.Context, d time.Duration) error
}

// Connector is the Salesforce side of the sync. Several goroutines may use its methods at once.
type Connector struct {
	config     Config
	owners     map[domain.MemberID]string // Users by sender, as the setting names them
	teamOwners map[string]string          // Users by team
	campaigns  map[string]string          // the Campaign of a tag, by the tag in lower case
	defaults   []taskDefault              // what every Task gets
	zone       zone
	users      users
	keepFor    time.Duration // how long the org keeps an InMail that is over; 0: for ever
	text       domain.CRMText
	pages      pages
	login      *login
	budget     *budget
	shared     Shared
	observer   mailroom.CRMObserver
	log        *slog.Logger
	clock      mailroom.Clock
	wait       func(context.Context, time.Duration) error

	current       atomic.Pointer[session]
	lookedForMove atomic.Int64 // when a login was made last because the org may have moved, in ms since 1970
	chunks        chunks
	jobRows       int          // at most so many rows in a bulk job
	bulkAbove     int          // so many rows or fewer go by ordinary pushes
	longest       atomic.Int64 // characters of the longest query that this org takes
	moves         moves
	refusedOwners refusedOwners
	resting       objectRests
	ways          ways
	backfilling   sync.Mutex
}

var _ mailroom.CRM = (*Connector)(nil)

// New returns a connector to the org of a config. Without a URL the connector is not configured. New reads
// the key file and makes no call.
func New(config Config, deps Deps) (*Connector, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	if config.URL == "" {
		return &Connector{config: config}, nil
	}
	how, err := config.method()
	if err != nil {
		return nil, err
	}
	owners, err := parseOwners(config.Owners)
	if err != nil {
		return nil, err
	}
	campaigns, err := parseCampaigns(config.Campaigns)
	if err != nil {
		return nil, err
	}
	teamOwners, err := parseTeamOwners(config.TeamOwners)
	if err != nil {
		return nil, err
	}
	defaults, err := parseTaskDefaults(config.TaskDefaults)
	if err != nil {
		return nil, err
	}
	secret := []byte(config.ClientSecret + config.Password)
	var key *rsa.PrivateKey
	if how == jwtBearer {
		if secret, err = os.ReadFile(config.JWTKeyFile); err != nil {
			return nil, fmt.Errorf("salesforce.jwt_key_file: %w", err)
		}
		if key, err = jwt.ParseRSAPrivateKeyFromPEM(secret); err != nil {
			return nil, fmt.Errorf("salesforce.jwt_key_file: %s has no RSA private key in PEM: %w",
				config.JWTKeyFile, err)
		}
	}
	c := &Connector{config: config, campaigns: campaigns, pages: pages{deps.Address, deps.Profiles, strings.TrimRight(config.URL, "/")}, owners: owners, teamOwners: teamOwners, defaults: defaults, text: deps.Text,
		keepFor: time.Duration(deps.KeepDays) * 24 * time.Hour, shared: deps.Shared,
		observer: deps.Observer, log: deps.Log, clock: deps.Clock, wait: deps.Wait,
		jobRows: maxJobRows, bulkAbove: bulkAbove}
	if c.wait == nil {
		c.wait = crmcall.Wait
	}
	c.longest.Store(maxSOQL)
	if c.login, err = newLogin(config, how, key, secret); err != nil {
		return nil, err
	}
	if c.text == "" {
		c.text = domain.CRMTextPreview
	}
	if c.observer == nil {
		c.observer = crmcall.NoObserver{}
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.shared == nil {
		c.shared = NewMemory(c.clock)
	}
	transport := deps.Transport
	if transport == nil {
		transport = trace.Transport(string(Name), newTransport(config))
	}
	c.budget = newBudget(transport, config, c.clock, c.shared, c.log, c.observer.BudgetUsed)
	if how == soapLogin {
		c.log.Warn("the SOAP login is a legacy: new orgs refuse it, and it ends in Summer '27",
			"api_version", fmt.Sprintf("%d.0", soapAPI))
	}
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
		MaxIdleConnsPerHost:   config.Concurrency,
		ForceAttemptHTTP2:     true,
	}
}

// Name returns the name of this CRM.
func (c *Connector) Name() domain.CRM { return Name }

// Title implements mailroom.Titler.
func (c *Connector) Title() string { return "Salesforce" }

// RecordURL implements mailroom.Linker: the address that leads to a record in whatever user interface its
// reader has.
func (c *Connector) RecordURL(link domain.Link) string {
	if !c.Configured() || link.RecordID == "" {
		return ""
	}
	return strings.TrimRight(c.config.URL, "/") + "/" + url.PathEscape(link.RecordID)
}

// Configured says whether an org is named.
func (c *Connector) Configured() bool { return c.config.URL != "" }

// Budget returns what is known of the org's daily API calls. It is zero when no org is configured.
func (c *Connector) Budget() mailroom.Budget {
	if !c.Configured() {
		return mailroom.Budget{}
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	known := c.budget.known(ctx)
	known.Kept = c.keeps()
	return known
}

// kept is what goes on after a restart.
type kept struct {
	Calls  map[int64]int        `json:"calls"`  // by hours since 1970
	Chunks map[string]chunkSize `json:"chunks"` // by object
}

func (c *Connector) keeps() json.RawMessage {
	blob, _ := json.Marshal(kept{Calls: c.budget.hours(), Chunks: c.chunks.sizes()}) // numbers and times cannot fail
	return blob
}

var _ mailroom.Rememberer = (*Connector)(nil)

// Remember goes on with what Budget kept before a restart: the calls of the last day, where the workers'
// store has lost them, and how many rows the org takes at once.
func (c *Connector) Remember(ctx context.Context, blob json.RawMessage) error {
	var k kept
	if err := json.Unmarshal(blob, &k); err != nil {
		return fmt.Errorf("read what was kept of Salesforce: %w", err)
	}
	for object, size := range k.Chunks {
		if size.Rows > 0 {
			c.chunks.set(object, size)
		}
	}
	return c.budget.remember(ctx, k.Calls)
}

// storeTimeout bounds a request to Shared that is made outside a caller's context.
const storeTimeout = 5 * time.Second

// Resume forgets that the org took nothing for a while, that a login failed, and the session, so that all are
// tried again at once. It is called by a person who has removed the cause.
func (c *Connector) Resume(ctx context.Context) error {
	if !c.Configured() {
		return mailroom.ErrNotConfigured
	}
	c.ways.open()
	c.zone.forget()
	c.users.forgetAll()
	return errors.Join(c.budget.unpark(ctx), c.forgetFailure(ctx), c.forgetSession(ctx), c.forgetRests(ctx))
}
