package advice

import (
	"hash/maphash"
	"math/bits"
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

// firstUnspaced is the first letter of the scripts without blanks between words.
const firstUnspaced = '\u0e01'

func wordsOf(field string) int {
	n, ideographs, syllabics, spelled := 0, 0, 0, false
	for _, r := range field {
		switch {
		case r < utf8.RuneSelf:
			if wordRune(r, spelled) && !spelled {
				n++
				spelled = true
			}
		case r < firstUnspaced:
			if !spelled && wordRune(r, false) {
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

// text is a tokenized text. A word is a run of letters and digits here: "I'm" and "Jean-Pierre" are two words
// each.
type text struct {
	plain string
	words []word
	count int     // the number of words as Words counts them
	late  int     // where the word of number LongMessageWords begins, in a text of ASCII characters; 0: unknown
	index []int32 // of its words by the hash of their keys: see find
}

// word is the part plain[start:end] of its text.
type word struct {
	key        string // see key
	lists      lists  // those that have it
	start, end int32
	next       int32 // the next word with the same place in the index, counted from 1; 0: none
	first      bool  // it is the first word of a sentence or a line
}

// tokenize splits plain into words and indexes them for find.
func tokenize(plain string) *text {
	t := split(plain)
	if len(t.words) == 0 {
		return t
	}
	t.index = make([]int32, 1<<bits.Len(uint(len(t.words))))
	for i := len(t.words) - 1; i >= 0; i-- {
		place := t.place(t.words[i].key)
		t.words[i].next, *place = *place, int32(i+1)
	}
	return t
}

// split splits plain into words without an index: they can be read in their order, and not be found.
func split(plain string) *text {
	t := &text{}
	t.read(plain)
	return t
}

// read makes t the text that split returns, and uses its memory again.
func (t *text) read(plain string) {
	t.plain, t.count, t.late, t.index = plain, 0, 0, nil
	if t.words = t.words[:0]; cap(t.words) == 0 {
		t.words = make([]word, 0, len(plain)/5+2)
	}
	small := smallASCII(plain)
	first, start := true, -1
	ascii, plainWord := true, true // the text and the word so far
	counted := false               // since the last blank
	for i, r := range plain {
		if wordRune(r, start >= 0) {
			if start < 0 {
				start, plainWord = i, true
				if !counted {
					counted = true
					if t.count++; t.count == LongMessageWords {
						t.late = i
					}
				}
			}
			plainWord = plainWord && r < utf8.RuneSelf
			continue
		}
		counted = counted && r != ' ' && (r < '\t' || r > '\r')
		ascii = ascii && plainWord && r < utf8.RuneSelf
		if start >= 0 {
			t.add(small, start, i, plainWord, first)
			first, start = false, -1
		}
		switch r {
		case '.', '!', '?', ':', ';', '\n', '•', '…':
			first = true
		}
	}
	if start >= 0 {
		t.add(small, start, len(plain), plainWord, first)
	}
	if !ascii || !plainWord {
		t.count, t.late = Words(plain), 0
	}
}

func wordRune(r rune, inside bool) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
	}
	return unicode.IsLetter(r) || unicode.IsNumber(r) || inside && unicode.IsMark(r)
}

// add appends the word plain[start:end]. small is plain with small ASCII letters, which the key of a word of
// ASCII letters is a part of.
func (t *text) add(small string, start, end int, ascii, first bool) {
	w := word{start: int32(start), end: int32(end), first: first}
	if ascii {
		w.key = withoutUmlauts(small[start:end])
	} else {
		w.key = key(t.plain[start:end])
	}
	w.lists = lexicon[w.key]
	t.words = append(t.words, w)
}

// keySeed makes the places of keys in indexes unforeseeable.
var keySeed = maphash.MakeSeed()

// place returns the place of a key in the index of a text that has words: its first word there, counted from
// 1. The words of one place are linked in their order.
func (t *text) place(key string) *int32 {
	return &t.index[maphash.String(keySeed, key)&uint64(len(t.index)-1)]
}

// find returns the index of the first word with the key, -1 for none.
func (t *text) find(key string) int {
	if len(t.index) == 0 {
		return -1
	}
	return t.findFrom(*t.place(key), key)
}

// findNext returns the index of the next word with the key of word i, -1 for none.
func (t *text) findNext(i int) int { return t.findFrom(t.words[i].next, t.words[i].key) }

func (t *text) findFrom(at int32, key string) int {
	for at > 0 && t.words[at-1].key != key {
		at = t.words[at-1].next
	}
	return int(at) - 1
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
	if !t.has(i, set.firsts) {
		return 0
	}
	for _, p := range set.byFirst[t.words[i].key] {
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

// has reports whether word i is in one of the lists; false if there is no word i.
func (t *text) has(i int, any lists) bool {
	return i >= 0 && i < len(t.words) && t.words[i].lists&any != 0
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
func key(s string) string { return withoutUmlauts(lower(s)) }

// withoutUmlauts writes ae, oe and ue as a, o and u.
func withoutUmlauts(k string) string {
	for i := 1; i < len(k); i++ {
		if k[i] == 'e' && (k[i-1] == 'a' || k[i-1] == 'o' || k[i-1] == 'u') {
			return umlauts.Replace(k)
		}
	}
	return k
}

var umlauts = strings.NewReplacer("ae", "a", "oe", "o", "ue", "u")

// smallASCII returns s with small letters for the ASCII capitals; others stay.
func smallASCII(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			var small strings.Builder
			small.Grow(len(s))
			from := 0
			for ; i < len(s); i++ {
				if 'A' <= s[i] && s[i] <= 'Z' {
					small.WriteString(s[from:i])
					small.WriteByte(s[i] + 'a' - 'A')
					from = i + 1
				}
			}
			small.WriteString(s[from:])
			return small.String()
		}
	}
	return s
}

// lower returns s in small letters without accents. Scripts other than Latin, Greek and Cyrillic keep their
// marks, which distinguish letters there.
func lower(s string) string {
	var space [64]byte
	small := space[:0]
	for _, r := range s {
		switch {
		case 'A' <= r && r <= 'Z':
			small = append(small, byte(r)+'a'-'A')
		case r < utf8.RuneSelf:
			small = append(small, byte(r))
		case r <= maxSmall && smallLetters[r] != "":
			small = append(small, smallLetters[r]...)
		case r == '’':
			small = append(small, '\'')
		case keepsForm(r):
			small = utf8.AppendRune(small, r)
		default:
			return lowerAny(s)
		}
	}
	if string(small) == s {
		return s
	}
	return string(small)
}

// smallLetters are the Latin, Greek and Cyrillic letters up to maxSmall as lowerAny returns them one by one,
// which is what it makes of a word of them; the others are empty.
var smallLetters = func() (all [maxSmall + 1]string) {
	for r := rune(utf8.RuneSelf); r <= maxSmall; r++ {
		if unicode.IsLetter(r) && unicode.In(r, unicode.Latin, unicode.Greek, unicode.Cyrillic) {
			all[r] = lowerAny(string(r))
		}
	}
	return all
}()

const maxSmall = 0x45f

// keepsForm reports, for frequent letters and signs, that lowerAny leaves a text of them as it is, alone and
// beside the letters of smallLetters: they have no capitals and no accents that it removes.
func keepsForm(r rune) bool {
	switch {
	case 0xa1 <= r && r <= 0xbf, 0x2010 <= r && r <= 0x2027, r == '€': // signs
	case 0x5d0 <= r && r <= 0x5ea: // Hebrew
	case 0x3041 <= r && r <= 0x3096, 0x30a1 <= r && r <= 0x30fa: // Hiragana, Katakana
	case 0x4e00 <= r && r <= 0x9fff, 0xac00 <= r && r <= 0xd7a3: // Han, Hangul
	default:
		return false
	}
	return true
}

// lowerAny is lower for all characters.
func lowerAny(s string) string {
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
		if r >= firstUnspaced && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Thai,
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

// phraseSet has phrases by the key of their first word, the longest first.
type phraseSet struct {
	firsts  lists // the list of all first words
	byFirst map[string][]phrase
}

func phrases(list ...string) phraseSet {
	set := phraseSet{byFirst: map[string][]phrase{}}
	var firsts strings.Builder
	for _, words := range list {
		p := phraseOf(words)
		set.byFirst[p[0]] = append(set.byFirst[p[0]], p)
		firsts.WriteString(p[0] + " ")
	}
	for _, ps := range set.byFirst {
		slices.SortStableFunc(ps, func(a, b phrase) int { return len(b) - len(a) })
	}
	set.firsts = listOf(firsts.String())
	return set
}
