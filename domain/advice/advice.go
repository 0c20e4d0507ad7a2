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
	return Read(m.Subject, m.Body, m.Category, readingEase).For(m.Recipient, m.CommonConnections)
}

// Reading is a message that was read once, for any number of recipients: what is said of the text alone stands in it.
type Reading struct {
	subject   *text
	preview   *text
	all       mentions
	inEnglish bool

	longParagraph, hardToRead, noValueStatement, over100Words, heavyFormatting, followUp string
}

// Read reads a message; its parameters are those of Message and Advise.
func Read(subject string, body richtext.Document, category string, readingEase float64) *Reading {
	r := &Reading{subject: read(richtext.Subject(subject)), preview: read(body.Preview(richtext.MaxPreview))}
	words := read(body.Text())
	r.all, r.inEnglish = mentions{r.subject, words}, english(words)
	r.longParagraph, r.over100Words, r.heavyFormatting = longParagraph(body), over100Words(words), heavyFormatting(body)
	if r.inEnglish {
		r.hardToRead, r.noValueStatement = hardToRead(body, readingEase), noValueStatement(words)
	}
	if r.inEnglish && category == "" {
		r.followUp = followUp(r.all)
	}
	return r
}

// For returns what applies when the message goes to recipient, as Advise does. Calls may run at once.
func (r *Reading) For(recipient Profile, commonConnections []string) []Hit {
	var hits []Hit
	add := func(code, detail string) {
		if detail != "" {
			hits = append(hits, Hit{code, detail})
		}
	}
	add(NoName, noName(r.all, recipient))
	add(NoSpecifics, noSpecifics(r.all, recipient))
	add(WeakSubject, weakSubject(r.subject, recipient))
	if r.inEnglish {
		add(WeakPreview, weakPreview(r.preview, recipient))
	}
	add(LongParagraph, r.longParagraph)
	add(HardToRead, r.hardToRead)
	add(MentionCommonConnection, mentionCommonConnection(r.all, recipient, commonConnections))
	add(NoValueStatement, r.noValueStatement)
	add(Over100Words, r.over100Words)
	add(HeavyFormatting, r.heavyFormatting)
	add(FollowUp, r.followUp)
	return hits
}
