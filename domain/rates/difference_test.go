package rates

import (
	"math"
	"testing"
)

// TestDifference compares with the examples of Newcombe's paper of 1998 (method 10).
func TestDifference(t *testing.T) {
	for _, row := range []struct {
		a, n, b, m int
		low, high  float64
	}{
		{56, 70, 48, 80, 0.0524, 0.3339}, {9, 10, 3, 10, 0.1705, 0.8090}, {6, 7, 2, 7, 0.0582, 0.8062},
		{5, 56, 0, 29, -0.0381, 0.1926}, {0, 10, 0, 20, -0.1611, 0.2775}, {10, 10, 0, 20, 0.6791, 1},
	} {
		low, high := Difference(*Of(row.a, row.n), *Of(row.b, row.m))
		if math.Abs(low-row.low) > 5e-5 || math.Abs(high-row.high) > 5e-5 {
			t.Errorf("%d of %d and %d of %d: %.4f to %.4f, want %.4f to %.4f", row.a, row.n, row.b, row.m, low, high, row.low, row.high)
		}
	}
}
