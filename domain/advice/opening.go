package advice

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MinSubjectWords and MaxSubject bound a strong subject: words, and code points (R46).
const (
	MinSubjectWords = 3
	MaxSubject      = 60
)

// weakSubject says that a subject is too short, only a greeting, all capitals, or too long (R46).
func weakSubject(t *text, p Profile) string {
	n, length := t.count, utf8.RuneCountInString(t.plain)
	switch {
	case n == 0:
		return "The subject has no words: say in three or more what the message is about."
	case onlyGreeting(t, 0, len(t.words), callings(p)):
		return "The subject " + t.quote(0, 4) + " only greets: say what the message is about."
	case n < MinSubjectWords:
		return "The subject " + t.quote(0, 4) + " is too short: say in three or more words what the message is about."
	case allCapitals(t.plain):
		return "The subject " + t.quote(0, 4) + " is all capitals: write it in small letters."
	case length > MaxSubject:
		return fmt.Sprintf("The subject beginning with %s has %d characters: cut it to %d, so that it can be read at a glance.",
			t.quote(0, 4), length, MaxSubject)
	}
	return ""
}

// allCapitals reports whether s has two or more capitals and no small letter.
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

// weakPreview says that the preview, all that the recipient sees before opening, holds nothing but
// greeting and introduction (R46, R30). English only.
func weakPreview(t *text, p Profile) string {
	cutOff := strings.HasSuffix(t.plain, "…")
	if len(t.words) == 0 {
		return ""
	}
	names := callings(p)
	from := greetingEnd(t)
	for t.has(from, greetingWords) || t.has(from, names) || t.has(from, titles) {
		from++
	}
	example := from
	for from < len(t.words) {
		to := from + 1
		for to < len(t.words) && !t.words[to].first {
			to++
		}
		fragment := cutOff && to == len(t.words) && to-from < 4 // too little left to tell
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

// greetingEnd is the number of words of the greeting that opens t, 0 without one: 2 of "Hi Anna,",
// 3 of "Dear Dr. Smith". It ends at a punctuation mark, a line break or the end, if that comes soon.
func greetingEnd(t *text) int {
	if !t.has(0, greetingWords) {
		return 0
	}
	for i := 0; i < min(len(t.words), 6); i++ {
		if i > 0 && t.has(i, selfStarts) {
			return 0 // "Hi Anna I'm Ben, …": the sentence has begun
		}
		rest := t.plain[t.words[i].end:]
		next := strings.TrimLeft(rest, " ")
		dash := strings.HasPrefix(next, "-") && next != rest // not that of Jean-Pierre
		title := strings.HasPrefix(next, ".") && titles[t.words[i].key]
		if next == "" || dash || !title && strings.ContainsRune(",!?.:;\n–—", firstRune(next)) {
			return i + 1
		}
	}
	return 0
}

// onlyGreeting reports whether the words from..to are greeting words, stock phrases and names.
func onlyGreeting(t *text, from, to int, names map[string]bool) bool {
	for i := from; i < to; {
		if n := t.starts(i, stockPhrases); n > 0 {
			i += n
			continue
		}
		if !t.has(i, greetingWords) && !t.has(i, names) && !t.has(i, titles) {
			return false
		}
		i++
	}
	return true
}

// introduces reports whether the sentence of the words from..to only says who writes. One that
// speaks of the reader beyond a stock phrase, gives a reason or asks something does more than that.
func introduces(t *text, from, to int) bool {
	end := len(t.plain)
	if to < len(t.words) {
		end = t.words[to].start
	}
	if strings.Contains(t.plain[t.words[from].start:end], "?") {
		return false
	}
	for i := from; i < to; {
		if n := t.starts(i, stockPhrases); n > 0 {
			i += n
			continue
		}
		if t.has(i, youWords) || t.has(i, reasonWords) {
			return false
		}
		i++
	}
	for from < to && t.has(from, fillers) {
		from++
	}
	if t.starts(from, introductions) > 0 {
		return true
	}
	// "I am Ben", "I'm a recruiter", "We are the leading …"
	if n := t.starts(from, identities); n > 0 {
		next := from + n
		return next >= to || t.has(next, selfWords) || unicode.IsUpper(firstRune(t.raw(next)))
	}
	// "I came across your profile", "I would like to connect with you", "Hope you are well"
	for from < to && t.has(from, auxiliaries) {
		from++
	}
	return from < to && t.starts(from, stockPhrases) > 0
}

// callings are the words by which a greeting may call the recipient.
func callings(p Profile) map[string]bool {
	set := map[string]bool{}
	for _, w := range read(p.Name).words {
		set[w.key] = true
	}
	return set
}

var (
	greetingWords = setOf("hi hello hey hiya dear greetings morning afternoon evening good day there all everyone team sir madam " +
		"howdy welcome regards folks friend")
	fillers     = setOf("so well just and firstly first also quickly briefly")
	youWords    = setOf("you your yours yourself")
	selfStarts  = setOf("i my we our this you your")
	reasonWords = setOf("because about regarding concerning since")
	auxiliaries = setOf("i we ve have had am m was just recently wanted want would d like happened thought ll to")
	// what follows "I am" when somebody introduces themselves
	selfWords = setOf("a an the from with at working writing reaching contacting getting currently based part one new glad happy " +
		"pleased delighted excited")
)

// identities say who writes if a name or one of selfWords follows.
var identities = phrases("i am", "i m", "we are", "we re", "this is")

// introductions open a sentence that says who writes.
var introductions = phrases(
	"my name is", "my name s", "let me introduce", "allow me to introduce", "may i introduce", "i wanted to introduce", "i want to introduce",
	"i would like to introduce", "i d like to introduce", "i work", "i represent", "i lead", "i run", "i head", "i manage", "i founded",
	"i recruit", "i wanted to reach out", "i want to reach out", "i would like to reach out", "i d like to reach out", "reaching out",
	"our company is", "my company is",
)

// stockPhrases speak to the reader and say nothing.
var stockPhrases = phrases(
	"i hope this message finds you well", "i hope this email finds you well", "i hope this finds you well",
	"hope this message finds you well", "hope this email finds you well", "hope this finds you well", "i trust this finds you well",
	"i hope you re doing well", "i hope you are doing well", "i hope you re well", "i hope you are well", "i hope you are having a great week",
	"i hope you are having a great day", "i hope you re having a great week", "i hope you re having a great day",
	"i hope your week is going well", "hope you re doing well", "hope you are doing well", "hope you re well", "hope you are well",
	"hope all is well with you", "hope all is well", "i trust you are well", "how are you doing", "how are you today", "how are you",
	"how is it going", "how do you do", "thank you for connecting", "thanks for connecting", "thank you for accepting my invitation",
	"thanks for accepting my invitation", "nice to e meet you", "nice to meet you", "pleased to meet you", "came across your profile",
	"come across your profile", "stumbled upon your profile", "found your profile", "saw your profile", "viewed your profile",
	"looked at your profile", "noticed your profile", "reach out to you", "reaching out to you", "connect with you", "contact you",
	"contacting you", "write to you", "writing to you", "introduce myself to you", "get in touch with you",
)
