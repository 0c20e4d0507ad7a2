package advice

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"inmail/domain/richtext"
)

// Words counts the words of a rendered text (R46, R47, R50, and the lengths of R62). A word stands between
// blanks or dashes and contains a letter or a digit: "don't", "3,000" and an address are one word each, "&"
// is none. In scripts without blanks letters are counted, as translators do: two letters of Chinese or
// Japanese, or five of Thai, Lao, Khmer or Burmese, are one word.
func Words(text string) int {
	n, counted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c >= utf8.RuneSelf: // not ASCII: count the rest, from the start of this word, by wordsOf
			from := strings.LastIndexAny(text[:i], " \t\n\v\f\r") + 1
			if counted {
				n--
			}
			for _, field := range strings.FieldsFunc(text[from:], betweenWords) {
				n += wordsOf(field)
			}
			return n
		case c == ' ' || '\t' <= c && c <= '\r':
			counted = false
		case !counted && ('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'):
			n++
			counted = true
		}
	}
	return n
}

func betweenWords(r rune) bool { return unicode.IsSpace(r) || r == '—' }

func wordsOf(field string) int {
	n, ideographs, syllabics, spelled := 0, 0, 0, false
	for _, r := range field {
		switch {
		case r < utf8.RuneSelf:
			if wordRune(r, spelled) && !spelled {
				n++
				spelled = true
			}
		case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana) || r == 'ー':
			ideographs++
			spelled = false
		case unicode.In(r, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar):
			syllabics++
			spelled = false
		case !spelled && wordRune(r, false):
			n++
			spelled = true
		}
	}
	return n + (ideographs+1)/2 + (syllabics+4)/5
}

// text is a tokenized text with an index of its words. A word is a run of letters and digits here: "I'm" and
// "Jean-Pierre" are two words each.
type text struct {
	plain string
	words []word
	count int            // the number of words as Words counts them
	at    map[string]int // from a key to its first word; word.nextSame leads to the others
}

// word is the part plain[start:end] of its text.
type word struct {
	start, end int
	key        string // see key
	nextSame   int    // index of the next word with the same key, -1 for none
	lastSame   int    // in the first word of a key: index of the last word with the same key
	first      bool   // it is the first word of a sentence or a line
}

// tokenize splits plain into words and indexes them.
func tokenize(plain string) *text {
	t := split(plain)
	t.count = Words(plain)
	t.at = make(map[string]int, len(t.words))
	for i := range t.words {
		w := &t.words[i]
		head, known := t.at[w.key]
		if !known {
			t.at[w.key], w.lastSame = i, i
			continue
		}
		t.words[t.words[head].lastSame].nextSame = i
		t.words[head].lastSame = i
	}
	return t
}

// split splits plain into words without an index: they can be read in their order, and not be found.
func split(plain string) *text {
	t := &text{plain: plain}
	t.words = make([]word, 0, len(plain)/5+1)
	first, start := true, -1
	for i, r := range plain {
		if wordRune(r, start >= 0) {
			if start < 0 {
				start = i
			}
			continue
		}
		if start >= 0 {
			t.add(start, i, first)
			first, start = false, -1
		}
		switch r {
		case '.', '!', '?', ':', ';', '\n', '•', '…':
			first = true
		}
	}
	if start >= 0 {
		t.add(start, len(plain), first)
	}
	return t
}

func wordRune(r rune, inside bool) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
	}
	return unicode.IsLetter(r) || unicode.IsNumber(r) || inside && unicode.IsMark(r)
}

func (t *text) add(start, end int, first bool) {
	t.words = append(t.words, word{start: start, end: end, key: key(t.plain[start:end]), nextSame: -1, first: first})
}

// find returns the index of the first word with the key, -1 for none.
func (t *text) find(key string) int {
	if i, ok := t.at[key]; ok {
		return i
	}
	return -1
}

func (t *text) raw(i int) string { return t.plain[t.words[i].start:t.words[i].end] }

// phraseAt reports whether the words from i on begin with those of p.
func (t *text) phraseAt(i int, p phrase) bool {
	if i < 0 || i+len(p) > len(t.words) {
		return false
	}
	for j, k := range p {
		if t.words[i+j].key != k {
			return false
		}
	}
	return true
}

// anyPhraseAt returns the length in words of the longest phrase of set that begins at word i, 0 for none.
func (t *text) anyPhraseAt(i int, set phraseSet) int {
	if i < 0 || i >= len(t.words) {
		return 0
	}
	for _, p := range set[t.words[i].key] {
		if t.phraseAt(i, p) {
			return len(p)
		}
	}
	return 0
}

// adjacent reports whether only blanks, and no line break, separate word i from the next.
func (t *text) adjacent(i int) bool {
	if i < 0 || i+1 >= len(t.words) {
		return false
	}
	return strings.Trim(t.plain[t.words[i].end:t.words[i+1].start], " \t") == ""
}

// has reports whether word i is in set; false if there is no word i.
func (t *text) has(i int, set map[string]bool) bool {
	return i >= 0 && i < len(t.words) && set[t.words[i].key]
}

// quote returns the words from..to, to not included, in quotation marks: at most four words and 40 code
// points.
func (t *text) quote(from, to int) string {
	from, to = max(from, 0), min(to, len(t.words))
	if from >= to {
		return "“”"
	}
	to = min(to, from+4)
	s := strings.Join(strings.Fields(t.plain[t.words[from].start:t.words[to-1].end]), " ")
	return quoted(s)
}

// quoted returns s in quotation marks, cut to 40 code points.
func quoted(s string) string {
	const most = 40
	s = richtext.Line(s) // F38
	if utf8.RuneCountInString(s) > most {
		s = strings.TrimSpace(string([]rune(s)[:most-1])) + "…"
	}
	return "“" + s + "”"
}

// key folds a word for comparison: small letters without accents, so that "Jose" matches "José", and ae, oe,
// ue as a, o, u, so that "Mueller" matches "Müller".
func key(s string) string {
	k := lower(s)
	if strings.Contains(k, "ae") || strings.Contains(k, "oe") || strings.Contains(k, "ue") {
		k = umlauts.Replace(k)
	}
	return k
}

var umlauts = strings.NewReplacer("ae", "a", "oe", "o", "ue", "u")

// lower returns s in small letters without accents. Scripts other than Latin, Greek and Cyrillic keep their
// marks, which distinguish letters there.
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

// unspaced reports whether s has a letter of a script that writes names and words without blanks around them,
// or with endings attached (Korean).
func unspaced(s string) bool {
	for _, r := range s {
		if unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Thai,
			unicode.Lao, unicode.Khmer, unicode.Myanmar) {
			return true
		}
	}
	return false
}

// phrase is a sequence of words by their keys.
type phrase []string

func phraseOf(words string) phrase {
	var p phrase
	for _, w := range strings.Fields(words) {
		p = append(p, key(w))
	}
	return p
}

// phraseSet maps the first key of a phrase to the phrases that begin with it, the longest first.
type phraseSet map[string][]phrase

func phrases(list ...string) phraseSet {
	set := phraseSet{}
	for _, words := range list {
		p := phraseOf(words)
		set[p[0]] = append(set[p[0]], p)
	}
	for _, ps := range set {
		slices.SortStableFunc(ps, func(a, b phrase) int { return len(b) - len(a) })
	}
	return set
}

// setOf returns the set of the keys of words that are separated by blanks.
func setOf(words string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(words) {
		set[key(w)] = true
	}
	return set
}
