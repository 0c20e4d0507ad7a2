package httpapi

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"inmail/connectors/porttest"
)

// writeCertificate writes a certificate for 127.0.0.1 of its own making under the name, and its key.
func writeCertificate(t *testing.T, folder, name string, at time.Time) (chain, key string) {
	t.Helper()
	chain, key = porttest.Certificate(t, folder,
		x509.Certificate{Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	for _, path := range []string{chain, key} {
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	return chain, key
}

func TestTLS(t *testing.T) {
	folder := t.TempDir()
	chain, key := writeCertificate(t, folder, "first", epoch)
	w := newWorld(t, anyPort, func(p *Parts) { p.Config.TLSCert, p.Config.TLSKey = chain, key })
	s, err := Listen(t.Context(), w.api)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	defer s.Stop(t.Context())
	served := func() string {
		t.Helper()
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true,
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		answer, err := client.Get("https://" + s.Addr().String() + "/livez")
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if got := answer.Header.Get("Strict-Transport-Security"); !strings.HasPrefix(got, "max-age=") {
			t.Errorf("Strict-Transport-Security is %q", got)
		}
		return answer.TLS.PeerCertificates[0].Subject.CommonName
	}
	if got := served(); got != "first" {
		t.Errorf("the certificate is of %q", got)
	}
	writeCertificate(t, folder, "renewed", epoch.Add(time.Minute))
	w.fakeService.mu.Lock()
	w.fakeService.now = epoch.Add(lookEvery)
	w.fakeService.mu.Unlock()
	if got := served(); got != "renewed" {
		t.Errorf("after a renewal it is of %q", got)
	}
	if err := os.WriteFile(chain, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.fakeService.mu.Lock()
	w.fakeService.now = epoch.Add(2 * lookEvery)
	w.fakeService.mu.Unlock()
	if got := served(); got != "renewed" {
		t.Errorf("with half a file it is of %q", got)
	}
	if _, err := Listen(t.Context(), newWorld(t, anyPort, func(p *Parts) { p.Config.TLSCert, p.Config.TLSKey = chain, key }).api); err == nil || !strings.Contains(err.Error(), "tls_cert") {
		t.Errorf("a start with half a file: %v", err)
	}
	if err := (Config{TLSCert: chain}).Validate(); err == nil || !strings.Contains(err.Error(), "tls_key") {
		t.Errorf("a certificate without its key: %v", err)
	}
}
