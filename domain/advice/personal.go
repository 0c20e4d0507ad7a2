package advice

import (
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// mentions are the texts in which a name or a word may be mentioned: subject and body (R45).
type mentions []*text

// noName says that neither the first nor the last name of the recipient is mentioned (R45).
func noName(all mentions, p Profile) string {
	names := namesOf(p.Name)
	if len(names) == 0 || all.name(p.Name, nil) {
		return ""
	}
	call := quoted(names[0].typed)
	body := all[len(all)-1]
	if n := greetingEnd(body); n > 0 {
		return body.quote(0, n) + " could be to anyone: greet " + call + " by name."
	}
	return "Nothing here names " + call + ": greet them by name."
}

// mentionCommonConnection says that they share connections and none is named (R48). The first
// one serves as the example.
func mentionCommonConnection(all mentions, recipient Profile, commonConnections []string) string {
	example := ""
	own := map[string]bool{}
	for _, n := range namesOf(recipient.Name) {
		own[n.key] = true
	}
	for _, name := range commonConnections {
		if len(namesOf(name)) == 0 {
			continue
		}
		if all.name(name, own) {
			return ""
		}
		if example == "" {
			example = name
		}
	}
	if example == "" {
		return ""
	}
	return "You both know " + quoted(strings.Join(strings.Fields(example), " ")) + ": say so, it is the best reason to read on."
}

// name is a part of a person's name by which others call them.
type name struct{ typed, key string }

// namesOf returns what of a full name counts as first or last name: of "Dr. Jean-Pierre van den
// Berg, PhD" it is Jean, Pierre and Berg. A name in a script without blanks is kept whole.
func namesOf(full string) []name {
	full, _, _ = strings.Cut(norm.NFC.String(full), ",")
	var parts []string
	for _, part := range strings.Fields(full) {
		bare := strings.TrimFunc(part, func(r rune) bool { return !unicode.IsLetter(r) })
		if bare != "" && bare == strings.Trim(part, ".") && !titles[key(bare)] { // "(Annie)" is not the name
			parts = append(parts, bare)
		}
	}
	if len(parts) > 2 {
		parts = []string{parts[0], parts[len(parts)-1]}
	}
	var names []name
	for _, part := range parts {
		whole := read(part)
		for i, w := range whole.words {
			if utf8.RuneCountInString(w.key) > 1 || unspaced(w.key) {
				names = append(names, name{whole.raw(i), w.key})
			}
		}
	}
	return names
}

var titles = setOf("dr prof mr mrs ms mx sir dame herr frau ing dipl phd md mba msc bsc jr sr ii iii iv esq")

// name reports whether the person is mentioned by first or last name. A part that is also in
// except belongs to somebody else; such a person must be named by another part.
func (all mentions) name(full string, except map[string]bool) bool {
	for _, n := range namesOf(full) {
		if except[n.key] {
			continue
		}
		for _, t := range all {
			if t.names(n) {
				return true
			}
		}
	}
	return false
}

func (t *text) names(n name) bool {
	if unspaced(n.key) {
		return t.namesUnspaced(n.typed)
	}
	for i := t.find(n.key); i >= 0; i = t.words[i].again {
		if !alsoWords[n.key] {
			return true
		}
		// "Will you come?" does not name Will; "Hi will", "Will, …" and "ask Will" do.
		capital := unicode.IsUpper(firstRune(t.raw(i)))
		comma := strings.HasPrefix(t.plain[t.words[i].end:], ",")
		if t.beside(i-1) && t.has(i-1, greetingWords) || capital && (comma || !t.words[i].first) {
			return true
		}
	}
	return false
}

// alsoWords are names that are common English words too.
var alsoWords = setOf("will may mark grace hope bill art rich faith joy dean chase grant frank guy sue pat rob drew ray june " +
	"april august summer page price young long best small good white black brown green king love rose ruby daisy iris miles " +
	"pierce reed rush wade max sunny earnest christian carol dawn eve jean gene gale hunter mason parker porter baker cook")

// namesUnspaced looks for a Chinese, Japanese, Korean, … name: the whole, its first two or its
// last two letters (田中 and 太郎 of 田中太郎), or its first before a form of address (王先生).
func (t *text) namesUnspaced(typed string) bool {
	runes := []rune(typed)
	if strings.Contains(t.plain, typed) {
		return true
	}
	if len(runes) >= 3 && (strings.Contains(t.plain, string(runes[:2])) || strings.Contains(t.plain, string(runes[len(runes)-2:]))) {
		return true
	}
	for _, address := range []string{"先生", "女士", "小姐", "总", "經理", "经理", "老师", "様", "さん", "氏", "님", "씨"} {
		if strings.Contains(t.plain, string(runes[:1])+address) {
			return true
		}
	}
	return false
}

func firstRune(s string) rune {
	r, _ := utf8.DecodeRuneInString(s)
	return r
}

// noSpecifics says that nothing of the recipient's headline, company or skills is mentioned
// (R45). It is silent when none of them is known.
func noSpecifics(all mentions, p Profile) string {
	fields := append([]string{p.Company, p.Headline}, p.Skills...)
	known := false
	stems := sync.OnceValue(all.stems)
	for _, field := range fields {
		if strings.TrimSpace(field) == "" {
			continue
		}
		known = true
		for _, t := range all {
			if t.mentions(field, stems) {
				return ""
			}
		}
	}
	if !known {
		return ""
	}
	for _, field := range []string{p.Company, p.Headline} {
		if field = strings.TrimSpace(field); field != "" {
			t := read(field)
			if len(t.words) == 0 {
				continue
			}
			return "Nothing here is about them: say why you write to someone with " + t.quote(0, 4) + " in their profile."
		}
	}
	body := all[len(all)-1]
	from := greetingEnd(body)
	if from == len(body.words) {
		return "Nothing here is about them: say what in their profile made you write."
	}
	return "Nothing from " + body.quote(from, from+4) + " on is about them: say what in their profile made you write."
}

func (all mentions) stems() map[string]bool {
	stems := map[string]bool{}
	for _, t := range all {
		for k := range t.at {
			stems[stem(k)] = true
		}
	}
	return stems
}

// mentions reports whether t takes up a field of a profile: all of it, or one of its words that
// says something. stems are those of all words of the message.
func (t *text) mentions(field string, stems func() map[string]bool) bool {
	f := read(field)
	if len(f.words) == 0 {
		return strings.Contains(t.plain, field)
	}
	if t.contains(f) {
		return true
	}
	for i, w := range f.words {
		raw := f.raw(i)
		switch {
		case unspaced(raw):
			for _, part := range sameScript(raw) {
				if strings.Contains(t.plain, part) {
					return true
				}
			}
		case utf8.RuneCountInString(raw) <= 2: // "IT" and "Go" are not "it" and "go"
			if utf8.RuneCountInString(raw) == 2 && unicode.IsUpper(firstRune(raw)) && !emptyStems[stem(w.key)] && t.holds(raw) {
				return true
			}
		case !emptyStems[stem(w.key)] && stems()[stem(w.key)]:
			return true
		}
	}
	return false
}

// contains reports whether the words of f stand in t, one after the other; of a field of one
// short word ("R", "IT", "Go") in exactly these letters.
func (t *text) contains(f *text) bool {
	if len(f.words) == 1 && len(f.words[0].key) <= 2 {
		return t.holds(f.raw(0)) && strings.Contains(t.plain, strings.TrimSpace(f.plain)) // "C++" is not "C"
	}
	whole := make(phrase, len(f.words))
	for i, w := range f.words {
		whole[i] = w.key
	}
	for i := t.find(whole[0]); i >= 0; i = t.words[i].again {
		if t.is(i, whole) {
			return true
		}
	}
	return false
}

// holds reports whether t has the word in exactly these letters.
func (t *text) holds(raw string) bool {
	for i := t.find(key(raw)); i >= 0; i = t.words[i].again {
		if t.raw(i) == raw {
			return true
		}
	}
	return false
}

// sameScript cuts a word without blanks where its script changes and returns the parts of two
// letters or more: 水素エネルギー研究者 is 水素, エネルギー and 研究者. Hiragana alone says nothing.
func sameScript(s string) []string {
	script := func(r rune) int {
		switch {
		case unicode.Is(unicode.Hiragana, r):
			return 0
		case unicode.Is(unicode.Katakana, r), r == 'ー':
			return 1
		case unicode.Is(unicode.Han, r):
			return 2
		}
		return 3
	}
	var parts []string
	runes := []rune(s)
	for i := 0; i < len(runes); {
		j := i + 1
		for j < len(runes) && script(runes[j]) == script(runes[i]) {
			j++
		}
		if j-i >= 2 && script(runes[i]) != 0 {
			parts = append(parts, string(runes[i:j]))
		}
		i = j
	}
	return parts
}

// emptyStems are of words that say nothing about a person when they stand alone: function words of
// some languages, legal forms, and words that a message to anyone holds in another sense.
var emptyStems = func() map[string]bool {
	words := "head lead leading looking helping help new open work works passionate experienced building making best great good " +
		"top via amp inc ltd llc gmbh ag sa sas srl bv plc co corp corporation company group"
	stems := map[string]bool{}
	for _, words := range append([]string{words}, functionWords[:7]...) {
		for w := range setOf(words) {
			stems[stem(w)] = true
		}
	}
	return stems
}()

// stem cuts common endings off, so that engineer, engineers and engineering are one; at least four
// letters remain.
func stem(k string) string {
	for again := true; again; {
		again = false
		for _, ending := range []string{"ing", "ers", "er", "ors", "or", "es", "ed", "s", "e"} {
			if rest, ok := strings.CutSuffix(k, ending); ok && utf8.RuneCountInString(rest) >= 4 {
				k, again = rest, true
				break
			}
		}
	}
	return k
}
