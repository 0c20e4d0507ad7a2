package spam

import (
	"math"
	"testing"
)

// TestReportShareLow compares with values of the Wilson interval that were computed by other code.
func TestReportShareLow(t *testing.T) {
	for _, row := range []struct {
		reports, deliveries int
		want                float64
	}{
		{0, 100, 0}, {0, 0, 0}, {1, 0, 0}, {-1, 5, 0},
		{1, 2, 0.0945}, {3, 150, 0.0068}, {10, 100, 0.0552}, {50, 100, 0.4038}, {5, 5, 0.5655}, {9, 5, 0.5655},
	} {
		if got := ReportShareLow(row.reports, row.deliveries); math.Abs(got-row.want) > 0.00005 {
			t.Errorf("%d of %d: %.4f, want %.4f", row.reports, row.deliveries, got, row.want)
		}
	}
}
