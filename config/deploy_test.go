package config

import (
	"os"
	"regexp"
	"testing"
)

// TestDeployFilesNameRealSettings checks that every variable in config/deploy is a setting.
func TestDeployFilesNameRealSettings(t *testing.T) {
	variable := regexp.MustCompile(`INMAIL_[A-Z_]+[A-Z]`)
	found := 0
	for _, name := range []string{"inmail.service", "Dockerfile", "compose.yaml", "README.md"} {
		text, err := os.ReadFile("deploy/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range variable.FindAllString(string(text), -1) {
			found++
			s, _ := Load(Sources{Environment: []string{v + "=x"}})
			if len(s.Unknown) > 0 {
				t.Errorf("%s: there is no setting %s", name, v)
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d variables were looked at", found)
	}
}
