package mailroom

import (
	"crypto/sha256"
	"sync"

	"inmail/domain/spam"
)

// keptVerdicts is how many verdicts each of two sets keeps: enough for InMails that were just accepted, few
// others.
const keptVerdicts = 10_000

// verdicts remembers the digests of texts that were found good. The same model judges the same text the same,
// so a process need not parse again, at delivery, what it has just accepted (R21). The zero value is ready
// for use.
type verdicts struct {
	mu          sync.Mutex
	model       *spam.Model // the model that judged them
	young, aged map[textDigest]struct{}
}

type textDigest [sha256.Size]byte

// digestText returns the digest of a text.
func digestText(subject, body string) textDigest {
	var space [4096]byte
	text := append(space[:0], subject...)
	text = append(text, '\n') // separates the two: a subject has no line break (R22)
	text = append(text, body...)
	return sha256.Sum256(text)
}

// found stores texts that model found good.
func (v *verdicts) found(model *spam.Model, texts []textDigest) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.model != model {
		v.model, v.young, v.aged = model, nil, nil
	}
	for _, t := range texts {
		if v.young == nil || len(v.young) >= keptVerdicts {
			v.aged, v.young = v.young, make(map[textDigest]struct{}, 64)
		}
		v.young[t] = struct{}{}
	}
}

// good reports whether model has found a text good.
func (v *verdicts) good(model *spam.Model, t textDigest) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.model != model {
		return false
	}
	_, young := v.young[t]
	_, aged := v.aged[t]
	return young || aged
}
