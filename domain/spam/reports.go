package spam

import "math"

// ReportShareLow returns the lower end of the 95 % Wilson interval of the share of deliveries that were
// reported, 0..1. Operators see it beside the counts of R41 c, so that one report of two deliveries does not
// look like half. It is 0 without deliveries; more reports than deliveries count as all of them.
func ReportShareLow(reports, deliveries int) float64 {
	if deliveries <= 0 || reports <= 0 {
		return 0
	}
	const z = 1.959963984540054 // 97.5 % of the normal distribution
	n := float64(deliveries)
	p := min(float64(reports)/n, 1)
	centre := p + z*z/(2*n)
	margin := z * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return max(0, (centre-margin)/(1+z*z/n))
}
