package main

import (
	"crypto/x509"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"inmail/connectors/porttest"
)

// TestHealth asks a server over http, and one with a certificate of its own by the settings that it has.
func TestHealth(t *testing.T) {
	s := newServer(t, []string{"--data", filepath.Join(t.TempDir(), "data")})
	s.Start()
	healthy := func(args ...string) {
		t.Helper()
		s.eventually(fmt.Sprintf("inmail %v is ok", args), func() error { // on a slow machine a probe may take too long
			cmd := exec.Command(program(t), args...)
			cmd.Env = append(s.env, "INMAIL_URL="+s.url)
			if out, err := cmd.CombinedOutput(); err != nil || string(out) != "ok\n" {
				return fmt.Errorf("%q %w", out, err)
			}
			return nil
		})
	}
	healthy("health")
	healthy("health", "--live")
	s.Stop()
	if out := s.inmail(exitFailed, "health"); !strings.Contains(out, "no server answers") {
		t.Errorf("of a server that is stopped: %q", out)
	}
	if got := (healthAnswer{"degraded", map[string]string{"queue": "away", "clock": "apart"}}).text(); got != "degraded: clock: apart; queue: away\n" {
		t.Errorf("degraded is %q", got)
	}

	folder := t.TempDir()
	certificate, key := selfSigned(t, folder)
	own := []string{"INMAIL_TLS_CERT=" + certificate, "INMAIL_TLS_KEY=" + key, "INMAIL_LISTEN=" + strings.TrimPrefix(s.url, "http://")}
	s.env = append(s.env, own...)
	s.launch()
	s.eventually("it serves", func() error { return s.listens(s.port) })
	s.url = "" // found by the settings
	healthy("health")
	if out := s.inmail(exitDone, "queue", "status"); !strings.Contains(out, "sends") {
		t.Errorf("by https with a key: %q", out)
	}
	if err := os.MkdirAll(filepath.Join(folder, "other"), 0o700); err != nil {
		t.Fatal(err)
	}
	other, _ := selfSigned(t, filepath.Join(folder, "other"))
	s.env = append(s.env, "INMAIL_TLS_CERT="+other)
	if out := s.inmail(exitFailed, "health"); !strings.Contains(out, "another certificate") {
		t.Errorf("by another certificate: %q", out)
	}
}

// selfSigned writes a certificate that names no address of this machine, and its key.
func selfSigned(t *testing.T, folder string) (certificate, key string) {
	t.Helper()
	return porttest.Certificate(t, folder, x509.Certificate{DNSNames: []string{"inmail.example.com"}})
}
