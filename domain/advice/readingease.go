package advice

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"inmail/domain/richtext"
)

// sentence is a sentence of prose.
type sentence struct {
	words     []string // split at blanks
	syllables int      // of all words
}

// minProse is the lowest number of words for which a reading ease is computed.
const minProse = 10

// readingEase returns the Flesch reading ease (1948): 206.835 − 1.015 × words per sentence − 84.6 × syllables
// per word. 60 and more is plain English, under 50 is hard. ok is false below minProse words.
func readingEase(sentences []sentence) (ease float64, ok bool) {
	words, syllables := 0, 0
	for _, s := range sentences {
		words += len(s.words)
		syllables += s.syllables
	}
	if words < minProse {
		return 0, false
	}
	perSentence, perWord := float64(words)/float64(len(sentences)), float64(syllables)/float64(words)
	return 206.835 - 1.015*perSentence - 84.6*perWord, true
}

// prose returns the sentences of a body. A sentence ends at . ! ? or …, at the end of a paragraph or list
// item, and at a line break before a capital. Lines of at most three words without such a mark are left out:
// they are the greeting and the signature.
func prose(d richtext.Document) []sentence {
	var all []sentence
	var words []string // of all sentences; those of the current one begin at start
	start, syllabic := 0, 0
	end := func(mark bool) {
		if n := len(words) - start; n > 3 || mark && n > 0 {
			all = append(all, sentence{words[start:len(words):len(words)], syllabic})
		}
		start, syllabic = len(words), 0
	}
	for _, p := range d.Paragraphs() {
		for line := range strings.SplitSeq(p, "\n") {
			begins := true
			for field := range strings.FieldsSeq(line) {
				if begins && !unicode.IsLower(firstRune(field)) {
					end(false)
				}
				begins = false
				if !strings.ContainsFunc(field, letterOrNumber) {
					continue
				}
				words = append(words, field)
				syllabic += syllables(field)
				if endsSentence(field) {
					end(true)
				}
			}
		}
		end(false)
	}
	return all
}

func letterOrNumber(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }

// endsSentence reports whether a word is the last of its sentence. "e.g.", "Dr." and "J." are not.
func endsSentence(field string) bool {
	s := strings.TrimRight(field, ")]}\"'’”»")
	for _, mark := range []string{"!", "?", "…", "..."} {
		if strings.HasSuffix(s, mark) {
			return true
		}
	}
	s, dot := strings.CutSuffix(s, ".")
	return dot && !strings.Contains(s, ".") && !titles[key(s)] && !abbreviations[key(s)] &&
		!(utf8.RuneCountInString(s) == 1 && unicode.IsUpper(firstRune(s)) && s != "I")
}

var abbreviations = setOf("vs etc approx no st inc ltd co corp dept est fig vol " +
	"jan feb mar apr jun jul aug sep sept oct nov dec")

// syllables estimates the number of syllables of an English word: its groups of vowels, minus the silent
// ones, plus one for each hiatus. The test checks that it is right for 19 words in 20; errors go both ways.
// An address, a number and an abbreviation count as one syllable.
func syllables(field string) int {
	field = strings.Trim(lower(field), ".,;:!?()[]{}\"'“”‘«»…*~-")
	if strings.ContainsAny(field, "0123456789@:/") {
		return 1
	}
	n := 0
	for _, part := range strings.Split(field, "-") {
		n += syllablesOf(part)
	}
	return n
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
	n := 0
	for i := range len(w) {
		if vowel(w[i]) && (i == 0 || !vowel(w[i-1])) {
			n++
		}
	}
	return max(1, n+hiatuses(w)-silentGroups(w, n))
}

func vowel(c byte) bool { return strings.IndexByte("aeiouy", c) >= 0 }

// hiatuses counts the places where two neighbouring vowels belong to two syllables: vari-ous, cre-ate,
// play-er.
func hiatuses(w string) int {
	n := 0
	for i := 1; i+1 < len(w); i++ {
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
	for _, part := range []string{"ement", "ely", "eful", "eless", "eness", "ewhere", "ewise"} {
		if i := strings.LastIndex(w, part); i > 1 && !vowel(w[i-1]) && n > 2 && !(part == "ement" && w[i-1] == 'l') {
			quiet++
			break
		}
	}
	if n-quiet < 2 {
		return quiet
	}
	stem, ending := w, ""
	for _, e := range []string{"es", "ed", "e"} {
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
