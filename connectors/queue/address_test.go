package queue

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseAddress(t *testing.T) {
	for _, row := range []struct {
		url   string
		want  address
		shown string
	}{
		{"", address{}, "inside the process"},
		{"redis://localhost", address{scheme: "redis", hosts: []string{"localhost:6379"}}, "redis://localhost:6379/0"},
		{"redis://localhost:6380/", address{scheme: "redis", hosts: []string{"localhost:6380"}}, "redis://localhost:6380/0"},
		{"redis://[::1]/2", address{scheme: "redis", hosts: []string{"[::1]:6379"}, database: 2}, "redis://[::1]:6379/2"},
		{"redis://[::1]:7000", address{scheme: "redis", hosts: []string{"[::1]:7000"}}, "redis://[::1]:7000/0"},
		{
			"rediss://app:s%2Fcr%40t@redis.example:6390/15",
			address{scheme: "redis", tls: true, hosts: []string{"redis.example:6390"}, user: "app", password: "s/cr@t", database: 15},
			"rediss://app:***@redis.example:6390/15",
		},
		{"redis://:secret@h", address{scheme: "redis", hosts: []string{"h:6379"}, password: "secret"}, "redis://:***@h:6379/0"},
		{"redis://:p@ss@h", address{scheme: "redis", hosts: []string{"h:6379"}, password: "p@ss"}, "redis://:***@h:6379/0"},
		{
			"redis-cluster://app:secret@a:7000,b:7001,c",
			address{scheme: "redis-cluster", hosts: []string{"a:7000", "b:7001", "c:6379"}, user: "app", password: "secret"},
			"redis-cluster://app:***@a:7000,b:7001,c:6379",
		},
		{"rediss-cluster://a", address{scheme: "redis-cluster", tls: true, hosts: []string{"a:6379"}}, "rediss-cluster://a:6379"},
		{
			"redis-sentinel://:secret@a,b:26380/3?master=main&sentinel_user=s&sentinel_password=hidden",
			address{
				scheme: "redis-sentinel", hosts: []string{"a:26379", "b:26380"}, password: "secret", database: 3, master: "main",
				sentinelUser: "s", sentinelPassword: "hidden",
			},
			"redis-sentinel://:***@a:26379,b:26380/3?master=main",
		},
	} {
		got, err := parseAddress(row.url)
		if err != nil {
			t.Errorf("%s: %v", row.url, err)
			continue
		}
		if diff := cmp.Diff(row.want, got, cmp.AllowUnexported(address{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.url, diff)
		}
		if got.String() != row.shown {
			t.Errorf("%s is shown as %s, want %s", row.url, got, row.shown)
		}
	}
}

// TestParseAddressFaults checks that the error says what to write and repeats nothing that may be part of a
// password.
func TestParseAddressFaults(t *testing.T) {
	for _, row := range []struct{ url, want string }{
		{"localhost:6379", "redis://user:password@host:6379/0"},
		{"http://secret@h", `unknown scheme "http"`},
		{"user:secret@h://x", "unknown scheme"},
		{"redis://", "host:port"},
		{"redis://:secret@", "host:port"},
		{"redis://:secret@h:port", "host:port"},
		{"redis://:secret@h:70000", "host:port"},
		{"redis://:secret@h:0", "host:port"},
		{"redis://:se/cret@h", "%2F"},
		{"redis://:se?cret@h", "%3F"},
		{"redis://:se#cret/@h", "%23"},
		{"redis://:secret%zz@h", "%25"},
		{"redis://secret@h", ":password@"},
		{"redis://:secret@a,b", "redis-cluster://"},
		{"redis://:secret@h/secret", "database number"},
		{"redis://:secret@h/-1", "database number"},
		{"redis://:secret@h/0?secret=1", "only redis-sentinel://"},
		{"redis-cluster://:secret@h/1", "another database"},
		{"redis-sentinel://:secret@h", "?master=name"},
		{"redis-sentinel://:secret@h?master=m&secret=1", "sentinel_password"},
		{"redis-sentinel://:secret@h?master=m;secret=1", "?master=name"},
	} {
		_, err := parseAddress(row.url)
		if err == nil {
			t.Errorf("%s was accepted", row.url)
			continue
		}
		if !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %q does not say %q", row.url, err, row.want)
		}
		for _, part := range []string{"secret", "cret", "se/", "se?"} {
			if strings.Contains(strings.ReplaceAll(err.Error(), "sentinel_password", ""), part) && !strings.Contains(urlForms, part) {
				t.Errorf("%s: %q repeats a part of the password", row.url, err)
			}
		}
		if shown := (Config{URL: row.url}).Masked(); shown != "(masked)" {
			t.Errorf("%s is shown as %s", row.url, shown)
		}
	}
}
