package spam

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"inmail/domain/richtext"
)

// TestMessageIsReadOnce checks that a message that is read once, by its parts and with the parsed body, is
// what its parts give when each is read from the whole text by itself.
func TestMessageIsReadOnce(t *testing.T) {
	letters, err := os.ReadFile("testdata/letters.tsv")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(letters)) {
		fields := strings.Split(strings.TrimSpace(line), "\t")
		body := fields[len(fields)-1]
		checkMessage(t, fields[0], body)
		checkMessage(t, body, strings.ReplaceAll(body, ". ", ".\n\n- "))
	}
	for _, e := range Sample(7) {
		checkMessage(t, e.Subject, e.Body)
	}
	for _, c := range [][2]string{
		{"", ""}, {" ", "x"}, {"x", " "}, {"don", "'t"}, {"fr**", "**ee"}, {"ا", "\u064eب"}, {"ا", " \u200b\u064eب"}, {"e", "\u0301x"},
		{"ا", "¨"}, {"ا", "éa"}, {"1. first", "2. [a\nb](https://a.example)"}, {"see [this", "page](https://a.example)"}, {"Congrats!", "[a](https://b.example)"},
		{"- item", "[bank.example](https://evil.example)"}, {"\xff", "\xff\xfe"}, {"点", "击bit.ly/x"}, {"www.", "example.com"},
	} {
		checkMessage(t, c[0], c[1])
	}
	pieces := rapid.SliceOf(rapid.SampledFrom([]string{"a", "I", "free", "fr33", " ", "\n", "\r\n", "'", "*", "**", "~~", "[", "](", ")", "!",
		"https://bit.ly/x", "bank.com", "\u0301", "é", "а", "’", "€", "100", "\u200b", "点击", "ا", "\u064e", "1. ", "2. ", "- ", "\xff", "\u2028", "Ａ"}))
	rapid.Check(t, func(t *rapid.T) {
		checkMessage(t, strings.Join(pieces.Draw(t, "subject"), ""), strings.Join(pieces.Draw(t, "body"), ""))
	})
}

func FuzzMessageIsReadOnce(f *testing.F) {
	f.Add("Free?", "Hi **Anna**, see [this](https://example.org)")
	f.Add("ا", "\u064eب")
	f.Fuzz(func(t *testing.T, subject, body string) { checkMessage(t, subject, body) })
}

func checkMessage(t interface{ Fatalf(string, ...any) }, subject, body string) {
	document := richtext.Parse(body)
	got := ReadParsed(subject, body, document)
	raw := body
	if subject != "" {
		raw = subject + "\n" + body
	}
	folded := Fold(raw)
	if got.folded != folded {
		t.Fatalf("subject %q, body %q are folded to %q, want %q", subject, body, got.folded, folded)
	}
	if diff := cmp.Diff(splitWords([]string{}, folded), got.words); diff != "" {
		t.Fatalf("words of subject %q, body %q (-whole +parts):\n%s", subject, body, diff)
	}
	if diff := cmp.Diff(findLinks(folded), got.links); diff != "" {
		t.Fatalf("links of subject %q, body %q (-whole +parts):\n%s", subject, body, diff)
	}
	urls := func(links []richtext.Link) (all []string) {
		for _, l := range links {
			all = append(all, l.Text+" → "+l.URL)
		}
		return all
	}
	if diff := cmp.Diff(urls(richtext.Parse(raw).Links()), urls(got.titledLinks())); diff != "" {
		t.Fatalf("titled links of subject %q, body %q (-whole +parts):\n%s", subject, body, diff)
	}
	own := []string{"Anna Schmidt", "Free thinker"}
	want := NewFingerprint(document.Text(), own...)
	if diff := cmp.Diff(want, got.Fingerprint(document.Text(), own...), cmp.AllowUnexported(Fingerprint{})); diff != "" {
		t.Fatalf("fingerprint of subject %q, body %q (-text +message):\n%s", subject, body, diff)
	}
}
