package advice

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"inmail/domain/richtext"
)

// VaryText is advice that does not lie in one letter but in those before it: almost the same body was sent to
// others, and a few more of them restrict the sender (R41 d).
const VaryText = "vary_text"

// sentenceEnds are the characters after which a sentence ends.
const sentenceEnds = ".!?…。！？؟"

// Sentences returns the sentences of a body in their order, in any language: a sentence ends after its mark,
// at a line break and with its paragraph.
func Sentences(d richtext.Document) []string {
	var all []string
	for _, p := range d.Paragraphs() {
		start := 0
		end := func(at int) {
			if s := strings.TrimSpace(p[start:at]); s != "" {
				all = append(all, s)
			}
			start = at
		}
		for i, r := range p {
			next := i + utf8.RuneLen(max(r, 0))
			switch {
			case r == '\n', strings.ContainsRune("。！？", r):
				end(next)
			case strings.ContainsRune(sentenceEnds, r) && (next == len(p) || p[next] == ' ' || p[next] == '\n'):
				end(next)
			}
		}
		end(len(p))
	}
	return all
}

// Vary returns the advice on the n-th near-identical body of a day of which limit may go out. same are its
// sentences that were in the others too; change of its words must differ for it to count as another body.
func Vary(n, limit int, same []string, change, words int) Hit {
	what := "the sentences that they share"
	if len(same) > 0 {
		same = slices.Clone(same)
		slices.SortStableFunc(same, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
		var shown []string
		for _, s := range same[:min(len(same), 3)] {
			shown = append(shown, quoted(s))
		}
		what = "the sentences that are the same: " + strings.Join(shown, ", ")
	}
	return Hit{VaryText, fmt.Sprintf("This is number %d of almost the same text within 24 hours, and %d may go out before "+
		"sending is restricted. Vary %s; at least %d of the %d words must differ.", n, limit, what, change, words)}
}
