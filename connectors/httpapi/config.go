package httpapi

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"
)

// Config holds what an operator may decide about the HTTP side. Start from Default.
type Config struct {
	Listen            string        `koanf:"listen"`              // host:port; port 0 takes a free one
	TLSCert           string        `koanf:"tls_cert"`            // PEM file; empty: plain http
	TLSKey            string        `koanf:"tls_key"`             // PEM file; both are read again when they change
	MetricsKey        string        `koanf:"metrics_key"`         // secret; empty: metrics need no key
	ReadHeaderTimeout time.Duration `koanf:"read_header_timeout"` // 100ms..1m, for a request's head
	ReadTimeout       time.Duration `koanf:"read_timeout"`        // 100ms..10m; of an import: each read
	WriteTimeout      time.Duration `koanf:"write_timeout"`       // 100ms..10m, until the answer is out
	IdleTimeout       time.Duration `koanf:"idle_timeout"`        // 1s..1h, of a kept connection
	RequestTimeout    time.Duration `koanf:"request_timeout"`     // 100ms..write_timeout; not of imports
	ShutdownTimeout   time.Duration `koanf:"shutdown_timeout"`    // 0..10m, for requests under way
	MaxHeaderBytes    int           `koanf:"max_header_bytes"`    // 4096..1048576
	KeyCache          time.Duration `koanf:"key_cache"`           // 0..10s, a key is cached; 0: never
	RateLimit         float64       `koanf:"rate_limit"`          // requests a second and key, 0..1e6; 0: any
	RateAddress       float64       `koanf:"rate_address"`        // requests a second and client address, 0..1e6; 0: any
	RateBurst         int           `koanf:"rate_burst"`          // how many may come at once, 1..1e6
	WrongKeys         int           `koanf:"wrong_keys"`          // wrong keys a minute and client address, 0..1e6; 0: any
	TrustedProxies    []string      `koanf:"trusted_proxies"`     // addresses or networks whose X-Forwarded-For counts
	CORSOrigins       []string      `koanf:"cors_origins"`        // origins whose pages may read the API's answers
}

// Default returns the settings that are in force when nothing is set.
func Default() Config {
	return Config{
		Listen:            "127.0.0.1:8080",
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		RequestTimeout:    30 * time.Second,
		ShutdownTimeout:   20 * time.Second,
		MaxHeaderBytes:    64 << 10,
		KeyCache:          2 * time.Second,
		RateBurst:         50,
		WrongKeys:         20,
	}
}

// Scheme is https when there is a certificate, else http.
func (c Config) Scheme() string {
	if c.TLSCert != "" {
		return "https"
	}
	return "http"
}

// Validate reports all settings that are out of bounds, each with its name, value and bounds.
func (c Config) Validate() error {
	var faults []error
	if _, port, err := net.SplitHostPort(c.Listen); err != nil {
		faults = append(faults, fmt.Errorf("listen: %q is not host:port; for instance 127.0.0.1:8080", c.Listen))
	} else if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		faults = append(faults, fmt.Errorf("listen: port %q is outside 0..65535", port))
	}
	for _, f := range []struct {
		name           string
		got, low, high time.Duration
	}{
		{"read_header_timeout", c.ReadHeaderTimeout, 100 * time.Millisecond, time.Minute},
		{"read_timeout", c.ReadTimeout, 100 * time.Millisecond, 10 * time.Minute},
		{"write_timeout", c.WriteTimeout, 100 * time.Millisecond, 10 * time.Minute},
		{"idle_timeout", c.IdleTimeout, time.Second, time.Hour},
		{"request_timeout", c.RequestTimeout, 100 * time.Millisecond, max(c.WriteTimeout, 100*time.Millisecond)},
		{"shutdown_timeout", c.ShutdownTimeout, 0, 10 * time.Minute},
		{"key_cache", c.KeyCache, 0, 10 * time.Second},
	} {
		if f.got < f.low || f.got > f.high {
			faults = append(faults, fmt.Errorf("%s: %s is outside %s..%s", f.name, f.got, f.low, f.high))
		}
	}
	if c.MaxHeaderBytes < 4096 || c.MaxHeaderBytes > 1<<20 {
		faults = append(faults, fmt.Errorf("max_header_bytes: %d is outside 4096..1048576", c.MaxHeaderBytes))
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		faults = append(faults, errors.New("tls_cert, tls_key: set both, or none"))
	}
	if !(c.RateLimit >= 0 && c.RateLimit <= 1e6) {
		faults = append(faults, fmt.Errorf("rate_limit: %g is outside 0..1000000", c.RateLimit))
	}
	if !(c.RateAddress >= 0 && c.RateAddress <= 1e6) {
		faults = append(faults, fmt.Errorf("rate_address: %g is outside 0..1000000", c.RateAddress))
	}
	if c.WrongKeys < 0 || c.WrongKeys > 1e6 {
		faults = append(faults, fmt.Errorf("wrong_keys: %d is outside 0..1000000", c.WrongKeys))
	}
	if _, err := parseProxies(c.TrustedProxies); err != nil {
		faults = append(faults, err)
	}
	if err := checkOrigins(c.CORSOrigins); err != nil {
		faults = append(faults, err)
	}
	if c.RateBurst < 1 || c.RateBurst > 1e6 {
		faults = append(faults, fmt.Errorf("rate_burst: %d is outside 1..1000000", c.RateBurst))
	}
	return errors.Join(faults...)
}
