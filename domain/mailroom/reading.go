package mailroom

import (
	"sync"

	"inmail/domain"
	"inmail/domain/advice"
	"inmail/domain/spam"
)

// reading is a text that was read once, for all that look at it: the rules of its content, the filter, the
// advice, the fingerprint and the digest by which its verdict is remembered.
type reading struct {
	text    domain.Text
	message *spam.Message

	category    string
	readingEase float64
	once        sync.Once
	advice      *advice.Reading // by advised
	hashed      sync.Once
	hash        textDigest // by digestText
}

func readText(subject, body string, attachments bool) *reading {
	r := &reading{}
	r.read(subject, body, attachments)
	return r
}

func (r *reading) read(subject, body string, attachments bool) {
	r.text = domain.ReadText(subject, body, attachments)
	if judged := r.text.Judged(); len(judged) < len(r.text.Source) {
		r.message = spam.Read(r.text.Subject, judged)
	} else {
		r.message = spam.ReadParsed(r.text.Subject, judged, r.text.Body)
	}
}

// judge judges the text by R22–R26 and the filter (R42).
func (r *reading) judge(m *spam.Model) content {
	c := content{model: m, refusals: r.text.Refusals()}
	if verdict := r.message.Judge(m); verdict.Spam {
		c.refusals, c.verdict = append(c.refusals, spamRefusal(verdict)), &verdict
	}
	return c
}

// advised returns the text as the advice reads it.
func (r *reading) advised() *advice.Reading {
	r.once.Do(func() { r.advice = advice.Read(r.text.Subject, r.text.Body, r.category, r.readingEase) })
	return r.advice
}

// print returns the fingerprint of the text to a member; nil: the member's profile is not known.
func (r *reading) print(to *domain.Member) spam.Fingerprint {
	return r.message.Fingerprint(r.text.Body.Text(), ownWords(to)...)
}

// digestText returns the digest of the text as it is stored.
func (r *reading) digestText() textDigest {
	r.hashed.Do(func() { r.hash = digestText(r.text.Subject, r.text.Source) })
	return r.hash
}
