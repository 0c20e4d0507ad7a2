package advice

import (
	"fmt"
	"strings"

	"inmail/domain/richtext"
)

// The limits of R47, R50 and R51.
const (
	MaxParagraphWords = 80  // a paragraph of 81 is long (R47)
	LongMessageWords  = 100 // a body of 100 is long (R50), and counts as 100_and_more (R62)
	MaxHeavyPercent   = 30  // of the characters bold or italic (R51)
	MaxHeavyRun       = 200 // characters in one run (R51)
)

// longParagraph says which paragraph, the longest, has over 80 words (R47).
func longParagraph(d richtext.Document) string {
	longest, most := "", MaxParagraphWords
	for _, p := range d.Paragraphs() {
		if len(p) <= 2*most {
			continue // a word and the blank behind it take two bytes or more
		}
		if n := Words(p); n > most {
			longest, most = p, n
		}
	}
	if longest == "" {
		return ""
	}
	return fmt.Sprintf("The paragraph beginning with %s has %d words: break it up, %d at most are easy to take in.",
		read(longest).quote(0, 4), most, MaxParagraphWords)
}

// over100Words says how long the body is and where its hundredth word stands (R50).
func over100Words(t *text) string {
	n := t.count
	if n < LongMessageWords {
		return ""
	}
	seen, late := 0, ""
	fields := strings.FieldsFunc(t.plain, betweenWords)
	for i, field := range fields {
		if seen += wordsOf(field); seen >= LongMessageWords {
			late = strings.Join(fields[i:min(i+4, len(fields))], " ")
			break
		}
	}
	return fmt.Sprintf("The body has %d words: cut it to under %d. What stands from %s on is too much.", n, LongMessageWords, quoted(late))
}

// heavyFormatting says which run is too long, or that too much is bold or italic (R51).
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
			longest.Length, read(longest.Text).quote(0, 4))
	case heavy*100 > MaxHeavyPercent*d.Length():
		return fmt.Sprintf("%d %% of the text is bold or italic, such as %s: keep it for the few words that matter.",
			heavy*100/d.Length(), read(longest.Text).quote(0, 4))
	}
	return ""
}

// hardToRead says that the reading ease of an English body is under the limit, and which sentence
// is the longest (R47).
func hardToRead(d richtext.Document, limit float64) string {
	sentences := prose(d)
	ease, ok := readingEase(sentences)
	if !ok || ease >= limit {
		return ""
	}
	hardest, most := "", -1.0
	for _, s := range sentences {
		if hard := float64(len(s.words)) + 5*float64(s.syllables)/float64(len(s.words)); hard > most {
			hardest, most = strings.Join(s.words, " "), hard
		}
	}
	return fmt.Sprintf("Reading ease is %.0f of 100, under %.0f. Use shorter sentences and plainer words, first where you write %s.",
		max(ease, 0), limit, read(hardest).quote(0, 4))
}
