package mailroom

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"

	"inmail/domain"
)

// digestOf returns the digest that distinguishes requests under one key (R28). The same fields are the same
// request, however their JSON was written. crm is the result of crmDigest. Of a text that is refused for its
// length, under which nothing is ever accepted, the beginning and the length stand for the whole.
//
// It is the digest of a JSON array of the fields, which is written here as package json writes it.
func (d *Letter) digestOf(crm []any) Digest {
	subject, body := d.Send.Subject, d.Send.Body
	long := d.text.TooLong()
	if long {
		subject, body = subject[:min(len(subject), domain.MaxSource)], body[:min(len(body), domain.MaxSource)]
	}
	var space [4096]byte
	b := appendString(append(space[:0], '['), string(d.To))
	b = appendString(append(b, ','), subject)
	b = appendString(append(b, ','), body)
	b = strconv.AppendBool(append(b, ','), d.Attachments)
	b = appendStrings(append(b, ','), d.Tags)
	b = appendString(append(b, ','), d.Category)
	for _, ids := range crm {
		b = appendAny(append(b, ','), ids)
	}
	if long {
		for _, n := range []int{len(d.Send.Subject), len(d.Send.Body), d.text.Refusals()[0].Got} {
			b = strconv.AppendInt(append(b, ','), int64(n), 10)
		}
	}
	return halfSum(append(b, ']'))
}

func appendStrings(b []byte, all []string) []byte {
	if all == nil {
		return append(b, "null"...)
	}
	b = append(b, '[')
	for i, s := range all {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, s)
	}
	return append(b, ']')
}

// appendString appends a string as json.Marshal writes it.
func appendString(b []byte, s string) []byte {
	if !utf8.ValidString(s) || strings.Contains(s, "\u2028") || strings.Contains(s, "\u2029") {
		return appendAny(b, s)
	}
	b = append(b, '"')
	from := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&' {
			continue
		}
		b = append(b, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		default:
			quoted := appendAny(nil, s[i:from])
			b = append(b, quoted[1:len(quoted)-1]...)
		}
	}
	return append(append(b, s[from:]...), '"')
}

// appendAny appends a value that can always be marshalled.
func appendAny(b []byte, value any) []byte {
	text, _ := json.Marshal(value)
	return append(b, text...)
}
