// Package config contains the settings: their defaults, their sources, and the plans and policies. Each
// part of the program defines its own settings; here they are joined, read and validated together, so that
// one start names every fault.
package config

import (
	"errors"
	"fmt"
	"net"
	"os"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"

	"inmail/connectors/httpapi"
	"inmail/connectors/hubspot"
	"inmail/connectors/queue"
	"inmail/connectors/record"
	"inmail/connectors/salesforce"
	"inmail/connectors/web"
	"inmail/connectors/web/oidc"
	"inmail/connectors/webhook"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// Role is a part of the program that a process may run.
type Role string

// The roles of --roles. A process without the flag runs all three.
const (
	RoleAPI       Role = "api"
	RoleWorker    Role = "worker"
	RoleScheduler Role = "scheduler"
)

// Settings is everything that can be set. Load makes it.
type Settings struct {
	Program    Program
	Record     record.Config
	Queue      queue.Config
	HTTP       httpapi.Config
	Web        web.Config
	OIDC       oidc.Config `prefix:"oidc"`
	Webhooks   webhook.Config
	Salesforce salesforce.Config `prefix:"salesforce"`
	HubSpot    hubspot.Config    `prefix:"hubspot"`
	Policy     domain.Policy     `prefix:"policy"`
	Plans      domain.Plans      `prefix:"plans"`
	Unknown    []string          // INMAIL_* variables that are no settings; the program logs them at start
}

// Program is the settings that only the program itself reads.
type Program struct {
	OperatorKey     string        `koanf:"operator_key" secret:"true"`      // the first key; empty: embedded mode makes one
	NextOperatorKey string        `koanf:"operator_key_next" secret:"true"` // holds beside it, for a change without a gap
	Log             string        `koanf:"log"`                             // text or json; empty: text on a terminal
	LogLevel        string        `koanf:"log_level"`                       // debug, info, warn or error
	TimeTravel      bool          `koanf:"time_travel"`                     // POST /v1/clock exists (tests only)
	CRMPushEvery    time.Duration `koanf:"crm_push_every"`                  // 100ms..1h
	SnapshotEvery   time.Duration `koanf:"snapshot_every"`                  // 100ms..1h
	MetricsTags     []string      `koanf:"metrics_tags"`                    // at most 20 tags that metrics name before others
	Roles           []Role        `koanf:"roles"`                           // api, worker, scheduler
	PublicListening bool          `koanf:"public"`                          // embedded mode may listen beyond loopback
	AfterRestore    string        `koanf:"after_restore"`                   // hold or resume: what a start on a copy does
}

// MinKey is the least length of a key of the settings, in characters.
const MinKey = 16

// The values of after_restore.
const (
	AfterRestoreHold   = "hold"   // it is held until an operator resumes it
	AfterRestoreResume = "resume" // it is resumed at once, as inmail resume --after-restore does
)

// Defaults returns the settings that apply where nothing is set.
func Defaults() Settings {
	return Settings{
		Program: Program{LogLevel: "info",
			CRMPushEvery: every(mailroom.TaskCRMPush), SnapshotEvery: every(mailroom.TaskSnapshot),
			Roles: []Role{RoleAPI, RoleWorker, RoleScheduler}, AfterRestore: AfterRestoreHold},
		Record: record.Default(), Queue: queue.Default(), HTTP: httpapi.Default(), Web: web.Default(), OIDC: oidc.Default(), Webhooks: webhook.Default(), Salesforce: salesforce.Default(),
		HubSpot: hubspot.Default(),
		Policy:  domain.DefaultPolicy(), Plans: domain.ShippedPlans(),
	}
}

// every returns the interval of a task type in the table of task types.
func every(taskType string) time.Duration {
	kind, _ := mailroom.TaskKindOf(taskType)
	return kind.Every
}

// Every returns the intervals of the periodic tasks that have a setting for it, by task type.
func (p Program) Every() map[string]time.Duration {
	return map[string]time.Duration{mailroom.TaskCRMPush: p.CRMPushEvery, mailroom.TaskSnapshot: p.SnapshotEvery}
}

// Sources are the sources of settings: a YAML file, the environment, flags. Later ones take precedence.
type Sources struct {
	File        string            // --config; empty: none
	Environment []string          // as os.Environ gives it
	Flags       map[string]string // setting → value, of the flags that were given
}

const envPrefix = "INMAIL_"

// notSettings are prefixes of INMAIL_ variables that other programs of the project read: the tests and the
// build.
var notSettings = []string{"INMAIL_TEST_", "INMAIL_REQUIRE_", "INMAIL_URL", "INMAIL_KEY", "INMAIL_MEMBER",
	"INMAIL_BOARDS"}

// Load reads and validates the settings. The error names every fault with its setting and its remedy.
func Load(src Sources) (Settings, error) {
	s := Defaults()
	known := s.settings()
	k := koanf.New(".")
	var faults []error
	if src.File != "" {
		if err := k.Load(file.Provider(src.File), yaml.Parser()); err != nil {
			return s, fmt.Errorf("--config %s: %w", src.File, err)
		}
		faults = append(faults, checkFile(k, known, src.File)...)
	}
	env, unknown, envFaults := fromEnvironment(src.Environment, known)
	s.Unknown = unknown
	faults = append(faults, envFaults...)
	for name, value := range src.Flags {
		env[name] = value
	}
	values := make(map[string]any, len(env))
	for name, value := range env {
		values[name] = value
	}
	if err := k.Load(confmap.Provider(values, "."), nil); err != nil {
		return s, fmt.Errorf("join the settings: %w", err)
	}
	if err := s.decode(k); err != nil {
		return s, errors.Join(append(faults, err)...)
	}
	faults = append(faults, s.Validate())
	s.Program.MetricsTags = normalTags(s.Program.MetricsTags)
	return s, errors.Join(faults...)
}

// normalTags returns tags in the form in which InMails have them, each once (R56). Validate names those that
// have none.
func normalTags(tags []string) []string {
	var normal []string
	for _, tag := range tags {
		if t, err := domain.NormalTag(tag); err == nil && !slices.Contains(normal, t) {
			normal = append(normal, t)
		}
	}
	return normal
}

// Embedded reports whether nothing outside of the process is used: the record is a file, and the queue is
// in the process.
func (s Settings) Embedded() bool { return !s.Record.Postgres() && s.Queue.URL == "" }

// Has reports whether this process runs a role.
func (s Settings) Has(r Role) bool { return slices.Contains(s.Program.Roles, r) }

// Validate reports every fault of every part at once.
func (s Settings) Validate() error {
	faults := []error{s.Record.Validate(), s.Queue.Validate(), s.HTTP.Validate(), s.Web.Validate(), s.OIDC.Validate(s.Web.Address()),
		s.Webhooks.Validate(), s.Salesforce.Validate(), s.HubSpot.Validate(), s.Policy.Validate(), s.Plans.Validate()}
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	p := s.Program
	if p.Log != "" && p.Log != "text" && p.Log != "json" {
		fault("log: %q is not one of text, json", p.Log)
	}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, p.LogLevel) {
		fault("log_level: %q is not one of debug, info, warn, error", p.LogLevel)
	}
	for _, kind := range mailroom.TaskKinds() {
		if got, set := p.Every()[kind.Type]; set && (got < 100*time.Millisecond || got > time.Hour) {
			fault("%s: %s is outside 100ms..1h", kind.Setting, got)
		}
	}
	if p.AfterRestore != AfterRestoreHold && p.AfterRestore != AfterRestoreResume {
		fault("after_restore: %q is not one of hold, resume", p.AfterRestore)
	}
	for _, tag := range p.MetricsTags {
		if _, err := domain.NormalTags([]string{tag}); err != nil {
			fault("metrics_tags: %q: %s", tag, err)
		}
	}
	if len(p.MetricsTags) > 20 {
		fault("metrics_tags: %d tags are more than 20", len(p.MetricsTags))
	}
	if len(p.Roles) == 0 {
		fault("roles: name at least one of api, worker, scheduler")
	}
	for _, r := range p.Roles {
		if r != RoleAPI && r != RoleWorker && r != RoleScheduler {
			fault("roles: %q is not one of api, worker, scheduler", r)
		}
	}
	if len(p.Roles) < 3 && s.Queue.URL == "" {
		fault("roles: %v alone need a queue that others reach; set redis_url (INMAIL_REDIS_URL)", p.Roles)
	}
	for _, k := range [][2]string{{"operator_key", p.OperatorKey}, {"operator_key_next", p.NextOperatorKey}} {
		name, key := k[0], k[1]
		if key != "" && len(key) < MinKey {
			fault("%s: %d characters can be guessed; use %d or more, for instance of openssl rand -hex 24", name, len(key),
				MinKey)
		}
		if strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
			fault("%s: has characters that no Authorization header carries; use visible ASCII without blanks", name)
		}
	}
	if p.NextOperatorKey != "" && (p.OperatorKey == "" || p.OperatorKey == p.NextOperatorKey) {
		fault("operator_key_next: it holds beside another key; set operator_key as well, to a different one")
	}
	if host, _, err := net.SplitHostPort(s.HTTP.Listen); err == nil && s.Embedded() && !p.PublicListening &&
		!loopback(host) {
		fault("listen: embedded mode listens on loopback only, not on %q; set INMAIL_DATABASE_URL and "+
			"INMAIL_REDIS_URL, or INMAIL_PUBLIC=1", s.HTTP.Listen)
	}
	return errors.Join(faults...)
}

// Warnings returns what is allowed and yet seldom meant: texts and keys that go over a network unencrypted,
// and the tests' clock where others reach it.
func (s Settings) Warnings() []string {
	var all []string
	warn := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	host, _, err := net.SplitHostPort(s.HTTP.Listen)
	public := err == nil && !loopback(host)
	if public && s.HTTP.Scheme() == "http" {
		warn("listen: %s is plain http beyond this machine: keys and texts are sent as they are; set tls_cert and tls_key, "+
			"or let only a reverse proxy with TLS reach it", s.HTTP.Listen)
	}
	if public && s.Program.TimeTravel {
		warn("time_travel: an operator key sets the clock forward, on an address that others reach; it is for tests")
	}
	all = append(all, s.OIDC.Warnings(s.Web.Address())...)
	if public && s.HTTP.MetricsKey == "" {
		warn("metrics_key: whoever reaches %s reads the metrics, which name tags; set a key, or keep /metrics and "+
			"/metrics/domain in at the proxy", s.HTTP.Listen)
	}
	if other := s.Record.Unencrypted(); other != "" {
		warn("database_url: the way to %s may be without TLS; add sslmode=verify-full", other)
	}
	if other := s.Queue.Unencrypted(); other != "" {
		warn("redis_url: the way to %s is without TLS; write rediss://", other)
	}
	if n := s.Queue.HooksConcurrency; n < mailroom.WebhookWorkers {
		warn("queue_hooks_concurrency: with %d workers, %d end points that hang delay all others; set it to %d, or leave it out",
			n, n, mailroom.WebhookWorkers)
	}
	return all
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// setting is one field of Settings or of its parts.
type setting struct {
	name   string // as in YAML: policy.anchor_day
	secret bool
	value  reflect.Value
}

// variable returns the setting's environment variable: INMAIL_POLICY_ANCHOR_DAY.
func (s setting) variable() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(s.name, ".", "_"))
}

// settings returns the settings in s by name. Plans are not among them, because they can be set only in
// YAML.
func (s *Settings) settings() map[string]setting {
	all := map[string]setting{}
	for group, value := range s.groups() {
		t := value.Type()
		if t.Kind() != reflect.Struct {
			continue
		}
		for i := range t.NumField() {
			name := t.Field(i).Tag.Get("koanf")
			if name == "" || name == "-" {
				continue
			}
			name = join(strings.SplitN(group, ":", 2)[1], name)
			all[name] = setting{name: name, secret: secretName(name) ||
				t.Field(i).Tag.Get("secret") == "true", value: value.Field(i)}
		}
	}
	return all
}

// groups returns the parts of s, keyed "place:prefix".
func (s *Settings) groups() map[string]reflect.Value {
	groups := map[string]reflect.Value{}
	v := reflect.ValueOf(s).Elem()
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Name != "Unknown" {
			groups[strconv.Itoa(i)+":"+f.Tag.Get("prefix")] = v.Field(i)
		}
	}
	return groups
}

func join(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}

// secretNames are settings that are accepted only from variables or files, never from YAML, and are never
// shown.
var secretNames = []string{"operator_key", "operator_key_next", "metrics_key", "salesforce.client_secret", "salesforce.password",
	"salesforce.token"}

func secretName(name string) bool { return slices.Contains(secretNames, name) }

// inURL are settings whose value may contain a password.
var inURL = []string{"database_url", "redis_url"}

// checkFile refuses unknown names and secrets in the YAML file.
func checkFile(k *koanf.Koanf, known map[string]setting, path string) []error {
	var faults []error
	for _, name := range k.Keys() {
		if strings.HasPrefix(name, "plans.") {
			continue
		}
		s, ok := known[name]
		if !ok {
			faults = append(faults,
				fmt.Errorf("%s: there is no setting %s; inmail config check lists them", path, name))
			continue
		}
		if s.secret {
			faults = append(faults,
				fmt.Errorf("%s: %s is a secret; set %s or %s_FILE instead", path, name, s.variable(), s.variable()))
		}
	}
	return faults
}

// fromEnvironment reads the variables. Instead of NAME, NAME_FILE may name a file with the value; its last
// line break is cut.
func fromEnvironment(environment []string, known map[string]setting) (values map[string]string, unknown []string,
	faults []error) {
	byVariable := make(map[string]setting, len(known))
	for _, s := range known {
		byVariable[s.variable()] = s
	}
	values = map[string]string{}
	for _, entry := range environment {
		variable, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(variable, envPrefix) ||
			slices.ContainsFunc(notSettings, func(p string) bool { return strings.HasPrefix(variable, p) }) {
			continue
		}
		if s, ok := byVariable[variable]; ok {
			if value != "" { // an empty variable counts as not set
				values[s.name] = value
			}
			continue
		}
		s, ok := byVariable[strings.TrimSuffix(variable, "_FILE")]
		if !ok || !s.secret && !slices.Contains(inURL, s.name) {
			unknown = append(unknown, variable)
			continue
		}
		if value == "" { // an empty variable counts as not set
			continue
		}
		content, err := os.ReadFile(value)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", variable, err))
			continue
		}
		values[s.name] = strings.TrimRight(string(content), "\r\n")
	}
	return values, unknown, faults
}

// decode sets the fields of the parts from the values that were read.
func (s *Settings) decode(k *koanf.Koanf) error {
	var faults []error
	for group, value := range s.groups() {
		prefix := strings.SplitN(group, ":", 2)[1]
		from := k
		if prefix != "" {
			from = k.Cut(prefix)
		}
		err := from.UnmarshalWithConf("", value.Addr().Interface(),
			koanf.UnmarshalConf{Tag: "koanf", DecoderConfig: &mapstructure.DecoderConfig{
				WeaklyTypedInput: true, TagName: "koanf",
				DecodeHook: mapstructure.ComposeDecodeHookFunc(mapstructure.StringToTimeDurationHookFunc(), list),
			}})
		if err != nil {
			faults = append(faults, fmt.Errorf("a value does not fit its setting: %w", err))
		}
	}
	return errors.Join(faults...)
}

// list reads "a, b" as a list. An empty text is an empty list.
func list(from, to reflect.Type, value any) (any, error) {
	if from.Kind() != reflect.String || to.Kind() != reflect.Slice || to.Elem().Kind() != reflect.String {
		return value, nil
	}
	var items []string
	for item := range strings.SplitSeq(value.(string), ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items, nil
}

// Shown is one setting in the output of inmail config check.
type Shown struct {
	Name     string `json:"name"`
	Variable string `json:"variable"`
	Value    string `json:"value"`
}

// Show lists all settings by name, with secrets and passwords masked, and the plans.
func (s Settings) Show() []Shown {
	var out []Shown
	for name, leaf := range s.settings() {
		value := fmt.Sprint(leaf.value.Interface())
		switch {
		case leaf.secret && value != "":
			value = "(set)"
		case name == "database_url" && value != "":
			value = s.Record.Masked()
		case name == "redis_url" && value != "":
			value = s.Queue.Masked()
		}
		out = append(out, Shown{Name: name, Variable: leaf.variable(), Value: value})
	}
	for name, p := range s.Plans {
		out = append(out,
			Shown{Name: "plans." + name, Value: fmt.Sprintf("%s, %d a period", p.AccountType, p.Allowance)})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}
