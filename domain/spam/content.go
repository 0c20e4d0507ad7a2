// Package spam judges messages and their senders, as pure functions over texts and counters (R41–R43).
// It has two halves.
//
// Content: Judge decides whether a message is refused. It adds the cold signals, which need no training
// (phrases.go, structure.go), and the weight that a Model has learned from abuse reports and replies. A reply
// trains the model at once, a report only together with similar ones (Teach); what was learned decays (Fade).
// Evaluate measures how much spam is found.
//
// Behaviour: Decide, Struck and Reported compare the counters of a sender (Signals) with Limits and return
// the limit that was passed. Restrict says how long the sender is then restricted, and StandingOf reports how
// near each limit is. NewFingerprint and Similar find near-identical bodies (MinHash). A Decision keeps its
// Signals, so that it can be replayed under other limits; after an operator undid it, they no longer count
// (Undone).
package spam

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"inmail/domain/hosts"
)

// ContentVersion names the phrases, signals and features of this build. It changes with any of them, because
// a stored model fits only the features that it was trained on.
const ContentVersion = "content/2"

// RefuseScore is the lowest score that is refused (R42). Scores are probabilities, so a refused message is at
// least as likely spam as not.
const RefuseScore = 0.5

// refusePoints is how many points of cold signals make RefuseScore: pitches of two classes, or one pitch and
// several lesser signals.
const refusePoints = 10

// logitPerPoint is how far one point moves the score, in log odds. With it a message without any signal has
// odds of 1:20 before anything is learned.
const logitPerPoint = 0.3

// maxColdPoints caps the points of the cold signals, so that what was learned can outweigh them.
const maxColdPoints = 20

// A Verdict is the judgement of one message by its content. A spam verdict refuses that message
// (spam_content) and counts a strike; by itself it never restricts an account (R41, R42).
type Verdict struct {
	Spam    bool     `json:"spam"`    // Score >= RefuseScore
	Score   float64  `json:"score"`   // 0..1, from the cold signals and the model
	Cold    float64  `json:"cold"`    // 0..1, the score by the cold signals alone
	Learned float64  `json:"learned"` // 0..1, the score by the model alone; 0.5 is no opinion
	Reasons []Reason `json:"reasons"` // most points first; empty if nothing was found
	Version string   `json:"version"` // ContentVersion, and how many spam and good messages trained the model
}

// A Reason is one signal of spam, as the sender is shown it.
type Reason struct {
	Code   string  `json:"code"`   // from a closed list: prize, short_link, learned …
	Points float64 `json:"points"` // above 0; 10 in all refuse, unless the model speaks for the message
	Text   string  `json:"text"`   // what the message does, in plain words that quote nothing of it
	// Words are at most four words of the message that matched, folded; empty for signals that do not match
	// words. The JSON leaves them out, because nothing of a refused message is stored (R27).
	Words string `json:"-"`
}

// Judge decides by its content whether a message is spam (R42). body is the source as it was sent: formatting
// hides nothing, and the targets of links count. See Message.Judge.
func Judge(m *Model, subject, body string) Verdict { return Read(subject, body).Judge(m) }

// Judge decides whether the message is spam. With a nil or a fresh model the cold signals decide alone; the
// weight of the model grows with the messages of both kinds that trained it (confidence). Judge only reads m:
// calls may run at the same time as each other, but not as Observe.
func (t *Message) Judge(m *Model) Verdict {
	reasons, points := t.coldReasons()
	v := Verdict{
		Cold:    logistic(coldLogit(points)),
		Learned: 0.5,
		Score:   logistic(coldLogit(points)),
		Version: ContentVersion,
	}
	if m != nil {
		learned := m.logitOf(t, reasons)
		counted := float64(m.confidence() * learned) // the conversion forbids a fused operation: equal on all machines
		v.Learned = logistic(learned)
		v.Score = logistic(coldLogit(points) + counted)
		v.Version = fmt.Sprintf("%s spam:%d good:%d", ContentVersion, m.spam, m.good)
		if points := math.Round(counted/logitPerPoint*10) / 10; points >= 1 {
			reasons = append(reasons, Reason{Code: "learned", Points: points,
				Text: "reads like messages that were reported as abuse", Words: m.topSpamWords(t.words)})
		}
	}
	v.Spam = v.Score >= RefuseScore
	slices.SortStableFunc(reasons, func(a, b Reason) int { return cmp.Compare(b.Points, a.Points) })
	v.Reasons = reasons
	return v
}

// coldLogit returns the log odds of spam for a sum of points of cold signals.
func coldLogit(points float64) float64 {
	return float64((min(points, maxColdPoints) - refusePoints) * logitPerPoint)
}

// coldReasons returns the cold signals of the message as reasons, and the sum of their points.
func (t *Message) coldReasons() (reasons []Reason, points float64) {
	reasons = append(t.phraseReasons(), t.structure()...)
	for _, r := range reasons {
		points += r.Points
	}
	return reasons, points
}

// phraseReasons returns one reason for each class that has a phrase in the text.
func (t *Message) phraseReasons() []Reason {
	plain := t.words
	if len(t.links) > 0 { // addresses are not searched for phrases
		plain = make([]string, 0, len(t.words))
		at := 0
		for _, l := range t.links {
			plain = splitWords(plain, t.folded[at:l.Start])
			at = l.End
		}
		plain = splitWords(plain, t.folded[at:])
	}
	var unmasked []unmaskedWord
	if maybeMasked(t.folded) {
		unmasked = unmaskedWords(withoutLinks(t.folded, t.links))
	}
	hits := findPhrases(plain, unmasked)
	if len(hits) == 0 {
		return nil
	}
	var reasons []Reason
	masked := 0
	for i, c := range allClasses {
		var found [phraseKinds]int
		var strongest *phrase
		for _, h := range hits {
			if h.class != i {
				continue
			}
			found[h.kind]++
			if h.masked {
				masked++
			}
			if strongest == nil || h.kind < strongest.kind {
				strongest = h.phrase
			}
		}
		if strongest != nil {
			reasons = append(reasons, Reason{Code: c.code, Points: float64(classScore(found)), Text: c.says,
				Words: strongest.shown()})
		}
	}
	if masked > 0 {
		reasons = append(reasons, Reason{Code: "disguised", Points: float64(maskedPoints * min(masked, 2)),
			Text: "writes words with digits or signs in place of letters"})
	}
	return reasons
}

// classScore returns the points of a class from the number of its phrases that were found, by kind.
func classScore(found [phraseKinds]int) int {
	switch {
	case found[pitch] > 0:
		return min(pitchPoints+nextPitchPoints*(found[pitch]-1)+nextHintPoints*found[hint], classPoints)
	case found[hint] > 0:
		return min(hintPoints+nextHintPoints*(found[hint]-1), hintsPoints)
	case found[nudge] > 0:
		return min(nudgePoints+nextNudgePoints*(found[nudge]-1), nudgesPoints)
	}
	return min(topicPoints*found[topic], topicsPoints)
}

// withoutLinks replaces each link by a full stop, so that no phrase matches across it.
func withoutLinks(folded string, links []hosts.Address) string {
	if len(links) == 0 {
		return folded
	}
	var rest strings.Builder
	rest.Grow(len(folded))
	at := 0
	for _, l := range links {
		rest.WriteString(folded[at:l.Start])
		rest.WriteString(" . ")
		at = l.End
	}
	rest.WriteString(folded[at:])
	return rest.String()
}
