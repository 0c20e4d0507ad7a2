package spam

import (
	"math/bits"
	"unicode/utf8"
)

// featureBits: a model has 2^15 slots, 256 KiB. Measured on 3,600 messages: 2^12
// costs one spam in a hundred, 2^18 finds no more.
const (
	featureBits = 15
	slots       = 1 << featureBits
)

// Kinds of features; each is hashed for itself.
const (
	everyMessage byte = iota
	oneWord
	twoWords
	letters
	coldSign
	lengthClass
)

// shortest and longest run of letters that is a feature.
const (
	shortestRun = 2
	longestRun  = 4
)

// features returns the slots of a message, each once, in the order in which they
// are found: its words, pairs of words, runs of letters, cold signs and length.
func (t message) features(signs []Reason) []uint32 {
	f := featureSet{found: make([]uint32, 0, 3*len(t.folded)+16)}
	f.add(newHash(everyMessage))
	before := newHash(twoWords)
	for i, w := range t.words {
		word := hashWord(newHash(oneWord), w)
		f.add(word)
		if i > 0 {
			f.add(hashWord(before.byte(' '), w))
		}
		before = hashWord(newHash(twoWords), w)
	}
	f.addRuns(t.folded)
	for _, s := range signs {
		f.add(newHash(coldSign).string(s.Code))
	}
	f.add(newHash(lengthClass).byte(byte(bits.Len(uint(len(t.words))))))
	return f.found
}

// hashWord adds a word to h. Of a long number only its length counts: the number
// itself says nothing about the next message.
func hashWord(h hash, w string) hash {
	if len(w) > 2 && isNumber(w) {
		return h.byte('#').byte(byte(min(len(w), 20)))
	}
	return h.string(w)
}

// featureSet collects slots without doubles.
type featureSet struct {
	found []uint32
	seen  [slots / 64]uint64
}

func (f *featureSet) add(h hash) {
	slot := h.slot()
	if f.seen[slot/64]&(1<<(slot%64)) == 0 {
		f.seen[slot/64] |= 1 << (slot % 64)
		f.found = append(f.found, slot)
	}
}

// addRuns adds all runs of two to four characters of folded text, with a blank
// before and behind it and every digit as 0.
func (f *featureSet) addRuns(folded string) {
	padded := make([]byte, 0, len(folded)+2)
	padded = append(padded, ' ')
	padded = append(padded, folded...)
	padded = append(padded, ' ')
	for i, b := range padded {
		if '0' <= b && b <= '9' {
			padded[i] = '0'
		}
	}
	for start := 0; start < len(padded); start += width(padded[start:]) {
		h, end := newHash(letters), start
		for n := 1; n <= longestRun && end < len(padded); n++ {
			for next := end + width(padded[end:]); end < next; end++ {
				h = h.byte(padded[end])
			}
			if n >= shortestRun {
				f.add(h)
			}
		}
	}
}

func width(text []byte) int {
	if text[0] < utf8.RuneSelf {
		return 1
	}
	_, size := utf8.DecodeRune(text)
	return size
}

// hash is FNV-1a of 64 bits, the same on every machine and in every build.
type hash uint64

const fnvOffset, fnvPrime = 14695981039346656037, 1099511628211

func newHash(kind byte) hash { return hash(fnvOffset).byte(kind) }

func (h hash) byte(b byte) hash { return (h ^ hash(b)) * fnvPrime }

func (h hash) string(s string) hash {
	for i := range len(s) {
		h = h.byte(s[i])
	}
	return h
}

// mixed spreads the last bytes over all bits, which FNV alone does not.
func (h hash) mixed() uint64 {
	x := uint64(h)
	x = (x ^ x>>32) * 0xd6e8feb86659fd93
	x = (x ^ x>>32) * 0xd6e8feb86659fd93
	return x ^ x>>32
}

func (h hash) slot() uint32 { return uint32(h.mixed() % slots) }
