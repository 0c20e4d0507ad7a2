// Package advice reads an InMail before it is sent and says what would make an answer more
// likely (R45–R52). It is advice, never a refusal: nothing here stops a message, and nothing is
// stored (R27). It is pure and costs time in step with the length of the message.
//
// A rule speaks once a message. Rules that rest on English words or on English syllables
// (weak_preview, hard_to_read, no_value_statement, follow_up) stay silent unless the text is
// English, which english guesses from its function words; the others hold in any language.
package advice

import (
	"inmail/domain/richtext"
)

// Message is an InMail as its sender wrote it, with what is known of its recipient.
type Message struct {
	Subject           string
	Body              richtext.Document
	Category          string // empty: none was given
	Recipient         Profile
	CommonConnections []string // names of the members whom both are connected to
}

// Profile is the recipient. Name, headline and company are what any member may see and may occur
// in a Detail; skills are not (they are no part of the public profile) and are only compared.
type Profile struct {
	Name, Headline, Company string
	Skills                  []string
}

// Hit is one piece of advice, for the sender's eyes only: Detail quotes the message and the names
// of members, so it belongs in no log (R60).
type Hit struct {
	Code   string // one of the codes of RULES.md, below
	Detail string // English: the words it is about, and what to change
}

// The codes of R45–R52, in their order, which is that of Advise's answer.
const (
	NoName                  = "no_name"
	NoSpecifics             = "no_specifics"
	WeakSubject             = "weak_subject"
	WeakPreview             = "weak_preview"
	LongParagraph           = "long_paragraph"
	HardToRead              = "hard_to_read"
	MentionCommonConnection = "mention_common_connection"
	NoValueStatement        = "no_value_statement"
	Over100Words            = "over_100_words"
	HeavyFormatting         = "heavy_formatting"
	FollowUp                = "follow_up"
)

// Advise returns what applies to m, each code at most once, in the order of the constants.
// readingEase is the Flesch reading ease, normally 0..100, under which an English text counts as
// hard to read (R47, policy reading_ease).
func Advise(m Message, readingEase float64) []Hit {
	body := read(m.Body.Text())
	subject := read(richtext.Subject(m.Subject))
	all := mentions{subject, body}
	inEnglish := english(body)

	var hits []Hit
	add := func(code, detail string) {
		if detail != "" {
			hits = append(hits, Hit{code, detail})
		}
	}
	add(NoName, noName(all, m.Recipient))
	add(NoSpecifics, noSpecifics(all, m.Recipient))
	add(WeakSubject, weakSubject(subject, m.Recipient))
	if inEnglish {
		add(WeakPreview, weakPreview(m.Body, m.Recipient))
	}
	add(LongParagraph, longParagraph(m.Body))
	if inEnglish {
		add(HardToRead, hardToRead(m.Body, readingEase))
	}
	add(MentionCommonConnection, mentionCommonConnection(all, m))
	if inEnglish {
		add(NoValueStatement, noValueStatement(body))
	}
	add(Over100Words, over100Words(body))
	add(HeavyFormatting, heavyFormatting(m.Body))
	if inEnglish && m.Category == "" {
		add(FollowUp, followUp(all))
	}
	return hits
}
