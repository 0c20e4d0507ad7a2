package mailroom_test

import (
	"strings"
	"testing"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/domain/rates"
)

// compares proves that two keys of a cut, and each row with all others, are compared over complete weeks
// (R62).
func compares(t *testing.T) {
	on(t, "R62_rates_are_compared", func(w *world) {
		w.member("a", "recruiter_50", func(m *domain.Member) { m.Plan = "recruiter_50" })
		w.members(48)
		for i := range 48 {
			s := own("a", i)
			s.Tags = []string{"Fair"}
			if i%2 == 0 {
				s.Tags, s.Body = []string{"spring 24"}, strings.Repeat(s.Body+" ", 4) // 100 words and more
			}
			w.clock.advance(time.Minute)
			id, err := w.accept(s)
			w.ok(err)
			w.work()
			if i%2 == 0 {
				_, err := w.svc.Open(w.ctx, mailroom.Viewer{Member: s.To}, id)
				w.ok(err)
			}
		}
		compare := func(a, b string) rates.Differences {
			w.t.Helper()
			c, err := w.svc.Compare(w.ctx, operator, "tag", [2]string{a, b}, time.Time{}, time.Time{})
			w.ok(err)
			return c.Differences
		}
		if d := compare("spring 24", "fair"); d.Open != nil || d.Response != nil {
			w.t.Errorf("before the week is complete: %+v", d)
		}
		w.clock.set(t0.AddDate(0, 0, rates.OpenCompleteDays))
		if d := compare(" SPRING  24", "fair"); d.Open.Verdict() != rates.Higher || d.Open.Value != 1 || d.Open.Of != [2]int{24, 24} || d.Response != nil {
			w.t.Errorf("open rates: %+v", d.Open)
		}
		if d := compare("fair", "spring 24"); d.Open.Verdict() != rates.Lower {
			w.t.Errorf("the other way about: %+v", d.Open)
		}
		for member, n := range map[domain.MemberID]int{"a": 24, "r0": 0} { // a member compares its own sends (R69)
			c, err := w.svc.Compare(w.ctx, mailroom.Viewer{Member: member}, "tag", [2]string{"spring 24", "fair"}, time.Time{}, time.Time{})
			w.ok(err)
			if got := c.Differences.Open; n == 0 && got != nil || n > 0 && (got == nil || got.Of[0] != n) {
				w.t.Errorf("as %s: %+v", member, got)
			}
		}
		if d := compare("fair", "never used"); d.Open != nil {
			w.t.Errorf("with a tag that was never used: %+v", d.Open)
		}
		report, err := w.svc.Analytics(w.ctx, operator, "length", time.Time{}, time.Time{})
		w.ok(err)
		long, short := report.ToOthers["100_and_more"].Open, report.ToOthers["under_100"].Open
		if long.Verdict() != rates.Higher || short.Verdict() != rates.Lower || long.Of != [2]int{24, 24} {
			w.t.Errorf("by length: %+v and %+v", long, short)
		}
		if report, err = w.svc.Analytics(w.ctx, operator, "tag", time.Time{}, time.Time{}); err != nil || report.ToOthers != nil {
			w.t.Errorf("by tag: %v, %+v", err, report.ToOthers)
		}
		for _, keys := range [][2]string{{"fair", "FAIR"}, {"", "fair"}} {
			_, err := w.svc.Compare(w.ctx, operator, "tag", keys, time.Time{}, time.Time{})
			w.want(err, domain.BadRequest)
		}
		_, err = w.svc.Compare(w.ctx, operator, "week", [2]string{"2026-W47", "2026-W48"}, time.Time{}, time.Time{})
		w.want(err, domain.BadRequest)
	})
}
