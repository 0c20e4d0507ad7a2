package advice

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// texts are the texts that are searched for a name or a word: subject and body (R45).
type texts []*text

// noName returns the advice to greet by name if the text mentions neither the first nor the last name of the
// recipient (R45); "" if it does.
func noName(all texts, names []name) string {
	if len(names) == 0 || all.mentionsPerson(names, nil) {
		return ""
	}
	call := quoted(names[0].typed)
	body := all[len(all)-1]
	if n := greetingEnd(body); n > 0 {
		return body.quote(0, n) + " could be to anyone: greet " + call + " by name."
	}
	return "Nothing here names " + call + ": greet them by name."
}

// mentionCommonConnection returns the advice to name a common connection if there are some and none is
// mentioned (R48); "" otherwise. It suggests the first one.
func mentionCommonConnection(all texts, recipient []name, commonConnections []string, scratch *text) string {
	example := ""
	for _, full := range commonConnections {
		var space [4]name
		names := namesOf(space[:0], full, scratch)
		if len(names) == 0 {
			continue
		}
		if all.mentionsPerson(names, recipient) {
			return ""
		}
		if example == "" {
			example = full
		}
	}
	if example == "" {
		return ""
	}
	return "You both know " + quoted(strings.Join(strings.Fields(example), " ")) +
		": say so, it is the best reason to read on."
}

// name is a first or last name of a person.
type name struct{ typed, key string }

// namesOf appends to names the first and last names in a full name: Jean, Pierre and Berg of "Dr. Jean-Pierre
// van den Berg, PhD". A name in a script without blanks is one name. scratch is read.
func namesOf(names []name, full string, scratch *text) []name {
	full, _, _ = strings.Cut(norm.NFC.String(full), ",")
	first, last := "", ""
	for part := range strings.FieldsSeq(full) {
		bare := strings.TrimFunc(part, func(r rune) bool { return !unicode.IsLetter(r) })
		switch {
		case bare == "" || bare != strings.Trim(part, ".") || titles.has(bare): // "(Annie)" is a nickname
		case first == "":
			first = bare
		default:
			last = bare
		}
	}
	for _, part := range [...]string{first, last} {
		scratch.read(part)
		for i, w := range scratch.words {
			if utf8.RuneCountInString(w.key) > 1 || unspaced(w.key) {
				names = append(names, name{scratch.raw(i), w.key})
			}
		}
	}
	return names
}

var titles = listOf("dr prof mr mrs ms mx sir dame herr frau ing dipl phd md mba msc bsc jr sr ii iii iv esq")

// mentionsPerson reports whether the person with these first and last names is mentioned. Names of except do
// not count, because they may mean somebody else.
func (all texts) mentionsPerson(names, except []name) bool {
	for _, n := range names {
		if slices.ContainsFunc(except, func(e name) bool { return e.key == n.key }) {
			continue
		}
		for _, t := range all {
			if t.mentionsName(n) {
				return true
			}
		}
	}
	return false
}

func (t *text) mentionsName(n name) bool {
	if unspaced(n.key) {
		return t.namesUnspaced(n.typed)
	}
	for i := t.find(n.key); i >= 0; i = t.findNext(i) {
		if !t.has(i, ambiguousNames) {
			return true
		}
		// "Will you come?" does not name Will; "Hi will", "Will, …" and "ask Will" do.
		capital := unicode.IsUpper(firstRune(t.raw(i)))
		comma := strings.HasPrefix(t.plain[t.words[i].end:], ",")
		if t.adjacent(i-1) && t.has(i-1, greetingWords) || capital && (comma || !t.words[i].first) {
			return true
		}
	}
	return false
}

// ambiguousNames are names that are also common English words.
var ambiguousNames = listOf("will may mark grace hope bill art rich faith joy dean chase grant frank guy sue pat rob " +
	"drew ray june april august summer page price young long best small good white black brown green king love rose " +
	"ruby daisy iris miles pierce reed rush wade max sunny earnest christian carol dawn eve jean gene gale hunter " +
	"mason parker porter baker cook")

// namesUnspaced reports whether t mentions a name in a script without blanks, such as Chinese, Japanese or
// Korean: all of it, its first two or last two letters (田中 and 太郎 of 田中太郎), or its first letter before a form
// of address (王先生).
func (t *text) namesUnspaced(typed string) bool {
	runes := []rune(typed)
	if strings.Contains(t.plain, typed) {
		return true
	}
	if len(runes) >= 3 {
		first, last := string(runes[:2]), string(runes[len(runes)-2:])
		if strings.Contains(t.plain, first) || strings.Contains(t.plain, last) {
			return true
		}
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

// noSpecifics returns the advice to say why this recipient if the text mentions nothing of the headline,
// company or skills (R45); "" if it does, or if none of them is known.
func noSpecifics(all texts, p Profile, stems func() map[string]struct{}, scratch *text) string {
	known := false
	mentioned := func(field string) bool {
		if strings.TrimSpace(field) == "" {
			return false
		}
		known = true
		scratch.read(field)
		return slices.ContainsFunc(all, func(t *text) bool { return t.mentions(scratch, stems) })
	}
	if mentioned(p.Company) || mentioned(p.Headline) || slices.ContainsFunc(p.Skills, mentioned) {
		return ""
	}
	if !known {
		return ""
	}
	for _, field := range []string{p.Company, p.Headline} {
		if field = strings.TrimSpace(field); field != "" {
			t := split(field)
			if len(t.words) == 0 {
				continue
			}
			return "Nothing here is about them: say why you write to someone with " + t.quote(0, 4) +
				" in their profile."
		}
	}
	body := all[len(all)-1]
	from := greetingEnd(body)
	if from == len(body.words) {
		return "Nothing here is about them: say what in their profile made you write."
	}
	return "Nothing from " + body.quote(from, from+4) + " on is about them: say what in their profile made you write."
}

// stems returns the stems of all words.
func (all texts) stems() map[string]struct{} {
	n := 0
	for _, t := range all {
		n += len(t.words)
	}
	stems := make(map[string]struct{}, n)
	for _, t := range all {
		for _, w := range t.words {
			stems[stem(w.key)] = struct{}{}
		}
	}
	return stems
}

// mentions reports whether t mentions a field of a profile: all of it, or one of its words that is no stop
// word. stems returns the stems of all words of the message.
func (t *text) mentions(f *text, stems func() map[string]struct{}) bool {
	if len(f.words) == 0 {
		return strings.Contains(t.plain, f.plain)
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
			if utf8.RuneCountInString(raw) == 2 && unicode.IsUpper(firstRune(raw)) &&
				!stopStems[stem(w.key)] && t.containsExactly(raw) {
				return true
			}
		default:
			s := stem(w.key)
			if _, found := stems()[s]; found && !stopStems[s] {
				return true
			}
		}
	}
	return false
}

// contains reports whether t contains the words of f in a row. A field of one short word ("R", "IT", "Go")
// must occur in exactly these letters.
func (t *text) contains(f *text) bool {
	if len(f.words) == 1 && len(f.words[0].key) <= 2 {
		return t.containsExactly(f.raw(0)) && strings.Contains(t.plain, strings.TrimSpace(f.plain)) // "C++" is not "C"
	}
	for i := t.find(f.words[0].key); i >= 0; i = t.findNext(i) {
		if t.wordsAt(i, f.words) {
			return true
		}
	}
	return false
}

// wordsAt reports whether the words from i on begin with those of another text.
func (t *text) wordsAt(i int, words []word) bool {
	if i+len(words) > len(t.words) {
		return false
	}
	for j, w := range words {
		if t.words[i+j].key != w.key {
			return false
		}
	}
	return true
}

// containsExactly reports whether t contains the word in exactly these letters.
func (t *text) containsExactly(raw string) bool {
	for i := t.find(key(raw)); i >= 0; i = t.findNext(i) {
		if t.raw(i) == raw {
			return true
		}
	}
	return false
}

// sameScript cuts a word of a script without blanks where the script changes, and returns the parts of two
// letters or more: 水素, エネルギー and 研究者 of 水素エネルギー研究者. Parts in Hiragana are left out: they are function words.
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

// stopStems are the stems of stop words, which alone say nothing about a person: function words of some
// languages, legal forms, and words that messages to anybody contain in another sense.
var stopStems = func() map[string]bool {
	words := "head lead leading looking helping help new open work works passionate experienced building making best " +
		"great good top via amp inc ltd llc gmbh ag sa sas srl bv plc co corp corporation company group"
	stems := map[string]bool{}
	for _, words := range append([]string{words}, functionWords[:7]...) {
		for w := range strings.FieldsSeq(words) {
			stems[stem(key(w))] = true
		}
	}
	return stems
}()

// stem removes common English endings, so that engineer, engineers and engineering have one stem; at least
// four letters remain.
func stem(k string) string {
	for {
		rest := withoutEnding(k)
		if len(rest) == len(k) {
			return k
		}
		k = rest
	}
}

// withoutEnding removes one ending.
func withoutEnding(k string) string {
	if len(k) < 5 {
		return k
	}
	var endings []string
	switch k[len(k)-1] {
	case 'g':
		endings = endingsG
	case 's':
		endings = endingsS
	case 'r':
		endings = endingsR
	case 'd':
		endings = endingsD
	case 'e':
		endings = endingsE
	}
	for _, ending := range endings {
		if rest, ok := strings.CutSuffix(k, ending); ok && utf8.RuneCountInString(rest) >= 4 {
			return rest
		}
	}
	return k
}

// The endings that stem removes, by their last letter.
var (
	endingsG = []string{"ing"}
	endingsS = []string{"ers", "ors", "es", "s"}
	endingsR = []string{"er", "or"}
	endingsD = []string{"ed"}
	endingsE = []string{"e"}
)
