package richtext

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestRules(t *testing.T) {
	t.Run("R22_subject", func(t *testing.T) {
		for _, tt := range []struct{ name, in, want string }{
			{"as typed", "Your talk on tidal power", "Your talk on tidal power"},
			{"trimmed", " \t Hello Anna \u00a0\u3000", "Hello Anna"},
			{"LF", "Hello\nAnna", "Hello Anna"},
			{"CRLF is one space", "Hello\r\nAnna", "Hello Anna"},
			{"several breaks are one space", "Hello\r\n\r\n \t\nAnna", "Hello Anna"},
			{"blanks around a break", "Hello  \n  Anna", "Hello Anna"},
			{"blanks without a break stay", "Hello  Anna", "Hello  Anna"},
			{"breaks at the ends", "\r\n\nHello\n", "Hello"},
			{"Unicode breaks", "a\u2028b\u2029c\u0085d\ve\ff", "a b c d e f"},
			{"tab", "Hello\tAnna", "Hello Anna"},
			{"NFC", "Cafe\u0301", "Café"},
			{"NFC after trimming", "\n\u0301x", "\u0301x"},
			{"control characters", "a\x00b\x1bc\u009bd", "a\ufffdb\ufffdc\ufffdd"},
			{"not UTF-8", "a\xff\xc3b", "a\ufffd\ufffdb"},
			{"markup is text", "**Hello** [x](https://y.z)", "**Hello** [x](https://y.z)"},
			{"only blanks", " \r\n\t ", ""},
			{"only invisible", "\u200b\u200d\u2060\ufeff\u3164", ""},
			{"emoji keeps its joiner", "👩\u200d💻", "👩\u200d💻"},
		} {
			t.Run(tt.name, func(t *testing.T) {
				if got := Subject(tt.in); got != tt.want {
					t.Errorf("Subject(%q) = %q, want %q", tt.in, got, tt.want)
				}
			})
		}
	})

	t.Run("R23_length_as_the_reader_sees_it", func(t *testing.T) {
		for _, tt := range []struct {
			name, in string
			want     int
		}{
			{"nothing", "", 0},
			{"letters and spaces", " a b ", 5},
			{"LF", "a\nb", 3},
			{"CR", "a\rb", 3},
			{"CRLF", "a\r\nb", 3},
			{"LF CR is two", "a\n\rb", 4},
			{"blank lines", "a\r\n\r\n\r\nb", 5},
			{"breaks at the ends", "\r\na\r\n", 3},
			{"Unicode breaks", "a\u2028b\u0085c", 5},
			{"composed and decomposed alike", "e\u0301é", 2},
			{"Hangul composes", "\u1112\u1161\u11ab", 1},
			{"an emoji outside the BMP", "😀", 1},
			{"a family is its code points", "👨\u200d👩\u200d👧", 5},
			{"bold", "**ab**", 2},
			{"italics", "*ab*", 2},
			{"bold italics", "***ab***", 2},
			{"strikethrough", "~~ab~~", 2},
			{"a link is its text", "[ab](https://example.com/a/long/path)", 2},
			{"a refused link as typed", "[a](x:b)", 8},
			{"bullets", "- a\n- b", 3},
			{"indented bullets", "  -   a\n   -\tb", 3},
			{"numbers", "1. a\n2. b\n3. c", 5},
			{"ten items", "1. a\n2. a\n3. a\n4. a\n5. a\n6. a\n7. a\n8. a\n9. a\n10. a", 19},
			{"bullets with CRLF", "- a\r\n- **b**\r\n", 4},
			{"half a pair of markers", "**a* ~~b", 6}, // the single stars pair, the rest is text
			{"entities as typed", "&amp;", 5},
			{"HTML as typed", "<b>a</b>", 8},
			{"backslash as typed", `\a`, 2},
			{"NUL", "a\x00b", 3},
			{"not UTF-8, a byte each", "\xff\xfe", 2},
			{"an accent after markup", "e**\u0301x**", 2},
		} {
			t.Run(tt.name, func(t *testing.T) {
				if got := Parse(tt.in).Length(); got != tt.want {
					t.Errorf("length of %q = %d, want %d (text %q)", tt.in, got, tt.want, Parse(tt.in).Text())
				}
			})
		}
	})

	t.Run("R23_boundary_of_3000", func(t *testing.T) {
		for _, tt := range []struct {
			name    string
			compose func(n int) string // a source of n code points as read
		}{
			{"letters", func(n int) string { return strings.Repeat("x", n) }},
			{"decomposed", func(n int) string { return strings.Repeat("e\u0301", n) }},
			{"emoji", func(n int) string { return strings.Repeat("😀", n) }},
			{"CRLF", func(n int) string { return "a" + strings.Repeat("\r\n", n-2) + "b" }},
			{"bold", func(n int) string { return "**" + strings.Repeat("x", n) + "**" }},
			{"bold words", func(n int) string { return strings.Repeat("**x** ", n/2) + strings.Repeat("y", n%2) }},
			{"bullets", func(n int) string { return strings.Repeat("- x\r\n", n/2-1) + "- x" + strings.Repeat("y", n%2+1) }},
			{"link", func(n int) string {
				return strings.Repeat("x", n-4) + "[link](https://example.com/" + strings.Repeat("y", 500) + ")"
			}},
		} {
			for _, n := range []int{2999, 3000, 3001} {
				if got := Parse(tt.compose(n)).Length(); got != n {
					t.Errorf("%s: length = %d, want %d", tt.name, got, n)
				}
			}
		}
		if n := len(strings.Repeat("😀", 3000)); n > 12000 {
			t.Errorf("3,000 code points take %d bytes: the cap of the source would refuse them", n)
		}
	})

	t.Run("R23_body_required", func(t *testing.T) {
		for _, empty := range []string{"", " ", "\r\n\t\n", "\u200b\u00ad\u2060", "\u3164", "\u2028"} {
			if !Parse(empty).Empty() {
				t.Errorf("%q is not empty", empty)
			}
		}
		for _, visible := range []string{"a", "**", "- ", "1.", "[](https://example.com)", "\x00", "👍🏽"} {
			if Parse(visible).Empty() {
				t.Errorf("%q is empty", visible)
			}
		}
	})

	t.Run("R24_formatting", func(t *testing.T) { checkHTML(t, formatting) })
	t.Run("R24_plain_text_as_typed", func(t *testing.T) {
		for _, s := range asTyped {
			d := Parse(s)
			if d.Text() != s {
				t.Errorf("text of %q = %q", s, d.Text())
			}
			if got := strings.Join(textOf(t, d.HTML()), "\n"); got != strings.Trim(s, "\n") {
				t.Errorf("HTML of %q shows %q", s, got)
			}
			for _, tag := range []string{"<strong", "<em", "<del", "<ul", "<ol", "<a ", "<h1", "<code", "<blockquote", "<img", "<script"} {
				if strings.Contains(d.HTML(), tag) {
					t.Errorf("HTML of %q has %s: %s", s, tag, d.HTML())
				}
			}
		}
	})
	t.Run("R24_kept_beside_line_breaks", func(t *testing.T) {
		lf := "Hi **Anna\nand Ben**,\n\n- *a*\n- b\n\n1. c\n2. ~~d~~\nBye"
		for _, br := range []string{"\r\n", "\r"} {
			s := strings.ReplaceAll(lf, "\n", br)
			if diff := cmp.Diff(Parse(lf).HTML(), Parse(s).HTML()); diff != "" {
				t.Errorf("HTML with %q (-LF +it):\n%s", br, diff)
			}
		}
	})

	t.Run("R25_allowed", func(t *testing.T) {
		for address, href := range map[string]string{
			"https://example.com":            "https://example.com",
			"http://example.com/a?b=c&d=e":   "http://example.com/a?b=c&d=e",
			"HTTPS://Example.com":            "https://Example.com",
			"mailto:anna@example.com":        "mailto:anna@example.com",
			"MailTo:anna@example.com":        "mailto:anna@example.com",
			"mailto:?subject=Hi":             "mailto:?subject=Hi",
			" https://example.com\t":         "https://example.com",
			"<https://example.com>":          "https://example.com",
			"https://example.com/a_(b)":      "https://example.com/a_(b)",
			"https://example.com/100%":       "https://example.com/100%25",
			"https://münchen.example/straße": "https://m%C3%BCnchen.example/stra%C3%9Fe",
			"https://example.com:8443/#x":    "https://example.com:8443/#x",
			`https://example.com/"'<>`:       "https://example.com/%22%27%3C%3E",
		} {
			d := Parse("[t](" + address + ")")
			if l := d.Links(); len(l) != 1 || !l[0].Allowed() || l[0].Text != "t" {
				t.Errorf("links of %q = %+v, want one that is allowed", address, l)
				continue
			}
			if d.Text() != "t" {
				t.Errorf("text of a link to %q = %q", address, d.Text())
			}
			want := `href="` + strings.NewReplacer("&", "&amp;", "'", "&#39;").Replace(href) + `"`
			if got := d.HTML(); !strings.Contains(got, want) {
				t.Errorf("HTML of a link to %q = %s, want %s", address, got, want)
			}
		}
	})

	t.Run("R25_refused", func(t *testing.T) {
		for _, tt := range []struct{ address, scheme string }{
			{"javascript:alert(1)", "javascript"},
			{"JaVaScRiPt:alert(1)", "javascript"},
			{" javascript:alert(1)", "javascript"},
			{"\tjavascript:alert(1)", "javascript"},
			{"\x01javascript:alert(1)", "javascript"},
			{"\x00javascript:alert(1)", "javascript"},
			{"java\tscript:alert(1)", "javascript"},
			{"java\nscript:alert(1)", "javascript"},
			{"java\r\nscript:alert(1)", "javascript"},
			{"java\x00script:alert(1)", "javascript"},
			{"java\u200bscript:alert(1)", "javascript"},
			{"java\u00adscript:alert(1)", "javascript"},
			{"javascript :alert(1)", "javascript"},
			{"javascript:alert('a b')", "javascript"},
			{"&#106;avascript:alert(1)", "javascript"},
			{"&#x6A;avascript:alert(1)", "javascript"},
			{"javascript&colon;alert(1)", "javascript"},
			{"javascript&#58alert(1)", "javascript"},
			{"java&Tab;script:alert(1)", "javascript"},
			{"&amp;#106;avascript:alert(1)", "javascript"},
			{"javascript%3Aalert(1)", "javascript"},
			{"%6Aavascript:alert(1)", "javascript"},
			{"javascript%253Aalert(1)", "javascript"},
			{"<javascript:alert(1)>", "javascript"},
			{"vbscript:msgbox(1)", "vbscript"},
			{"data:text/html,<script>alert(1)</script>", "data"},
			{"data:text/html;base64,PHNjcmlwdD4=", "data"},
			{"file:///etc/passwd", "file"},
			{"blob:https://example.com/1", "blob"},
			{"ftp://example.com", "ftp"},
			{"tel:+4930123", "tel"},
			{"sms:+4930123", "sms"},
			{"ssh+git://example.com", "ssh+git"},
			{"view-source:https://example.com", "view-source"},
			{"about:blank", "about"},
			{`C:\secret.txt`, "c"},
			{"//example.com", ""},
			{"/path", ""},
			{"path", ""},
			{"example.com", ""},
			{"www.example.com/x:y", ""},
			{"#top", ""},
			{"?q=1", ""},
			{`\\example.com`, ""},
			{"https:example.com", "https"},
			{"https:/example.com", "https"},
			{`https:\\example.com`, "https"},
			{`https://example.com\@evil.example`, "https"},
			{"https://", "https"},
			{"https:///path", "https"},
			{"https://:80", "https"},
			{"https://[::1", "https"},
			{"https&colon;//example.com", "https"},
			{"https%3A//example.com", "https"},
			{"ht\u200btps://example.com", "https"},
			{"\x01https://example.com", "https"},
			{"ｈｔｔｐｓ://example.com", ""},
			{"https：//example.com", ""},
			{"mailto:", "mailto"},
			{"mailto://", "mailto"},
		} {
			source := "Hi [t](" + tt.address + ") there"
			d := Parse(source)
			l := d.Links()
			if len(l) != 1 || l[0].Allowed() {
				t.Errorf("links of %q = %+v, want one that is refused", tt.address, l)
				continue
			}
			if l[0].Scheme != tt.scheme {
				t.Errorf("scheme of %q = %q, want %q", tt.address, l[0].Scheme, tt.scheme)
			}
			if strings.Contains(d.HTML(), "<a") {
				t.Errorf("HTML of a link to %q: %s", tt.address, d.HTML())
			}
			if d.Text() != normalize(source) {
				t.Errorf("text of a link to %q = %q, want it as typed", tt.address, d.Text())
			}
		}
	})

	t.Run("R25_every_link_is_found", func(t *testing.T) {
		source := "- **[a](https://a.example)** and *x [b **c**](mailto:b@b.example)*\n" +
			"1. [d [e](http://e.example) f](javascript:f)\n\n~~[g\nh](data:x)~~ [i](https://i.example)[j](ftp://j.example)"
		type link struct {
			Text, URL, Scheme string
			Allowed           bool
		}
		var got []link
		for _, l := range Parse(source).Links() {
			got = append(got, link{l.Text, l.URL, l.Scheme, l.Allowed()})
		}
		want := []link{
			{"a", "https://a.example", "https", true},
			{"b **c**", "mailto:b@b.example", "mailto", true},
			{"e", "http://e.example", "http", true},
			{"g\nh", "data:x", "data", false},
			{"i", "https://i.example", "https", true},
			{"j", "ftp://j.example", "ftp", false},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("links (-want +got):\n%s", diff)
		}
	})

	t.Run("R25_not_a_link", func(t *testing.T) {
		for _, s := range []string{
			"[t]", "[t] (https://example.com)", "[t]()", "[t]( )", "(t)[https://example.com]", "[t](see below)",
			"[t](https://example.com", "[t](https://example.com and more)", `[t](https://example.com "title")`,
			"[t][ref]\n\n[ref]: javascript:alert(1)", "<javascript:alert(1)>", "<https://example.com>", "https://example.com",
			`<a href="javascript:alert(1)">t</a>`, "[t](Monday: call, Tuesday: visit)", "]t](https://example.com)",
		} {
			d := Parse(s)
			if len(d.Links()) != 0 || strings.Contains(d.HTML(), "<a") || d.Text() != s {
				t.Errorf("%q: links %+v, HTML %s", s, d.Links(), d.HTML())
			}
		}
		s := "[](https://example.com)"
		if d := Parse(s); d.Text() != s || strings.Contains(d.HTML(), "<a") || len(d.Links()) != 1 {
			t.Errorf("a link that nobody can see is shown as %q", d.HTML())
		}
	})

	t.Run("R26_images", func(t *testing.T) {
		for _, s := range []string{
			"![a](https://example.com/a.png)", "![](x)", "a![b](c", "- ![a](b)", "![a [b](c) d](e)", "![a[b](c)", "[![a](b)](c)",
			"![a\nb](c)", "![[a](b)", "<img src=x>", "<IMG SRC=x>", "text <iMg", "data:image/png;base64,AAAA", "DATA:Image/svg+xml",
			"[t](data:image/png,x)", "`![a](b)`", `\![a](b)`, "**![a](b)**",
		} {
			if !Parse(s).Images() {
				t.Errorf("%q tries no image", s)
			}
			if strings.Contains(strings.ToLower(Parse(s).HTML()), "<img") {
				t.Errorf("%q shows an image: %s", s, Parse(s).HTML())
			}
		}
		for _, s := range []string{
			"", "Great work!", "[a](https://example.com)", "Wow! [a](https://example.com)", "![a]", "![a] (b)", "![1] and [a](https://example.com)",
			"< img", "&lt;img", "data: image", "the imagery of data", "database:image", "<imagine>",
		} {
			if Parse(s).Images() {
				t.Errorf("%q tries an image", s)
			}
		}
	})

	t.Run("R30_preview", func(t *testing.T) {
		long := "Your talk on tidal power in Porto made me think about our turbine tests, and I would like to hear how you solved the corrosion of the blades in winter."
		for _, tt := range []struct {
			name, in string
			limit    int
			want     string
		}{
			{"short", "Hi Anna", 140, "Hi Anna"},
			{"formatting stripped", "**Hi** *Anna*, ~~see~~ [this](https://example.com)", 140, "Hi Anna, see this"},
			{"lists", "Two things:\n- one\n- two\n1. three", 140, "Two things: one two three"},
			{"one line", "Hi Anna,\r\n\r\n\r\nhow \t are\u2028you", 140, "Hi Anna, how are you"},
			{"trimmed", "\n\n  Hi  \n", 140, "Hi"},
			{"HTML as typed", "<b>Hi</b> &amp;", 140, "<b>Hi</b> &amp;"},
			{"at the limit", strings.Repeat("x", 140), 140, strings.Repeat("x", 140)},
			{"one over, no blanks", strings.Repeat("x", 141), 140, strings.Repeat("x", 139) + "…"},
			{"blanks at the end do not count", strings.Repeat("x", 140) + " \n ", 140, strings.Repeat("x", 140)},
			{"after a word", long, 140, long[:strings.Index(long, " blades")] + "…"},
			{"not after a comma", long, 75, "Your talk on tidal power in Porto made me think about our turbine tests…"},
			{"a word that just fits", "aaaa bbbb cc", 10, "aaaa bbbb…"},
			{"a word that just does not", "aaaa bbbb cc", 9, "aaaa…"},
			{"Japanese", strings.Repeat("潮", 200), 140, strings.Repeat("潮", 139) + "…"},
			{"not inside an accent", strings.Repeat("x", 8) + "q\u0303zzz", 10, strings.Repeat("x", 8) + "…"},
			{"not inside a family", "xxxxxx👨\u200d👩\u200d👧yyyy", 10, "xxxxxx…"},
			{"not inside a skin tone", "xxxxxxxx👍🏽yy", 10, "xxxxxxxx…"},
			{"no direction for the rest", "abc\u202edef\u2066g", 140, "abcdefg"},
			{"limit one", "ab", 1, "…"},
			{"limit nought", "ab", 0, ""},
			{"nothing", "", 0, ""},
		} {
			t.Run(tt.name, func(t *testing.T) {
				got := Parse(tt.in).Preview(tt.limit)
				if got != tt.want {
					t.Errorf("preview = %q, want %q", got, tt.want)
				}
				if n := utf8.RuneCountInString(got); n > max(tt.limit, 0) {
					t.Errorf("preview has %d code points, limit %d", n, tt.limit)
				}
			})
		}
	})

	t.Run("R47_paragraphs", func(t *testing.T) {
		got := Parse("Hi **Anna**,\nhow are you?\n\n \nThree:\n- one\n- two\n1. three\nBye").Paragraphs()
		want := []string{"Hi Anna,\nhow are you?", "Three:", "one", "two", "three", "Bye"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("paragraphs (-want +got):\n%s", diff)
		}
	})

	t.Run("R51_runs", func(t *testing.T) {
		got := Parse("**a\nb** c *d***é** ~~e~~ *[f](https://f.example) g*\n\n- **h**\n- **i**").Runs()
		want := []Run{{"a\nb", 3}, {"dé", 2}, {"f g", 3}, {"h", 1}, {"i", 1}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("runs (-want +got):\n%s", diff)
		}
	})
}

// formatting pairs each formatting that R24 supports with the HTML that the recipient gets.
var formatting = []struct{ source, html string }{
	{"", ""},
	{"Hi Anna", "<p>Hi Anna</p>"},
	{"**b**", "<p><strong>b</strong></p>"},
	{"*i*", "<p><em>i</em></p>"},
	{"~~s~~", "<p><del>s</del></p>"},
	{"***bi***", "<p><strong><em>bi</em></strong></p>"},
	{"**b *bi* b**", "<p><strong>b <em>bi</em> b</strong></p>"},
	{"*i **bi** i*", "<p><em>i </em><strong><em>bi</em></strong><em> i</em></p>"},
	{"~~s **bs**~~", "<p><del>s </del><strong><del>bs</del></strong></p>"},
	{"in**tra**word *em*phasis", "<p>in<strong>tra</strong>word <em>em</em>phasis</p>"},
	{"**重要**です **「重要」**です", "<p><strong>重要</strong>です <strong>「重要」</strong>です</p>"},
	{`(*"a"*) .**(b)**.`, `<p>(<em>&#34;a&#34;</em>) .<strong>(b)</strong>.</p>`},
	{"これは**「重要」**です", "<p>これは<strong>「重要」</strong>です</p>"},
	{"**a\nb**", "<p><strong>a<br>b</strong></p>"},
	{"**a\n\nb**", "<p>**a</p><p>b**</p>"},
	{"- a\n- b", "<ul><li>a</li><li>b</li></ul>"},
	{"- **a** b\n- *c*", "<ul><li><strong>a</strong> b</li><li><em>c</em></li></ul>"},
	{"1. a\n2. b", "<ol><li>a</li><li>b</li></ol>"},
	{"1. a\n1. b\n1. c", "<ol><li>a</li><li>b</li><li>c</li></ol>"},
	{"1. a\nmore\n2. b", `<ol><li>a</li></ol><p>more</p><ol start="2"><li>b</li></ol>`},
	{"1. a\n\n2. b\n\n1. c", `<ol><li>a</li></ol><ol start="2"><li>b</li></ol><ol><li>c</li></ol>`},
	{"text\n- a\n1. b\ntext", "<p>text</p><ul><li>a</li></ul><ol><li>b</li></ol><p>text</p>"},
	{"- a\n\n- b", "<ul><li>a</li></ul><ul><li>b</li></ul>"},
	{"- - a", "<ul><li>- a</li></ul>"},
	{"a\nb", "<p>a<br>b</p>"},
	{"a\n\nb", "<p>a</p><p>b</p>"},
	{"\n\na\n\n\n\nb\n\n", "<p>a</p><p><br></p><p><br></p><p>b</p>"},
	{"[t](https://example.com)", `<p><a href="https://example.com" rel="nofollow noopener noreferrer">t</a></p>`},
	{"**[t](https://example.com)**", `<p><a href="https://example.com" rel="nofollow noopener noreferrer"><strong>t</strong></a></p>`},
	{"[**t** u](https://example.com)", `<p><a href="https://example.com" rel="nofollow noopener noreferrer"><strong>t</strong> u</a></p>`},
	{"*a [b* c](https://example.com) d*", `<p><em>a </em><a href="https://example.com" rel="nofollow noopener noreferrer"><em>b* c</em></a><em> d</em></p>`},
	{"[a [b] c](https://example.com)", `<p><a href="https://example.com" rel="nofollow noopener noreferrer">a [b] c</a></p>`},
	{"<b>a</b> & \"b\" 'c'", "<p>&lt;b&gt;a&lt;/b&gt; &amp; &#34;b&#34; &#39;c&#39;</p>"},
	{"**<script>alert(1)</script>**", "<p><strong>&lt;script&gt;alert(1)&lt;/script&gt;</strong></p>"},
	{"- <img onerror=x>\n", "<ul><li>&lt;img onerror=x&gt;</li></ul>"},
	{"e**\u0301x**", "<p>é<strong>x</strong></p>"},
}

func checkHTML(t *testing.T, rows []struct{ source, html string }) {
	t.Helper()
	for _, row := range rows {
		if diff := cmp.Diff(row.html, Parse(row.source).HTML()); diff != "" {
			t.Errorf("HTML of %q (-want +got):\n%s", row.source, diff)
		}
	}
}

// asTyped are texts that are formatting in other programs, but not in R24.
var asTyped = []string{
	"# Heading", "Heading\n===", "Heading\n---", "---", "***", "* * *", "> quote", "`code`", "```\ncode\n```", "    indented",
	"\tindented", "* star", "+ plus", "1) one", "(1) one", "-no blank", "1.no blank", "- ", "-", "1. ", "1.", "    - deep",
	"0. nought", "2. without a first", "01. padded", "2024. was a good year", "12345. x", "a. x", "-[ ] task",
	"| a | b |\n|---|---|\n| 1 | 2 |", "_i_ __b__", "~s~ ~~~s~~~", "==mark==", "H~2~O x^2^", ":smile:", "a  \nb", "a\\\nb",
	`\*`, `\[a\]`, "&lt; &#42; &copy;", "<b>b</b>", "<script>alert(1)</script>", "<!-- x -->", "<![CDATA[x]]>", "<?php ?>",
	"<a href='https://example.com'>x</a>", "<https://example.com>", "https://example.com", "anna@example.com", "[a][b]",
	"[^1]", "[^1]: note", "[a]: https://example.com", "2 * 3 * 4", "**", "****", "** a **", "* a*", "**a", "a**", "~~", "~~ a ~~",
	"snake_case_name", "5 > 3 < 7", " a ", "a\tb",
}
