package spam

import (
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"
)

// splitWords appends the words of folded text to all: its runs of letters and digits. In a script that is
// written without blanks between words, each character is a word.
func splitWords(all []string, folded string) []string {
	start := -1 // of the current word; -1: none
	for at, r := range folded {
		alone := unspaced(r)
		if !alone && wordRune(r) {
			if start < 0 {
				start = at
			}
			continue
		}
		if start >= 0 {
			all = append(all, folded[start:at])
			start = -1
		}
		if alone {
			all = append(all, folded[at:at+utf8.RuneLen(r)])
		}
	}
	if start >= 0 {
		all = append(all, folded[start:])
	}
	return all
}

// unspacedScripts are the scripts that are written without blanks between words.
var unspacedScripts = []*unicode.RangeTable{unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai,
	unicode.Lao, unicode.Khmer, unicode.Myanmar}

// unspaced reports whether r is of one of unspacedScripts, the first letters of which are Thai.
func unspaced(r rune) bool {
	return r >= 0xe01 && (0x4e00 <= r && r <= 0x9fff || unicode.In(r, unspacedScripts...))
}

func wordRune(r rune) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r && r <= 'z' || '0' <= r && r <= '9'
	}
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r))
}

// An unmaskedWord is a word as its reader is meant to read it.
type unmaskedWord struct {
	text   string // a skeleton if masked
	masked bool   // written with digits or signs for letters, or spelled out
}

// unmaskedWords returns the words of folded text as their reader is meant to read them: digits and signs
// inside words as letters (fr33, c@sh), and single letters in a row joined (f r e e, f.r.e.e). It returns nil
// if no word of a phrase was masked.
func unmaskedWords(folded string) []unmaskedWord {
	if !maybeMasked(folded) || !hasMaskedPhrase(folded) {
		return nil
	}
	all := make([]unmaskedWord, 0, len(folded)/5+8)
	var row []unmaskedWord // the single letters since the last longer word
	endRow := func() {
		if len(row) >= spelledLetters {
			var word strings.Builder
			for _, letter := range row {
				word.WriteString(letter.text)
			}
			row = append(row[:0], spelledWords(skeleton(word.String()))...)
		}
		all = append(all, row...)
		row = row[:0]
	}
	for w := range unmaskEach(folded) {
		if w.single() {
			row = append(row, unmaskedWord{w.text, false})
			continue
		}
		endRow()
		all = append(all, w)
	}
	endRow()
	return all
}

// unmaskEach returns the words of folded text that have a letter or a digit, one by one.
func unmaskEach(folded string) iter.Seq[unmaskedWord] {
	return func(yield func(unmaskedWord) bool) {
		for chunk := range strings.FieldsFuncSeq(folded, func(r rune) bool { return !wordRune(r) && unmask(r) == r }) {
			if w := unmaskWord(chunk); w.text != "" && !yield(w) {
				return
			}
		}
	}
}

// single reports whether a word is a single letter.
func (w unmaskedWord) single() bool {
	r, size := utf8.DecodeRuneInString(w.text)
	return size == len(w.text) && unicode.IsLetter(r)
}

// hasMaskedPhrase reports whether folded text has single letters in a row, or a masked word that is one of a
// phrase.
func hasMaskedPhrase(folded string) bool {
	row := 0
	for w := range unmaskEach(folded) {
		if !w.single() {
			row = 0
		} else if row++; row >= spelledLetters {
			return true
		}
		if w.masked && phraseSkeletons[w.text] {
			return true
		}
	}
	return false
}

// maybeMasked is a quick check for unmaskedWords: it reports whether folded text has a digit or sign beside a
// letter, or spelledLetters single letters.
func maybeMasked(folded string) bool {
	alone := 0
	for i := range len(folded) {
		letter := folded[i] >= utf8.RuneSelf || 'a' <= folded[i] && folded[i] <= 'z'
		if !letter {
			continue
		}
		if i > 0 && strings.IndexByte("013457@$!|", folded[i-1]) >= 0 || strings.HasSuffix(folded[:i], "€") ||
			i+1 < len(folded) && strings.IndexByte("013457", folded[i+1]) >= 0 {
			return true
		}
		if (i == 0 || !wordByte(folded[i-1])) && (i+1 == len(folded) || !wordByte(folded[i+1])) {
			if alone++; alone == spelledLetters {
				return true
			}
		}
	}
	return false
}

func wordByte(b byte) bool {
	return b >= utf8.RuneSelf || 'a' <= b && b <= 'z' || '0' <= b && b <= '9'
}

// spelledLetters is how many single letters in a row are a word that was spelled out; fewer are initials.
const spelledLetters = 4

// The thresholds of spelledOut: so many letters stand alone in rows, and they are so large a part of all.
const (
	spelledText  = 30
	spelledShare = 0.5
)

// spelledOut reports whether folded text is written mostly with blanks or points between the letters of its
// words. Letters of scripts without blanks between words do not count. words are those of folded.
func spelledOut(folded string, words []string) bool {
	single := 0
	for _, w := range words {
		if r, size := utf8.DecodeRuneInString(w); size == len(w) && !unspaced(r) {
			single++
		}
	}
	if single < spelledText {
		return false
	}
	letters, spelled, row := 0, 0, 0
	endRow := func() {
		if row >= spelledLetters {
			spelled += row
		}
		row = 0
	}
	for chunk := range strings.FieldsFuncSeq(folded, func(r rune) bool { return !wordRune(r) }) {
		r, size := utf8.DecodeRuneInString(chunk)
		if size == len(chunk) && unicode.IsLetter(r) && !unspaced(r) {
			letters++
			row++
			continue
		}
		if !isNumber(chunk) { // a number among the letters does not end the row
			endRow()
		}
		letters += utf8.RuneCountInString(chunk)
	}
	endRow()
	return spelled >= spelledText && float64(spelled) >= spelledShare*float64(letters)
}

// unmaskWord reads digits and signs as letters in a chunk that also has letters. Signs at its ends are
// punctuation or money (free!, $5) and are removed.
func unmaskWord(chunk string) unmaskedWord {
	if !strings.ContainsFunc(chunk, func(r rune) bool { return unmask(r) != r }) {
		return unmaskedWord{chunk, false}
	}
	chunk = strings.TrimRight(strings.TrimLeft(chunk, "!|"), "!|$€@")
	masked := false
	read := strings.Map(func(r rune) rune {
		as := unmask(r)
		masked = masked || as != r
		return as
	}, chunk)
	if !masked || !strings.ContainsFunc(chunk, unicode.IsLetter) {
		return unmaskedWord{chunk, false}
	}
	return unmaskedWord{skeleton(read), true}
}

// unmask returns the letter that a digit or sign replaces, or r itself. 1, ! and | replace both i and l: see
// skeleton.
func unmask(r rune) rune {
	switch r {
	case '0':
		return 'o'
	case '1', '!', '|':
		return 'i'
	case '3', '€':
		return 'e'
	case '4', '@':
		return 'a'
	case '5', '$':
		return 's'
	case '7':
		return 't'
	}
	return r
}

// skeleton replaces l by i, so that unmasked words can be compared.
func skeleton(word string) string { return strings.ReplaceAll(word, "l", "i") }
