package spam

import (
	"math"
	"time"
)

// A ReportedBody is an abuse report with the fingerprint of the reported body, as Teach reads it.
type ReportedBody struct {
	Print            Fingerprint
	Sender, Reporter string
	Taught           bool // the model has already been trained on it
}

// Teach returns the indexes of the reports that the model may now be trained on as spam. reports are all of
// RecordWindow, without those that an operator's undo has set aside; deliveries are counted by sender.
//
// A few readers must not decide for everybody. So a report qualifies only when near-identical bodies
// (Similar) were reported by as many distinct reporters as R41 c asks to restrict a sender: at least
// ReportersMin, and at least ReportShare of what the senders of these bodies delivered together. However
// often one or two readers report, and however similar the bodies are, they do not train the model.
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

// FadeEvery is the interval of Fade. Three decays halve a weight, so a training example counts half as much
// after 90 days and less than a tenth after a year.
const FadeEvery = 30 * 24 * time.Hour

// fadeFactor is what one Fade multiplies the weights with: 2^(-1/3), so that three halve them.
const fadeFactor = 0.7937005259840998

// Fade decays the model by a fifth: all weights, and the numbers of messages that confidence rests on. What
// nobody reports or answers any more is forgotten in time.
func (m *Model) Fade() {
	m.spam, m.good = faded(m.spam), faded(m.good)
	for slot, z := range m.z {
		weighs := max(0, math.Abs(float64(z))-ftrlL1) // only the part of z beyond the L1 threshold makes a weight
		rest := math.Abs(float64(z)) - weighs
		m.z[slot] = float32(math.Copysign(rest+float64(weighs*fadeFactor), float64(z)))
	}
}

func faded(messages uint64) uint64 { return uint64(float64(messages) * fadeFactor) }
