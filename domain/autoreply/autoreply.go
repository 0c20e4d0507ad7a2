// Package autoreply detects automatic replies, such as notices of absence and of failed delivery, by how they
// begin (R64). It knows English, German, French, Spanish, Portuguese, Italian and Dutch. It is pure, and
// linear in the length of the text.
//
// Three kinds of beginnings are enough by themselves: a label ("Automatic reply:"), a statement that the
// message is automatic, and a report that a message was not delivered. A sentence of absence is not, because
// people write "I am on vacation until Monday" too. It counts when the text also has what notices have (a
// return, a substitute, an urgent case) and nothing that answers the message: no question, no yes or no, no
// wish to talk.
package autoreply

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Reason is one finding that makes a text an automatic reply.
type Reason struct {
	Code     Code
	Language string // ISO 639-1 code of the language whose phrases were found
	Phrase   string // the words that were found: folded, at most maxPhrase code points
}

// Code is the kind of a Reason.
type Code string

// The codes. Absent never comes alone: Expected follows it.
const (
	Label       Code = "label"       // the text begins with a label such as "Automatic reply:"
	Automated   Code = "automated"   // it says that it is an automatic message
	Undelivered Code = "undelivered" // it says that a message was not delivered
	Absent      Code = "absent"      // it says that its sender is away now or will be
	Expected    Code = "expected"    // it says what notices of absence say: until when, or whom to ask instead
)

// The lengths that Detect reads and returns, in code points.
const (
	maxStart  = 600 // of the text; notices say what they are at once
	maxPhrase = 60
)

// The numbers of sentences, after greetings and thanks, in which the phrases are searched.
const (
	statementSentences = 3 // for Automated and Undelivered
	absenceSentences   = 2 // for Absent
)

// Detect reports whether text, a reply as its reader sees it, is an automatic reply, and why: an automatic
// one has at least one reason, another has none.
func Detect(text string) (automatic bool, reasons []Reason) {
	s := fold(text)
	for _, l := range languages {
		if found := l.label.FindStringSubmatch(s); found != nil {
			return true, []Reason{{Label, l.code, phrase(found[1])}}
		}
	}
	sentences := body(split(s))
	for _, l := range languages {
		for _, sentence := range sentences[:min(len(sentences), statementSentences)] {
			if strings.HasSuffix(sentence, "?") {
				continue
			}
			if found := l.automated.FindString(sentence); found != "" {
				return true, []Reason{{Automated, l.code, phrase(found)}}
			}
			if found := l.undelivered.FindString(sentence); found != "" {
				return true, []Reason{{Undelivered, l.code, phrase(found)}}
			}
		}
	}
	if asks(sentences) {
		return false, nil
	}
	for _, l := range languages {
		if reasons := l.absence(s, sentences); reasons != nil {
			return true, reasons
		}
	}
	return false, nil
}

// absence returns the reasons why the text s is a notice of absence; nil if it is none.
func (l language) absence(s string, sentences []string) []Reason {
	expected := l.expected.FindString(s)
	if expected == "" || l.answers.MatchString(s) {
		return nil
	}
	for _, sentence := range sentences[:min(len(sentences), absenceSentences)] {
		away := l.away.FindString(sentence)
		if away == "" || !l.present.MatchString(sentence) || l.past.MatchString(sentence) {
			continue
		}
		return []Reason{{Absent, l.code, phrase(away)}, {Expected, l.code, phrase(expected)}}
	}
	return nil
}

// asks reports whether a sentence asks something. Short questions for urgent cases ("Need help?") are part of
// notices.
func asks(sentences []string) bool {
	for _, sentence := range sentences {
		if strings.HasSuffix(sentence, "?") && !(len(strings.Fields(sentence)) <= 6 && urgent.MatchString(sentence)) {
			return true
		}
	}
	return false
}

// phrase returns a finding as a Reason shows it.
func phrase(found string) string {
	found = strings.Trim(found, " \n:,;.-–—[]")
	if utf8.RuneCountInString(found) > maxPhrase {
		found = string([]rune(found)[:maxPhrase])
	}
	return found
}

// fold returns the start of a text as the phrases are written: in lower case, without accents, emphasis and
// invisible characters, with plain apostrophes, one blank between words and one \n for each run of line
// breaks.
func fold(text string) string {
	text = text[:min(len(text), utf8.UTFMax*maxStart)]
	var s strings.Builder
	gap, n := "", 0
	for _, r := range norm.NFKD.String(strings.ToValidUTF8(text, "\uFFFD")) {
		switch {
		case r == '\n' || r == '\r' || r == '\u2028' || r == '\u2029':
			gap = "\n"
			continue
		case unicode.IsSpace(r):
			if gap == "" {
				gap = " "
			}
			continue
		case unicode.IsMark(r), unicode.Is(unicode.Cf, r), unicode.IsControl(r), r == '*', r == '~':
			continue
		}
		if n++; n > maxStart {
			break
		}
		if s.Len() > 0 {
			s.WriteString(gap)
		}
		gap = ""
		switch r {
		case '’', '‘', '`', '´':
			r = '\''
		case 'ß':
			s.WriteString("ss")
			continue
		}
		s.WriteRune(unicode.ToLower(r))
	}
	return s.String()
}

// split returns the sentences of a folded text, each with its mark. A full stop after a number ("24.12. and
// 3. May") or after an abbreviation ends none, a line break does.
func split(s string) []string {
	var sentences []string
	start := 0
	end := func(at int) {
		if sentence := strings.Trim(s[start:at], " \n¿¡\"'()"); strings.ContainsFunc(sentence, unicode.IsLetter) {
			sentences = append(sentences, sentence)
		}
		start = at
	}
	for i := 0; i < len(s); i++ {
		next := i + 1
		switch s[i] {
		case '\n':
			end(i)
		case '!', '?':
			end(next)
		case '.':
			if (next == len(s) || s[next] == ' ' || s[next] == '\n') && !abbreviates(s[start:i]) {
				end(next)
			}
		}
	}
	end(len(s))
	return sentences
}

// abbreviates reports whether a full stop after text belongs to a number or an abbreviation.
func abbreviates(text string) bool {
	last := text[strings.LastIndexAny(text, " \n.(")+1:]
	switch last {
	case "dr", "mr", "mrs", "ms", "hr", "fr", "inkl", "einschl", "ca", "bzw", "evtl", "tel", "sr", "sra", "dott", "sig":
		return true
	}
	return len(last) == 1 || last != "" && '0' <= last[len(last)-1] && last[len(last)-1] <= '9'
}

// body returns the sentences without greetings and thanks at their beginning.
func body(sentences []string) []string {
	for len(sentences) > 0 {
		rest := greeting.ReplaceAllString(sentences[0], "")
		if thanks.MatchString(rest) {
			_, after, _ := strings.Cut(rest, ",")
			rest = but.ReplaceAllString(strings.TrimSpace(after), "")
		}
		switch rest = strings.Trim(rest, " ,;:"); {
		case rest == "" || !strings.ContainsFunc(rest, unicode.IsLetter):
			sentences = sentences[1:]
		case rest == sentences[0]:
			return sentences
		default:
			sentences = append([]string{rest}, sentences[1:]...)
		}
	}
	return nil
}

// words compiles alternatives that must begin and end at word boundaries.
func words(alternatives ...string) *regexp.Regexp {
	return regexp.MustCompile(`\b(?:` + strings.Join(alternatives, "|") + `)\b`)
}

// stems compiles alternatives that must begin at a word boundary.
func stems(alternatives ...string) *regexp.Regexp {
	return regexp.MustCompile(`\b(?:` + strings.Join(alternatives, "|") + `)`)
}

// starts compiles alternatives with which a sentence must begin.
func starts(alternatives ...string) *regexp.Regexp {
	return regexp.MustCompile(`^(?:` + strings.Join(alternatives, "|") + `)`)
}

// labels compiles labels with which a text must begin, followed by a colon, a dash, a bracket or the line's
// end.
func labels(alternatives ...string) *regexp.Regexp {
	return regexp.MustCompile(`^(?:(?:re|aw|sv|tr|rv|r|i|fwd?) ?: ?)?[\[(]?(` + strings.Join(alternatives, "|") +
		`) ?(?:[:\])\n]|$| ?[-–—] )`)
}
