package advice

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Words counts the words of a rendered text (R46, R47, R50, and R62's under 100 / 100 and more).
// A word is what stands between blanks or dashes and holds a letter or a digit: "don't", "3,000"
// and an address are one word, "&" is none. Scripts without blanks between words are counted by
// their letters, as translators do: two of Chinese or Japanese, five of Thai, Lao, Khmer or
// Burmese are a word.
func Words(text string) int {
	n := 0
	for _, field := range strings.FieldsFunc(text, betweenWords) {
		n += wordsOf(field)
	}
	return n
}

func betweenWords(r rune) bool { return unicode.IsSpace(r) || r == '—' }

func wordsOf(field string) int {
	n, ideographs, syllabics, spelled := 0, 0, 0, false
	for _, r := range field {
		switch {
		case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana) || r == 'ー':
			ideographs++
			spelled = false
		case unicode.In(r, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar):
			syllabics++
			spelled = false
		case (unicode.IsLetter(r) || unicode.IsNumber(r)) && !spelled:
			n++
			spelled = true
		}
	}
	return n + (ideographs+1)/2 + (syllabics+4)/5
}

// text is a text cut into words, for looking words up. Here a word is a stretch of letters and
// digits: "I'm" is two, "Jean-Pierre" too.
type text struct {
	plain string
	words []word
	at    map[string][]int // positions in words by key
}

// word is plain[start:end].
type word struct {
	start, end int
	key        string // see key
	first      bool   // of a sentence or a line
}

func read(plain string) *text {
	t := &text{plain: plain, at: map[string][]int{}}
	first, start := true, -1
	for i, r := range plain {
		if unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r) && start >= 0 {
			if start < 0 {
				start = i
			}
			continue
		}
		if start >= 0 {
			t.add(start, i, first)
			first, start = false, -1
		}
		first = first || strings.ContainsRune(".!?:;\n•…", r)
	}
	if start >= 0 {
		t.add(start, len(plain), first)
	}
	return t
}

func (t *text) add(start, end int, first bool) {
	k := key(t.plain[start:end])
	t.at[k] = append(t.at[k], len(t.words))
	t.words = append(t.words, word{start: start, end: end, key: k, first: first})
}

func (t *text) raw(i int) string { return t.plain[t.words[i].start:t.words[i].end] }

// is reports whether the words from i on begin with the keys of phrase, which are separated by
// single blanks (see phrases).
func (t *text) is(i int, phrase string) bool {
	for phrase != "" {
		var k string
		k, phrase, _ = strings.Cut(phrase, " ")
		if i < 0 || i >= len(t.words) || t.words[i].key != k {
			return false
		}
		i++
	}
	return true
}

// has reports whether the word at i is one of set; false beyond the ends.
func (t *text) has(i int, set map[string]bool) bool {
	return i >= 0 && i < len(t.words) && set[t.words[i].key]
}

// quote returns the words from..to, to not included, in quotation marks: at most four words and
// 40 code points.
func (t *text) quote(from, to int) string {
	from, to = max(from, 0), min(to, len(t.words))
	if from >= to {
		return "“”"
	}
	to = min(to, from+4)
	s := strings.Join(strings.Fields(t.plain[t.words[from].start:t.words[to-1].end]), " ")
	return quoted(s)
}

// quoted returns s in quotation marks, at most 40 code points of it.
func quoted(s string) string {
	const most = 40
	if utf8.RuneCountInString(s) > most {
		s = strings.TrimSpace(string([]rune(s)[:most-1])) + "…"
	}
	return "“" + s + "”"
}

// key folds a word for comparing: small letters without accents, so that "Jose" finds "José",
// and ae, oe, ue as a, o, u, so that "Mueller" finds "Müller".
func key(s string) string {
	k := lower(s)
	if strings.Contains(k, "ae") || strings.Contains(k, "oe") || strings.Contains(k, "ue") {
		k = umlauts.Replace(k)
	}
	return k
}

var umlauts = strings.NewReplacer("ae", "a", "oe", "o", "ue", "u")

// lower is s in small letters without accents. Scripts that are not Latin, Greek or Cyrillic keep
// theirs: there they are letters of their own.
func lower(s string) string {
	plain := true
	for i := 0; i < len(s) && plain; i++ {
		plain = s[i] < utf8.RuneSelf
	}
	if plain {
		return strings.ToLower(s)
	}
	var k strings.Builder
	european := false
	for _, r := range norm.NFD.String(strings.ToLower(s)) {
		if unicode.IsLetter(r) {
			european = unicode.In(r, unicode.Latin, unicode.Greek, unicode.Cyrillic)
		}
		switch {
		case unicode.Is(unicode.Mn, r) && european:
		case r == 'ß':
			k.WriteString("ss")
		case r == 'æ':
			k.WriteString("ae")
		case r == 'ø':
			k.WriteByte('o')
		case r == 'ł':
			k.WriteByte('l')
		case r == 'đ':
			k.WriteByte('d')
		case r == 'ı':
			k.WriteByte('i')
		case r == '’':
			k.WriteByte('\'')
		default:
			k.WriteRune(r)
		}
	}
	return norm.NFC.String(k.String())
}

// unspaced reports whether s has a letter of a script in which names and words stand in a text
// without blanks around them, or with endings attached (Korean).
func unspaced(s string) bool {
	for _, r := range s {
		if unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Thai,
			unicode.Lao, unicode.Khmer, unicode.Myanmar) {
			return true
		}
	}
	return false
}

// phrases folds the words of phrases, so that is can compare them.
func phrases(list ...string) []string {
	for i, phrase := range list {
		words := strings.Fields(phrase)
		for j, w := range words {
			words[j] = key(w)
		}
		list[i] = strings.Join(words, " ")
	}
	return list
}

// setOf makes a set of the keys of blank-separated words.
func setOf(words string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(words) {
		set[key(w)] = true
	}
	return set
}
