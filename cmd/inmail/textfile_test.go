package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzEncodingCheck checks that a text is refused at its first byte that is not UTF-8, or is NUL, however it
// is split into writes.
func FuzzEncodingCheck(f *testing.F) {
	for _, seed := range []string{"", "a\nb\xc3", "a\nb\u00e4\xe2\x82", "\xe2\x82\n", "\xf0\x9f\x98\x80\x00", "\xff\xfea\x00", "\xed\xa0\x80"} {
		f.Add([]byte(seed), 1)
		f.Add([]byte(seed), 2)
	}
	f.Fuzz(func(t *testing.T, text []byte, size int) {
		whole := checkUTF8("x", text)
		var pieces error
		c := encodingCheck{name: "x"}
		for rest := text; len(rest) > 0 && pieces == nil; {
			n := min(max(size, 1), len(rest))
			_, pieces = c.Write(rest[:n])
			rest = rest[n:]
		}
		if pieces == nil {
			pieces = c.end()
		}
		if fmt.Sprint(pieces) != fmt.Sprint(whole) {
			t.Fatalf("%q in pieces of %d: %v, whole: %v", text, size, pieces, whole)
		}
		first := bytes.IndexFunc(text, func(r rune) bool { return r == 0 || r == utf8.RuneError })
		for first >= 0 && bytes.HasPrefix(text[first:], []byte("\ufffd")) { // one that was written as such
			next := bytes.IndexFunc(text[first+3:], func(r rune) bool { return r == 0 || r == utf8.RuneError })
			if first += 3 + next; next < 0 {
				first = -1
			}
		}
		if (first < 0) != (whole == nil) {
			t.Fatalf("%q: %v", text, whole)
		}
		if whole != nil && !strings.Contains(whole.Error(), fmt.Sprintf(": 0x%02X at byte %d, in line %d;", text[first], first, bytes.Count(text[:first], []byte("\n"))+1)) {
			t.Fatalf("%q: %v, want byte %d", text, whole, first)
		}
	})
}
