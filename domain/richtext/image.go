package richtext

import "strings"

// Images reports whether the source tries to show an image: it contains `![…](…)`, `<img` or `data:image` in
// any case (R26). None of them would show one; the attempt is refused.
func (d Document) Images() bool { return d.images }

func hasImage(s string) bool {
	return containsFold(s, "<img", 0) || containsFold(s, "data:image", len("data")) || hasImageLink(s)
}

// hasImageLink reports whether s contains `![` whose `]` is followed by `(`. Both the next `]` and the
// balancing one are tried, because other programs may take either.
func hasImageLink(s string) bool {
	if !strings.Contains(s, "![") || !strings.Contains(s, "](") {
		return false
	}
	var open []bool // for each open bracket whether it is an image's
	flat := false   // an image's bracket was opened after the last "]"
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

// containsFold reports whether s contains part in any case. The character part[sign] is no letter, so it is
// what is searched for.
func containsFold(s, part string, sign int) bool {
	for at := 0; ; at++ {
		next := strings.IndexByte(s[at:], part[sign])
		if next < 0 {
			return false
		}
		at += next
		start, end := at-sign, at-sign+len(part)
		if start >= 0 && end <= len(s) && strings.EqualFold(s[start:end], part) {
			return true
		}
	}
}
