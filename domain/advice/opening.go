package advice

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A strong subject has at least MinSubjectWords words and at most MaxSubject code points (R46).
const (
	MinSubjectWords = 3
	MaxSubject      = 60
)

// weakSubject returns the advice on a subject that is empty, only a greeting, too short, all capitals or too
// long (R46); "" for a good one.
func weakSubject(t *text, names []string) string {
	n, length := t.count, utf8.RuneCountInString(t.plain)
	switch {
	case n == 0:
		return "The subject has no words: say in three or more what the message is about."
	case onlyGreeting(t, 0, len(t.words), names):
		return "The subject " + t.quote(0, 4) + " only greets: say what the message is about."
	case n < MinSubjectWords:
		return "The subject " + t.quote(0, 4) + " is too short: say in three or more words what the message is about."
	case allCapitals(t.plain):
		return "The subject " + t.quote(0, 4) + " is all capitals: write it in small letters."
	case length > MaxSubject:
		return fmt.Sprintf("The subject beginning with %s has %d characters: cut it to %d, "+
			"so that it can be read at a glance.", t.quote(0, 4), length, MaxSubject)
	}
	return ""
}

// allCapitals reports whether s has at least two capitals and no small letter.
func allCapitals(s string) bool {
	n := 0
	for _, r := range s {
		if unicode.IsLower(r) {
			return false
		}
		if unicode.IsUpper(r) {
			n++
		}
	}
	return n >= 2
}

// weakPreview returns the advice on an English preview, which is all that the recipient sees before opening,
// that consists of greeting and introduction only (R46, R30); "" for a good one.
func weakPreview(t *text, names []string) string {
	cutOff := strings.HasSuffix(t.plain, "…")
	if len(t.words) == 0 {
		return ""
	}
	from := greetingEnd(t)
	for t.has(from, greetingWords|titles) || t.hasKey(from, names) {
		from++
	}
	example := from
	for from < len(t.words) {
		to := from + 1
		for to < len(t.words) && !t.words[to].first {
			to++
		}
		fragment := cutOff && to == len(t.words) && to-from < 4 // too few words to judge
		if !fragment && !onlyGreeting(t, from, to, names) && !introduces(t, from, to) {
			return ""
		}
		from = to
	}
	if example == len(t.words) {
		example = 0
	}
	return "The preview shows nothing but greeting and introduction, such as " + t.quote(example, example+4) +
		": begin with what is in it for them."
}

// greetingEnd returns the number of words of the greeting at the start of t, 0 without one: 2 for "Hi Anna,",
// 3 for "Dear Dr. Smith". A greeting has at most six words and ends at a punctuation mark, a line break or
// the text's end.
func greetingEnd(t *text) int {
	if !t.has(0, greetingWords) {
		return 0
	}
	for i := 0; i < min(len(t.words), 6); i++ {
		if i > 0 && t.has(i, selfStarts) {
			return 0 // in "Hi Anna I'm Ben, …" a sentence begins before the comma
		}
		rest := t.plain[t.words[i].end:]
		next := strings.TrimLeft(rest, " ")
		dash := strings.HasPrefix(next, "-") && next != rest // not the hyphen of Jean-Pierre
		title := strings.HasPrefix(next, ".") && t.has(i, titles)
		if next == "" || dash || !title && strings.ContainsRune(",!?.:;\n–—", firstRune(next)) {
			return i + 1
		}
	}
	return 0
}

// onlyGreeting reports whether the words from..to, to not included, are greeting words, stock phrases, titles
// and names only.
func onlyGreeting(t *text, from, to int, names []string) bool {
	for i := from; i < to; {
		if n := t.anyPhraseAt(i, stockPhrases); n > 0 {
			i += n
			continue
		}
		if !t.has(i, greetingWords|titles) && !t.hasKey(i, names) {
			return false
		}
		i++
	}
	return true
}

// introduces reports whether the sentence of the words from..to, to not included, only says who writes. A
// sentence that addresses the reader beyond a stock phrase, gives a reason or asks something does more than
// that.
func introduces(t *text, from, to int) bool {
	end := len(t.plain)
	if to < len(t.words) {
		end = int(t.words[to].start)
	}
	if strings.Contains(t.plain[t.words[from].start:end], "?") {
		return false
	}
	for i := from; i < to; {
		if n := t.anyPhraseAt(i, stockPhrases); n > 0 {
			i += n
			continue
		}
		if t.has(i, youWords|reasonWords) {
			return false
		}
		i++
	}
	for from < to && t.has(from, fillers) {
		from++
	}
	if t.anyPhraseAt(from, introductions) > 0 {
		return true
	}
	// Such as "I am Ben", "I'm a recruiter", "We are the leading …".
	if n := t.anyPhraseAt(from, identities); n > 0 {
		next := from + n
		return next >= to || t.has(next, selfWords) || unicode.IsUpper(firstRune(t.raw(next)))
	}
	// Such as "I came across your profile", "I would like to connect with you", "Hope you are well".
	for from < to && t.has(from, auxiliaries) {
		from++
	}
	return from < to && t.anyPhraseAt(from, stockPhrases) > 0
}

// nameWords returns the keys of the words of a recipient's name, which a greeting may contain.
func nameWords(name string, scratch *text) []string {
	scratch.read(name)
	keys := make([]string, len(scratch.words))
	for i, w := range scratch.words {
		keys[i] = w.key
	}
	return keys
}

// hasKey reports whether the key of word i is one of keys; false if there is no word i.
func (t *text) hasKey(i int, keys []string) bool {
	return i >= 0 && i < len(t.words) && slices.Contains(keys, t.words[i].key)
}

var (
	greetingWords = listOf("hi hello hey hiya dear greetings morning afternoon evening good day there all everyone " +
		"team sir madam howdy welcome regards folks friend")
	fillers     = listOf("so well just and firstly first also quickly briefly")
	youWords    = listOf("you your yours yourself")
	selfStarts  = listOf("i my we our this you your")
	reasonWords = listOf("because about regarding concerning since")
	auxiliaries = listOf("i we ve have had am m was just recently wanted want would d like happened thought ll to")
	// selfWords follow "I am" when people introduce themselves.
	selfWords = listOf("a an the from with at working writing reaching contacting getting currently based part one " +
		"new glad happy pleased delighted excited")
)

// identities begin a sentence that says who writes, if a name or one of selfWords follows.
var identities = phrases("i am", "i m", "we are", "we re", "this is")

// introductions begin a sentence that says who writes, whatever follows.
var introductions = phrases(
	"my name is", "my name s", "let me introduce", "allow me to introduce", "may i introduce", "i wanted to introduce",
	"i want to introduce", "i would like to introduce", "i d like to introduce", "i work", "i represent", "i lead",
	"i run", "i head", "i manage", "i founded", "i recruit", "i wanted to reach out", "i want to reach out",
	"i would like to reach out", "i d like to reach out", "reaching out", "our company is", "my company is",
)

// stockPhrases address the reader and say nothing.
var stockPhrases = phrases(
	"i hope this message finds you well", "i hope this email finds you well", "i hope this finds you well",
	"hope this message finds you well", "hope this email finds you well", "hope this finds you well",
	"i trust this finds you well", "i hope you re doing well", "i hope you are doing well", "i hope you re well",
	"i hope you are well", "i hope you are having a great week", "i hope you are having a great day",
	"i hope you re having a great week", "i hope you re having a great day", "i hope your week is going well",
	"hope you re doing well", "hope you are doing well", "hope you re well", "hope you are well",
	"hope all is well with you", "hope all is well", "i trust you are well", "how are you doing", "how are you today",
	"how are you", "how is it going", "how do you do", "thank you for connecting", "thanks for connecting",
	"thank you for accepting my invitation", "thanks for accepting my invitation", "nice to e meet you",
	"nice to meet you", "pleased to meet you", "came across your profile", "come across your profile",
	"stumbled upon your profile", "found your profile", "saw your profile", "viewed your profile",
	"looked at your profile", "noticed your profile", "reach out to you", "reaching out to you", "connect with you",
	"contact you", "contacting you", "write to you", "writing to you", "introduce myself to you",
	"get in touch with you",
)
