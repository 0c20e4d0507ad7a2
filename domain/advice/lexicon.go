package advice

import "strings"

// lists is a set of lists of words, with a bit for each.
type lists uint64

// lexicon has the lists of every word that is in one, by its key, so that a word is looked up once, whatever
// lists it is compared with. listOf fills it before main.
var lexicon = map[string]lists{}

// listed is how many lists there are.
var listed int

// listOf returns the list of words that are separated by blanks.
func listOf(words string) lists {
	if listed++; listed > 64 {
		panic("more lists of words than bits")
	}
	list := lists(1) << (listed - 1)
	for w := range strings.FieldsSeq(words) {
		lexicon[key(w)] |= list
	}
	return list
}

// has reports whether a word is in the list.
func (l lists) has(word string) bool { return lexicon[key(word)]&l != 0 }
