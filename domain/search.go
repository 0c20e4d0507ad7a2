package domain

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// The bounds of a search for members.
const (
	MinQuery       = 2   // characters of a query, at least
	maxQueryWords  = 8   // words of a query that count
	maxMemberWords = 100 // words of a member that are indexed
	maxSearchWord  = 32  // characters of a word that count
)

// SearchWord is a word by which a member is found.
type SearchWord struct {
	Word      string
	InCompany bool // it is a word of the company
}

// NameKey returns the form of a name by which lists of members are ordered: case, accents and signs do not
// count.
func NameKey(name string) string {
	if key := strings.Join(splitWords(foldSearch(name)), " "); key != "" {
		return key
	}
	return strings.TrimSpace(name) // a name of signs
}

// SearchWords returns the words by which a member is found, each once: those of name, company and headline in
// their folded form; words with umlauts as they are written without, too (mueller); and words in Chinese,
// Japanese and Korean from each character on, because nothing separates them there.
func SearchWords(m *Member) []SearchWord {
	var words []SearchWord
	at := map[string]int{}
	for _, field := range []struct {
		text    string
		company bool
	}{{m.Name, false}, {m.Company, true}, {m.Headline, false}} {
		for _, word := range indexWords(field.text) {
			i, known := at[word]
			if known {
				words[i].InCompany = words[i].InCompany || field.company
			} else if len(words) < maxMemberWords {
				at[word] = len(words)
				words = append(words, SearchWord{word, field.company})
			}
		}
	}
	return words
}

// QueryWords returns the words of a query, the longest first: a member fits when for each of them one of its
// own words begins so. A query of fewer than MinQuery characters, or without a word, is refused.
func QueryWords(query string) ([]string, error) {
	n := utf8.RuneCountInString(strings.TrimSpace(query))
	words := splitWords(foldSearch(query))
	if n < MinQuery || len(words) == 0 {
		return nil, &Refusal{Code: BadRequest, Got: n, Limit: MinQuery,
			Detail: fmt.Sprintf("%d letters or digits or more, as words begin", MinQuery)}
	}
	slices.SortStableFunc(words, func(a, b string) int { return len(b) - len(a) })
	words = slices.Compact(words)
	return words[:min(len(words), maxQueryWords)], nil
}

// indexWords returns the words of a text in all forms in which they are found.
func indexWords(text string) []string {
	words := splitWords(foldSearch(text))
	if other := umlauts.Replace(norm.NFC.String(cases.Fold().String(text))); other != text {
		words = append(words, splitWords(foldSearch(other))...)
	}
	for _, word := range words {
		start := 0
		for i, r := range word {
			if i > start && unicode.In(r, unseparated...) {
				words = append(words, word[i:])
			}
		}
	}
	return words
}

// umlauts writes letters as they are written where the keyboard has none.
var umlauts = strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "ø", "oe", "å", "aa")

// unseparated are the scripts whose words are not separated, or whose names are found by any part.
var unseparated = []*unicode.RangeTable{unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul}

// accented are the scripts whose accents do not count in a search.
var accented = []*unicode.RangeTable{unicode.Latin, unicode.Greek, unicode.Cyrillic, unicode.Arabic, unicode.Hebrew}

// otherLetters are letters that have no accent to Unicode, and that people type without one.
var otherLetters = strings.NewReplacer("ø", "o", "ł", "l", "đ", "d", "ð", "d", "þ", "th", "æ", "ae", "œ", "oe",
	"ı", "i", "'", "", "’", "", "ʼ", "")

// foldSearch returns a text without what does not count in a search: case, accents, apostrophes, forms of
// width, and characters that are not shown.
func foldSearch(text string) string {
	var folded strings.Builder
	var base rune
	for _, r := range norm.NFKD.String(cases.Fold().String(text)) {
		switch {
		case unicode.Is(unicode.Cf, r):
			continue
		case unicode.Is(unicode.Mn, r):
			if unicode.In(base, accented...) {
				continue
			}
		default:
			base = r
		}
		folded.WriteRune(r)
	}
	return otherLetters.Replace(norm.NFC.String(folded.String()))
}

// splitWords returns the words of a folded text, cut to maxSearchWord.
func splitWords(folded string) []string {
	words := strings.FieldsFunc(folded, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
	})
	for i, word := range words {
		n := 0
		for at := range word {
			if n++; n > maxSearchWord {
				words[i] = word[:at]
				break
			}
		}
	}
	return words
}
