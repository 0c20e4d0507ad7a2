package spam

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The points of structural signals: how a text looks, whatever its phrases say (phrases.go). A fresh
// installation refuses at refusePoints.
const (
	capitalPoints    = 2
	repeatPoints     = 1 // repeated punctuation; twice that for a lot of it
	moneyPoints      = 1
	picturePoints    = 1
	linksPoints      = 1
	shortLinkPoints  = 4
	oddHostPoints    = 5
	misleadingPoints = 7
	hiddenPoints     = 4 // an invisible mark inside a word; twice that for two or more
	mixedPoints      = 4 // a word of two alphabets; twice that for two or more
	paidPoints       = 4
	spelledPoints    = 10 // nobody writes a whole message so
)

// structure returns the structural signals, which lie in the look of a text and not in its words.
func (t *Message) structure() []Reason {
	var found []Reason
	add := func(code string, points int, text string) {
		found = append(found, Reason{Code: code, Points: float64(points), Text: text})
	}
	l := t.inspect()
	if l.letters >= minLetters && 2*l.capitals > l.letters {
		add("capitals", capitalPoints, "is mostly in capitals")
	}
	switch {
	case l.marks >= 3*repeatedMarks:
		add("punctuation", 2*repeatPoints, "repeats exclamation, question or money signs")
	case l.marks >= repeatedMarks:
		add("punctuation", repeatPoints, "repeats exclamation, question or money signs")
	}
	if l.pictures >= manyPictures {
		add("pictures", picturePoints, "is full of eye-catching pictures")
	}
	switch {
	case l.hidden >= 2:
		add("hidden_letters", 2*hiddenPoints, "hides marks inside of words")
	case l.hidden == 1:
		add("hidden_letters", hiddenPoints, "hides a mark inside of a word")
	}
	switch {
	case l.mixed >= 2:
		add("mixed_script", 2*mixedPoints, "mixes letters of different alphabets inside of words")
	case l.mixed == 1:
		add("mixed_script", mixedPoints, "mixes letters of different alphabets inside of a word")
	}
	if namesMoney(t.folded, t.words) {
		add("money", moneyPoints, "names an amount of money")
	}
	if job := messengerJob(t.words, t.links); job > 0 {
		found = append(found, Reason{Code: "messenger_job", Points: job,
			Text: "offers easy work that is paid by the day, through a messenger"})
	}
	if spelledOut(t.folded, t.words) {
		add("spelled_out", spelledPoints, "writes its words with blanks between all letters")
	}
	if namesPaidNumber(t.folded) {
		add("paid_number", paidPoints, "names a number that costs money to call")
	}
	return append(found, t.linkSignals()...)
}

// linkSignals returns the signals that lie in the web addresses of a text.
func (t *Message) linkSignals() []Reason {
	misleads, looksAlike := t.misleading()
	if len(t.links) == 0 && !misleads {
		return nil
	}
	var found []Reason
	places := map[string]bool{}
	short, odd := false, looksAlike || t.namesDeceptiveHost()
	for _, l := range t.links {
		places[l.Host] = true
		short = short || shortened(l.Host)
		odd = odd || bareNumber(l.Host)
	}
	add := func(code string, points float64, text string) {
		found = append(found, Reason{Code: code, Points: points, Text: text})
	}
	if len(places) >= manyHosts {
		add("links", linksPoints, "links to many places")
	}
	if short {
		add("short_link", shortLinkPoints, "hides where a shortened link leads")
	}
	if odd {
		add("odd_link", oddHostPoints, "links to a bare number or to a look-alike name")
	}
	if misleads {
		add("misleading_link", misleadingPoints, "shows one address and links to another")
	}
	return found
}

// The thresholds of structural signals.
const (
	minLetters    = 30 // below this number the share of capitals is not judged
	repeatedMarks = 3  // so many marks in one run are repeated punctuation
	manyPictures  = 3
	manyHosts     = 3
)

// appearance is what inspect counts in a text as it was written.
type appearance struct {
	letters, capitals int
	marks             int // exclamation, question and money signs in runs of at least repeatedMarks
	pictures          int // emoji of shoutingEmoji
	hidden            int // invisible marks between two Latin letters
	mixed             int // words that mix Latin letters with confusable ones of other alphabets
}

// inspect reads subject and body as they were written, each in one pass.
func (t *Message) inspect() appearance {
	var i inspection
	if t.ascii {
		i.readASCII(t.subject)
		i.run = 0
		i.readASCII(t.body)
		return i.appearance
	}
	if t.subject != "" {
		i.read(t.subject)
		i.read("\n")
	}
	i.read(t.body)
	i.words.add(i.word)
	i.mixed = i.words.count()
	return i.appearance
}

// inspection is the state of inspect between two characters.
type inspection struct {
	appearance
	run        int // length of the current run of marks
	words      mixedWords
	word       scripts
	afterLatin bool // the character before is a Latin letter
	hidden     bool // an invisible mark follows it
}

func (i *inspection) readASCII(text string) {
	for at := range len(text) {
		i.count(rune(text[at]), &i.run)
	}
}

func (i *inspection) read(text string) {
	for _, r := range text {
		if r >= utf8.RuneSelf && invisible(r) {
			i.hidden = i.hidden || r != '\uFE0F' // U+FE0F only selects how the sign before it is drawn
			continue
		}
		latin := isLatin(r)
		if latin && i.afterLatin && i.hidden {
			i.appearance.hidden++
		}
		i.afterLatin, i.hidden = latin, false
		switch {
		case latin || r >= utf8.RuneSelf && unicode.IsLetter(r):
			i.word.add(r, latin)
		case r < utf8.RuneSelf || !unicode.IsMark(r):
			i.words.add(i.word)
			i.word = scripts{}
		}
		i.count(r, &i.run)
	}
}

func isLatin(r rune) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
	}
	if r < 0x250 { // in it all letters are Latin
		return unicode.IsLetter(r) && r != 'µ'
	}
	return (r < 0x370 || r >= 0x1d00) && unicode.Is(unicode.Latin, r) // in between are other scripts
}

// count adds r to the counts; run is the length of the run of marks before it, and is updated.
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
	case strings.ContainsRune(shoutingEmoji, r):
		a.pictures++
	}
	*run = 0
}

// shoutingEmoji are the emoji that mass mail uses to catch the eye.
const shoutingEmoji = "💰💵💴💶💷💸🤑💲🚀🔥🎁🎉🎊🏆🥇💎✅☑👉👇➡📢📣⚠⏰⏳🔞💋🍑⭐🌟💯🆓"

// scripts counts the letters of one word by alphabet.
type scripts struct {
	latin, foreign, confusable int // foreign: Cyrillic, Greek, Armenian; confusable: foreign ones that look Latin
	switches                   int
	last                       bool // the last letter was foreign
}

// isForeign reports whether r is a letter of an alphabet that looks like Latin.
func isForeign(r rune) bool {
	if r < 0x370 || 0x2e80 <= r && r < 0xa000 { // Latin, Chinese and Japanese
		return false
	}
	return unicode.In(r, unicode.Cyrillic, unicode.Greek, unicode.Armenian)
}

func (s *scripts) add(r rune, latin bool) {
	foreign := !latin && isForeign(r)
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
	if confusables[unicode.ToLower(r)] != "" {
		s.confusable++
	}
}

// mixedWords counts the words that hide confusable letters among Latin ones. In a text that is mostly not
// Latin, a word of both alphabets is an abbreviation with an ending (CRMка), unless it switches more than
// once.
type mixedWords struct {
	latin, foreign  int // letters of all words
	once, moreOften int // words of both alphabets, by how often they switch
}

func (m *mixedWords) add(w scripts) {
	m.latin += w.latin
	m.foreign += w.foreign
	switch {
	case w.latin == 0 || w.foreign == 0 || w.foreign != w.confusable || w.latin+w.foreign < 3:
	case w.switches >= 2:
		m.moreOften++
	default:
		m.once++
	}
}

func (m *mixedWords) count() int {
	if m.latin > m.foreign {
		return m.once + m.moreOften
	}
	return m.moreOften
}

// namesMoney reports whether a number stands beside a currency.
func namesMoney(folded string, words []string) bool {
	for _, sign := range [...]string{"$", "€", "£"} {
		for at := strings.Index(folded, sign); at >= 0; {
			before := strings.TrimRight(folded[:at], " ")
			after := strings.TrimLeft(folded[at+len(sign):], " ")
			if before != "" && digit(before[len(before)-1]) || after != "" && digit(after[0]) {
				return true
			}
			next := strings.Index(folded[at+len(sign):], sign)
			if next < 0 {
				break
			}
			at += len(sign) + next
		}
	}
	for i, w := range words {
		if (digit(w[0]) || i > 0 && isNumber(words[i-1])) && currencies[strings.TrimLeft(w, "0123456789")] {
			return true
		}
	}
	return false
}

func digit(b byte) bool { return '0' <= b && b <= '9' }

var currencies = set("usd", "eur", "gbp", "chf", "dollar", "dollars", "euro", "euros", "pounds", "btc", "usdt")

// paidNumber matches British shared-revenue and premium-rate numbers and American premium-rate numbers.
var paidNumber = regexp.MustCompile(`\b0(?:8[47]|9)[0-9][0-9 .-]{7,11}[0-9]|\b1[ .-]?900[ .-]?[0-9]{3}[ .-]?[0-9]{4}\b`)

func namesPaidNumber(folded string) bool {
	return (strings.Contains(folded, "08") || strings.Contains(folded, "09") || strings.Contains(folded, "900")) &&
		paidNumber.MatchString(folded)
}
