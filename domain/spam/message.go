package spam

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"inmail/domain/hosts"
	"inmail/domain/richtext"
)

// A Message is a text as it was read once, for all that judge it: the cold signals, the features of the model
// and the fingerprint of its body have its words in common. It does not change, so calls may run at the same
// time.
type Message struct {
	subject, body string // as written
	ascii         bool   // of both
	folded        string // subject and body
	links         []hosts.Address
	words         []string

	bodyFolded string            // the body's part of folded; empty: the two cannot be told apart
	bodyWords  []string          // the body's part of words
	document   richtext.Document // of the body
	parsed     bool              // document was given
}

// Read reads a message. body is the source as it was sent.
func Read(subject, body string) *Message {
	t := &Message{subject: subject, body: body, ascii: ascii(subject) && ascii(body)}
	if t.ascii || foldsAlone(body) {
		t.foldParts()
	} else {
		t.folded = Fold(t.raw())
		t.words = splitWords(make([]string, 0, len(t.folded)/5+8), t.folded)
	}
	t.links = findLinks(t.folded)
	return t
}

// ReadParsed is Read for a body that was parsed before.
func ReadParsed(subject, body string, document richtext.Document) *Message {
	t := Read(subject, body)
	t.document, t.parsed = document, true
	return t
}

// raw returns subject and body as written.
func (t *Message) raw() string {
	if t.subject == "" {
		return t.body
	}
	return t.subject + "\n" + t.body
}

// foldParts folds subject and body one after the other, which gives what folding them together would.
func (t *Message) foldParts() {
	var space [2048]byte
	folded := appendFold(space[:0], t.subject)
	end := len(folded) // of the subject
	if end > 0 {
		folded = append(folded, ' ')
	}
	start := len(folded) // of the body
	if folded = appendFold(folded, t.body); len(folded) == start {
		start, folded = end, folded[:end]
	}
	t.folded = string(folded)
	t.bodyFolded = t.folded[start:]
	t.words = splitWords(make([]string, 0, len(t.folded)/5+8), t.folded[:start])
	n := len(t.words)
	t.words = splitWords(t.words, t.bodyFolded)
	t.bodyWords = t.words[n:]
}

// foldsAlone reports whether Fold does the same with a text whatever stands in the lines above it: what is
// drawn first in it is no mark, which would belong to a letter above, and is not taken apart into one.
func foldsAlone(text string) bool {
	for i, r := range text {
		if invisible(r) || unicode.IsSpace(r) || unicode.IsControl(r) {
			continue
		}
		return r < utf8.RuneSelf || !unicode.IsMark(r) && norm.NFKD.PropertiesString(text[i:]).Decomposition() == nil
	}
	return true
}

// titledLinks returns the links, [title](address), of subject and body.
func (t *Message) titledLinks() []richtext.Link {
	if !strings.Contains(t.subject, "](") && !strings.Contains(t.body, "](") {
		return nil
	}
	// A subject without brackets has no part in a link; one that is no list item changes no line below it.
	subject := strings.TrimSpace(t.subject)
	if t.parsed && !strings.ContainsAny(subject, "[]") && (subject == "" || subject[0] > '9') {
		return t.document.Links()
	}
	return richtext.Parse(t.raw()).Links()
}

// Fingerprint returns the fingerprint of the body, whose text is what its reader sees of it. See
// NewFingerprint.
func (t *Message) Fingerprint(text string, own ...string) Fingerprint {
	if t.bodyFolded != "" && text == t.body {
		return fingerprint(t.bodyFolded, t.bodyWords, own)
	}
	return NewFingerprint(text, own...)
}
