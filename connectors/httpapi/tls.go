package httpapi

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificate is a certificate with its key, read again when one of the two files has changed: a renewed one
// is in force without a restart.
type certificate struct {
	files [2]string // certificate chain and key, in PEM
	log   *slog.Logger
	now   func() time.Time

	mu     sync.Mutex
	pair   *tls.Certificate
	stamps [2]time.Time // of the files that pair was read from
	looked time.Time
}

// lookEvery is how often the files are looked at, at most.
const lookEvery = 10 * time.Second

// readCertificate reads the files for the first time.
func readCertificate(chain, key string, log *slog.Logger, now func() time.Time) (*certificate, error) {
	c := &certificate{files: [2]string{chain, key}, log: log, now: now}
	if err := c.read(); err != nil {
		return nil, fmt.Errorf("tls_cert, tls_key: %w; name a certificate chain and its key, both in PEM", err)
	}
	return c, nil
}

func (c *certificate) read() error {
	var stamps [2]time.Time
	for i, file := range c.files {
		info, err := os.Stat(file)
		if err != nil {
			return err
		}
		stamps[i] = info.ModTime()
	}
	if stamps == c.stamps {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(c.files[0], c.files[1])
	if err != nil {
		return err
	}
	c.pair, c.stamps = &pair, stamps
	return nil
}

// get returns the certificate for a handshake. When the files cannot be read, the one before stays in force,
// and the log says so.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now.Sub(c.looked).Abs() >= lookEvery {
		c.looked = now
		if err := c.read(); err != nil {
			c.log.Warn("the new certificate cannot be read; the one before stays in force", "error", err)
		}
	}
	return c.pair, nil
}

// tlsConfig returns the settings of a server with the certificate.
func (c *certificate) tlsConfig() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}, GetCertificate: c.get}
}
