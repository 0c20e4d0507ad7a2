package salesforce

import (
	"context"
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// Name is what this CRM is called everywhere.
const Name domain.CRM = "salesforce"

// The closed lists of the observer's words: the parts of the API that calls are counted by, and what rows are pushed to.
var (
	Resources = []string{"login", "query", "composite", "collections", "bulk", "describe", "limits", "other"}
	Objects   = []string{inMailObject, taskObject}
)

// Deps is what the connector needs of the program.
type Deps struct {
	Observer  mailroom.CRMObserver // nil: nobody is told
	Log       *slog.Logger         // nil: nothing is logged
	Clock     mailroom.Clock       // of budget and logins; must not be nil
	Text      domain.CRMText       // which texts leave for Salesforce; empty: preview
	Shared    Shared               // what all workers know together; nil: this process is alone
	Transport http.RoundTripper    // nil: one with TLS 1.2 and limits to its waiting
	// Wait waits for a bulk job, or until the context ends; nil: by a timer.
	Wait func(ctx context.Context, d time.Duration) error
}

// Connector is the far end of the sync. Its methods may be used by several goroutines at once.
type Connector struct {
	config   Config
	owners   map[domain.MemberID]string
	text     domain.CRMText
	login    *login
	budget   *budget
	shared   Shared
	observer mailroom.CRMObserver
	log      *slog.Logger
	clock    mailroom.Clock
	wait     func(context.Context, time.Duration) error

	current     atomic.Pointer[session]
	jobRows     int          // at most so many rows a bulk job
	bulkAbove   int          // so many rows or fewer are no bulk job
	longest     atomic.Int64 // characters of a query that this org takes in one piece
	moves       moves
	ownersAlone ownersAlone
	backfilling sync.Mutex
}

var _ mailroom.CRM = (*Connector)(nil)

// New returns a connector to the org of a config, which is not configured when that has no URL. It reads the key file and calls nobody.
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
	secret := []byte(config.ClientSecret + config.Password)
	var key *rsa.PrivateKey
	if how == jwtBearer {
		if secret, err = os.ReadFile(config.JWTKeyFile); err != nil {
			return nil, fmt.Errorf("salesforce.jwt_key_file: %w", err)
		}
		if key, err = jwt.ParseRSAPrivateKeyFromPEM(secret); err != nil {
			return nil, fmt.Errorf("salesforce.jwt_key_file: %s holds no RSA private key in PEM: %w", config.JWTKeyFile, err)
		}
	}
	c := &Connector{config: config, owners: owners, text: deps.Text, shared: deps.Shared,
		observer: deps.Observer, log: deps.Log, clock: deps.Clock, wait: deps.Wait,
		jobRows: maxJobRows, bulkAbove: bulkAbove}
	if c.wait == nil {
		c.wait = wait
	}
	c.longest.Store(maxSOQL)
	if c.login, err = newLogin(config, how, key, secret); err != nil {
		return nil, err
	}
	if c.text == "" {
		c.text = domain.CRMTextPreview
	}
	if c.observer == nil {
		c.observer = nobody{}
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.shared == nil {
		c.shared = NewMemory(c.clock)
	}
	transport := deps.Transport
	if transport == nil {
		transport = newTransport(config)
	}
	c.budget = newBudget(transport, config, c.clock, c.shared, c.log, c.observer.BudgetUsed)
	if how == soapLogin {
		c.log.Warn("the SOAP login is a legacy: new orgs refuse it, and it ends in Summer '27", "api_version", fmt.Sprintf("%d.0", soapAPI))
	}
	return c, nil
}

// newTransport returns a transport whose every wait has an end. It follows no redirect: a token goes to no other host.
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

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// nobody is told what nobody wants to know.
type nobody struct{}

func (nobody) Called(string, time.Duration) {}
func (nobody) Pushed(string, string, int)   {}
func (nobody) BudgetUsed(float64)           {}

// Name is what this CRM is called.
func (c *Connector) Name() domain.CRM { return Name }

// Configured says whether an org is named.
func (c *Connector) Configured() bool { return c.config.URL != "" }

// Budget tells what is known of the org's daily API calls.
func (c *Connector) Budget() mailroom.Budget {
	if !c.Configured() {
		return mailroom.Budget{}
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	return c.budget.known(ctx)
}

// storeTimeout bounds what is asked of Shared outside a caller's context.
const storeTimeout = 5 * time.Second

// Resume forgets what the org refused a while ago: that it took nothing, and that a login failed. A person who has mended it
// calls this.
func (c *Connector) Resume(ctx context.Context) error {
	if !c.Configured() {
		return mailroom.ErrNotConfigured
	}
	return errors.Join(c.budget.unpark(ctx), c.forgetFailure(ctx))
}
