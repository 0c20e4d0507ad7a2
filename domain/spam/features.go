package spam

import (
	"math/bits"
	"unicode/utf8"
)

// featureBits is the logarithm of the number of slots: 2^15 slots are 256 KiB. On 3,600 messages 2^12 slots
// missed one spam in a hundred more, and 2^18 found no more.
const (
	featureBits = 15
	slots       = 1 << featureBits
)

// The kinds of features. The kind is part of the hash, so that features of different kinds do not collide by
// text.
const (
	biasFeature byte = iota
	unigram
	bigram
	charNgram
	coldSignal
	lengthBucket
)

// minNgram and maxNgram are the lengths of the character n-grams, in characters.
const (
	minNgram = 2
	maxNgram = 4
)

// features returns the slots of a message, each once, in the order in which they are found: bias, words, word
// bigrams, character n-grams, cold signals and length.
func (t *Message) features(signs []Reason) []uint32 {
	found := make([]uint32, 0, 3*len(t.folded)+16)
	t.eachFeature(signs, func(slot uint32) { found = append(found, slot) })
	return found
}

// eachFeature calls each with the features of a message.
func (t *Message) eachFeature(signs []Reason, each func(slot uint32)) {
	f := featureSet{each: each}
	f.add(newHash(biasFeature))
	before := newHash(bigram)
	for i, w := range t.words {
		word := hashWord(newHash(unigram), w)
		f.add(word)
		if i > 0 {
			f.add(hashWord(before.byte(' '), w))
		}
		before = hashWord(newHash(bigram), w)
	}
	f.addCharNgrams(t.folded)
	for _, s := range signs {
		f.add(newHash(coldSignal).string(s.Code))
	}
	f.add(newHash(lengthBucket).byte(byte(bits.Len(uint(len(t.words))))))
}

// hashWord adds a word to h. A number of more than two digits is replaced by its length, because the number
// itself says nothing about the next message.
func hashWord(h hash, w string) hash {
	if len(w) > 2 && isNumber(w) {
		return h.byte('#').byte(byte(min(len(w), 20)))
	}
	return h.string(w)
}

// featureSet passes on distinct slots in the order of their first occurrence.
type featureSet struct {
	each    func(slot uint32)
	present [slots / 64]uint64
}

func (f *featureSet) add(h hash) {
	slot := h.slot()
	if f.present[slot/64]&(1<<(slot%64)) == 0 {
		f.present[slot/64] |= 1 << (slot % 64)
		f.each(slot)
	}
}

// addCharNgrams adds all n-grams of two to four characters of folded text, with a blank before and after the
// text and 0 in place of every digit.
func (f *featureSet) addCharNgrams(folded string) {
	var space [2048]byte
	padded := append(space[:0], ' ')
	padded = append(padded, folded...)
	padded = append(padded, ' ')
	for i, b := range padded {
		if '0' <= b && b <= '9' {
			padded[i] = '0'
		}
	}
	for start := 0; start < len(padded); start += width(padded[start:]) {
		h, end := newHash(charNgram), start
		for n := 1; n <= maxNgram && end < len(padded); n++ {
			for next := end + width(padded[end:]); end < next; end++ {
				h = h.byte(padded[end])
			}
			if n >= minNgram {
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

// finalize spreads the last bytes over all bits, which FNV-1a alone does not.
func (h hash) finalize() uint64 {
	x := uint64(h)
	x = (x ^ x>>32) * 0xd6e8feb86659fd93
	x = (x ^ x>>32) * 0xd6e8feb86659fd93
	return x ^ x>>32
}

func (h hash) slot() uint32 { return uint32(h.finalize() % slots) }
