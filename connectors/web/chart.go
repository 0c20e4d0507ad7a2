package web

import (
	"fmt"
	"strings"

	"inmail/domain"
	"inmail/domain/rates"
)

func cohort(key string) domain.Cohort { return domain.Cohort(key) }

// bar is one place of a chart: a rate with its interval, and how many it is of.
type bar struct {
	Label string
	Rate  *rates.Rate // nil: there is none
	N     int
	SoFar bool // the rate may still change
}

// chart is a rate by week as dots with whiskers, ready to be drawn. Rates run from 0 to 100 %.
type chart struct {
	ID            string
	Title, Desc   string
	Phone         bool
	Width, Height int
	Left, Right   float64
	Base          float64 // where 0 % is
	Lines         []chartLine
	Marks         []chartMark
}

// chartLine is one horizontal line of the scale.
type chartLine struct {
	Y    float64
	Text string
}

// chartMark is one week.
type chartMark struct {
	X, Y, Low, High   float64
	CapLeft, CapRight float64
	Label, N, Title   string
	SoFar, Some       bool
}

// charts draws the same bars twice: for a wide screen, and the last of them for a phone.
func charts(title string, bars []bar) []chart {
	last := func(n int) []bar { return bars[max(0, len(bars)-n):] }
	return []chart{drawn(title, last(chartWeeks), 760, false), drawn(title, last(phoneWeeks), 340, true)}
}

// The margins of a chart, and its height.
const (
	chartHeight                         = 260
	marginTop, marginBottom, marginLeft = 14, 46, 44
)

func drawn(title string, bars []bar, width int, phone bool) chart {
	base, top := float64(chartHeight-marginBottom), float64(marginTop)
	y := func(rate float64) float64 { return round(base - rate*(base-top)) }
	c := chart{Title: title, Width: width, Height: chartHeight, Left: marginLeft, Right: float64(width - 8), Base: base,
		Phone: phone, ID: strings.ToLower(strings.ReplaceAll(title, " ", "-"))}
	if phone {
		c.ID += "-phone"
	}
	for _, percent := range []int{0, 25, 50, 75, 100} {
		c.Lines = append(c.Lines, chartLine{Y: y(float64(percent) / 100), Text: fmt.Sprintf("%d %%", percent)})
	}
	step := (c.Right - c.Left) / float64(max(len(bars), 1))
	var said []string
	for i, b := range bars {
		m := chartMark{X: round(c.Left + step*(float64(i)+.5)), Label: b.Label, N: thousands(b.N), SoFar: b.SoFar}
		if b.Rate != nil {
			m.Some, m.Y, m.Low, m.High = true, y(b.Rate.Value), y(b.Rate.Low), y(b.Rate.High)
			m.CapLeft, m.CapRight = m.X-5, m.X+5
			m.Title = say("Week of %s: %s of %s delivered", b.Label, rateText(b.Rate), thousands(b.N))
			if b.SoFar {
				m.Title += say(", so far")
			}
			said = append(said, m.Title)
		}
		c.Marks = append(c.Marks, m)
	}
	c.Desc = strings.Join(said, "; ")
	return c
}

func round(f float64) float64 { return float64(int(f*10+.5)) / 10 }
