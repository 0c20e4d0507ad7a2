package mailroom

import (
	"crypto/sha256"
	"sync"

	"inmail/domain/spam"
)

// keptVerdicts is how many verdicts are kept, twice: of an InMail that was accepted a moment ago, and of few others.
const keptVerdicts = 10_000

// verdicts remembers which texts were found good, by their digests: the same text judged by the same filter is judged the
// same, so what this process has accepted need not be parsed again when it delivers (R21). The zero value is ready.
type verdicts struct {
	mu          sync.Mutex
	model       *spam.Model // that judged them
	young, aged map[textDigest]struct{}
}

type textDigest [sha256.Size]byte

// digestText tells texts apart.
func digestText(subject, body string) textDigest {
	text := make([]byte, 0, len(subject)+1+len(body))
	text = append(text, subject...)
	text = append(text, '\n') // a subject has none (R22)
	text = append(text, body...)
	return sha256.Sum256(text)
}

// found notes texts that model found good.
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

// good says whether model is known to find a text good.
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
