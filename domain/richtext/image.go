package richtext

import "strings"

// Images reports whether the source tries to show an image: `![…](…)`, `<img` or `data:image`
// anywhere in it, in any case (R26). What is refused is the attempt: none of them would work.
func (d Document) Images() bool { return d.images }

func hasImage(s string) bool {
	return containsFold(s, "<img") || containsFold(s, "data:image") || hasImageLink(s)
}

// hasImageLink looks for `![` whose `]` is followed by `(`. The `]` is the next one or the one
// that balances it, whichever way another reader would take it.
func hasImageLink(s string) bool {
	if !strings.Contains(s, "![") || !strings.Contains(s, "](") {
		return false
	}
	var open []bool // for every bracket still open: is it an image's?
	flat := false   // an image's bracket has been opened since the last "]"
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '[':
			image := i > 0 && s[i-1] == '!'
			open = append(open, image)
			flat = flat || image
		case ']':
			image := flat
			if n := len(open); n > 0 {
				image = image || open[n-1]
				open = open[:n-1]
			}
			if image && i+1 < len(s) && s[i+1] == '(' {
				return true
			}
			flat = false
		}
	}
	return false
}

// containsFold reports whether s contains the ASCII text part, which is in small letters, in any
// case.
func containsFold(s, part string) bool {
	first := part[0]
	for i := 0; i+len(part) <= len(s); i++ {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c == first && strings.EqualFold(s[i:i+len(part)], part) {
			return true
		}
	}
	return false
}
