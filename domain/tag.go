package domain

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"inmail/domain/richtext"
)

// The limits of tags (R56).
const (
	MaxTags = 10
	MaxTag  = 40 // code points
)

// NormalTag returns a tag in its normal form: NFC, lower case, trimmed, with single blanks (R56), and as a
// line, because it is never quoted whole (F38). A normal form that is empty or longer than MaxTag is refused
// with bad_request, and so are control characters.
func NormalTag(tag string) (string, error) {
	t := strings.Join(strings.Fields(norm.NFC.String(strings.ToLower(norm.NFC.String(tag)))), " ")
	control := strings.ContainsFunc(t, unicode.IsControl)
	t = norm.NFC.String(strings.Join(strings.Fields(richtext.Line(t)), " "))
	if n := utf8.RuneCountInString(t); n < 1 || n > MaxTag {
		return "", &Refusal{Code: BadRequest, Got: n, Limit: MaxTag, Detail: fmt.Sprintf("a tag has 1 to %d characters", MaxTag)}
	}
	if control {
		return "", Refuse(BadRequest, "a tag holds no control characters")
	}
	return t, nil
}

// reserved are the words that figures use as keys of their own: an InMail without tag or category, those that
// are counted together, and members who were erased (F36).
var reserved = []string{NoKey, OtherKey, string(Erased)}

// CheckReserved refuses a word that figures use as a key of their own, as a tag or a category.
func CheckReserved(field, word string) error {
	if slices.Contains(reserved, strings.ToLower(word)) {
		return Refuse(BadRequest, "the figures use %s for themselves: choose a %s other than one of %s", strings.ToLower(word),
			field, strings.Join(reserved, ", "))
	}
	return nil
}

// NormalTags returns the normal forms of the tags of one InMail, sorted and each once (R56). More than
// MaxTags and reserved words are refused with bad_request.
func NormalTags(tags []string) ([]string, error) {
	normal := make([]string, 0, len(tags))
	for _, tag := range tags {
		t, err := NormalTag(tag)
		if err == nil {
			err = CheckReserved("tag", t)
		}
		if err != nil {
			return nil, err
		}
		normal = append(normal, t)
	}
	slices.Sort(normal)
	normal = slices.Compact(normal)
	if len(normal) > MaxTags {
		return nil, &Refusal{Code: BadRequest, Got: len(normal), Limit: MaxTags, Detail: fmt.Sprintf("an InMail has at most %d tags", MaxTags)}
	}
	return normal, nil
}
