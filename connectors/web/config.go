package web

import (
	"fmt"
	"net/url"
	"strings"
)

// Config is what an operator may decide about the pages. Start from Default.
type Config struct {
	Pages      bool   `koanf:"pages"`       // serve the pages; without them GET / is what it is for programs
	PublicURL  string `koanf:"public_url"`  // where people reach the pages, for links in CRMs; empty: no links
	ProfileURL string `koanf:"profile_url"` // a member's profile, with {member}; empty: the page that writes to them
	Words      string `koanf:"pages_words"` // a translation of the pages' words; empty: they are English
}

// Default returns the settings that are in force when nothing is set.
func Default() Config { return Config{Pages: true} }

// Validate reports the settings that cannot work, each with its name.
func (c Config) Validate() error {
	for name, address := range map[string]string{"public_url": c.PublicURL, "profile_url": c.ProfileURL} {
		u, err := url.Parse(strings.ReplaceAll(address, "{member}", "member"))
		if address != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil) {
			return fmt.Errorf("%s: %q is no address such as https://inmail.example.com", name, address)
		}
	}
	if u, err := url.Parse(c.PublicURL); err == nil && (u.RawQuery != "" || u.Fragment != "") {
		return fmt.Errorf("public_url: %q has a query; write https://inmail.example.com", c.PublicURL)
	}
	if c.ProfileURL != "" && !strings.Contains(c.ProfileURL, "{member}") {
		return fmt.Errorf("profile_url: %q does not say where the member id goes; write https://example.com/in/{member}", c.ProfileURL)
	}
	return nil
}

// Address returns where people reach the pages, without a slash at its end; empty when that is not set.
func (c Config) Address() string { return strings.TrimRight(c.PublicURL, "/") }
