package queue

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// address is the location of Redis, as given by a URL. The zero value is the broker inside the process.
type address struct {
	scheme   string // redis, redis-cluster, redis-sentinel; "" inside the process
	tls      bool
	hosts    []string // host:port
	user     string
	password string
	database int
	master   string // the name under which the sentinels know it

	sentinelUser, sentinelPassword string
}

// urlForms lists the accepted forms of the URL, for error messages.
const urlForms = "write redis://user:password@host:6379/0, rediss:// for TLS, " +
	"redis-cluster://host1:6379,host2:6379 or " +
	"redis-sentinel://host1:26379,host2:26379/0?master=name; leave it out for the queue inside the process"

// parseAddress reads a URL. Its errors say what to write and repeat only scheme and parameter names: when a
// password has an unescaped / or @, any other part may belong to the password.
func parseAddress(raw string) (address, error) {
	if raw == "" {
		return address{}, nil
	}
	scheme, rest, found := strings.Cut(raw, "://")
	if !found {
		return address{}, errors.New("is not a URL; " + urlForms)
	}
	a := address{scheme: scheme}
	switch scheme {
	case "redis", "redis-cluster", "redis-sentinel":
	case "rediss", "rediss-cluster", "rediss-sentinel":
		a.scheme, a.tls = "redis"+strings.TrimPrefix(scheme, "rediss"), true
	default:
		if len(scheme) > 20 || strings.ContainsAny(scheme, ":@/") {
			scheme = "…"
		}
		return address{}, fmt.Errorf("has the unknown scheme %q; %s", scheme, urlForms)
	}
	rest, query, _ := strings.Cut(rest, "?")
	hosts, database, _ := strings.Cut(rest, "/")
	if at := strings.LastIndexByte(hosts, '@'); at >= 0 {
		if err := a.readUser(hosts[:at]); err != nil {
			return address{}, err
		}
		hosts = hosts[at+1:]
	}
	if err := a.readHosts(hosts); err != nil {
		return address{}, err
	}
	if err := a.readDatabase(database); err != nil {
		return address{}, err
	}
	if err := a.readParameters(query); err != nil {
		return address{}, err
	}
	return a, nil
}

func (a *address) readUser(text string) error {
	user, password, found := strings.Cut(text, ":")
	if !found {
		return errors.New("names a user and no password; write user:password@ or :password@ before the host")
	}
	var err1, err2 error
	a.user, err1 = url.PathUnescape(user)
	a.password, err2 = url.PathUnescape(password)
	if err1 != nil || err2 != nil {
		return errors.New("has a % in user or password that is no escape; write it as %25")
	}
	return nil
}

func (a *address) readHosts(text string) error {
	port := "6379"
	if a.scheme == "redis-sentinel" {
		port = "26379"
	}
	for _, host := range strings.Split(text, ",") {
		if h, p, err := net.SplitHostPort(host); err == nil {
			if n, err := strconv.ParseUint(p, 10, 16); h == "" || err != nil || n == 0 {
				return errHosts
			}
			a.hosts = append(a.hosts, host)
			continue
		}
		host = strings.Trim(host, "[]")
		if host == "" || strings.Contains(host, ":") && net.ParseIP(host) == nil {
			return errHosts
		}
		a.hosts = append(a.hosts, net.JoinHostPort(host, port))
	}
	if a.scheme == "redis" && len(a.hosts) > 1 {
		return errors.New("names several hosts; redis:// and rediss:// take one: " +
			"several are redis-cluster:// or redis-sentinel://")
	}
	return nil
}

var errHosts = errors.New("has a host that cannot be read; write host:port " +
	"(in user and password the characters / ? # @ : % are written as %2F %3F %23 %40 %3A %25)")

func (a *address) readDatabase(text string) error {
	text = strings.Trim(text, "/")
	if text == "" {
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return errors.New("has a path that is no database number; write /0 or nothing after the host")
	}
	if a.scheme == "redis-cluster" && n != 0 {
		return errors.New("asks for another database than 0, which a cluster does not have; leave it out")
	}
	a.database = n
	return nil
}

func (a *address) readParameters(text string) error {
	values, err := url.ParseQuery(text)
	if err != nil {
		return errors.New("has parameters after the ? that cannot be read; write ?master=name")
	}
	for name := range values {
		if a.scheme != "redis-sentinel" {
			return errors.New("has parameters after the ?; only redis-sentinel:// takes any " +
				"(in a password ? is written as %3F)")
		}
		switch value := values.Get(name); name {
		case "master":
			a.master = value
		case "sentinel_user":
			a.sentinelUser = value
		case "sentinel_password":
			a.sentinelPassword = value
		default:
			return errors.New("has an unknown parameter after the ?; " +
				"redis-sentinel:// takes master, sentinel_user and sentinel_password")
		}
	}
	if a.scheme == "redis-sentinel" && a.master == "" {
		return errors.New("does not name the master; add ?master=name, the name in the sentinels' configuration")
	}
	return nil
}

// String returns the address without its passwords.
func (a address) String() string {
	if a.scheme == "" {
		return "inside the process"
	}
	var text strings.Builder
	text.WriteString(a.scheme)
	if a.tls {
		text.Reset()
		text.WriteString("rediss" + strings.TrimPrefix(a.scheme, "redis"))
	}
	text.WriteString("://")
	if a.user != "" || a.password != "" {
		text.WriteString(url.PathEscape(a.user) + ":***@")
	}
	text.WriteString(strings.Join(a.hosts, ","))
	if a.scheme != "redis-cluster" {
		text.WriteString("/" + strconv.Itoa(a.database))
	}
	if a.master != "" {
		text.WriteString("?master=" + url.QueryEscape(a.master))
	}
	return text.String()
}

// connect returns a client. It dials on first use.
func (a address) connect(c Config) redis.UniversalClient {
	options := &redis.UniversalOptions{
		Addrs:    a.hosts,
		Username: a.user, Password: a.password, DB: a.database,
		MasterName: a.master, SentinelUsername: a.sentinelUser, SentinelPassword: a.sentinelPassword,
		IsClusterMode:         a.scheme == "redis-cluster",
		DialTimeout:           c.ConnectTimeout,
		DialerRetries:         1, // one attempt a call: the caller decides about another
		ReadTimeout:           c.Timeout,
		WriteTimeout:          c.Timeout,
		ContextTimeoutEnabled: true, // the caller's deadline applies to the connection too
		PoolSize:              enqueueAtOnce + c.Concurrency + c.CRMConcurrency + c.UpkeepConcurrency + 16,
		ClientName:            "inmail",
		DisableIdentity:       true,
		MaintNotificationsConfig: &maintnotifications.Config{
			Mode: maintnotifications.ModeDisabled, // only some managed services know it; others answer with an error
		},
	}
	if a.tls {
		options.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		if host, _, err := net.SplitHostPort(a.hosts[0]); err == nil && a.scheme == "redis" {
			options.TLSConfig.ServerName = host
		}
	}
	if options.IsClusterMode {
		cluster := options.Cluster()
		cluster.ClusterStateReloadInterval = clusterLook
		return redis.NewClusterClient(cluster)
	}
	return redis.NewUniversalClient(options)
}

// clusterLook is how old what a process knows of a cluster may be. The client learns from an answer that a
// key has moved, but not from a master that does not answer that a replica has its place: by default it goes
// on asking the lost one for a minute.
const clusterLook = time.Second
