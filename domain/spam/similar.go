package spam

import (
	"slices"
	"time"
)

// A Fingerprint finds near-identical bodies without comparing texts (R41 d). It consists of a MinHash
// signature and, sorted, 16 bits of a hash of each word. It is made of the text when it is needed, and stored
// nowhere.
type Fingerprint struct {
	signature [signatureSize]uint32
	words     []uint16 // hashes of the body's words without the recipient's own; sorted, repeated words repeated
	own       []uint16 // hashes of the recipient's own words; sorted, each once
}

// signatureSize is the number of hash functions of a signature: 64 estimate the similarity of two bodies to
// 0.06.
const signatureSize = 64

// NewFingerprint returns the fingerprint of a body. own are the recipient's name and profile texts: their
// words do not count, so that the same template filled in for two recipients gives near-identical bodies.
func NewFingerprint(text string, own ...string) Fingerprint {
	folded := Fold(text)
	return fingerprint(folded, splitWords(make([]string, 0, len(folded)/5+8), folded), own)
}

// fingerprint returns the fingerprint of a body that was folded, and whose words are all.
func fingerprint(folded string, all []string, own []string) Fingerprint {
	var f Fingerprint
	var mine map[string]bool
	var theirs []string
	for _, part := range own {
		theirs = splitWords(theirs, Fold(part))
	}
	if len(theirs) > 0 {
		mine = make(map[string]bool, len(theirs))
		f.own = make([]uint16, 0, len(theirs))
	}
	for _, w := range theirs {
		if !mine[w] {
			mine[w] = true
			f.own = append(f.own, shortHash(w))
		}
	}
	if len(all) == 0 {
		all = []string{folded} // a body of signs or emoji only is one word
	}
	words := make([]string, 0, len(all))
	f.words = make([]uint16, 0, len(all))
	for _, w := range all {
		if !mine[w] {
			words = append(words, w)
			f.words = append(f.words, shortHash(w))
		}
	}
	slices.Sort(f.words)
	slices.Sort(f.own)
	f.own = slices.Compact(f.own)
	f.signature = minHash(words)
	return f
}

func shortHash(word string) uint16 { return uint16(newHash(unigram).string(word).finalize()) }

// minHash returns the MinHash signature of the shingles of words: for each hash function the least value of
// any shingle. A shingle is a pair of neighbouring words, or the word if there is only one.
func minHash(words []string) (least [signatureSize]uint32) {
	for i := range least {
		least[i] = ^uint32(0)
	}
	add := func(shingle uint64) {
		for i := range least {
			least[i] = min(least[i], uint32((shingle*hashFunctions[i].factor+hashFunctions[i].offset)>>32))
		}
	}
	if len(words) == 1 {
		add(newHash(unigram).string(words[0]).finalize())
	}
	for i := range max(0, len(words)-1) {
		add(newHash(bigram).string(words[i]).byte(' ').string(words[i+1]).finalize())
	}
	return least
}

// hashFunctions are those of MinHash: multiplication by an odd factor, and an offset.
var hashFunctions = func() (all [signatureSize]struct{ factor, offset uint64 }) {
	for i := range all {
		all[i].factor = newHash('f').byte(byte(i)).finalize() | 1
		all[i].offset = newHash('o').byte(byte(i)).finalize()
	}
	return all
}()

// Similar reports whether two bodies of one sender are near-identical (R41 d): nine in ten words of the
// longer one also occur, equally often, in the other. The own words of either recipient count in neither
// body. Only bodies with similar signatures are compared word by word; as measured, a similarity of 0.4
// misses no near-identical bodies whose words stand in the same order.
func Similar(a, b Fingerprint) bool {
	return a.candidate(b) && a.sameWords(b)
}

// candidateHashes is how many equal values make two bodies candidates: 26 of 64 are a similarity of 0.4.
const candidateHashes = 26

// candidate reports whether the signatures are similar enough for a comparison word by word.
func (f Fingerprint) candidate(other Fingerprint) bool {
	equal := 0
	for i, h := range f.signature {
		if h == other.signature[i] {
			equal++
		}
	}
	return equal >= candidateHashes
}

// sameWords compares two bodies word by word, by merging their sorted hashes.
func (f Fingerprint) sameWords(other Fingerprint) bool {
	a, b := without(f.words, other.own), without(other.words, f.own)
	same := 0
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] == b[j]:
			same++
			i++
			j++
		case a[i] < b[j]:
			i++
		default:
			j++
		}
	}
	return 10*same >= 9*max(len(a), len(b))
}

// without returns the words that are not in own; both are sorted.
func without(words, own []uint16) []uint16 {
	if len(own) == 0 {
		return words
	}
	kept := make([]uint16, 0, len(words))
	for _, w := range words {
		if _, theirs := slices.BinarySearch(own, w); !theirs {
			kept = append(kept, w)
		}
	}
	return kept
}

// A SentPrint is the fingerprint of an accepted body, with the time of the send.
type SentPrint struct {
	At time.Time
	Fingerprint
}

// MostAlike returns the size of the largest group of near-identical bodies among
// prints and the time of its oldest, for the sender's standing (R43): Signals.Similar
// and SimilarAt when no body is at hand. A body that is like an earlier one of prints
// starts no group of its own.
func MostAlike(prints []SentPrint) (count int, oldest time.Time) {
	grouped := make([]bool, len(prints))
	for i, first := range prints {
		if grouped[i] {
			continue
		}
		n, since := 0, first.At
		for j, p := range prints[i:] {
			if j > 0 && !Similar(first.Fingerprint, p.Fingerprint) {
				continue
			}
			grouped[i+j] = true
			n++
			if p.At.Before(since) {
				since = p.At
			}
		}
		if n > count {
			count, oldest = n, since
		}
	}
	return count, oldest
}
