package richtext

import (
	"strings"
	"testing"
)

func TestField(t *testing.T) {
	t.Run("F41_the_HTML_shows_where_a_link_leads", func(t *testing.T) {
		link := func(href, text, beside string) string {
			return `<p>a <a href="` + href + `" rel="` + rel + `">` + text + `</a>` + beside + ` b</p>`
		}
		for source, want := range map[string]string{
			"a [https://www.paypal.example](https://evil.example/x) b":        link("https://evil.example/x", "https://www.paypal.example", " <bdi>(evil.example)</bdi>"),
			"a [here](https://paypal.example@evil.example) b":                 link("https://paypal.example@evil.example", "here", " <bdi>(evil.example)</bdi>"),
			"a [https://paypal.example@evil.example](https://evil.example) b": link("https://evil.example", "https://paypal.example@evil.example", " <bdi>(evil.example)</bdi>"),
			"a [**paypal**.com](https://раураl.com) b": link("https://%D1%80%D0%B0%D1%83%D1%80%D0%B0l.com", "<strong>paypal</strong>.com",
				" <bdi>(xn--l-7sba6dbr.com)</bdi>"),
			"a [here](https://xn--80ak6aa92e.com/) b":             link("https://xn--80ak6aa92e.com/", "here", " <bdi>(xn--80ak6aa92e.com)</bdi>"),
			"a [anna@acme.com](mailto:eve@evil.example) b":        link("mailto:eve@evil.example", "anna@acme.com", " <bdi>(evil.example)</bdi>"),
			"a [acme.com](https://bücher.example) b":              link("https://b%C3%BCcher.example", "acme.com", " <bdi>(bücher.example)</bdi>"),
			"a [\u202eacme.com](https://evil.example) b":          link("https://evil.example", "\u202eacme.com", " <bdi>(evil.example)</bdi>"),
			"a [acme.com](https://x&lt;b&gt;.example) b":          link("https://x&amp;lt;b&amp;gt;.example", "acme.com", " <bdi>(x&amp;lt;b&amp;gt;.example)</bdi>"),
			"a [our jobs](https://acme.example/jobs) b":           link("https://acme.example/jobs", "our jobs", ""),
			"a [acme.example](https://www.acme.example/jobs) b":   link("https://www.acme.example/jobs", "acme.example", ""),
			"a [bücher.example](https://xn--bcher-kva.example) b": link("https://xn--bcher-kva.example", "bücher.example", ""),
			"a [anna@acme.com](mailto:anna@acme.com) b":           link("mailto:anna@acme.com", "anna@acme.com", ""),
		} {
			d := Parse(source)
			if got := d.HTML(); got != want {
				t.Errorf("HTML of %q:\n got %s\nwant %s", source, got, want)
			}
			if strings.Contains(d.Text(), "(") || strings.Contains(d.Preview(MaxPreview), "(") {
				t.Errorf("what stands beside a link counts as text of %q", source)
			}
			check(t, source)
		}
	})

	t.Run("F41_the_formatting_around_is_kept", func(t *testing.T) {
		got := Parse("- **see [acme.com](https://evil.example) now**\n- *[b](https://b.example)*").HTML()
		want := `<ul><li><strong>see </strong><a href="https://evil.example" rel="` + rel + `"><strong>acme.com</strong></a> ` +
			`<bdi>(evil.example)</bdi><strong> now</strong></li><li><a href="https://b.example" rel="` + rel + `"><em>b</em></a></li></ul>`
		if got != want {
			t.Errorf("HTML:\n got %s\nwant %s", got, want)
		}
	})
}
