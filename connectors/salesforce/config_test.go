package salesforce

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inmail/domain"
)

func TestDefaultNeedsNoOrg(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Error(err)
	}
	if c, err := New(Default(), Deps{Clock: &testClock{}}); err != nil || c.Configured() {
		t.Errorf("%v", err)
	}
}

// TestValidateReportsAllFaults checks that all faults are reported at once, each with the name of its
// setting.
func TestValidateReportsAllFaults(t *testing.T) {
	c := Config{URL: "http://acme.my.salesforce.com", APIVersion: "v67", Budget: 2, Timeout: time.Hour, Concurrency: 0,
		TaskType: strings.Repeat("x", 41), Owners: []string{"alice"}, JWTKeyFile: "key", ClientID: "app", Audience: "nowhere"}
	err := c.Validate()
	if err == nil {
		t.Fatal("nothing was found")
	}
	for _, name := range []string{"url", "api_version", "budget", "timeout", "concurrency", "task_type", "owners", "username", "audience"} {
		if !strings.Contains(err.Error(), "salesforce."+name) {
			t.Errorf("%s is not named in:\n%v", name, err)
		}
	}
}

func TestValidate(t *testing.T) {
	good := Default()
	good.URL, good.ClientID, good.ClientSecret = "https://acme.my.salesforce.com", "app", "the secret"
	for _, row := range []struct {
		name   string
		change func(*Config)
		fault  string // empty: the settings are valid
	}{
		{"client credentials", func(*Config) {}, ""},
		{"trailing slash", func(c *Config) { c.URL += "/" }, ""},
		{"loopback", func(c *Config) { c.URL = "http://127.0.0.1:8080" }, ""},
		{"IPv6 loopback", func(c *Config) { c.URL = "http://[::1]:8080" }, ""},
		{"localhost", func(c *Config) { c.URL = "http://localhost:8080" }, ""},
		{"name that begins like loopback", func(c *Config) { c.URL = "http://localhost.example.com" }, "salesforce.url: plain http"},
		{"plain http", func(c *Config) { c.URL = "http://10.0.0.1" }, "salesforce.url: plain http"},
		{"other scheme", func(c *Config) { c.URL = "ftp://acme" }, "salesforce.url: has the scheme"},
		{"no host", func(c *Config) { c.URL = "acme.my.salesforce.com" }, "salesforce.url"},
		{"with a path", func(c *Config) { c.URL += "/services" }, "salesforce.url"},
		{"with a password", func(c *Config) { c.URL = "https://u:the secret@acme.my.salesforce.com" }, "salesforce.url"},
		{"no login", func(c *Config) { c.ClientSecret = "" }, "no login"},
		{"two logins", func(c *Config) { c.JWTKeyFile, c.Username = "key.pem", "u" }, "both set"},
		{"secret without id", func(c *Config) { c.ClientID = "" }, "salesforce.client_id: missing"},
		{"JWT", func(c *Config) { c.ClientSecret, c.Username, c.JWTKeyFile = "", "u", "key.pem" }, ""},
		{"JWT without a user", func(c *Config) { c.ClientSecret, c.JWTKeyFile = "", "key.pem" }, "salesforce.username: missing"},
		{"SOAP", func(c *Config) { c.ClientSecret, c.ClientID, c.Username, c.Password, c.Token = "", "", "u", "p", "t" }, ""},
		{"SOAP without a password", func(c *Config) { c.ClientSecret, c.Token = "", "t" }, "salesforce.username, salesforce.password: missing"},
		{"too old", func(c *Config) { c.APIVersion = "45.0" }, "older than 46.0"},
		{"no budget", func(c *Config) { c.Budget = 0 }, "salesforce.budget"},
		{"whole budget", func(c *Config) { c.Budget = 1 }, ""},
		{"owners", func(c *Config) { c.Owners = []string{"alice=005000000000001", " b.o:b = 005000000000002AAA "} }, ""},
		{"owner twice", func(c *Config) { c.Owners = []string{"a=005000000000001", "a=005000000000002"} }, "a comes twice"},
		{"owner that is no User", func(c *Config) { c.Owners = []string{"a=001000000000001"} }, "no id of a User"},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := good
			row.change(&c)
			err := c.Validate()
			if row.fault == "" && err != nil || row.fault != "" && (err == nil || !strings.Contains(err.Error(), row.fault)) {
				t.Errorf("%v, want %q", err, row.fault)
			}
			if err != nil && strings.Contains(err.Error(), "the secret") {
				t.Errorf("a secret is shown: %v", err)
			}
		})
	}
}

func TestOwnersHave18Characters(t *testing.T) {
	got, err := parseOwners([]string{"alice=005000000000001", "bob=005000000000002aaa"})
	want := map[domain.MemberID]string{"alice": "005000000000001AAA", "bob": "005000000000002AAA"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// TestCanonicalID takes the checksums of SALESFORCE.md 2.7, and texts that are no id.
func TestCanonicalID(t *testing.T) {
	for id, want := range map[string]string{
		"001M000000qfPyS": "001M000000qfPySIAU", "001M000000qfPySIAU": "001M000000qfPySIAU", "001m000000QFPYSiau": "001M000000qfPySIAU",
		"001M000000qfPySIAV": "001M000000QfPySIAV", // the last three of 18 characters give the case
		"003M000000qfPyS":    "", "001M000000qfPy": "", "001M000000qfPy-": "", "": "", "001M000000qfPyS!!!": "",
		"001M000000qf'yS": "",
	} {
		got, ok := canonicalID(id, accountPrefix)
		if got != want || ok != (want != "") {
			t.Errorf("%s is %q, %v", id, got, ok)
		}
	}
}

// TestEverySettingIsReadAndExplained checks that the connector reads each setting and that README.md explains
// it.
func TestEverySettingIsReadAndExplained(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if name := e.Name(); strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") && name != "config.go" {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			code.Write(text)
		}
	}
	fields := reflect.TypeFor[Config]()
	for i := range fields.NumField() {
		f := fields.Field(i)
		if !regexp.MustCompile(`(config|c\.config|c)\.` + f.Name + `\b`).MatchString(code.String()) {
			t.Errorf("nobody reads %s", f.Name)
		}
		if name := f.Tag.Get("koanf"); !strings.Contains(string(readme), "`"+strings.ToUpper(name)+"`") {
			t.Errorf("README.md does not explain %s", name)
		}
	}
}
