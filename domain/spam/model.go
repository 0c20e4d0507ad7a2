package spam

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
	"strings"
)

// A Model is what an installation has learned about the content of its messages from abuse reports and
// replies: a logistic regression over hashed features, trained one message at a time by FTRL-proximal
// (McMahan et al., "Ad Click Prediction: a View from the Trenches", KDD 2013). The log odds of the cold
// signals are its offset, so the weights correct what these signals miss or overrate.
//
// It has a fixed size, contains sums and no words, and is the same after the same messages in the same order
// on every machine. No other method may run while Observe does.
type Model struct {
	spam, good uint64    // messages that it was trained on, reduced by each Fade
	z, n       []float32 // by slot: the adjusted sum of gradients, and the sum of their squares
}

// The parameters of FTRL-proximal: its α, β and L1. They were chosen on 3,600 messages; any α from 5 to 20
// and L1 from 0.01 to 0.05 finds the same within 1 in 100.
const (
	learningRate = 10
	ftrlBeta     = 1
	ftrlL1       = 0.05 // large enough that a feature which occurred once weighs nothing
)

// maxLogitShift is how far, in log odds, one training example may move the score of its own message, so that
// one reader does not decide for everybody: a message with a score below 0.27 still passes after one report,
// and no longer after six.
const maxLogitShift = 3

// halfConfidence is how many messages of the rarer kind, spam or good, make the model's log odds count half.
const halfConfidence = 20

// NewModel returns a model without any training.
func NewModel() *Model {
	return &Model{z: make([]float32, slots), n: make([]float32, slots)}
}

// Examples returns how many spam and good messages m was trained on; each Fade reduces them.
func (m *Model) Examples() (spam, good uint64) { return m.spam, m.good }

// Observe trains the model on one message: an abuse report makes it spam, a reply good.
func (m *Model) Observe(subject, body string, spam bool) {
	t := Read(subject, body)
	reasons, points := t.coldReasons()
	features := t.features(reasons)

	before := m.logit(features)
	judged := coldLogit(points) + before
	residual := logistic(judged) // the predicted probability of spam minus the label
	if spam {
		residual--
		m.spam++
	} else {
		m.good++
	}
	g := residual * featureValue(len(features)) // the gradient of the log loss by one weight
	saved := m.sums(features)
	m.step(features, g)
	for limit := logitShiftLimit(judged, spam); math.Abs(m.logit(features)-before) > limit; m.step(features, g) {
		m.restore(features, saved)
		g /= 2
	}
}

// logitShiftLimit returns how far, in log odds, one training example may move a message that is now judged
// so. A report of a message that passes moves it four fifths of the way to refusal, or by 1 if that is more,
// so that a single report does not make it refused.
func logitShiftLimit(judged float64, spam bool) float64 {
	if spam && judged < 0 {
		return min(maxLogitShift, max(1, -0.8*judged))
	}
	return maxLogitShift
}

// step updates the sums of each slot by the gradient g (FTRL-proximal). The conversions to float64 forbid
// fused operations, whose results differ between machines.
func (m *Model) step(features []uint32, g float64) {
	for _, slot := range features {
		z, n := float64(m.z[slot]), float64(m.n[slot])
		next := n + float64(g*g)
		sigma := (math.Sqrt(next) - math.Sqrt(n)) / learningRate
		m.z[slot] = float32(z + (g - float64(sigma*m.weight(slot))))
		m.n[slot] = float32(next)
	}
}

// sums returns a copy of z and n of the slots, for restore.
func (m *Model) sums(features []uint32) []float32 {
	saved := make([]float32, 0, 2*len(features))
	for _, slot := range features {
		saved = append(saved, m.z[slot], m.n[slot])
	}
	return saved
}

func (m *Model) restore(features []uint32, saved []float32) {
	for i, slot := range features {
		m.z[slot], m.n[slot] = saved[2*i], saved[2*i+1]
	}
}

// weight computes the weight of a slot from its sums.
func (m *Model) weight(slot uint32) float64 {
	z := float64(m.z[slot])
	if math.Abs(z) <= ftrlL1 {
		return 0
	}
	return -(z - math.Copysign(ftrlL1, z)) / ((ftrlBeta + math.Sqrt(float64(m.n[slot]))) / learningRate)
}

// featureValue is the value of each feature of a message with so many: its feature vector has length 1,
// whatever the length of the text.
func featureValue(features int) float64 { return 1 / math.Sqrt(float64(features)) }

// logit returns the model's part of the score of a message, in log odds; 0 is no opinion.
func (m *Model) logit(features []uint32) float64 {
	sum := 0.0
	for _, slot := range features {
		sum += m.weight(slot)
	}
	return float64(sum * featureValue(len(features))) // forbids a fused operation in the caller
}

// logitOf is logit for a message.
func (m *Model) logitOf(t *Message, signs []Reason) float64 {
	sum, n := 0.0, 0
	t.eachFeature(signs, func(slot uint32) {
		sum += m.weight(slot)
		n++
	})
	return float64(sum * featureValue(n))
}

// confidence returns which share of the logit counts, 0..1: none before m was trained on both kinds, half
// after halfConfidence messages of the rarer kind.
func (m *Model) confidence() float64 {
	examples := float64(min(m.spam, m.good))
	return examples / (examples + halfConfidence)
}

// topSpamWords returns up to three words of a message, those with the highest weights towards spam.
func (m *Model) topSpamWords(words []string) string {
	var best [3]string
	var weights [3]float64
	for _, w := range words {
		if isNumber(w) || len(w) > maxShownWord || slices.Contains(best[:], w) {
			continue
		}
		weight := m.weight(hashWord(newHash(unigram), w).slot())
		for i := range best {
			if weight > weights[i] {
				copy(best[i+1:], best[i:])
				copy(weights[i+1:], weights[i:])
				best[i], weights[i] = w, weight
				break
			}
		}
	}
	return strings.TrimSpace(strings.Join(best[:], " "))
}

// maxShownWord is the length of the longest word shown to a sender, in bytes; what is longer is a secret or
// an address.
const maxShownWord = 24

// logistic returns 1/(1+e^-x). It uses correctly rounded operations only, because math.Exp differs in the
// last bit between machines.
func logistic(x float64) float64 {
	x = max(-36, min(36, x))
	// e^-x is computed as (e^(-x/1024))^1024: the inner power by its series, the outer one by squaring.
	y := -x / 1024
	e := 1.0
	for k := 8.0; k >= 1; k-- {
		e = 1 + float64(float64(y*e)/k)
	}
	for range 10 {
		e = float64(e * e)
	}
	return 1 / (1 + e)
}

// The stored form of a model, little endian: modelMagic, the numbers of spam and good messages (8 bytes
// each), the number of slots in use (4 bytes); for each of them in rising order its number (2 bytes), z and n
// (4 bytes each); CRC-32 of all that.
const (
	modelMagic  = "inmail-spam-model/1\n"
	modelHeader = len(modelMagic) + 8 + 8 + 4
	slotBytes   = 2 + 4 + 4
	modelFooter = 4
)

// ErrModel is the error of UnmarshalBinary for bytes that are not a model of this version.
var ErrModel = errors.New("not a spam model of this version")

// MarshalBinary returns the stored form of m, at most 320 KiB. The same model gives the same bytes.
func (m *Model) MarshalBinary() ([]byte, error) {
	used := 0
	for slot := range m.n {
		if m.inUse(slot) {
			used++
		}
	}
	b := make([]byte, 0, modelHeader+used*slotBytes+modelFooter)
	b = append(b, modelMagic...)
	b = binary.LittleEndian.AppendUint64(b, m.spam)
	b = binary.LittleEndian.AppendUint64(b, m.good)
	b = binary.LittleEndian.AppendUint32(b, uint32(used))
	for slot := range m.n {
		if !m.inUse(slot) {
			continue
		}
		b = binary.LittleEndian.AppendUint16(b, uint16(slot))
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(m.z[slot]))
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(m.n[slot]))
	}
	return withChecksum(b), nil
}

// withChecksum returns b followed by its CRC-32.
func withChecksum(b []byte) []byte { return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b)) }

func (m *Model) inUse(slot int) bool { return m.z[slot] != 0 || m.n[slot] != 0 }

// UnmarshalBinary replaces m by the stored model. Its error is ErrModel with the reason; m is then unchanged.
func (m *Model) UnmarshalBinary(b []byte) error {
	if len(b) < modelHeader+modelFooter {
		return fmt.Errorf("%w: %d bytes", ErrModel, len(b))
	}
	if string(b[:len(modelMagic)]) != modelMagic {
		return fmt.Errorf("%w: it begins otherwise", ErrModel)
	}
	content, sum := b[:len(b)-modelFooter], binary.LittleEndian.Uint32(b[len(b)-modelFooter:])
	if crc32.ChecksumIEEE(content) != sum {
		return fmt.Errorf("%w: its check sum differs", ErrModel)
	}
	stored := NewModel()
	stored.spam = binary.LittleEndian.Uint64(b[len(modelMagic):])
	stored.good = binary.LittleEndian.Uint64(b[len(modelMagic)+8:])
	used := binary.LittleEndian.Uint32(b[len(modelMagic)+16:])
	rows := content[modelHeader:]
	if uint64(len(rows)) != uint64(used)*slotBytes {
		return fmt.Errorf("%w: %d bytes for %d slots", ErrModel, len(rows), used)
	}
	next := 0 // the lowest slot that may follow
	for ; len(rows) > 0; rows = rows[slotBytes:] {
		slot := int(binary.LittleEndian.Uint16(rows))
		z := math.Float32frombits(binary.LittleEndian.Uint32(rows[2:]))
		n := math.Float32frombits(binary.LittleEndian.Uint32(rows[6:]))
		switch {
		case slot < next || slot >= slots:
			return fmt.Errorf("%w: slot %d is out of order or out of 0..%d", ErrModel, slot, slots-1)
		case !(math.Abs(float64(z)) <= largestSum && n >= 0 && n <= largestSum): // also true for NaN
			return fmt.Errorf("%w: slot %d holds no sums", ErrModel, slot)
		}
		stored.z[slot], stored.n[slot] = z, n
		next = slot + 1
	}
	*m = *stored
	return nil
}

// largestSum is the largest z or n accepted from storage: more than any number of training examples adds up
// to in one slot, and far less than the values for which a weight could not be computed.
const largestSum = 1e9
