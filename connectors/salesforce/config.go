// Package salesforce brings InMails to a Salesforce org and keeps them true there: push, matching, budget,
// reconcile, backfill and the check of the org. It makes one try for each call, and its caller decides what
// follows a failure. The operator's guide is README.md in this folder.
package salesforce

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // zones are known on every machine
	"unicode/utf8"

	"inmail/domain"
)

// Config says which org is used, how to log in, and how much of the org may be used. Default gives the values
// to start from. An empty URL means no org. The logins are client credentials, JWT bearer and SOAP, which is
// a legacy.
type Config struct {
	URL          string        `koanf:"url"`           // My Domain, such as https://acme.my.salesforce.com
	APIVersion   string        `koanf:"api_version"`   // 46.0 or newer
	ClientID     string        `koanf:"client_id"`     // consumer key of the External Client App
	ClientSecret string        `koanf:"client_secret"` // secret; for client credentials, with ClientID
	Username     string        `koanf:"username"`
	Password     string        `koanf:"password"`      // secret; for SOAP, with Username and Token
	Token        string        `koanf:"token"`         // secret; the security token of SOAP
	JWTKeyFile   string        `koanf:"jwt_key_file"`  // PEM; for JWT bearer, with ClientID and Username
	Audience     string        `koanf:"audience"`      // of the JWT; of a sandbox org test.salesforce.com
	Budget       float64       `koanf:"budget"`        // our share of the org's daily calls; above 0, up to 1
	Timeout      time.Duration `koanf:"timeout"`       // for one call; 1s..2m
	Concurrency  int           `koanf:"concurrency"`   // calls at once in a process; 1..20
	Tasks        bool          `koanf:"tasks"`         // log a Task for the sending and for the first reply
	PersonFields bool          `koanf:"person_fields"` // keep the four fields of InMail on Leads and Contacts
	TaskType     string        `koanf:"task_type"`     // Type of these Tasks; empty: the org's default
	Owners       []string      `koanf:"owners"`        // member=005…: the User who stands for a sender
	FindOwners   bool          `koanf:"find_owners"`   // look for the Users of other senders in the org
	TeamOwners   []string      `koanf:"team_owners"`   // team=005…: who owns what a team sends without a User; *: any team
	Campaigns    []string      `koanf:"campaigns"`     // tag=701…: the Campaign of a tag; empty: no members are written
	TaskStatus   string        `koanf:"task_status"`   // Status of these Tasks
	TaskDefaults []string      `koanf:"task_defaults"` // Field__c=value: what the org requires on a Task beside that
	TimeZone     string        `koanf:"time_zone"`     // IANA name: whose days Tasks have; empty: that of the org
}

// Default returns the settings that most installations keep: no org, a fifth of its daily calls, and Tasks.
func Default() Config {
	return Config{
		APIVersion: "67.0", Audience: "https://login.salesforce.com", Budget: 0.2,
		Timeout: time.Minute, Concurrency: 4, Tasks: true, TaskStatus: "Completed", FindOwners: true, PersonFields: true,
	}
}

// These constants bound the settings.
const (
	oldestAPI   = 46 // the first version that upserts collections
	soapAPI     = 64 // the last version with SOAP login (SALESFORCE.md 2.1)
	maxTimeout  = 2 * time.Minute
	maxTaskType = 40
)

// method is a way to log in.
type method string

const (
	clientCredentials method = "client credentials"
	jwtBearer         method = "JWT bearer"
	soapLogin         method = "SOAP"
)

// Validate reports all settings that cannot work, each with its name and bounds and never with a secret. A
// Config without a URL names no org and needs no login.
func (c Config) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("salesforce."+format, args...)) }
	if n, err := versionNumber(c.APIVersion); err != nil {
		fault("api_version: %q is no version such as 67.0", c.APIVersion)
	} else if n < oldestAPI {
		fault("api_version: %s is older than %d.0", c.APIVersion, oldestAPI)
	}
	if !(c.Budget > 0 && c.Budget <= 1) { // refuses NaN too
		fault("budget: %v is outside 0..1; 0.2 is a fifth of the org's daily calls", c.Budget)
	}
	if c.Timeout < time.Second || c.Timeout > maxTimeout {
		fault("timeout: %v is outside 1s..%v", c.Timeout, maxTimeout)
	}
	if c.Concurrency < 1 || c.Concurrency > 20 {
		fault("concurrency: %d is outside 1..20", c.Concurrency)
	}
	if n := utf8.RuneCountInString(c.TaskType); n > maxTaskType {
		fault("task_type: has %d characters, more than %d", n, maxTaskType)
	}
	if _, err := parseOwners(c.Owners); err != nil {
		fault("owners: %w", err)
	}
	if _, err := parseTeamOwners(c.TeamOwners); err != nil {
		fault("team_owners: %w", err)
	}
	if _, err := parseCampaigns(c.Campaigns); err != nil {
		fault("campaigns: %w", err)
	}
	if n := utf8.RuneCountInString(c.TaskStatus); n < 1 || n > taskSubject {
		fault("task_status: has %d characters, not 1 to %d; Completed is the org's usual one", n, taskSubject)
	}
	if _, err := parseTaskDefaults(c.TaskDefaults); err != nil {
		fault("task_defaults: %w", err)
	}
	if _, err := time.LoadLocation(c.TimeZone); err != nil || c.TimeZone == "Local" {
		fault("time_zone: %q is no time zone such as America/Los_Angeles", c.TimeZone)
	}
	if c.URL == "" {
		return errors.Join(faults...)
	}
	if err := checkAddress(c.URL); err != nil {
		fault("url: %w", err)
	}
	if _, err := c.method(); err != nil {
		faults = append(faults, err)
	}
	if u, err := url.Parse(c.Audience); c.JWTKeyFile != "" && (err != nil || u.Scheme == "" || u.Host == "") {
		fault("audience: %q is no address; https://login.salesforce.com, "+
			"or https://test.salesforce.com for a sandbox org",
			c.Audience)
	}
	return errors.Join(faults...)
}

// method returns the login that the settings describe. It refuses settings that describe none, several, or
// only a part of one.
func (c Config) method() (method, error) {
	var found []method
	if c.ClientSecret != "" {
		found = append(found, clientCredentials)
	}
	if c.JWTKeyFile != "" {
		found = append(found, jwtBearer)
	}
	if c.Password != "" || c.Token != "" {
		found = append(found, soapLogin)
	}
	switch {
	case len(found) == 0:
		return "", errors.New("salesforce.url is set, but no login: " +
			"set salesforce.client_id and salesforce.client_secret (client credentials), " +
			"or client_id, username and jwt_key_file (JWT bearer), or username, password and token (SOAP)")
	case len(found) > 1:
		return "", fmt.Errorf("salesforce: %s and %s are both set; leave one login", found[0], found[1])
	}
	var missing []string
	need := func(name, value string) {
		if value == "" {
			missing = append(missing, "salesforce."+name)
		}
	}
	if found[0] != soapLogin {
		need("client_id", c.ClientID)
	}
	if found[0] != clientCredentials {
		need("username", c.Username)
	}
	if found[0] == soapLogin {
		need("password", c.Password)
	}
	if missing != nil {
		return "", fmt.Errorf("%s: missing for the login by %s", strings.Join(missing, ", "), found[0])
	}
	return found[0], nil
}

// checkAddress refuses an address to which a token must not be sent.
func checkAddress(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
		strings.Trim(u.Path, "/") != "" {
		return errors.New("is no address of an org; write https://acme.my.salesforce.com")
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

var versionForm = regexp.MustCompile(`^([1-9][0-9]{1,2})\.0$`)

func versionNumber(version string) (int, error) {
	m := versionForm.FindStringSubmatch(version)
	if m == nil {
		return 0, errors.New("no version")
	}
	return strconv.Atoi(m[1])
}

// ownFields are the fields of a Task that the connector writes itself.
var ownFields = []string{taskKey, "Subject", "Description", "Status", "ActivityDate", "WhoId", "WhatId", "Type", "OwnerId", "Id"}

// taskDefault is a value that every Task of ours gets.
type taskDefault struct {
	field string
	value any // a text, or a bool
}

// parseTaskDefaults reads pairs of the form Field__c=value, in their order.
func parseTaskDefaults(pairs []string) (defaults []taskDefault, err error) {
	for _, pair := range pairs {
		field, value, ok := strings.Cut(pair, "=")
		field, value = strings.TrimSpace(field), strings.TrimSpace(value)
		switch {
		case !ok || value == "" || !fieldForm.MatchString(field):
			return nil, fmt.Errorf("%q is no pair such as Outcome__c=InMail", pair)
		case slices.ContainsFunc(ownFields, func(own string) bool { return strings.EqualFold(own, field) }):
			return nil, fmt.Errorf("%s is written by the sync itself", field)
		case slices.ContainsFunc(defaults, func(d taskDefault) bool { return strings.EqualFold(d.field, field) }):
			return nil, fmt.Errorf("%s comes twice", field)
		}
		d := taskDefault{field: field, value: value}
		if value == "true" || value == "false" {
			d.value = value == "true"
		}
		defaults = append(defaults, d)
	}
	return defaults, nil
}

// anyTeam is the name that stands for every team without a User of its own, and for senders without a team.
const anyTeam = "*"

// parseTeamOwners reads pairs of the form team=005… and returns the ids of Users with 18 characters. A name
// of a team may have an equals sign.
func parseTeamOwners(pairs []string) (map[string]string, error) {
	owners := make(map[string]string, len(pairs))
	for _, pair := range pairs {
		at := strings.LastIndexByte(pair, '=')
		team := strings.TrimSpace(pair[:max(at, 0)])
		if team == "" {
			return nil, fmt.Errorf("%q is no pair such as emea=005Ak000001XyZzIAK", pair)
		}
		full, ok := canonicalID(strings.TrimSpace(pair[at+1:]), userPrefix)
		if !ok {
			return nil, fmt.Errorf("team %s has %q, which is no id of a User (005…)", team, pair[at+1:])
		}
		if _, twice := owners[team]; twice {
			return nil, fmt.Errorf("team %s comes twice", team)
		}
		owners[team] = full
	}
	return owners, nil
}

// parseOwners reads pairs of the form member=005… and returns the ids of Users with 18 characters.
func parseOwners(pairs []string) (map[domain.MemberID]string, error) {
	owners := make(map[domain.MemberID]string, len(pairs))
	for _, pair := range pairs {
		member, user, ok := strings.Cut(pair, "=")
		id := domain.MemberID(strings.TrimSpace(member))
		if err := id.Validate(); !ok || err != nil {
			return nil, fmt.Errorf("%q is no pair such as alice=005Ak000001XyZzIAK", pair)
		}
		full, ok := canonicalID(strings.TrimSpace(user), userPrefix)
		if !ok {
			return nil, fmt.Errorf("%s has %q, which is no id of a User (005…)", id, user)
		}
		if _, twice := owners[id]; twice {
			return nil, fmt.Errorf("%s comes twice", id)
		}
		owners[id] = full
	}
	return owners, nil
}
