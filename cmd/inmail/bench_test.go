package main

import (
	"testing"
)

// TestBenchCounts checks the arithmetic of the bench: medians of runs, ratios of each run with its neighbour,
// and what a table has grown by.
func TestBenchCounts(t *testing.T) {
	var s samples
	for _, run := range [][2]float64{{10, 5}, {30, 10}, {20, 20}} {
		s.ours(run[0], 1)
		s.theirs(run[1], 2)
	}
	if r := s.row(benchRow{}); r.Ours != 20 || r.Neighbour != 10 || r.Ratio != 2 {
		t.Errorf("the row says %+v, want the medians 20, 10 and 2", r)
	}
	line, sum := largest(map[string]int64{"texts": 1000}, map[string]int64{"texts": 3000, "inmails": 4000, "keys": 5}, 10)
	if line != "inmails 400, texts 200" || sum != 600 {
		t.Errorf("the tables have grown by %s, %v in all; want inmails 400, texts 200, 600 in all", line, sum)
	}
}
