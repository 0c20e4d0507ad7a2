package spam

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Points of what a text looks like, beside what it says (phrases.go). A fresh
// install refuses at refusePoints.
const (
	capitalPoints    = 2
	repeatPoints     = 1 // repeated punctuation; twice that for a lot of it
	moneyPoints      = 1
	picturePoints    = 1
	linksPoints      = 1
	shortLinkPoints  = 4
	oddHostPoints    = 5
	misleadingPoints = 7
	hiddenPoints     = 4 // letters split by marks that nobody sees; twice that for several
	mixedPoints      = 4 // a word of two alphabets; twice that for several
	paidPoints       = 4
)

// structure returns the signals that lie in the look of a text and not in its words.
func (t message) structure() []Reason {
	var found []Reason
	note := func(code string, points int, text string) {
		found = append(found, Reason{Code: code, Points: float64(points), Text: text})
	}
	l := look(t.raw)
	if l.letters >= minLetters && 2*l.capitals > l.letters {
		note("capitals", capitalPoints, "is mostly in capitals")
	}
	switch {
	case l.marks >= 3*repeatedMarks:
		note("punctuation", 2*repeatPoints, "repeats exclamation, question or money signs")
	case l.marks >= repeatedMarks:
		note("punctuation", repeatPoints, "repeats exclamation, question or money signs")
	}
	if l.pictures >= manyPictures {
		note("pictures", picturePoints, "is full of eye-catching pictures")
	}
	switch {
	case l.hidden >= 2:
		note("hidden_letters", 2*hiddenPoints, "hides marks inside of words")
	case l.hidden == 1:
		note("hidden_letters", hiddenPoints, "hides a mark inside of a word")
	}
	switch {
	case l.mixed >= 2:
		note("mixed_script", 2*mixedPoints, "mixes letters of different alphabets inside of words")
	case l.mixed == 1:
		note("mixed_script", mixedPoints, "mixes letters of different alphabets inside of a word")
	}
	if namesMoney(t.folded, t.words) {
		note("money", moneyPoints, "names an amount of money")
	}
	if namesPaidNumber(t.folded) {
		note("paid_number", paidPoints, "names a number that costs money to call")
	}
	return append(found, t.linkSignals()...)
}

// linkSignals returns what the addresses in a text give away.
func (t message) linkSignals() []Reason {
	if len(t.links) == 0 {
		return nil
	}
	var found []Reason
	hosts := map[string]bool{}
	short, odd := false, false
	for _, l := range t.links {
		hosts[l.host] = true
		short = short || l.shortened()
		odd = odd || l.odd()
	}
	if len(hosts) >= manyHosts {
		found = append(found, Reason{Code: "links", Points: linksPoints, Text: "links to many places"})
	}
	if short {
		found = append(found, Reason{Code: "short_link", Points: shortLinkPoints, Text: "hides where a shortened link leads"})
	}
	if odd {
		found = append(found, Reason{Code: "odd_link", Points: oddHostPoints, Text: "links to a bare number or to a look-alike name"})
	}
	if misleading(t.folded) {
		found = append(found, Reason{Code: "misleading_link", Points: misleadingPoints, Text: "shows one address and links to another"})
	}
	return found
}

const (
	minLetters    = 30 // fewer say nothing about capitals
	repeatedMarks = 3  // in one run
	manyPictures  = 3
	manyHosts     = 3
)

// appearance is what one pass over a text as written finds.
type appearance struct {
	letters, capitals int
	marks             int // exclamation, question and money signs in runs of at least repeatedMarks
	pictures          int // of those that mass mail shouts with
	hidden            int // invisible marks between two Latin letters
	mixed             int // words that mix Latin letters with look-alikes
}

func look(raw string) appearance {
	var a appearance
	run := 0 // length of the run of marks
	if ascii(raw) {
		for i := range len(raw) {
			a.count(rune(raw[i]), &run)
		}
		return a
	}
	var words []scripts
	var word scripts
	afterLatin, hidden := false, false // what stands before the rune at hand
	for _, r := range raw {
		if r >= utf8.RuneSelf && invisible(r) {
			hidden = hidden || r != '\uFE0F' // which only chooses how the sign before it is drawn
			continue
		}
		latin := isLatin(r)
		if latin && afterLatin && hidden {
			a.hidden++
		}
		afterLatin, hidden = latin, false
		switch {
		case latin || unicode.IsLetter(r):
			word.add(r, latin)
		case r < utf8.RuneSelf || !unicode.IsMark(r):
			words = append(words, word)
			word = scripts{}
		}
		a.count(r, &run)
	}
	a.mixed = mixedWords(append(words, word))
	return a
}

func isLatin(r rune) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
	}
	return unicode.Is(unicode.Latin, r)
}

// count notes r; run is the length of the run of marks before it.
func (a *appearance) count(r rune, run *int) {
	switch {
	case 'a' <= r && r <= 'z':
		a.letters++
	case 'A' <= r && r <= 'Z':
		a.letters++
		a.capitals++
	case r == '!', r == '?', r == '$', r == '£', r == '€', r == '‼', r == '❗':
		*run++
		if *run == repeatedMarks {
			a.marks += repeatedMarks
		} else if *run > repeatedMarks {
			a.marks++
		}
		return
	case r < 0x80:
	case unicode.IsUpper(r):
		a.letters++
		a.capitals++
	case unicode.IsLower(r):
		a.letters++
	case strings.ContainsRune(shoutingPictures, r):
		a.pictures++
	}
	*run = 0
}

const shoutingPictures = "💰💵💴💶💷💸🤑💲🚀🔥🎁🎉🎊🏆🥇💎✅☑👉👇➡📢📣⚠⏰⏳🔞💋🍑⭐🌟💯🆓"

// scripts counts the letters of one word by alphabet.
type scripts struct {
	latin, foreign, imitating int // foreign: Cyrillic, Greek, Armenian; imitating: those of them that look Latin
	switches                  int
	last                      bool // the last letter was foreign
}

func (s *scripts) add(r rune, latin bool) {
	foreign := !latin && unicode.In(r, unicode.Cyrillic, unicode.Greek, unicode.Armenian)
	if !latin && !foreign {
		return
	}
	if s.latin+s.foreign > 0 && foreign != s.last {
		s.switches++
	}
	s.last = foreign
	if !foreign {
		s.latin++
		return
	}
	s.foreign++
	if lookalikes[unicode.ToLower(r)] != "" {
		s.imitating++
	}
}

// mixedWords counts the words that hide look-alikes among Latin letters. In a
// text that is not Latin a word of both is an abbreviation with an ending
// (CRMка), unless it goes back and forth.
func mixedWords(words []scripts) int {
	latin, foreign := 0, 0
	for _, w := range words {
		latin += w.latin
		foreign += w.foreign
	}
	mixed := 0
	for _, w := range words {
		all := w.latin > 0 && w.foreign > 0 && w.foreign == w.imitating && w.latin+w.foreign >= 3
		if all && (latin > foreign || w.switches >= 2) {
			mixed++
		}
	}
	return mixed
}

// namesMoney reports whether a text has a number beside a currency.
func namesMoney(folded string, words []string) bool {
	for at, r := range folded {
		if r != '$' && r != '€' && r != '£' {
			continue
		}
		before := strings.TrimRight(folded[:at], " ")
		after := strings.TrimLeft(folded[at+utf8.RuneLen(r):], " ")
		if before != "" && digit(before[len(before)-1]) || after != "" && digit(after[0]) {
			return true
		}
	}
	for i, w := range words {
		if currencies[strings.TrimLeft(w, "0123456789")] && (digit(w[0]) || i > 0 && isNumber(words[i-1])) {
			return true
		}
	}
	return false
}

func digit(b byte) bool { return '0' <= b && b <= '9' }

var currencies = set("usd", "eur", "gbp", "chf", "dollar", "dollars", "euro", "euros", "pounds", "btc", "usdt")

// paidNumber matches British numbers of shared revenue and premium rate, and American
// ones of premium rate.
var paidNumber = regexp.MustCompile(`\b0(?:8[47]|9)[0-9][0-9 .-]{7,11}[0-9]|\b1[ .-]?900[ .-]?[0-9]{3}[ .-]?[0-9]{4}\b`)

func namesPaidNumber(folded string) bool {
	return (strings.Contains(folded, "08") || strings.Contains(folded, "09") || strings.Contains(folded, "900")) &&
		paidNumber.MatchString(folded)
}
