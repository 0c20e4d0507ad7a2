package config

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestDeployFilesNameRealSettings checks that every variable in config/deploy is a setting, the Helm chart's
// too.
func TestDeployFilesNameRealSettings(t *testing.T) {
	variable := regexp.MustCompile(`INMAIL_[A-Z_]+[A-Z]`)
	found := map[string]int{}
	err := filepath.WalkDir("deploy", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		for _, v := range variable.FindAllString(string(text), -1) {
			found[filepath.Base(path)]++
			s, _ := Load(Sources{Environment: []string{v + "=x"}})
			if len(s.Unknown) > 0 {
				t.Errorf("%s: there is no setting %s", path, v)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"inmail.service", "Dockerfile", "compose.yaml", "README.md", "_helpers.tpl",
		"migration.yaml"} {
		if found[name] == 0 {
			t.Errorf("%s names no setting", name)
		}
	}
}

// TestChartKnowsTheSecrets checks that the Helm chart takes every secret from its Secret, and takes none, nor
// a setting that it makes itself, among its values.
func TestChartKnowsTheSecrets(t *testing.T) {
	type object struct {
		Properties    map[string]object
		Items         struct{ Enum []string }
		PropertyNames struct{ Not struct{ Enum []string } }
	}
	text, err := os.ReadFile("deploy/helm/inmail/values.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema object
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	config := schema.Properties["config"]
	refused := map[string][]string{"": config.PropertyNames.Not.Enum}
	for part, o := range config.Properties {
		refused[part] = o.PropertyNames.Not.Enum
	}
	taken := append([]string{"operator_key", "database_url", "redis_url"},
		schema.Properties["secret"].Properties["also"].Items.Enum...)
	helpers, err := os.ReadFile("deploy/helm/inmail/templates/_helpers.tpl")
	if err != nil {
		t.Fatal(err)
	}
	settings := Defaults()
	secrets := 0
	for name, s := range settings.settings() {
		part, rest, inPart := strings.Cut(name, ".")
		if !inPart {
			part, rest = "", name
		}
		file := strings.TrimSuffix(name, "_file") // a setting that names a file is a key that holds it
		secret := s.secret || slices.Contains(inURL, name) || file != name
		if secret {
			secrets++
		}
		if secret != slices.Contains(taken, file) {
			t.Errorf("%s is a secret: %t; the chart takes it from the Secret: %t", name, secret, !secret)
		}
		made := strings.Contains(string(helpers), "{name: "+s.variable()+",") || name == "roles"
		if secret = secret || made; secret != slices.Contains(refused[part], rest) {
			t.Errorf("%s is a secret, or the chart makes it: %t; its values refuse it: %t", name, secret, !secret)
		}
	}
	if secrets != len(taken) {
		t.Errorf("%d secrets are settings, and the chart takes %d", secrets, len(taken))
	}
}

// TestImagesOfContainers checks that the Dockerfile stands on nothing that changes, runs as an ordinary user
// and has a health check, and that every service of the compose file that is not ours has one.
func TestImagesOfContainers(t *testing.T) {
	file, err := os.ReadFile("deploy/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	var bases, users, checks []string
	for line := range strings.Lines(string(file)) {
		instruction, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch instruction {
		case "FROM":
			bases = append(bases, rest)
		case "USER":
			users = append(users, rest)
		case "HEALTHCHECK":
			checks = append(checks, rest)
		}
	}
	for _, base := range bases {
		if base != "scratch" && !strings.Contains(base, "@sha256:") {
			t.Errorf("the image stands on %s, which is not pinned", base)
		}
	}
	if len(bases) == 0 || len(users) != 1 || strings.HasPrefix(users[0], "0") || strings.HasPrefix(users[0], "root") {
		t.Errorf("the image stands on %v and runs as %v", bases, users)
	}
	if len(checks) != 1 || !strings.Contains(checks[0], `["/inmail", "health", "--live"]`) {
		t.Errorf("its health checks are %v", checks)
	}

	text, err := os.ReadFile("deploy/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var compose struct {
		Services map[string]struct {
			Image       string
			Healthcheck struct{ Test []string }
			ReadOnly    bool `yaml:"read_only"`
		}
	}
	if err := yaml.Unmarshal(text, &compose); err != nil {
		t.Fatal(err)
	}
	if len(compose.Services) != 5 {
		t.Errorf("the compose file has %d services", len(compose.Services))
	}
	for name, s := range compose.Services {
		own := s.Image == "inmail"
		if own != s.ReadOnly || own == (len(s.Healthcheck.Test) > 0) {
			t.Errorf("%s, of the image %s: read-only %t, checked by %v", name, s.Image, s.ReadOnly, s.Healthcheck.Test)
		}
	}
}
