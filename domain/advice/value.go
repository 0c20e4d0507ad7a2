package advice

import "fmt"

// noValueStatement says that an English body speaks more of its sender than of its reader: more of
// "I" and "we" than of "you" and "your" (R49). Short forms count (I'm, we've, you're), and so does
// yours; my, our, me and us do not, since "my question to you" is about the reader. A capital I is
// needed: "i." may number something.
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
