package hubspot

import (
	"fmt"
	"regexp"
	"strconv"

	"inmail/domain"
)

// A communication is found by its key, inmail_event_id, and ordered by inmail_sequence. Where communications
// take no own properties, both are a line at the end of its text: "InMail 3f2c…:sent 7". People can change
// it there, and no portal can refuse a second one, so the guarantees are weaker.

// keyProperty is the property that holds the key.
func (p *portal) keyProperty() string {
	if p.marked {
		return bodyProperty
	}
	return eventKey
}

// sequenceProperty is the property that holds the sequence number.
func (p *portal) sequenceProperty() string {
	if p.marked {
		return bodyProperty
	}
	return sequenceProperty
}

// keyOf returns the key of a record whose keyProperty was read; empty: it has none of ours.
func (p *portal) keyOf(r result) string {
	if !p.marked {
		return r.text(eventKey)
	}
	k, _ := markIn(r.text(bodyProperty))
	return k
}

// sequenceOf returns the sequence number of a record whose sequenceProperty was read; 0: it has none.
func (p *portal) sequenceOf(r result) (n int64) {
	if p.marked {
		_, n = markIn(r.text(bodyProperty))
		return n
	}
	n, _ = strconv.ParseInt(r.text(sequenceProperty), 10, 64)
	return n
}

// markLength is how long a mark is at most, in bytes.
const markLength = 100

// mark returns the line that ends the text of a communication, where nothing else can hold its key.
func (p *portal) mark(push *domain.Push, event string) string {
	if !p.marked {
		return ""
	}
	return fmt.Sprintf("<p>InMail %s %d</p>", eventID(push.InMail.ID, event), push.InMail.Version)
}

var markForm = regexp.MustCompile(`InMail ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}:(?:sent|replied)) ([0-9]{1,18})`)

// markIn returns the key and the sequence number at the end of a text. The text of the InMail stands before
// it, so what looks like a mark there is none.
func markIn(body string) (k string, sequence int64) {
	all := markForm.FindAllStringSubmatch(body, -1)
	if all == nil {
		return "", 0
	}
	last := all[len(all)-1]
	sequence, _ = strconv.ParseInt(last[2], 10, 64)
	return last[1], sequence
}
