package richtext

import (
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"
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

	t.Run("F38_one_line_texts", func(t *testing.T) {
		for _, row := range lineCases {
			if got := Line(row.in); got != row.want {
				t.Errorf("%s: Line(%q) = %q, want %q", row.name, row.in, got, row.want)
			}
		}
	})

	t.Run("F38_previews", func(t *testing.T) {
		for _, row := range lineCases {
			got, want := Parse(row.in).Preview(MaxPreview), strings.Join(strings.Fields(row.want), " ")
			if strings.ContainsFunc(row.in, unicode.IsControl) || strings.Contains(row.in, "e\u0301") {
				continue // a body is in NFC, with U+FFFD for control characters
			}
			if got != want {
				t.Errorf("%s: preview of %q = %q, want %q", row.name, row.in, got, want)
			}
		}
	})

	t.Run("F38_any_text", rapid.MakeCheck(func(t *rapid.T) {
		piece := rapid.SampledFrom([]string{"a", " ", "é", "👩", "ک", "ष", "\u200d", "\u200c", "\u202e", "\u2067", "\x1b", "\u200b", "\n",
			"\ufeff", "🏴", "\U000E0067", "\u00ad", "\ufffd"})
		s := strings.Join(rapid.SliceOfN(piece, 0, 20).Draw(t, "text"), "")
		line := Line(s)
		if Line(line) != line {
			t.Fatalf("%q becomes %q, and that becomes %q", s, line, Line(line))
		}
		if strings.ContainsFunc(line, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }) {
			t.Fatalf("%q becomes %q", s, line)
		}
	}))
}

// lineCases are texts with the line that is shown of each (F38).
var lineCases = []struct{ name, in, want string }{
	{"plain", "Anna Schmidt", "Anna Schmidt"},
	{"blanks inside stay", "Anna  Schmidt ", "Anna  Schmidt "},
	{"line breaks and tabs", "a\r\nb\tc\u2028d\u0085e", "a  b c d e"},
	{"override", "abc\u202edef", "abcdef"},
	{"isolates and embeddings", "\u2066a\u2067b\u2068c\u2069\u202ad\u202be\u202cf\u202dg", "abcdefg"},
	{"direction marks", "a\u200eb\u200fc\u061cd", "abcd"},
	{"escape sequence", "a\x1b[31mb", "a[31mb"},
	{"escape alone", "\x1b", ""},
	{"bell, backspace, delete, C1", "a\x07b\x08c\x7fd\u009be", "abcde"},
	{"zero-width space and others", "pay\u200bpal\u2060x\ufeffy\u00adz", "paypalxyz"},
	{"joiners between Latin letters", "pay\u200dpal\u200cx", "paypalx"},
	{"joiners at the ends", "\u200dab\u200c", "ab"},
	{"only what is not drawn", "\u200b\u202e\u200d\x1b", ""},
	{"emoji", "👩\u200d💻 👨\u200d👩\u200d👧 ❤\ufe0f\u200d🔥", "👩\u200d💻 👨\u200d👩\u200d👧 ❤\ufe0f\u200d🔥"},
	{"flags", "🏴\U000E0067\U000E0062\U000E0065\U000E006E\U000E0067\U000E007F a\U000E0067b", "🏴\U000E0067\U000E0062\U000E0065\U000E006E\U000E0067\U000E007F ab"},
	{"Persian", "می\u200cخواهم", "می\u200cخواهم"},
	{"Hindi", "क\u200dष", "क\u200dष"},
	{"Hebrew and Arabic", "שלום مرحبا", "שלום مرحبا"},
	{"accents", "Cafe\u0301 Zoë", "Cafe\u0301 Zoë"},
	{"not UTF-8", "a\xffb\u202e", "a\ufffdb"},
}
