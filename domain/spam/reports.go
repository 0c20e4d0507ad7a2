package spam

import "math"

// ReportShareLow returns the lower end of the 95 % Wilson interval of reports among
// deliveries, 0..1: what operators see beside the counts of R41 (c), so that one
// report of two deliveries does not look like half. Without deliveries it is 0;
// reports beyond the deliveries count as all of them.
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
