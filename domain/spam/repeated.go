package spam

import "slices"

// WarnLeft is how many near-identical bodies may still pass when their sender is warned: by its standing, and
// by the advice on the next one (R41 d).
const WarnLeft = 3

// NearSimilar reports whether a sender with so many near-identical bodies is to be warned of the limit.
func NearSimilar(similar, limit int) bool {
	return similar >= 2 && similar <= limit && limit-similar <= WarnLeft
}

// Repeated returns those of parts, the sentences of a body, that stand in near-identical earlier bodies too:
// nine in ten of a part's words occur in at least half of them. own are the recipient's name and profile
// texts, whose words do not count. The fingerprints hold no texts, so words are compared by hash.
func Repeated(parts []string, earlier []Fingerprint, own ...string) []string {
	mine := map[string]bool{}
	for _, part := range own {
		for _, w := range splitWords(nil, Fold(part)) {
			mine[w] = true
		}
	}
	var repeated []string
	for _, part := range parts {
		words := slices.DeleteFunc(splitWords(nil, Fold(part)), func(w string) bool { return mine[w] })
		if len(words) == 0 {
			continue
		}
		in := 0
		for _, f := range earlier {
			if 10*f.holds(words) >= 9*len(words) {
				in++
			}
		}
		if len(earlier) > 0 && 2*in >= len(earlier) {
			repeated = append(repeated, part)
		}
	}
	return repeated
}

// holds returns how many of words the body has.
func (f Fingerprint) holds(words []string) (n int) {
	for _, w := range words {
		if _, found := slices.BinarySearch(f.words, shortHash(w)); found {
			n++
		}
	}
	return n
}

// ToDiffer returns how many words of the body must change for it not to be near-identical to what it is now,
// and how many it has, without the recipient's own.
func (f Fingerprint) ToDiffer() (change, words int) { return len(f.words)/10 + 1, len(f.words) }
