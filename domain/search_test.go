package domain_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"inmail/domain"
)

// fits reports whether a query finds a member, as the record does.
func fits(t *testing.T, m *domain.Member, query string) bool {
	t.Helper()
	words, err := domain.QueryWords(query)
	if err != nil {
		t.Fatalf("%q: %v", query, err)
	}
	for _, word := range words {
		found := false
		for _, own := range domain.SearchWords(m) {
			found = found || strings.HasPrefix(own.Word, word)
		}
		if !found {
			return false
		}
	}
	return true
}

func TestSearchWords(t *testing.T) {
	for _, row := range []struct {
		name, query string
		fits        bool
	}{
		{"Petra Park", "Petra Park", true},
		{"Petra Park", "park pet", true},
		{"Petra Park", "etra", false},
		{"Petra Park", "petra parker", false},
		{"Maria López", "lopez", true},
		{"Maria Lopez", "LÓPEZ", true},
		{"Maria Lo\u0301pez", "lópez", true}, // decomposed
		{"Jürgen Müller-Lüdenscheidt", "muller", true},
		{"Jürgen Müller-Lüdenscheidt", "Mueller", true},
		{"Jürgen Müller-Lüdenscheidt", "lüden", true},
		{"Jonas Weiß", "weiss", true},
		{"Jonas Weiss", "Weiß", true},
		{"Søren Ørsted", "oersted", true},
		{"Søren Ørsted", "soren", true},
		{"Łukasz", "lukasz", true},
		{"Sinéad O’Brien", "o'brien", true},
		{"Sinéad O'Brien", "obrien", true},
		{"Ｗｉｄｅ", "wide", true},
		{"İbrahim", "ibrahim", true},
		{"Алексей Ёлкин", "елкин", true},
		{"王小明", "小明", true},
		{"王小明", "明小", false},
		{"김민수", "민수", true},
		{"ガンダ", "カン", false}, // another sound
		{"Pe\u200btra", "petra", true},
		{"Ana 2nd", "2nd", true},
	} {
		m := &domain.Member{Name: row.name}
		if got := fits(t, m, row.query); got != row.fits {
			t.Errorf("%q finds %q: %v, want %v; words %v", row.query, row.name, got, row.fits, domain.SearchWords(m))
		}
	}
	m := &domain.Member{Name: "Nora Nordhafen", Company: "Nordhafen Logistik", Headline: "Head of procurement"}
	for _, w := range domain.SearchWords(m) {
		if want := w.Word == "nordhafen" || w.Word == "logistik"; w.InCompany != want {
			t.Errorf("%+v", w)
		}
	}
	for _, query := range []string{"", "a", " a ", "!!", "--", "\u200b\u200b"} {
		if words, err := domain.QueryWords(query); err == nil {
			t.Errorf("%q is a query for %q", query, words)
		}
	}
	for name, want := range map[string]string{"  Élodie  du-Pont ": "elodie du pont", "!!": "!!"} {
		if got := domain.NameKey(name); got != want {
			t.Errorf("%q is ordered as %q, want %q", name, got, want)
		}
	}
}

func FuzzSearchWords(f *testing.F) {
	f.Add("Jürgen Müller", "王小明", "mull")
	f.Fuzz(func(t *testing.T, name, company, query string) {
		words := domain.SearchWords(&domain.Member{Name: name, Company: company})
		listed := map[string]bool{}
		for _, w := range words {
			if w.Word == "" || listed[w.Word] || utf8.RuneCountInString(w.Word) > 40 {
				t.Errorf("%q of %q", w.Word, name)
			}
			listed[w.Word] = true
		}
		if len(words) > 100 {
			t.Errorf("%d words", len(words))
		}
		if found, err := domain.QueryWords(name); err == nil && len(words) < 90 && !fits(t, &domain.Member{Name: name}, name) {
			t.Errorf("%q is not found by itself: %q, %v", name, found, words)
		}
		if words, err := domain.QueryWords(query); err == nil && len(words) == 0 {
			t.Errorf("%q", query)
		}
	})
}
