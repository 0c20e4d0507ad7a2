package web

import (
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/net/html"

	"inmail/connectors/web/words"
)

// TestCatalogue holds the catalogue against code and templates, and every list of words against the
// catalogue.
func TestCatalogue(t *testing.T) {
	sentences, err := words.Extract(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	if words.Template(sentences) != words.English {
		t.Error("the catalogue is not up to date: go generate ./connectors/web/words")
	}
	if len(sentences) < 300 {
		t.Errorf("only %d sentences were found", len(sentences))
	}
	lists := map[string][]string{"done": slices.Collect(maps.Values(doneWords)), "status": slices.Collect(maps.Values(statusWords)),
		"receipt": slices.Collect(maps.Values(receiptWords)), "advice": slices.Collect(maps.Values(adviceWords)),
		"trigger": slices.Collect(maps.Values(triggerWords)), "audit": slices.Collect(maps.Values(auditWords)), "signs": slices.Collect(maps.Values(signs))}
	for _, c := range cutWords {
		lists["cuts"] = append(lists["cuts"], c.title)
	}
	for _, a := range judgedAlerts {
		if a.text != "" {
			lists["alerts"] = append(lists["alerts"], a.text)
		}
	}
	for name, list := range lists {
		for _, text := range list {
			if sentences[text] == nil {
				t.Errorf("%s: %q is not in the catalogue: mark it", name, text)
			}
		}
	}
}

var action = regexp.MustCompile(`(?s)\{\{.*?\}\}`)

// TestTemplatesHaveNoLooseWords reads every template as HTML: what a reader sees of it, or hears, comes from
// the catalogue or from a view.
func TestTemplatesHaveNoLooseWords(t *testing.T) {
	own := []string{"InMail", " · InMail", "A", "B", "I", "S", "n", "c", "j", "k", "e", "i", "s", "f", "m"} // names of ours, keys and letters of buttons
	loose := func(text string) bool {
		return strings.ContainsFunc(text, unicode.IsLetter) && !slices.Contains(own, strings.TrimSpace(text)) && !slices.Contains(own, text)
	}
	files, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil || len(files) < 20 {
		t.Fatal(len(files), err)
	}
	for _, name := range files {
		source, err := fs.ReadFile(templateFiles, name)
		if err != nil {
			t.Fatal(err)
		}
		page := action.ReplaceAllString(string(source), "•")
		for z := html.NewTokenizer(strings.NewReader(page)); ; {
			kind := z.Next()
			if kind == html.ErrorToken {
				break
			}
			token := z.Token()
			if kind == html.TextToken {
				for part := range strings.SplitSeq(token.Data, "•") {
					if loose(part) {
						t.Errorf("%s: the words %q stand in the template; write {{t %q}}", name, strings.TrimSpace(part), strings.TrimSpace(part))
					}
				}
			}
			for _, a := range token.Attr {
				if slices.Contains([]string{"title", "aria-label", "placeholder", "alt"}, a.Key) && loose(strings.ReplaceAll(a.Val, "•", "")) {
					t.Errorf("%s: the attribute %s=%q has words", name, a.Key, a.Val)
				}
			}
		}
	}
}

// TestTranslation shows the pages' words in another language, and refuses a catalogue that would break them.
func TestTranslation(t *testing.T) {
	for _, broken := range []string{"msgid \"%d min\"\nmsgstr \"Minuten\"\n", "msgid \"a\"\nmsgstr \"%s\"\n", "nonsense\n", "\"text\"\n", "msgid \"a\n"} {
		if _, _, err := words.Read(strings.NewReader(broken)); err == nil {
			t.Errorf("%q was read", broken)
		}
	}
	catalogue, language, err := words.Read(strings.NewReader(words.English))
	if err != nil || len(catalogue) != 0 || language != "en" {
		t.Errorf("the untranslated catalogue: %d translations, %q, %v", len(catalogue), language, err)
	}
	catalogue, language, err = words.Read(strings.NewReader("# ours\nmsgid \"\"\nmsgstr \"\"\n\"Language: de\\n\"\n\n#: a.go\nmsgid \"\"\n\"lapses \"\n\"in %s\"\nmsgstr \"verfällt in %s\"\n\nmsgid \"%d h\"\nmsgstr \"%d Std.\"\n"))
	if err != nil || language != "de" {
		t.Fatal(language, err)
	}
	speak(catalogue, language)
	defer speak(nil, "en")
	if got := say("lapses in %s", say("%d h", 5)); got != "verfällt in 5 Std." {
		t.Errorf("translated: %q", got)
	}
	if got := say("Inbox") + lang(); got != "Inboxde" {
		t.Errorf("what is not translated: %q", got)
	}
}
