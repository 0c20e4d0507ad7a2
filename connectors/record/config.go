// Package record is the SQL record of InMail, in PostgreSQL or in one file of SQLite. It implements the
// ports of mailroom: every change is one transaction, and what was committed has happened. README.md beside
// this file is for operators.
package record

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Config says where the record is and how long anything may take. The zero value is not usable: start from
// Default.
type Config struct {
	URL            string        `koanf:"database_url"`             // postgres://…; empty: SQLite
	Data           string        `koanf:"data"`                     // the data folder of SQLite
	Connections    int           `koanf:"database_connections"`     // of the PostgreSQL pool; 1..1000
	Readers        int           `koanf:"database_readers"`         // of SQLite, beside its writer; 1..100
	ConnectTimeout time.Duration `koanf:"database_connect_timeout"` // for one connection; 100ms..1m
	LockTimeout    time.Duration `koanf:"database_lock_timeout"`    // of a statement; 100ms..10m
	Timeout        time.Duration `koanf:"database_timeout"`         // of a transaction with commit; 1s..1h
	Patience       time.Duration `koanf:"database_patience"`        // a silent database is asked for a sign of life; 500ms..10m
	MaxBytes       int64         `koanf:"database_max_bytes"`       // of SQLite's file; 0: no limit
	Migrate        bool          `koanf:"database_migrate"`         // Open brings the schema up to date
}

// Default returns the settings that work without configuration: SQLite in ./data.
func Default() Config {
	return Config{
		Data: "./data", Connections: 20, Readers: 8,
		ConnectTimeout: 5 * time.Second, LockTimeout: 10 * time.Second, Timeout: 30 * time.Second, Patience: 2 * time.Second,
		Migrate: true,
	}
}

// FileName is the file of SQLite in the data folder.
const FileName = "inmail.db"

// socketHost finds the folder of a Unix socket in place of the host, which libpq allows:
// postgres://u@%2Fvar%2Frun/db.
var socketHost = regexp.MustCompile(`^(postgres(?:ql)?://(?:[^/?#@]*@)?)((?:%2[Ff]|%2[Ee])[^/?#]*)(.*)$`)

// dsn returns the URL in the form that pgx reads: the folder of a socket is moved to the parameter host.
func (c Config) dsn() string {
	m := socketHost.FindStringSubmatch(c.URL)
	if m == nil {
		return c.URL
	}
	folder, port, _ := strings.Cut(m[2], ":")
	path, query, _ := strings.Cut(m[3], "?")
	socket := "host=" + folder
	if port != "" {
		socket += "&port=" + port
	}
	if query != "" {
		socket += "&" + query
	}
	return m[1] + path + "?" + socket
}

// minFile is the lowest limit for SQLite's file in bytes: the empty schema must fit.
const minFile = 1 << 20

// Postgres is true when the settings choose PostgreSQL, false for SQLite.
func (c Config) Postgres() bool { return c.URL != "" }

// File returns the path of SQLite's file.
func (c Config) File() string { return filepath.Join(c.Data, FileName) }

// Validate reports all settings that cannot work, each with its name, its value
// (passwords masked) and the remedy.
func (c Config) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if c.URL != "" {
		u, err := url.Parse(c.dsn())
		switch {
		case err != nil:
			fault("database_url: is not a URL; write postgres://user:password@host:5432/database")
		case u.Scheme != "postgres" && u.Scheme != "postgresql":
			fault("database_url: %s has the scheme %q; write postgres://user:password@host:5432/database, or leave "+
				"it out for SQLite", c.Masked(), u.Scheme)
		case strings.Trim(u.Path, "/") == "":
			fault("database_url: %s names no database; add it after the host, as in postgres://host:5432/inmail",
				c.Masked())
		}
	} else if strings.TrimSpace(c.Data) == "" {
		fault("data: is empty; name the folder in which the record keeps its file")
	}
	within := func(name string, got, low, high any, ok bool) {
		if !ok {
			fault("%s: %v is outside %v..%v", name, got, low, high)
		}
	}
	within("database_connections", c.Connections, 1, 1000, 1 <= c.Connections && c.Connections <= 1000)
	within("database_readers", c.Readers, 1, 100, 1 <= c.Readers && c.Readers <= 100)
	duration := func(name string, got, low, high time.Duration) {
		within(name, got, low, high, low <= got && got <= high)
	}
	duration("database_connect_timeout", c.ConnectTimeout, 100*time.Millisecond, time.Minute)
	duration("database_lock_timeout", c.LockTimeout, 100*time.Millisecond, 10*time.Minute)
	duration("database_timeout", c.Timeout, time.Second, time.Hour)
	duration("database_patience", c.Patience, 500*time.Millisecond, 10*time.Minute)
	if c.MaxBytes != 0 && c.MaxBytes < minFile {
		fault("database_max_bytes: %d is too little; give at least %d, or 0 for no limit", c.MaxBytes, minFile)
	}
	return errors.Join(faults...)
}

// Masked returns the URL for messages: without password and without parameters that could hold one. For a
// text that is no URL it returns "(masked)".
func (c Config) Masked() string {
	u, err := url.Parse(c.dsn())
	if err != nil || u.Host == "" && !u.Query().Has("host") {
		return "(masked)"
	}
	masked := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	if u.Host == "" {
		masked.RawQuery = url.Values{"host": {u.Query().Get("host")}}.Encode()
	}
	if u.User != nil {
		masked.User = url.User(u.User.Username())
	}
	return masked.String()
}

// Unencrypted returns a host other than this machine to which the connection may go without TLS; empty: none.
func (c Config) Unencrypted() string {
	if !c.Postgres() {
		return ""
	}
	parsed, err := pgconn.ParseConfig(c.dsn())
	if err != nil {
		return "" // Validate says so
	}
	ways := append([]*pgconn.FallbackConfig{{Host: parsed.Host, TLSConfig: parsed.TLSConfig}}, parsed.Fallbacks...)
	for _, w := range ways {
		ip := net.ParseIP(w.Host)
		local := w.Host == "localhost" || strings.HasPrefix(w.Host, "/") || ip != nil && ip.IsLoopback()
		if w.TLSConfig == nil && !local {
			return w.Host
		}
	}
	return ""
}
