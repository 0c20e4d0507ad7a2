// Package spam judges what is sent and who sends it, as pure functions over texts and
// counters (R41–R43). It has two halves.
//
// Content: Judge reads a message and says whether it is refused, from signals that
// need no learning (phrases.go, structure.go) and from what a Model has learned of
// reports and replies. A reply teaches it at once, a report only with others like it
// (Teach), and what was learned fades (Fade). Evaluate measures what it finds.
//
// Behaviour: Decide, Struck and Reported look at what was seen of a sender (Signals)
// under Limits and name the limit that was passed; Restrict says for how long that
// restricts; StandingOf tells the sender how near each limit is. Print and Similar
// find near-identical bodies. A Decision keeps what it saw, so that it can be replayed
// under other limits; when an operator undoes one, what it saw counts no more (Undone).
package spam

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// ContentVersion names the phrases, signals and features of this build. It
// changes with any of them, for a stored model only fits its own features.
const ContentVersion = "content/1"

// RefuseScore is the score from which on a message is refused (R42). Scores are
// probabilities: what is refused is more likely spam than not.
const RefuseScore = 0.5

// refusePoints of cold signals are RefuseScore: two pitches of different kinds,
// or one and several lesser signs beside it.
const refusePoints = 10

// logitPerPoint is how far a point moves the score, in log odds: a message without
// any sign has odds of 1:20 before anything is learned.
const logitPerPoint = 0.3

// maxColdPoints count: however many signs there are, learning can outweigh them.
const maxColdPoints = 20

// A Verdict is what the content of one message says about it. Content alone
// refuses that message (spam_content) and counts a strike; it never restricts an
// account by itself (R41, R42).
type Verdict struct {
	Spam    bool     `json:"spam"`    // Score >= RefuseScore
	Score   float64  `json:"score"`   // 0..1, from both parts
	Cold    float64  `json:"cold"`    // 0..1, what the phrases and signals alone say
	Learned float64  `json:"learned"` // 0..1, what was learned alone says; 0.5 is no opinion
	Reasons []Reason `json:"reasons"` // the weightiest first; none if nothing was found
	Version string   `json:"version"` // of the content rules, and how many spam and good messages were learned from
}

// A Reason is one sign of spam, to be told to the sender.
type Reason struct {
	Code   string  `json:"code"`   // of a closed list: prize, short_link, learned …
	Points float64 `json:"points"` // above 0; 10 in all refuse, unless what was learned speaks for the message
	Text   string  `json:"text"`   // what the message does, in plain words and none of its own
	// Words are at most four words that gave it away, folded; empty if it is no
	// matter of words. They are not part of the JSON: what was not accepted is
	// stored nowhere (R27).
	Words string `json:"-"`
}

// Judge decides by its content whether a message is spam (R42). body is the source as
// it was sent: its formatting is seen through, and where its links lead counts. With a
// nil or a fresh model the cold signals decide alone; what m has learned counts by how much of
// both kinds it has seen. Judge only reads m: calls may run at once with each
// other, not with Observe.
func Judge(m *Model, subject, body string) Verdict {
	t := takeApart(subject, body)
	reasons, points := t.coldReasons()
	v := Verdict{
		Cold:    logistic(coldLogit(points)),
		Learned: 0.5,
		Score:   logistic(coldLogit(points)),
		Version: ContentVersion,
	}
	if m != nil {
		features := t.features(reasons)
		learned := m.logit(features)
		counted := float64(m.confidence() * learned) // no fused operation: the same on every machine
		v.Learned = logistic(learned)
		v.Score = logistic(coldLogit(points) + counted)
		v.Version = fmt.Sprintf("%s spam:%d good:%d", ContentVersion, m.spam, m.good)
		if points := math.Round(counted/logitPerPoint*10) / 10; points >= 1 {
			reasons = append(reasons, Reason{Code: "learned", Points: points,
				Text: "reads like messages that were reported as abuse", Words: m.tellingWords(t.words)})
		}
	}
	v.Spam = v.Score >= RefuseScore
	slices.SortStableFunc(reasons, func(a, b Reason) int { return cmp.Compare(b.Points, a.Points) })
	v.Reasons = reasons
	return v
}

// coldLogit returns the log odds of cold points.
func coldLogit(points float64) float64 {
	return float64((min(points, maxColdPoints) - refusePoints) * logitPerPoint)
}

// A message is a text taken apart once, for the signals and for the features.
type message struct {
	raw, folded string
	links       []link
	words       []string
}

func takeApart(subject, body string) message {
	t := message{raw: body}
	if subject != "" {
		t.raw = subject + "\n" + body
	}
	t.folded = Fold(t.raw)
	t.links = findLinks(t.folded)
	t.words = splitWords(make([]string, 0, len(t.folded)/5+8), t.folded)
	return t
}

// coldReasons returns the signs of spam that need no learning, and their points.
func (t message) coldReasons() (reasons []Reason, points float64) {
	reasons = append(t.phraseReasons(), t.structure()...)
	for _, r := range reasons {
		points += r.Points
	}
	return reasons, points
}

// phraseReasons returns one reason for each class that has a phrase in the text.
func (t message) phraseReasons() []Reason {
	plain, text := t.words, t.folded
	if len(t.links) > 0 { // no phrase is looked for in an address
		text = withoutLinks(t.folded, t.links)
		plain = splitWords(nil, text)
	}
	hits := findPhrases(plain, meantWords(text))
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
			reasons = append(reasons, Reason{Code: c.code, Points: float64(classScore(found)), Text: c.says, Words: strongest.shown()})
		}
	}
	if masked > 0 {
		reasons = append(reasons, Reason{Code: "disguised", Points: float64(maskedPoints * min(masked, 2)),
			Text: "writes words with digits or signs in place of letters"})
	}
	return reasons
}

// classScore returns the points of a class by how many of its phrases were found.
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

func withoutLinks(folded string, links []link) string {
	var rest strings.Builder
	rest.Grow(len(folded))
	at := 0
	for _, l := range links {
		rest.WriteString(folded[at:l.start])
		rest.WriteString(" . ")
		at = l.end
	}
	rest.WriteString(folded[at:])
	return rest.String()
}
