package advice

import "fmt"

// noValueStatement returns the advice on an English body that is more about its sender than about its reader:
// more "I" and "we" than "you" and "your" (R49). Contractions (I'm, we've, you're) and "yours" count. My,
// our, me and us do not, because "my question to you" is about the reader. A small i does not count, because
// "i." may be a number.
func noValueStatement(t *text) string {
	self, you, example := 0, 0, -1
	for i, w := range t.words {
		switch w.key {
		case "i", "we":
			if w.key == "i" && t.raw(i) != "I" {
				continue
			}
			if self++; example < 0 {
				example = i
			}
		case "you", "your", "yours":
			you++
		}
	}
	if self <= you {
		return ""
	}
	return fmt.Sprintf("You write I or we %s, first in %s, and you or your %s: say what they gain.",
		times(self), t.quote(example, example+3), times(you))
}

func times(n int) string {
	switch n {
	case 0:
		return "not at all"
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}
