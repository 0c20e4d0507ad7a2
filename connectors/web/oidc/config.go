package oidc

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"inmail/domain/mailroom"
)

// Config is what an operator may decide about single sign-on. Start from Default.
type Config struct {
	Issuer       string        `koanf:"issuer"`                      // the provider: https://id.example.com; empty: no single sign-on
	ClientID     string        `koanf:"client_id"`                   // as which the provider knows this program
	ClientSecret string        `koanf:"client_secret" secret:"true"` // also the source of the key of the cookies
	Scopes       []string      `koanf:"scopes"`                      // openid, and what else makes the provider give the claims
	MemberClaim  string        `koanf:"member_claim"`                // whose value is the id of the member
	RoleClaim    string        `koanf:"role_claim"`                  // whose values roles names; empty: all are members
	Roles        []string      `koanf:"roles"`                       // VALUE=ROLE, a role each
	Name         string        `koanf:"name"`                        // what people call the provider: Sign in with NAME
	Only         bool          `koanf:"only"`                        // the pages take no keys
	Session      time.Duration `koanf:"session"`                     // how long a session lasts; 1m..12h
	Timeout      time.Duration `koanf:"timeout"`                     // of one request to the provider; 1s..20s
}

// Default returns the settings that are in force when nothing is set.
func Default() Config {
	return Config{Scopes: []string{"openid"}, MemberClaim: "sub", Name: "single sign-on", Session: mailroom.SessionFor,
		Timeout: 10 * time.Second}
}

// Role is what a person may do on the pages.
type Role string

// The roles, which oidc.roles gives to values of the role claim.
const (
	Operator         Role = "operator"
	OperatorReadOnly Role = "operator_read_only"
	Member           Role = "member"
)

// roles are all roles, the one that may do most first.
var roles = []Role{Operator, OperatorReadOnly, Member}

// On reports whether there is single sign-on.
func (c Config) On() bool { return c.Issuer != "" }

// Validate reports the settings that cannot work, each with its name. The pages are reached at address.
func (c Config) Validate(address string) error {
	if !c.On() {
		if c.ClientID != "" || c.ClientSecret != "" || c.RoleClaim != "" || len(c.Roles) > 0 || c.Only {
			return errors.New("oidc.issuer: not set, and other settings of oidc are; set it to the provider's issuer")
		}
		return nil
	}
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	u, err := url.Parse(c.Issuer)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		fault("oidc.issuer: %q is no issuer such as https://id.example.com", c.Issuer)
	case u.Scheme == "http" && !loopback(u):
		fault("oidc.issuer: %q is not https, so anybody on the way could sign in as anybody; use https", c.Issuer)
	}
	if address == "" {
		fault("public_url: not set; the provider sends people back to it, so set it to where they reach the pages")
	}
	if c.ClientID == "" {
		fault("oidc.client_id: not set; set it to the id that the provider gave this program")
	}
	if c.ClientSecret == "" {
		fault("oidc.client_secret: not set; set INMAIL_OIDC_CLIENT_SECRET or INMAIL_OIDC_CLIENT_SECRET_FILE")
	}
	if !slices.Contains(c.Scopes, "openid") {
		fault("oidc.scopes: %v lack openid, without which there is no ID token; add it", c.Scopes)
	}
	if c.MemberClaim == "" || c.MemberClaim == "email" {
		fault("oidc.member_claim: %q names no member; name the claim whose value is the member id (an e-mail address is none)",
			c.MemberClaim)
	}
	if n := utf8.RuneCountInString(c.Name); n < 1 || n > 40 || strings.ContainsFunc(c.Name, unicode.IsControl) {
		fault("oidc.name: %q is not 1 to 40 characters on one line", c.Name)
	}
	if c.Session < time.Minute || c.Session > mailroom.SessionFor {
		fault("oidc.session: %s is outside 1m..%s", c.Session, mailroom.SessionFor)
	}
	if c.Timeout < time.Second || c.Timeout > 20*time.Second {
		fault("oidc.timeout: %s is outside 1s..20s", c.Timeout)
	}
	if (c.RoleClaim == "") != (len(c.Roles) == 0) {
		fault("oidc.role_claim, oidc.roles: one without the other gives nobody a role; set both, or neither")
	}
	if _, err := c.roles(); err != nil {
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

// Warnings returns what is allowed and yet seldom meant, where the pages are reached at address.
func (c Config) Warnings(address string) []string {
	if u, err := url.Parse(address); err == nil && c.On() && u.Scheme == "http" && !loopback(u) {
		return []string{"public_url: " + address + " is plain http, so the sessions of single sign-on can be read on the way; use https"}
	}
	return nil
}

// roles returns the roles by the values of the role claim.
func (c Config) roles() (map[string]Role, error) {
	byValue := map[string]Role{}
	var faults []error
	for _, pair := range c.Roles {
		i := strings.LastIndexByte(pair, '=') // a value may be a name of LDAP, which has some itself
		if i < 1 || !slices.Contains(roles, Role(pair[i+1:])) {
			faults = append(faults, fmt.Errorf("oidc.roles: %q is not VALUE=ROLE, ROLE one of operator, operator_read_only, member", pair))
			continue
		}
		byValue[pair[:i]] = Role(pair[i+1:])
	}
	return byValue, errors.Join(faults...)
}

func loopback(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}
