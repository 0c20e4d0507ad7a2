package sandbox

import (
	"testing"
	"time"
)

func TestDateLiterals(t *testing.T) {
	now := time.Date(2026, 11, 25, 23, 59, 59, 0, time.UTC) // a Wednesday
	for text, want := range map[string][2]string{
		"TODAY": {"2026-11-25", "2026-11-26"}, "YESTERDAY": {"2026-11-24", "2026-11-25"}, "TOMORROW": {"2026-11-26", "2026-11-27"},
		"THIS_WEEK": {"2026-11-22", "2026-11-29"}, "LAST_WEEK": {"2026-11-15", "2026-11-22"}, "NEXT_WEEK": {"2026-11-29", "2026-12-06"},
		"THIS_MONTH": {"2026-11-01", "2026-12-01"}, "LAST_MONTH": {"2026-10-01", "2026-11-01"}, "NEXT_MONTH": {"2026-12-01", "2027-01-01"},
		"THIS_YEAR": {"2026-01-01", "2027-01-01"}, "LAST_YEAR": {"2025-01-01", "2026-01-01"},
		"LAST_N_DAYS:7": {"2026-11-18", "2026-11-26"}, "NEXT_N_DAYS:2": {"2026-11-26", "2026-11-28"},
	} {
		got, ok := dateRange(text, now)
		if !ok || got.from.Format(time.DateOnly) != want[0] || got.to.Format(time.DateOnly) != want[1] {
			t.Errorf("%s is from %v to %v, want %v", text, got.from, got.to, want)
		}
	}
	for _, text := range []string{"LAST_N_DAYS", "LAST_N_DAYS:0", "LAST_N_DAYS:10001", "TODAY:1", "SOMEDAY"} {
		if _, ok := dateRange(text, now); ok {
			t.Errorf("%s was accepted", text)
		}
	}
}
