package spam

import (
	"math"
	"sort"
)

var (
	P_bits = 16
	P_alpha = 0.3
	P_beta = 1.0
	P_l1 = 0.0
	P_l2 = 0.0
	P_cmin, P_cmax = 3, 5
	P_bigram = true
	P_struct = true
	P_scale = 0.5 // cold points to logit
	P_K = 20.0
	P_norm = 0.5
	P_chars = true
	P_cost = 1.0
	P_cw = 1.0
	P_pad = true
	P_passes = 1
)

type Model struct {
	spam, good int
	z, n []float32
}

func NewModel() *Model { return &Model{z: make([]float32, 1<<P_bits), n: make([]float32, 1<<P_bits)} }

func hash(ns byte, s string) uint64 {
	h := uint64(14695981039346656037)
	h ^= uint64(ns); h *= 1099511628211
	for i := 0; i < len(s); i++ { h ^= uint64(s[i]); h *= 1099511628211 }
	h ^= h >> 32; h *= 0xd6e8feb86659fd93; h ^= h >> 32
	return h
}

func Features(subject, body string) ([]uint32, coldRead) {
	raw := body
	if subject != "" { raw = subject + "\n" + body }
	folded := Fold(raw)
	links := findLinks(folded)
	c := cold(raw, folded, links)
	seen := map[uint32]bool{}
	var out []uint32
	mask := uint64(1)<<P_bits - 1
	add := func(ns byte, s string) {
		i := uint32(hash(ns, s) & mask)
		if !seen[i] { seen[i] = true; out = append(out, i) }
	}
	add('b', "")
	ws := words(folded)
	prev := ""
	for _, w := range ws {
		w = shape(w)
		add('w', w)
		if P_bigram && prev != "" { add('2', prev+" "+w) }
		prev = w
	}
	if P_chars {
		digits := []byte(folded)
		for i, b := range digits { if b >= '0' && b <= '9' { digits[i] = '0' } }
		f := " " + string(digits) + " "
		// rune boundaries
		var at []int
		for i := range f { at = append(at, i) }
		at = append(at, len(f))
		for n := P_cmin; n <= P_cmax; n++ {
			for i := 0; i+n < len(at); i++ {
				add('c', f[at[i]:at[i+n]])
			}
		}
	}
	if P_struct {
		for _, r := range c.reasons { add('r', r.Code) }
		l := 0
		for n := len(folded); n > 8; n = n*2/3 { l++ }
		add('l', string(rune('a'+l)))
	}
	sort.Slice(out, func(i, j int) bool { return out[i] < out[j] })
	return out, c
}

func shape(w string) string {
	if !isNumber(w) || len(w) < 3 { return w }
	return "#" + string(rune('a'+len(w)))
}

func (m *Model) weight(i uint32) float64 {
	z := float64(m.z[i])
	s := 1.0
	if z < 0 { s = -1 }
	if z*s <= P_l1 { return 0 }
	return -(z - s*P_l1) / ((P_beta+math.Sqrt(float64(m.n[i])))/P_alpha + P_l2)
}

func coldLogit(c coldRead) float64 {
	p := float64(c.points)
	if p > 16 { p = 16 }
	return (p - refusePoints) * P_scale
}

func sig(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func (m *Model) margin(f []uint32) float64 {
	x := 1 / math.Pow(float64(len(f)), P_norm)
	s := 0.0
	for _, i := range f { s += m.weight(i) }
	return s * x
}

func (m *Model) ObserveF(f []uint32, c coldRead, spam bool) {
	x := 1 / math.Pow(float64(len(f)), P_norm)
	p := sig(m.margin(f) + P_cw*coldLogit(c))
	y := 0.0
	if spam { y = 1; m.spam++ } else { m.good++ }
	g := (p - y) * x
	if spam { g *= P_cost }
	for _, i := range f {
		w := m.weight(i)
		n := float64(m.n[i])
		s := (math.Sqrt(n+g*g) - math.Sqrt(n)) / P_alpha
		m.z[i] += float32(g - s*w)
		m.n[i] += float32(g * g)
	}
}

func (m *Model) ScoreF(f []uint32, c coldRead) float64 {
	k := float64(min(m.spam, m.good))
	conf := k / (k + P_K)
	return conf*m.margin(f) + coldLogit(c)*(1-conf*(1-P_cw))
}
func (c coldRead) Points() int { return c.points }
func (c coldRead) Reasons() []Reason { return c.reasons }
func (m *Model) ObserveAny(f []uint32, c any, spam bool) { m.ObserveF(f, c.(coldRead), spam) }
func (m *Model) ScoreAny(f []uint32, c any) float64 { return m.ScoreF(f, c.(coldRead)) }
