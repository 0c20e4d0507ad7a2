package main

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"log/slog"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"inmail/config"
	"inmail/domain"
)

func TestASecondProcessOnADataFolderIsToldSo(t *testing.T) {
	noSettings(t)
	s, err := config.Load(config.Sources{Flags: map[string]string{"data": t.TempDir(), "listen": "127.0.0.1:0"}})
	if err != nil {
		t.Fatal(err)
	}
	first, err := build(t.Context(), s, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := build(t.Context(), s, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "another inmail works on this folder") {
		t.Errorf("the second one: %v, want it to name the first", err)
	}
	if err := first.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	next, err := build(t.Context(), s, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("after the first one ended: %v", err)
	}
	if err := next.Stop(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestAnOperatorKeyIsTheOperatorsChoice(t *testing.T) {
	for key, good := range map[string]bool{"short": false, "15-characters-x": false, "16-characters-xy": true, "inm_test_operator_key_0123456789": true, "with blank": false, "schlüssel": false, "line\nbreak": false} {
		s, err := config.Load(config.Sources{Environment: []string{"INMAIL_OPERATOR_KEY=" + key}})
		if (err == nil) != good {
			t.Errorf("key %q: %v, want it taken: %v", key, err, good)
		}
		if good && s.Program.OperatorKey != key {
			t.Errorf("key %q became %q", key, s.Program.OperatorKey)
		}
	}
}

// TestDataFilesAreTheOwnersAlone starts in a folder that others may read, with a file that others may read.
func TestDataFilesAreTheOwnersAlone(t *testing.T) {
	folder := t.TempDir()
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "operator.key"), []byte("inm_0123456789abcdef\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	s := patient(t, map[string]string{"data": folder, "listen": "127.0.0.1:0"})
	a, err := build(t.Context(), s, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(a.Start(t.Context()), a.Stop(context.Background())); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) < 3 {
		t.Fatalf("%d files, %v", len(entries), err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v; want 0600", e.Name(), info.Mode(), err)
		}
	}
}

func TestTheClockNeverGoesBackwards(t *testing.T) {
	c := &clock{}
	before := c.Now()
	now, err := c.Advance(100 * 365 * 24 * time.Hour)
	if err != nil || now.Before(before.Add(100*365*24*time.Hour)) {
		t.Fatalf("%s, %v; want a hundred years on", now, err)
	}
	if _, err := c.Advance(math.MaxInt64); !errors.Is(err, domain.BadRequest) {
		t.Errorf("further than a duration reaches: %v, want bad_request", err)
	}
	if got := c.Now(); got.Before(now) || got.After(now.Add(time.Hour)) {
		t.Errorf("the clock shows %s after a refusal, want it to run on from %s", got, now)
	}
}

// TestAClockThatIsApartIsTold starts on a record whose time runs an hour ahead of this machine's clock, which
// was set back.
func TestAClockThatIsApartIsTold(t *testing.T) {
	noSettings(t)
	s, err := config.Load(config.Sources{Flags: map[string]string{"data": t.TempDir(), "listen": "127.0.0.1:0"}})
	if err != nil {
		t.Fatal(err)
	}
	s.Program.Roles = []config.Role{config.RoleAPI}
	log := &lockedBuffer{}
	begin := func() *app {
		a, err := build(t.Context(), s, slog.New(slog.NewTextHandler(log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = a.Stop(context.Background()) })
		if err := a.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		return a
	}
	ask := func(a *app, path string) string {
		resp, err := http.Get("http://" + a.apiAddress + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s %v", path, resp.Status, err)
		}
		return string(body)
	}
	a := begin()
	if ready, page := ask(a, "/readyz"), ask(a, "/metrics"); !strings.Contains(ready, `"clock":"ok"`) || !strings.Contains(page, "\ninmail_clock_offset_seconds 0\n") {
		t.Errorf("with one time: %s", ready)
	}
	if err := a.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", s.Record.File())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ahead := time.Now().Add(time.Hour).UnixMilli()
	if _, err := db.Exec("UPDATE clock SET seen = ?1, reserved = ?1 + 3000", ahead); err != nil {
		t.Fatal(err)
	}
	if log.String() != "" {
		t.Errorf("with one time it logged %s", log.String())
	}
	a = begin()
	ready, page := ask(a, "/readyz"), ask(a, "/metrics")
	for _, want := range []string{`"status":"degraded"`, `"clock":"down"`, `"clock":"is more than 2 s from the record's time"`} {
		if !strings.Contains(ready, want) {
			t.Errorf("/readyz does not say %s: %s", want, ready)
		}
	}
	if !regexp.MustCompile(`\ninmail_clock_offset_seconds 3[0-9.]*(e\+03)?\n`).MatchString(page) {
		t.Error("the metrics do not show an offset of an hour")
	}
	if warned := strings.Count(log.String(), "level=WARN msg=\"this machine's clock"); warned != 1 {
		t.Errorf("warned %d times, want once:\n%s", warned, log.String())
	}
}

// TestWrongSettingsAreWrongUse: whoever called can repair a wrong setting, and nobody else; so it exits with
// 2, wherever it stands.
func TestWrongSettingsAreWrongUse(t *testing.T) {
	yaml := func(t *testing.T, text string) string {
		path := filepath.Join(t.TempDir(), "inmail.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, row := range map[string]struct {
		set  map[string]string
		args []string
	}{
		"a value of a variable":      {map[string]string{"INMAIL_CRM_PUSH_EVERY": "soon"}, []string{"config", "check"}},
		"a policy":                   {map[string]string{"INMAIL_POLICY_RETRACT_OPENED": "perhaps"}, []string{"migrate"}},
		"a value out of its bounds":  {map[string]string{"INMAIL_SALESFORCE_BUDGET": "1.5"}, []string{"serve"}},
		"a flag":                     {nil, []string{"serve", "--roles", "cook"}},
		"an unknown key of the YAML": {nil, []string{"config", "check", "--config", yaml(t, "salesfarce:\n  url: https://acme.my.salesforce.com\n")}},
		"a plan of the YAML":         {nil, []string{"serve", "--config", yaml(t, "plans:\n  recruiter_40: {account_type: cook, allowance: 40}\n")}},
		"a file that is not there":   {nil, []string{"config", "check", "--config", filepath.Join(t.TempDir(), "none.yaml")}},
		"half a login":               {map[string]string{"INMAIL_SALESFORCE_URL": "https://acme.my.salesforce.com"}, []string{"crm", "check", "--local"}},
		"a key file that is not there": {map[string]string{"INMAIL_SALESFORCE_URL": "https://acme.my.salesforce.com", "INMAIL_SALESFORCE_CLIENT_ID": "c",
			"INMAIL_SALESFORCE_USERNAME": "u", "INMAIL_SALESFORCE_JWT_KEY_FILE": filepath.Join(t.TempDir(), "none.pem")}, []string{"crm", "check", "--local"}},
		"a command that is not there": {nil, []string{"config", "nonsense"}},
	} {
		t.Run(name, func(t *testing.T) {
			noSettings(t)
			t.Setenv("INMAIL_DATA", t.TempDir())
			for variable, value := range row.set {
				t.Setenv(variable, value)
			}
			if got := inmail(t, row.args...); got.code != exitUsage || !strings.HasPrefix(got.err, "inmail: ") || got.out != "" {
				t.Errorf("exit code %d: %s%s", got.code, got.out, got.err)
			}
		})
	}
	noSettings(t)
	if got := must(t, exitDone, "config"); !strings.Contains(got.out, "check") {
		t.Errorf("inmail config printed %s", got.out)
	}
}
