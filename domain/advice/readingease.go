package advice

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// minProse is the lowest number of words for which a reading ease is computed.
const minProse = 10

// prose counts the sentences of a body.
type prose struct {
	sentences, words, syllables int

	hardest  string // the sentence of most words and syllables, from its first word to its last
	hardness float64
}

// readingEase returns the Flesch reading ease (1948): 206.835 − 1.015 × words per sentence − 84.6 × syllables
// per word. 60 and more is plain English, under 50 is hard. ok is false below minProse words.
func (p *prose) readingEase() (ease float64, ok bool) {
	if p.words < minProse {
		return 0, false
	}
	words := float64(p.words)
	perSentence, perWord := words/float64(p.sentences), float64(p.syllables)/words
	return 206.835 - 1.015*perSentence - 84.6*perWord, true
}

// sentence is the sentence that is read: text[start:end] of a paragraph, split at blanks.
type sentence struct{ start, end, words, syllables int }

// readProse reads the sentences of paragraphs. A sentence ends at . ! ? or …, at the end of a paragraph or
// list item, and at a line break before a capital. Lines of at most three words without such a mark are left
// out: they are the greeting and the signature.
func readProse(paragraphs []string) *prose {
	all := &prose{hardness: -1}
	for _, text := range paragraphs {
		var s sentence
		for start, end, newLine := nextField(text, 0); start < end; start, end, newLine = nextField(text, end) {
			field := text[start:end]
			if newLine && !unicode.IsLower(firstRune(field)) {
				all.add(text, s, false)
				s = sentence{}
			}
			if !strings.ContainsFunc(field, letterOrNumber) {
				continue
			}
			if s.words == 0 {
				s.start = start
			}
			s.end = end
			s.words++
			s.syllables += syllables(field)
			if endsSentence(field) {
				all.add(text, s, true)
				s = sentence{}
			}
		}
		all.add(text, s, false)
	}
	return all
}

// add counts a sentence of text, unless it is none; mark: one at its end says that it is.
func (p *prose) add(text string, s sentence, mark bool) {
	if s.words == 0 || s.words <= 3 && !mark {
		return
	}
	p.sentences++
	p.words += s.words
	p.syllables += s.syllables
	if hard := float64(s.words) + 5*float64(s.syllables)/float64(s.words); hard > p.hardness {
		p.hardest, p.hardness = text[s.start:s.end], hard
	}
}

// nextField returns the next piece of text between blanks, text[start:end], from the end of one or the
// beginning of the text on, and whether it is the first of its line. start is end after the last one.
func nextField(text string, from int) (start, end int, newLine bool) {
	newLine = from == 0
	start = from
	for start < len(text) {
		r, size := rune(text[start]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(text[start:])
		}
		if !unicode.IsSpace(r) {
			break
		}
		newLine = newLine || r == '\n'
		start += size
	}
	for i, r := range text[start:] {
		if unicode.IsSpace(r) {
			return start, start + i, newLine
		}
	}
	return start, len(text), newLine
}

func letterOrNumber(r rune) bool {
	return wordRune(r, false)
}

// endsSentence reports whether a word is the last of its sentence. "e.g.", "Dr." and "J." are not.
func endsSentence(field string) bool {
	if c := field[len(field)-1] | ' '; 'a' <= c && c <= 'z' || c == ',' {
		return false
	}
	s := strings.TrimRightFunc(field, closes)
	if s == "" {
		return false
	}
	if last := s[len(s)-1]; last != '.' {
		return last == '!' || last == '?' || strings.HasSuffix(s, "…")
	}
	if strings.HasSuffix(s, "...") {
		return true
	}
	s = s[:len(s)-1]
	return !strings.Contains(s, ".") && !(titles | abbreviations).has(s) &&
		!(utf8.RuneCountInString(s) == 1 && unicode.IsUpper(firstRune(s)) && s != "I")
}

// closes reports whether r may stand between a sentence and the blank after it.
func closes(r rune) bool {
	switch r {
	case ')', ']', '}', '"', '\'', '’', '”', '»':
		return true
	}
	return false
}

var abbreviations = listOf("vs etc approx no st inc ltd co corp dept est fig vol " +
	"jan feb mar apr jun jul aug sep sept oct nov dec")

// syllables estimates the number of syllables of an English word: its groups of vowels, minus the silent
// ones, plus one for each hiatus. The test checks that it is right for 19 words in 20; errors go both ways.
// An address, a number and an abbreviation count as one syllable.
func syllables(field string) int {
	field = strings.TrimFunc(lower(field), besideWord)
	hyphen := false
	for i := range len(field) {
		c := field[i]
		if '/' <= c && c <= ':' || c == '@' { // with the digits, which stand between the two
			return 1
		}
		hyphen = hyphen || c == '-'
	}
	if !hyphen {
		return syllablesOf(field)
	}
	n := 0
	for part := range strings.SplitSeq(field, "-") {
		n += syllablesOf(part)
	}
	return n
}

// besideWord reports whether r is punctuation that may stand before or behind a word.
func besideWord(r rune) bool {
	switch r {
	case '.', ',', ';', ':', '!', '?', '(', ')', '[', ']', '{', '}', '"', '\'', '“', '”', '‘', '«', '»', '…', '*', '~', '-':
		return true
	}
	return false
}

func syllablesOf(w string) int {
	if base, ok := strings.CutSuffix(w, "n't"); ok && base != "" { // didn't has two syllables, don't one
		if vowel(base[len(base)-1]) {
			return syllablesOf(base)
		}
		return syllablesOf(base) + 1
	}
	if apostrophe := strings.IndexByte(w, '\''); apostrophe > 0 {
		w = w[:apostrophe] // it's, Anna's
	}
	if irregular, ok := irregularSyllables[w]; ok {
		return irregular
	}
	n, before := 0, false
	for i := range len(w) {
		now := vowel(w[i])
		if now && !before {
			n++
		}
		before = now
	}
	return max(1, n+hiatuses(w)-silentGroups(w, n))
}

func vowel(c byte) bool {
	switch c {
	case 'a', 'e', 'i', 'o', 'u', 'y':
		return true
	}
	return false
}

// hiatuses counts the places where two neighbouring vowels belong to two syllables: vari-ous, cre-ate,
// play-er.
func hiatuses(w string) int {
	n := 0
	for i := 1; i+1 < len(w); i++ {
		if !vowel(w[i]) {
			continue
		}
		before, after := w[i-1], byte(' ')
		if i+2 < len(w) {
			after = w[i+2]
		}
		switch w[i : i+2] {
		case "ia":
			if strings.IndexByte("cts", before) < 0 {
				n++
			}
		case "io":
			if strings.IndexByte("tscgx", before) < 0 && !(after == 'n' && strings.IndexByte("nl", before) >= 0) {
				n++
			}
		case "iu", "eo":
			n++
		case "ua":
			if strings.IndexByte("qg", before) < 0 {
				n++
			}
		case "uo":
			if after == 'u' && before != 'q' {
				n++
			}
		case "ue":
			if after == 'n' && strings.IndexByte("qg", before) < 0 {
				n++
			}
		case "ie":
			if after == 'n' && strings.IndexByte("ctr", before) < 0 || after == 't' ||
				strings.HasPrefix(w[i:], "ience") && before == 'r' {
				n++
			}
			if end := w[i:]; (end == "ier" || end == "iers" || end == "iest") && i > 1 {
				n++
			}
		case "ea":
			if strings.HasPrefix(w[i-1:], "reat") && i > 1 && w[i-2] == 'c' ||
				(w[i:] == "ea" || w[i:] == "eas") && i > 1 {
				n++
			}
		case "oi", "ei", "ui":
			if strings.HasPrefix(w[i:], string(w[i])+"ing") && before != 'q' {
				n++
			}
		}
		if w[i] == 'y' && vowel(w[i+1]) && (vowel(before) || strings.HasPrefix(w[i:], "ying")) {
			n++
		}
	}
	if strings.HasSuffix(w, "ism") || strings.HasSuffix(w, "isms") {
		n++
	}
	return n
}

// silentGroups counts the groups of vowels, of n in all, that are silent: mak(e), us(e)d, car(e)ful.
func silentGroups(w string, n int) int {
	quiet := 0
	if n > 2 {
		for _, part := range [...]string{"ement", "ely", "eful", "eless", "eness", "ewhere", "ewise"} {
			if i := strings.LastIndex(w, part); i > 1 && !vowel(w[i-1]) && !(part == "ement" && w[i-1] == 'l') {
				quiet++
				break
			}
		}
	}
	if n-quiet < 2 {
		return quiet
	}
	stem, ending := w, ""
	for _, e := range [...]string{"es", "ed", "e"} {
		if rest, ok := strings.CutSuffix(w, e); ok {
			stem, ending = rest, e
			break
		}
	}
	if ending == "" || len(stem) < 2 {
		return quiet
	}
	last := stem[len(stem)-1]
	if strings.HasSuffix(stem, "gu") || strings.HasSuffix(stem, "qu") { // colleague, unique
		return quiet + 1
	}
	if vowel(last) || last == 'l' && !vowel(stem[len(stem)-2]) && ending != "ed" { // agree, table
		return quiet
	}
	spoken := false
	switch ending {
	case "es":
		spoken = strings.IndexByte("sxzcg", last) >= 0 || strings.HasSuffix(stem, "ch") || strings.HasSuffix(stem, "sh")
	case "ed":
		spoken = last == 't' || last == 'd'
	}
	if !spoken {
		quiet++
	}
	return quiet
}

var irregularSyllables = map[string]int{
	"people": 2, "business": 2, "businesses": 3, "every": 2, "everyone": 3, "everything": 3, "something": 2,
	"sometimes": 2, "someone": 2, "somebody": 3, "therefore": 2, "evening": 2, "safety": 2, "homepage": 2, "area": 3,
	"areas": 3, "idea": 3, "ideas": 3, "being": 2, "science": 2, "sciences": 3, "client": 2, "clients": 2, "really": 2,
	"usually": 4, "poem": 2, "chaos": 2, "persuade": 2, "the": 1, "he": 1, "she": 1, "we": 1, "me": 1, "be": 1,
	"recipe": 3, "create": 2, "creates": 2, "created": 3, "reality": 4, "via": 2, "fuel": 2, "doing": 2, "going": 2,
	"quiet": 2, "friend": 1, "friends": 1, "tea": 1, "sea": 1, "career": 2, "careers": 2, "quite": 1, "hour": 1,
	"hours": 1, "our": 1, "wednesday": 2, "react": 2, "reaction": 3, "reactions": 3, "scientist": 3, "scientists": 3,
	"argue": 2, "continue": 3, "vegetable": 3, "camera": 3, "company": 3, "companies": 3, "experience": 4,
	"experiences": 5, "series": 2, "movie": 2, "movies": 2,
}
