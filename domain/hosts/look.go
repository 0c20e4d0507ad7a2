package hosts

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"go.mau.fi/util/confusable"
)

// Look returns what a host looks like: the skeleton of UTS 39, in lower case. Hosts of the same look are
// taken for each other. It is for comparing only.
func Look(host string) string { return strings.ToLower(confusable.Skeleton(host)) }

// Deceptive reports whether a host, as Read returns it, looks like another: one of its labels mixes alphabets
// that are never mixed in good faith, or consists of letters that look Latin but are not. That a host is not
// ASCII, or is written in Punycode, is no sign.
func Deceptive(host string) bool {
	if ascii(host) {
		return false
	}
	labels := strings.Split(host, ".")
	foreign := usesOtherLetters[labels[len(labels)-1]] || !ascii(labels[len(labels)-1])
	for _, label := range labels {
		if ascii(label) {
			continue
		}
		if mixed(label) || !foreign && ascii(Look(label)) && !turkish(label) {
			return true
		}
	}
	return false
}

// usesOtherLetters are the ASCII top-level domains of countries that write Cyrillic, Greek or Armenian,
// where a whole word may happen to look Latin.
var usesOtherLetters = map[string]bool{"am": true, "bg": true, "by": true, "cy": true, "gr": true, "kg": true,
	"kz": true, "me": true, "mk": true, "mn": true, "rs": true, "ru": true, "su": true, "tj": true, "ua": true, "uz": true}

// turkish reports whether ı is the only letter of the label that is not ASCII.
func turkish(label string) bool { return ascii(strings.ReplaceAll(label, "ı", "i")) }

// mixed reports whether a label has letters of two of the alphabets whose letters look alike.
func mixed(label string) bool {
	found := -1
	for _, r := range label {
		for i, script := range alike {
			if !unicode.Is(script, r) {
				continue
			}
			if found >= 0 && found != i {
				return true
			}
			found = i
		}
	}
	return false
}

var alike = []*unicode.RangeTable{unicode.Latin, unicode.Cyrillic, unicode.Greek, unicode.Armenian, unicode.Cherokee}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
