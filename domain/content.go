package domain

import (
	"strings"

	"inmail/domain/richtext"
)

// The limits of the texts of an InMail (R22, R23).
const (
	MaxSubject = 200   // code points, after trimming
	MaxBody    = 3000  // code points as the reader sees them: in NFC, without markup and list markers
	MaxSource  = 12000 // bytes of the body as it was sent
)

// Text is the parsed content of an InMail, from which it is judged, previewed and advised upon. What is much
// longer than its limit is refused for its length, whatever it says: of that only the beginning is read, so
// that a text of any length costs little.
type Text struct {
	Subject     string // normalised by richtext.Subject (R22); of a longer one the first MaxBody code points
	Source      string // the body as it was sent
	Body        richtext.Document
	Attachments bool // the request had attachments of any kind (R26)

	subjectLength int // code points, all of them
}

// ReadText parses subject and body. A source longer than MaxSource is cut before it is parsed.
func ReadText(subject, body string, attachments bool) Text {
	t := Text{Subject: richtext.Subject(subject), Source: body, Attachments: attachments}
	t.subjectLength = richtext.Length(t.Subject)
	t.Subject = beginning(t.Subject, MaxBody)
	parsed := body
	if len(parsed) > MaxSource {
		parsed = strings.ToValidUTF8(parsed[:MaxSource], "")
	}
	t.Body = richtext.Parse(parsed)
	return t
}

// Judged returns the part of the source by which the filter judges the text (R42): all of it, or the first
// MaxBody code points of a source that is longer than MaxSource.
func (t Text) Judged() string {
	if len(t.Source) <= MaxSource {
		return t.Source
	}
	return beginning(t.Source, MaxBody)
}

// TooLong reports whether a text is refused for its length, whatever it says (R22, R23).
func (t Text) TooLong() bool {
	return t.subjectLength > MaxSubject || len(t.Source) > MaxSource || t.Body.Length() > MaxBody
}

// beginning returns the first code points of s, at most limit.
func beginning(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for i := range s {
		if limit == 0 {
			return s[:i]
		}
		limit--
	}
	return s
}

// Preview returns the line that the inbox shows (R30).
func (t Text) Preview() string { return t.Body.Preview(richtext.MaxPreview) }

// Refusals judges the content in the order R22, R23, R25, R26 (R21). The spam filter is not part of it: it
// follows.
func (t Text) Refusals() []*Refusal {
	var rs []*Refusal
	if n := t.subjectLength; n == 0 {
		rs = append(rs, Refuse(SubjectRequired, "an InMail has a subject; write one line of 1 to %d characters", MaxSubject))
	} else if n > MaxSubject {
		r := Refuse(SubjectTooLong, "the subject has %d characters and may have %d; shorten it by %d", n, MaxSubject, n-MaxSubject)
		r.Got, r.Limit = n, MaxSubject
		rs = append(rs, r)
	}
	rs = append(rs, CheckBody(t.Source, t.Body)...)
	if t.Attachments {
		rs = append(rs, Refuse(AttachmentUnsupported, "InMails carry no attachments; send a link instead"))
	}
	return rs
}

// CheckBody judges the body of an InMail or of a reply, in the order R23, R25, R26.
func CheckBody(source string, d richtext.Document) []*Refusal {
	var rs []*Refusal
	length := d.Length()
	switch {
	case len(source) > MaxSource:
		r := Refuse(BodyTooLong, "the body's source has %d bytes and may have %d; shorten it", len(source), MaxSource)
		r.Got, r.Limit = len(source), MaxSource
		rs = append(rs, r)
	case d.Empty():
		rs = append(rs, Refuse(BodyRequired, "an InMail has a body; write 1 to %d characters", MaxBody))
	case length > MaxBody:
		r := Refuse(BodyTooLong, "the body has %d characters and may have %d; shorten it by %d", length, MaxBody, length-MaxBody)
		r.Got, r.Limit = length, MaxBody
		rs = append(rs, r)
	}
	for _, l := range d.Links() {
		if !l.Allowed() {
			rs = append(rs, Refuse(LinkNotAllowed, "links go to http, https or mailto; change or remove the others"))
			break
		}
	}
	if d.Images() {
		rs = append(rs, Refuse(ImageNotSupported, "InMails carry no images; send a link to the picture instead"))
	}
	return rs
}
