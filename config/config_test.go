package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inmail/domain"
	"inmail/domain/mailroom"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefaultsAreEmbeddedAndValid(t *testing.T) {
	s, err := Load(Sources{})
	if err != nil {
		t.Fatal(err)
	}
	if !s.Embedded() || !s.Has(RoleAPI) || !s.Has(RoleWorker) || !s.Has(RoleScheduler) {
		t.Errorf("embedded %v, roles %v", s.Embedded(), s.Program.Roles)
	}
	if s.HTTP.Listen != "127.0.0.1:8080" || s.Record.Data != "./data" || s.Program.CRMPushEvery != 10*time.Second || s.Program.SnapshotEvery != 15*time.Second {
		t.Errorf("defaults are %+v %+v", s.HTTP.Listen, s.Program)
	}
}

// TestIntervalsAreThoseOfTheTaskTable: a task type that names a setting for its interval has one, with the
// table's interval as default, and no setting is for a type that names none.
func TestIntervalsAreThoseOfTheTaskTable(t *testing.T) {
	s := Defaults()
	want := map[string]time.Duration{}
	for _, kind := range mailroom.TaskKinds() {
		if kind.Setting == "" {
			continue
		}
		want[kind.Type] = kind.Every
		if value := s.settings()[kind.Setting].value; !value.IsValid() || value.Interface() != kind.Every {
			t.Errorf("%s: the setting %q is %v by default, want %s", kind.Type, kind.Setting, value, kind.Every)
		}
	}
	if diff := cmp.Diff(want, s.Program.Every()); diff != "" {
		t.Errorf("intervals that are set (-table +settings):\n%s", diff)
	}
}

func TestLaterSourcesWin(t *testing.T) {
	path := write(t, "inmail.yaml", "listen: 127.0.0.1:1001\npolicy:\n  retract_opened: refuse\n  volume_hour: 21\nplans:\n  recruiter_40: {account_type: recruiter, allowance: 40}\n")
	s, err := Load(Sources{File: path, Environment: []string{"INMAIL_LISTEN=127.0.0.1:1002", "INMAIL_POLICY_VOLUME_HOUR=22", "INMAIL_POLICY_QUEUE_MAX_AGE=36h",
		"INMAIL_POLICY_ALLOW_SECOND_INMAIL=true", "INMAIL_METRICS_TAGS=a, b", "INMAIL_TIME_TRAVEL=1"}, Flags: map[string]string{"listen": "127.0.0.1:1003"}})
	if err != nil {
		t.Fatal(err)
	}
	if s.HTTP.Listen != "127.0.0.1:1003" || s.Policy.VolumeHour != 22 || s.Policy.RetractOpened != domain.RefuseOpened || s.Policy.QueueMaxAge != 36*time.Hour ||
		!s.Policy.AllowSecondInMail || !slices.Equal(s.Program.MetricsTags, []string{"a", "b"}) || !s.Program.TimeTravel {
		t.Errorf("got %+v %+v %+v", s.HTTP.Listen, s.Policy, s.Program)
	}
	if p := s.Plans["recruiter_40"]; p != (domain.Plan{AccountType: domain.Recruiter, Allowance: 40}) || s.Plans["recruiter_50"].Allowance != 50 {
		t.Errorf("plans %v", s.Plans)
	}
}

// TestRules tests the rules that are decided when the configuration is loaded.
func TestRules(t *testing.T) {
	for rule, plan := range map[string]string{"R04_refused_when_loaded": "{account_type: sales_navigator_team, allowance: 26}", "R05_refused_when_loaded": "{account_type: recruiter, allowance: 24}"} {
		t.Run(rule, func(t *testing.T) {
			_, err := Load(Sources{File: write(t, "inmail.yaml", "plans: {own: "+plan+"}\n")})
			if err == nil || !strings.Contains(err.Error(), "own") || !strings.Contains(err.Error(), "25") {
				t.Errorf("got %v, want the plan and its bounds", err)
			}
		})
	}
}

func TestEveryFaultIsNamedAtOnce(t *testing.T) {
	path := write(t, "inmail.yaml", "nonsense: 1\noperator_key: a-secret-in-a-file\nplans: {own: {account_type: recruiter, allowance: 99}}\n")
	_, err := Load(Sources{File: path, Environment: []string{"INMAIL_POLICY_ANCHOR_DAY=40", "INMAIL_DATABASE_URL=mysql://x", "INMAIL_LISTEN=8080"}})
	if err == nil {
		t.Fatal("loaded")
	}
	for _, want := range []string{"nonsense", "operator_key is a secret", "own", "anchor_day", "database_url", "listen"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not named in:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "a-secret-in-a-file") {
		t.Error("the error contains a secret")
	}
}

func TestSecretsComeFromFilesAndAreMasked(t *testing.T) {
	key := write(t, "key", "inm_0123456789abcdef\n")
	s, err := Load(Sources{Environment: []string{"INMAIL_OPERATOR_KEY_FILE=" + key, "INMAIL_DATABASE_URL=postgres://u:hidden@h/db", "INMAIL_REDIS_URL=redis://:hidden@h:1",
		"INMAIL_SALESFORCE_CLIENT_SECRET=hidden", "INMAIL_SALESFORCE_CLIENT_ID=id", "INMAIL_SALESFORCE_URL=https://acme.my.salesforce.com"}})
	if err != nil {
		t.Fatal(err)
	}
	if s.Program.OperatorKey != "inm_0123456789abcdef" {
		t.Errorf("the key is %q", s.Program.OperatorKey)
	}
	for _, line := range s.Show() {
		if strings.Contains(line.Value, "hidden") || strings.Contains(line.Value, "0123456789abcdef") {
			t.Errorf("%s shows a secret", line.Name)
		}
	}
}

// TestSingleSignOn checks what is found in the settings of single sign-on.
func TestSingleSignOn(t *testing.T) {
	secret := write(t, "secret", "hidden\n")
	sound := []string{"INMAIL_OIDC_ISSUER=https://id.example.com", "INMAIL_OIDC_CLIENT_ID=inmail", "INMAIL_OIDC_CLIENT_SECRET_FILE=" + secret,
		"INMAIL_PUBLIC_URL=https://inmail.example.com/", "INMAIL_OIDC_ROLE_CLAIM=groups", "INMAIL_OIDC_ROLES=admins=operator, sales=member"}
	s, err := Load(Sources{Environment: sound})
	if err != nil {
		t.Fatal(err)
	}
	if s.OIDC.ClientSecret != "hidden" || !slices.Equal(s.OIDC.Roles, []string{"admins=operator", "sales=member"}) || len(s.Warnings()) > 0 {
		t.Errorf("settings %v, warnings %v", s.OIDC.Roles, s.Warnings())
	}
	for _, line := range s.Show() {
		if strings.Contains(line.Value, "hidden") || line.Name == "oidc.client_secret" && line.Value != "(set)" {
			t.Errorf("%s shows %q", line.Name, line.Value)
		}
	}
	for name, row := range map[string]struct {
		env  string // after the sound ones, so it takes precedence
		want string // in the error; empty: a warning of public_url
	}{
		"no public_url":         {"INMAIL_PUBLIC_URL=", "public_url"},
		"no secret":             {"INMAIL_OIDC_CLIENT_SECRET_FILE=", "INMAIL_OIDC_CLIENT_SECRET"},
		"http beyond loopback":  {"INMAIL_OIDC_ISSUER=http://id.example.com", "oidc.issuer"},
		"pages in plain":        {"INMAIL_PUBLIC_URL=http://inmail.example.com", ""},
		"a role that is none":   {"INMAIL_OIDC_ROLES=admins=lead", "oidc.roles"},
		"roles without a claim": {"INMAIL_OIDC_ROLE_CLAIM=", "oidc.role_claim"},
	} {
		t.Run(name, func(t *testing.T) {
			variable, _, _ := strings.Cut(row.env, "=")
			env := slices.DeleteFunc(slices.Clone(sound), func(e string) bool { return strings.HasPrefix(e, variable+"=") })
			s, err := Load(Sources{Environment: append(env, row.env)})
			if row.want == "" {
				if err != nil || len(s.Warnings()) != 1 || !strings.HasPrefix(s.Warnings()[0], "public_url") {
					t.Errorf("error %v, warnings %v", err, s.Warnings())
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("error %v", err)
			}
		})
	}
	path := write(t, "inmail.yaml", "oidc: {client_secret: hidden, roles: [\"cn=admins,ou=it=operator\"]}\n")
	if _, err := Load(Sources{File: path}); err == nil || !strings.Contains(err.Error(), "oidc.client_secret is a secret") || strings.Contains(err.Error(), "hidden") {
		t.Errorf("a secret in the file: %v", err)
	}
}

func TestUnknownVariablesAreReportedNotFatal(t *testing.T) {
	s, err := Load(Sources{Environment: []string{"INMAIL_LISTN=127.0.0.1:1", "INMAIL_TEST_REDIS_URL=redis://x", "HOME=/"}})
	if err != nil || !slices.Equal(s.Unknown, []string{"INMAIL_LISTN"}) {
		t.Errorf("unknown %v, %v", s.Unknown, err)
	}
}

func TestEmbeddedModeStaysOnLoopback(t *testing.T) {
	for listen, ok := range map[string]bool{"127.0.0.1:1": true, "localhost:1": true, "[::1]:1": true, "0.0.0.0:1": false, ":1": false, "192.0.2.1:1": false} {
		_, err := Load(Sources{Environment: []string{"INMAIL_LISTEN=" + listen}})
		if (err == nil) != ok {
			t.Errorf("%s: %v", listen, err)
		}
	}
	if _, err := Load(Sources{Environment: []string{"INMAIL_LISTEN=0.0.0.0:1", "INMAIL_DATABASE_URL=postgres://u@h/db", "INMAIL_REDIS_URL=redis://h"}}); err != nil {
		t.Errorf("with the real things: %v", err)
	}
}

func TestRolesNeedAQueueThatOthersReach(t *testing.T) {
	if _, err := Load(Sources{Flags: map[string]string{"roles": "api"}}); err == nil || !strings.Contains(err.Error(), "redis_url") {
		t.Errorf("got %v", err)
	}
	s, err := Load(Sources{Flags: map[string]string{"roles": "api, scheduler", "redis_url": "redis://h"}})
	if err != nil || !slices.Equal(s.Program.Roles, []Role{RoleAPI, RoleScheduler}) {
		t.Errorf("roles %v, %v", s.Program.Roles, err)
	}
}

// TestEverySettingHasAVariable compares the settings with Show: each must be settable by its variable.
func TestEverySettingHasAVariable(t *testing.T) {
	s := Defaults()
	visited := map[string]bool{}
	for _, line := range s.Show() {
		if strings.HasPrefix(line.Name, "plans.") {
			continue
		}
		if !strings.HasPrefix(line.Variable, "INMAIL_") || visited[line.Variable] {
			t.Errorf("%s has the variable %q", line.Name, line.Variable)
		}
		visited[line.Variable] = true
	}
	for _, must := range []string{"INMAIL_LISTEN", "INMAIL_DATA", "INMAIL_DATABASE_URL", "INMAIL_REDIS_URL", "INMAIL_SALESFORCE_URL", "INMAIL_OPERATOR_KEY", "INMAIL_METRICS_KEY",
		"INMAIL_LOG", "INMAIL_TIME_TRAVEL", "INMAIL_CRM_PUSH_EVERY", "INMAIL_SNAPSHOT_EVERY", "INMAIL_METRICS_TAGS", "INMAIL_POLICY_RETRACT_OPENED", "INMAIL_SALESFORCE_BUDGET"} {
		if !visited[must] {
			t.Errorf("%s is no setting", must)
		}
	}
}

// TestTheSampleIsRepeatableAndComplete checks the invented network itself.
func TestTheSampleIsRepeatableAndComplete(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	a, b := NewSample(now), NewSample(now)
	if len(a.Events) != len(b.Events) || len(a.Members) != len(b.Members) {
		t.Fatalf("two samples differ: %d and %d events", len(a.Events), len(b.Events))
	}
	types := map[domain.AccountType]bool{}
	ids := map[domain.MemberID]bool{}
	plans := domain.ShippedPlans()
	for _, m := range a.Members {
		if err := m.Validate(plans); err != nil || ids[m.ID] {
			t.Errorf("member %s: %v, twice %v", m.ID, err, ids[m.ID])
		}
		ids[m.ID], types[m.AccountType] = true, true
		if !strings.HasSuffix(m.Email.Reveal(), "@example.org") {
			t.Errorf("member %s has an address outside example.org", m.ID)
		}
	}
	if len(types) != len(domain.AccountTypes()) {
		t.Errorf("account types %v", types)
	}
	for i, e := range a.Events {
		if e.At.After(now) || i > 0 && e.At.Before(a.Events[i-1].At) {
			t.Errorf("event %d at %s is out of order", i, e.At)
		}
		if e.Send != nil && (strings.Contains(e.Send.Body, "%!") || strings.Contains(e.Send.Subject, "%!")) {
			t.Errorf("a text is not filled in: %s", e.Send.Subject)
		}
	}
}

// TestWarnings checks what is allowed and warned of.
func TestWarnings(t *testing.T) {
	for name, row := range map[string]struct {
		env  []string
		want []string // the settings that are warned of
	}{
		"nothing set":         {nil, nil},
		"loopback":            {[]string{"INMAIL_TIME_TRAVEL=1", "INMAIL_DATABASE_URL=postgres://u@127.0.0.1/db", "INMAIL_REDIS_URL=redis://localhost:6379"}, nil},
		"a socket":            {[]string{"INMAIL_DATABASE_URL=postgres://u@%2Fvar%2Frun/db"}, nil},
		"all in the open":     {[]string{"INMAIL_LISTEN=0.0.0.0:8080", "INMAIL_TIME_TRAVEL=1", "INMAIL_DATABASE_URL=postgres://u@db.internal/db", "INMAIL_REDIS_URL=redis://redis.internal:6379"}, []string{"listen", "time_travel", "metrics_key", "database_url", "redis_url"}},
		"all with TLS":        {[]string{"INMAIL_LISTEN=0.0.0.0:8080", "INMAIL_TLS_CERT=c.pem", "INMAIL_TLS_KEY=k.pem", "INMAIL_METRICS_KEY=" + strings.Repeat("k", 32), "INMAIL_DATABASE_URL=postgres://u@db.internal/db?sslmode=require", "INMAIL_REDIS_URL=rediss://redis.internal:6379"}, nil},
		"too few for hooks":   {[]string{"INMAIL_QUEUE_HOOKS_CONCURRENCY=100"}, []string{"queue_hooks_concurrency"}},
		"one of two in plain": {[]string{"INMAIL_REDIS_URL=redis-sentinel://127.0.0.1:26379,10.0.0.2:26379?master=main"}, []string{"redis_url"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Load(Sources{Environment: row.env})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, w := range s.Warnings() {
				setting, _, _ := strings.Cut(w, ":")
				got = append(got, setting)
			}
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Errorf("warned of (-want +got):\n%s", diff)
			}
		})
	}
}

// TestField repeats faults that happened in other programs (FIELD.md).
func TestField(t *testing.T) {
	t.Run("F36_metrics_tags_as_InMails_have_them", func(t *testing.T) {
		s, err := Load(Sources{Environment: []string{"INMAIL_METRICS_TAGS=Über Kunde,Spring  24, spring 24 "}})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"über kunde", "spring 24"}, s.Program.MetricsTags); diff != "" {
			t.Errorf("tags (-want +got):\n%s", diff)
		}
		for _, tag := range []string{"none", "Other", strings.Repeat("x", 41)} {
			if _, err := Load(Sources{Environment: []string{"INMAIL_METRICS_TAGS=" + tag}}); err == nil || !strings.Contains(err.Error(), "metrics_tags") {
				t.Errorf("%q: %v", tag, err)
			}
		}
	})
}
