// Package advice reads an InMail before it is sent and says what would make an answer more likely (R45–R52).
// It never refuses a message, and it stores nothing (R27). It is pure, and linear in the length of the
// message.
//
// Each rule gives one piece of advice at most. Rules that need English words or syllables (weak_preview,
// hard_to_read, no_value_statement, follow_up) apply to English texts only, which english detects by their
// function words; the others apply in any language.
package advice

import (
	"slices"
	"sync"

	"inmail/domain/richtext"
)

// Message is an InMail as its sender wrote it, with the profile of its recipient.
type Message struct {
	Subject           string
	Body              richtext.Document
	Category          string // empty: none was given
	Recipient         Profile
	CommonConnections []string // names of the members that sender and recipient are both connected to
}

// Profile describes the recipient. Name, headline and company are public, so a Detail may quote them. Skills
// are not public: they are only compared.
type Profile struct {
	Name, Headline, Company string
	Skills                  []string
}

// Hit is one piece of advice for the sender alone: Detail quotes the message and names of members, so it must
// not be logged (R60).
type Hit struct {
	Code   string // one of the codes below
	Detail string // English: the words that it is about, and what to change
}

// The codes of R45–R52 in the order of these rules, which is also the order of hits.
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

// codes is the list of all codes in their order. VaryText is last: it is no rule of one message.
var codes = []string{NoName, NoSpecifics, WeakSubject, WeakPreview, LongParagraph, HardToRead, MentionCommonConnection,
	NoValueStatement, Over100Words, HeavyFormatting, FollowUp, VaryText}

// Codes returns every code of a Hit, in the order of hits. Advise gives all but VaryText.
func Codes() []string { return slices.Clone(codes) }

// Advise returns the advice on m, each code at most once, in the order of the constants. An English text with
// a Flesch reading ease below readingEase, normally 0..100, counts as hard to read (R47, policy
// reading_ease).
func Advise(m Message, readingEase float64) []Hit {
	return Read(m.Subject, m.Body, m.Category, readingEase).For(m.Recipient, m.CommonConnections)
}

// Reading is the analysis of a message, which is the same for all its recipients.
type Reading struct {
	subject   *text
	line      string // the preview
	preview   *text  // nil where the text is not English: then nobody asks for it
	all       texts
	stemmed   sync.Once
	stemSet   map[string]struct{} // by stems
	inEnglish bool

	// The details of the advice that does not depend on the recipient; empty: it does not apply.
	longParagraph, hardToRead, noValueStatement, over100Words, heavyFormatting, followUp string
}

// Read analyses a message; its parameters are those of Message and Advise.
func Read(subject string, body richtext.Document, category string, readingEase float64) *Reading {
	r := &Reading{subject: tokenize(richtext.Subject(subject)), line: body.Preview(richtext.MaxPreview)}
	words, paragraphs := tokenize(body.Text()), body.Paragraphs()
	r.all, r.inEnglish = texts{r.subject, words}, english(words)
	r.longParagraph, r.over100Words, r.heavyFormatting = longParagraph(paragraphs), over100Words(words), heavyFormatting(body)
	if r.inEnglish {
		r.preview = split(r.line)
		r.hardToRead, r.noValueStatement = hardToRead(paragraphs, readingEase), noValueStatement(words)
	}
	if r.inEnglish && category == "" {
		r.followUp = followUp(r.all)
	}
	return r
}

// stems returns the stems of all words.
func (r *Reading) stems() map[string]struct{} {
	r.stemmed.Do(func() { r.stemSet = r.all.stems() })
	return r.stemSet
}

// Preview returns the line that the inbox shows (R30).
func (r *Reading) Preview() string { return r.line }

// Words returns the number of words of the body, as Words counts them.
func (r *Reading) Words() int { return r.all[1].count }

// For returns the advice on sending the message to recipient, as Advise does. Calls may run at the same time.
func (r *Reading) For(recipient Profile, commonConnections []string) []Hit {
	var hits []Hit
	add := func(code, detail string) {
		if detail != "" {
			if hits == nil {
				hits = make([]Hit, 0, 4)
			}
			hits = append(hits, Hit{code, detail})
		}
	}
	var space [4]name
	scratch := &text{words: make([]word, 0, 8)}
	names := namesOf(space[:0], recipient.Name, scratch)
	add(NoName, noName(r.all, names))
	add(NoSpecifics, noSpecifics(r.all, recipient, r.stems, scratch))
	greeted := nameWords(recipient.Name, scratch)
	add(WeakSubject, weakSubject(r.subject, greeted))
	if r.inEnglish {
		add(WeakPreview, weakPreview(r.preview, greeted))
	}
	add(LongParagraph, r.longParagraph)
	add(HardToRead, r.hardToRead)
	add(MentionCommonConnection, mentionCommonConnection(r.all, names, commonConnections, scratch))
	add(NoValueStatement, r.noValueStatement)
	add(Over100Words, r.over100Words)
	add(HeavyFormatting, r.heavyFormatting)
	add(FollowUp, r.followUp)
	return hits
}
