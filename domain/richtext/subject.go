package richtext

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Subject returns s as the subject of an InMail (R22): in NFC, trimmed, in one line. A line break and the
// blanks around it become one space, a tab becomes a space, and other control characters and bytes that are
// not UTF-8 become U+FFFD. A subject without visible characters is "". R22 limits its length in code points
// to 200: one that is longer whatever NFC makes of it is not brought into NFC.
func Subject(s string) string {
	if len(s) <= mostComposed {
		return oneLine(normalize(s))
	}
	if clean, _ := scan(s); !clean {
		s = replaceControls(s)
	}
	if s = oneLine(s); len(s) > mostComposed {
		return s
	}
	return norm.NFC.String(s)
}

// mostComposed is how long a subject may be, in bytes, before its length alone says that it has more than 200
// code points in NFC, which makes one of four at most: a longer one takes long to compose, and is refused.
const mostComposed = 16 << 10

// oneLine returns a subject trimmed, in one line; "" when nothing of it can be read.
func oneLine(s string) string {
	s = strings.TrimSpace(strings.ReplaceAll(s, "\t", " "))
	if invisible(s) {
		return ""
	}
	if !strings.Contains(s, "\n") {
		return s
	}
	lines := strings.FieldsFunc(s, func(r rune) bool { return r == '\n' })
	kept := lines[:0]
	for _, line := range lines {
		if line = strings.TrimFunc(line, unicode.IsSpace); line != "" {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, " ")
}
