package advice

import (
	"fmt"
	"slices"
	"strings"

	"inmail/domain/richtext"
)

// The limits of R47, R50 and R51.
const (
	MaxParagraphWords = 80  // highest number of words in a paragraph (R47)
	LongMessageWords  = 100 // lowest number of words of a long body (R50), counted as 100_and_more (R62)
	MaxHeavyPercent   = 30  // highest share of bold or italic characters (R51)
	MaxHeavyRun       = 200 // highest number of characters in one bold or italic run (R51)
)

// longParagraph returns the advice on the longest paragraph if it has over 80 words (R47); "" otherwise.
func longParagraph(paragraphs []string) string {
	longest, most := "", MaxParagraphWords
	for _, p := range paragraphs {
		if len(p) <= 2*most {
			continue // too short: a word and the blank after it take at least two bytes
		}
		if n := Words(p); n > most {
			longest, most = p, n
		}
	}
	if longest == "" {
		return ""
	}
	return fmt.Sprintf("The paragraph beginning with %s has %d words: break it up, %d at most are easy to take in.",
		split(longest).quote(0, 4), most, MaxParagraphWords)
}

// over100Words returns the advice to shorten a body of 100 words or more; it quotes the hundredth word (R50).
// "" otherwise.
func over100Words(t *text) string {
	n := t.count
	if n < LongMessageWords {
		return ""
	}
	counted, rest := 0, t.plain
	if t.late > 0 {
		counted, rest = LongMessageWords, t.plain[strings.LastIndexAny(t.plain[:t.late], " \t\n\v\f\r")+1:]
	}
	late := make([]string, 0, 4)
	for field := range strings.FieldsFuncSeq(rest, betweenWords) {
		if counted < LongMessageWords {
			counted += wordsOf(field)
		}
		if counted >= LongMessageWords {
			late = append(late, field)
		}
		if len(late) == cap(late) {
			break
		}
	}
	return fmt.Sprintf("The body has %d words: cut it to under %d. What stands from %s on is too much.",
		n, LongMessageWords, quoted(strings.Join(late, " ")))
}

// heavyFormatting returns the advice on a run of bold or italic text that is too long, or on too much of it
// (R51); "" otherwise.
func heavyFormatting(d richtext.Document) string {
	heavy := 0
	var longest richtext.Run
	for _, r := range d.Runs() {
		heavy += r.Length
		if r.Length > longest.Length {
			longest = r
		}
	}
	switch {
	case longest.Length > MaxHeavyRun:
		return fmt.Sprintf("%d characters from %s on are bold or italic without a break: keep it for a few words.",
			longest.Length, split(longest.Text).quote(0, 4))
	case heavy*100 > MaxHeavyPercent*d.Length():
		return fmt.Sprintf("%d %% of the text is bold or italic, such as %s: keep it for the few words that matter.",
			heavy*100/d.Length(), split(longest.Text).quote(0, 4))
	}
	return ""
}

// hardToRead returns the advice on an English body whose reading ease is below the limit; it quotes the
// hardest sentence (R47). "" otherwise.
func hardToRead(paragraphs []string, limit float64) string {
	all := readProse(paragraphs)
	ease, ok := all.readingEase()
	if !ok || ease >= limit {
		return ""
	}
	words := slices.DeleteFunc(strings.Fields(all.hardest), func(field string) bool {
		return !strings.ContainsFunc(field, letterOrNumber)
	})
	return fmt.Sprintf("Reading ease is %.0f of 100, under %.0f. Use shorter sentences and plainer words, "+
		"first where you write %s.", max(ease, 0), limit, split(strings.Join(words, " ")).quote(0, 4))
}
