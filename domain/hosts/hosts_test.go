package hosts

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// punycode is paypal in Cyrillic letters, and bücher.
const (
	cyrillicPaypal = "\u0440\u0430\u0443\u0440\u0430l.com" // раураl.com, its l is Latin
	punycodeBuch   = "xn--bcher-kva.example"
)

func TestField(t *testing.T) {
	t.Run("F33_hosts_are_compared_by_look", func(t *testing.T) {
		for _, row := range []struct {
			text, address string
			want          Verdict
		}{
			// The same host, however it is written.
			{"bücher.example", "https://www.xn--bcher-kva.example/a", Honest},
			{"www.xn--bcher-kva.example", "https://bücher.example", Honest},
			{"bu\u0308cher.example", "https://xn--bcher-kva.example", Honest},
			{"BÜCHER.EXAMPLE", "https://b%C3%BCcher.example:8443/?q", Honest},
			{"straße.example", "https://xn--strae-oqa.example/", Honest},
			{"пример.рф", "https://xn--e1afmkfd.xn--p1ai/", Honest},
			{"例え。jp", "https://xn--r8jz45g.jp", Honest},
			{"ＡＣＭＥ.com", "https://acme.com", Honest},
			{"see **PayPal.com** for it", "https://www.paypal.com/de", Honest},
			{"https://acme.com./jobs", "https://acme.com/jobs", Honest},
			{"acme.co.uk", "https://jobs.acme.co.uk", Honest},
			{"jobs.acme.co.uk", "https://careers.acme.co.uk", Honest},
			{"anna@acme.com", "mailto:anna@acme.com?subject=Hi", Honest},
			{"our jobs", "https://xn--bcher-kva.example", Silent},
			{"README.md, v1.2.3, Node.js and e.g. main.go", "https://git.example/a", Silent},
			// Other letters of the same look.
			{"paypal.com", "https://" + cyrillicPaypal + "/a", LookAlike},
			{cyrillicPaypal, "https://paypal.com", LookAlike},
			{"paypal.com", "https://login.xn--l-7sba6dbr.com", LookAlike},
			{"apple.com", "https://аррӏе.com", LookAlike},
			{"paypal.com", "https://paypa1.com", LookAlike},
			{"microsoft.com", "https://rnicrosoft.com", LookAlike},
			{"google.com", "https://g00gle.com", LookAlike},
			{"google.com", "https://ɡoogle.com", LookAlike},
			{"epic.com", "https://еріс.com", LookAlike},
			// Another host.
			{"paypal.com", "https://evil.example/paypal.com", Other},
			{"paypal.com", "https://paypal.com.evil.example", Other},
			{"pay\u200bpal.com", "https://evil.example", Other},
			{"paypal․com", "https://evil.example", Other},
			{"bücher.example", "https://bucher.example", Other},
			{"acme.co.uk", "https://evil.co.uk", Other},
			{"postfinance.ch", "https://evil.example", Other},
			{"anna@acme.com", "mailto:anna@evil.example", Other},
			{"https://paypal.example", "https://paypal.example@evil.example", Other},
			{"https://paypal.example@evil.example", "https://evil.example", Other},
			{"here", "https://paypal.example:x@evil.example/a", Other},
		} {
			if got := Compare(row.text, row.address); got != row.want {
				t.Errorf("Compare(%q, %q) = %d, want %d (named %q, leads to %q)", row.text, row.address, got, row.want,
					Named(row.text), Of(row.address))
			}
		}
	})

	t.Run("F33_a_name_in_other_letters_is_no_sign", func(t *testing.T) {
		for _, host := range []string{punycodeBuch, "xn--strae-oqa.example", "xn--mnchen-3ya.de", "xn--e1afmkfd.xn--p1ai",
			"xn--fsqu00a.xn--0zwm56d", "москва.ru", "сора.ru", "ırmak.com", "łódź.pl", "københavn.dk", "日本語.jp", "한국.kr", "ελλάδα.gr",
			"münchen-apotheke.de", "acme.com", "192.0.2.7", "xn--broken-.com"} {
			if Deceptive(Read(host)) {
				t.Errorf("%s (%s) counts as deceptive", host, Read(host))
			}
		}
		for _, host := range []string{cyrillicPaypal, "xn--pypal-4ve.example", "аррӏе.com", "xn--80ak6aa92e.com", "еріс.com",
			"ɡoogle.com", "gοοgle.com", "paypal.com⁄login.evil.example", "microsоft.com", "ｘn--80ak6aa92e.com"} {
			if !Deceptive(Read(host)) {
				t.Errorf("%s (%s) does not count as deceptive", host, Read(host))
			}
		}
	})

	t.Run("F41_the_host_that_is_shown", func(t *testing.T) {
		for _, row := range []struct{ text, address, want string }{
			{"https://www.paypal.example", "https://evil.example/x", "evil.example"},
			{"here", "https://paypal.example@evil.example", "evil.example"},
			{"here", "HTTPS://a:b@WWW.Evil.example:8443/x", "evil.example"},
			{"acme.com", "https://xn--bcher-kva.example/", "bücher.example"},
			{"paypal.com", "https://" + cyrillicPaypal + "/a", "xn--l-7sba6dbr.com"},
			{"here", "https://xn--80ak6aa92e.com", "xn--80ak6aa92e.com"},
			{"paypal.com", "https://paypa1.com", "paypa1.com"},
			{"acme.com", "https://%65vil.example/", "evil.example"},
			{"acme.com", "https://[2001:db8::1]:80/", "2001:db8::1"},
			{"a@acme.com", "mailto:b@evil.example", "evil.example"},
		} {
			if got := Shown(row.text, row.address); got != row.want {
				t.Errorf("Shown(%q, %q) = %q, want %q", row.text, row.address, got, row.want)
			}
		}
	})
}

func TestFind(t *testing.T) {
	text := "see https://a.example/x?y, www.b.example or c.com; not d.org@e.com, e.g.this or 1.5.2 (http://u@f.example:80)"
	var got []string
	for _, a := range Find(text, func(domain string) bool { return domain == "com" }) {
		got = append(got, a.Host+" "+text[a.Start:a.End])
	}
	want := []string{"a.example https://a.example/x?y,", "b.example www.b.example", "c.com c.com;", "f.example http://u@f.example:80"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("addresses (-want +got):\n%s", diff)
	}
}

func TestFindInUnspacedScripts(t *testing.T) {
	text := "点击bit.ly/x领取，或者https://t.cn/y查看 例え.jp"
	var got []string
	for _, a := range Find(text, func(domain string) bool { return domain == "ly" || domain == "jp" }) {
		got = append(got, a.Host+" "+text[a.Start:a.End])
	}
	want := []string{"bit.ly bit.ly/x", "t.cn https://t.cn/y", "例え.jp 例え.jp"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("addresses (-want +got):\n%s", diff)
	}
}

// FuzzCompare checks that any text and any address are compared without a panic, and that what is shown is
// drawn in one line.
func FuzzCompare(f *testing.F) {
	f.Add("paypal.com", "https://раураl.com")
	f.Add("a@b.c", "mailto:@")
	f.Add("http://[::1", "https://%zz@[")
	f.Add("xn--", "https://xn--.xn--a")
	f.Fuzz(func(t *testing.T, text, address string) {
		if v := Compare(text, address); v < Silent || v > LookAlike {
			t.Errorf("verdict %d", v)
		}
		if shown := Shown(text, address); strings.ContainsAny(shown, "\n\u202e\u0000\x1b") || !printable(shown) {
			t.Errorf("shown %q", shown)
		}
	})
}
