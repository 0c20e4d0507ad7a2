// Package hubspot brings InMails to a HubSpot portal and keeps them true there: each InMail that was sent
// to a person whom the portal knows is a message on the timeline of its contact and company. It makes one
// try for each call, and its caller decides what follows a failure. The operator's guide is README.md in
// this folder.
package hubspot

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode"

	"inmail/domain"
)

// Config says which portal is used and how much of it may be used. Default gives the values to start from.
// An empty token means no portal.
type Config struct {
	Token         string        `koanf:"token" secret:"true"` // of a service key or a private app; secret
	URL           string        `koanf:"url"`                 // https://api.hubapi.com
	APIVersion    string        `koanf:"api_version"`         // a dated version, such as 2026-03
	Budget        float64       `koanf:"budget"`              // our share of both limits; above 0, up to 1
	Portal        int64         `koanf:"portal"`              // the id that the portal must have; 0: any, and the same one from then on
	Timeout       time.Duration `koanf:"timeout"`             // for one call; 30s..2m
	ContactStatus string        `koanf:"contact_status"`      // on or off: keep the last status on the contact
	KeyIn         string        `koanf:"key_in"`              // property, or body where communications take no own properties
	Owners        []string      `koanf:"owners"`              // member=owner id or e-mail: who owns a sender's messages
}

// apiVersion is the version of HubSpot's API that this connector is built on.
const apiVersion = "2026-03"

// Default returns the settings that most installations keep: no portal, and a fifth of its calls.
func Default() Config {
	return Config{URL: "https://api.hubapi.com", APIVersion: apiVersion, Budget: 0.2, Timeout: time.Minute,
		ContactStatus: on, KeyIn: keyInProperty}
}

// These are the values of contact_status.
const (
	on  = "on"
	off = "off"
)

// These are the values of key_in.
const (
	keyInProperty = "property"
	keyInBody     = "body"
)

// These constants bound the settings. A call that is given up sooner than in half a minute may well be
// carried out later.
const (
	minTimeout = 30 * time.Second
	maxTimeout = 2 * time.Minute
)

var versionForm = regexp.MustCompile(`^20[0-9]{2}-(03|09)$`)

// Validate reports all settings that cannot work, each with its name and bounds and never with the token.
func (c Config) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("hubspot."+format, args...)) }
	if !versionForm.MatchString(c.APIVersion) || c.APIVersion < apiVersion {
		fault("api_version: %q is no dated version from %s on; they end in -03 or -09", c.APIVersion, apiVersion)
	}
	if !(c.Budget > 0 && c.Budget <= 1) { // refuses NaN too
		fault("budget: %v is outside 0..1; 0.2 is a fifth of the portal's calls", c.Budget)
	}
	if c.Portal < 0 {
		fault("portal: %d is no id of a portal", c.Portal)
	}
	if c.Timeout < minTimeout || c.Timeout > maxTimeout {
		fault("timeout: %v is outside %v..%v", c.Timeout, minTimeout, maxTimeout)
	}
	if c.ContactStatus != on && c.ContactStatus != off {
		fault("contact_status: %q is not one of on, off", c.ContactStatus)
	}
	if c.KeyIn != keyInProperty && c.KeyIn != keyInBody {
		fault("key_in: %q is not one of property, body", c.KeyIn)
	}
	if _, err := parseOwners(c.Owners); err != nil {
		fault("owners: %w", err)
	}
	if err := checkAddress(c.URL); err != nil {
		fault("url: %w", err)
	}
	if strings.ContainsFunc(c.Token, func(r rune) bool { return r <= ' ' || r > unicode.MaxASCII }) {
		fault("token: has characters that no Authorization header carries; copy it again")
	}
	return errors.Join(faults...)
}

// checkAddress refuses an address to which a token must not be sent.
func checkAddress(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
		strings.Trim(u.Path, "/") != "" {
		return errors.New("is no address of HubSpot; write https://api.hubapi.com")
	}
	switch {
	case u.Scheme == "https":
	case u.Scheme != "http":
		return fmt.Errorf("has the scheme %q; write https://%s", u.Scheme, u.Host)
	case !loopback(u.Hostname()):
		return fmt.Errorf("plain http is for loopback only; write https://%s", u.Host)
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// idForm is the form of HubSpot's ids of records and owners.
var idForm = regexp.MustCompile(`^[1-9][0-9]{0,18}$`)

// parseOwners reads pairs of the form member=owner id, or member=e-mail address of the owner.
func parseOwners(pairs []string) (map[domain.MemberID]string, error) {
	owners := make(map[domain.MemberID]string, len(pairs))
	for i, pair := range pairs {
		member, owner, ok := strings.Cut(pair, "=")
		id, owner := domain.MemberID(strings.TrimSpace(member)), strings.ToLower(strings.TrimSpace(owner))
		if err := id.Validate(); !ok || err != nil || !idForm.MatchString(owner) && !strings.Contains(owner, "@") {
			return nil, fmt.Errorf("entry %d is no pair such as alice=81234567 or alice=alice@acme.example", i+1)
		}
		if _, twice := owners[id]; twice {
			return nil, fmt.Errorf("%s comes twice", id)
		}
		owners[id] = owner
	}
	return owners, nil
}
