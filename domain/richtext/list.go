package richtext

import "strings"

// numbering recognises list items (R24). It remembers which number the next numbered item must have.
type numbering struct {
	last     int  // number of the last numbered item of the document, 0 before the first
	adjacent bool // the line above is a numbered item
}

// maxIndent is the highest number of blanks before a list marker. A line that is indented more is text.
const maxIndent = 3

// read classifies the line and moves on to the next one. content is the text of an item without its marker,
// else the line.
//
// A bullet is "- x". A numbered item is "1. x", which starts a list, or has the next number, which continues
// the list even after other lines ("1. a", a paragraph, "2. b"). "1." directly below an item continues it,
// too, because many people number every item 1. A line with any other number is text: "2024. was a good year"
// must not lose its first word in text and preview. The reader sees the typed number either way. A marker
// without text is no item.
func (n *numbering) read(line string) (k kind, number int, content string) {
	k, number, content = n.peek(line)
	n.adjacent = k == numbered
	if k == numbered {
		n.last = number
	}
	return k, number, content
}

// peek classifies the line as read does, without moving on.
func (n *numbering) peek(line string) (k kind, number int, content string) {
	if blankLine(line) {
		return blank, 0, line
	}
	s := strings.TrimLeft(line, " ")
	if len(line)-len(s) > maxIndent {
		return paragraph, 0, line
	}
	if content, ok := afterMarker(s, "-"); ok {
		return bullet, 0, content
	}
	digits, value := 0, 0
	for digits < len(s) && digits < 4 && '0' <= s[digits] && s[digits] <= '9' {
		value = value*10 + int(s[digits]-'0')
		digits++
	}
	if digits == 0 || s[0] == '0' {
		return paragraph, 0, line
	}
	content, ok := afterMarker(s[digits:], ".")
	if !ok {
		return paragraph, 0, line
	}
	switch {
	case value == n.last+1:
		return numbered, value, content
	case value == 1 && n.adjacent:
		return numbered, n.last + 1, content
	case value == 1:
		return numbered, 1, content
	}
	return paragraph, 0, line
}

// afterMarker returns the text after the marker and its blanks; ok is false without the marker, or without
// text.
func afterMarker(s, marker string) (content string, ok bool) {
	rest, ok := strings.CutPrefix(s, marker)
	if !ok || rest == "" || rest[0] != ' ' && rest[0] != '\t' {
		return "", false
	}
	content = strings.TrimLeft(rest, " \t")
	return content, !blankLine(content)
}

// blankLine reports whether the line is empty or contains only blanks.
func blankLine(line string) bool { return strings.TrimSpace(line) == "" }
