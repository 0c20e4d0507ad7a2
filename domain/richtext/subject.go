package richtext

import (
	"strings"
	"unicode"
)

// Subject returns s as the subject of an InMail (R22): in NFC, trimmed, in one line. A line break and the
// blanks around it become one space, a tab becomes a space, and other control characters and bytes that are
// not UTF-8 become U+FFFD. A subject without visible characters is "". R22 limits its length in code points
// to 200.
func Subject(s string) string {
	s = strings.TrimSpace(strings.ReplaceAll(normalize(s), "\t", " "))
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
