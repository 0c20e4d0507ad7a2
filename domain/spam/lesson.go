package spam

import (
	"math"
	"time"
)

// A ReportedBody is one abuse report with the body that it is about, as the filter looks
// at it when it asks what to learn.
type ReportedBody struct {
	Print            Fingerprint
	Sender, Reporter string
	Taught           bool // learned from already
}

// Teach returns which of reports, those of RecordWindow, the filter may learn from as
// spam now, by their indexes. Few readers must not decide for all: a report teaches
// nothing until near-identical bodies (Similar) were reported by as many distinct
// reporters as would restrict a sender of all that their senders delivered (R41 c):
// ReportersMin, and ReportShare of deliveries, which is asked for each sender once.
// However often one or two readers report, and however alike the letters are, the
// filter is what it was. What an operator's undo has set aside teaches nothing either;
// leave it out of reports.
func Teach(reports []ReportedBody, deliveries map[string]int, l Limits) []int {
	var teach []int
	for i, r := range reports {
		if r.Taught {
			continue
		}
		reporters, senders, delivered := map[string]bool{}, map[string]bool{}, 0
		for j, other := range reports {
			if i != j && !Similar(r.Print, other.Print) {
				continue
			}
			reporters[other.Reporter] = true
			if !senders[other.Sender] {
				senders[other.Sender] = true
				delivered += deliveries[other.Sender]
			}
		}
		if len(reporters) >= l.reportersNeeded(delivered) {
			teach = append(teach, i)
		}
	}
	return teach
}

// FadeEvery is how often what was learned fades. After three times it weighs half: a
// lesson counts half as much after 90 days, and less than a tenth after a year.
const FadeEvery = 30 * 24 * time.Hour

// fadesTo is 2^(-1/3).
const fadesTo = 0.7937005259840998

// Fade lets everything that was learned weigh a fifth less, and so much less be known of
// both kinds (confidence): what nobody reports or answers any more is forgotten.
func (m *Model) Fade() {
	m.spam, m.good = faded(m.spam), faded(m.good)
	for slot, z := range m.z {
		weighs := max(0, math.Abs(float64(z))-sparsity) // only what is beyond makes a weight
		rest := math.Abs(float64(z)) - weighs
		m.z[slot] = float32(math.Copysign(rest+float64(weighs*fadesTo), float64(z)))
	}
}

func faded(seen uint64) uint64 { return uint64(float64(seen) * fadesTo) }
