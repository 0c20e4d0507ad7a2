package worker

import (
	"testing"
	"time"

	"inmail/domain"
)

// TestConsequences checks what follows from each class of failure.
func TestConsequences(t *testing.T) {
	now := time.Date(2026, 11, 18, 9, 0, 0, 0, time.UTC)
	reset := now.Add(6 * time.Hour)
	for name, c := range map[string]struct {
		class    domain.FailureClass
		attempts int
		ofCall   bool
		silent   int
		until    time.Time
		least    time.Duration // the shortest wait until the row is pushed again; 0: it is not
		most     time.Duration
		dead     bool
		pause    bool
	}{
		"taken":                              {class: domain.Taken},
		"stale":                              {class: domain.Stale},
		"session_ended":                      {class: domain.SessionEnded, attempts: 3, least: time.Second, most: time.Second},
		"limit_until_it_resets":              {class: domain.LimitReached, until: reset, least: 6 * time.Hour, most: 6 * time.Hour},
		"limit_that_says_no_time":            {class: domain.LimitReached, least: time.Hour, most: time.Hour},
		"limit_that_reset_already":           {class: domain.LimitReached, until: now, least: time.Hour, most: time.Hour},
		"login_failed":                       {class: domain.LoginFailed, least: time.Second, most: time.Second, pause: true},
		"configuration":                      {class: domain.Configuration, least: time.Second, most: time.Second, pause: true},
		"lost_reference_first":               {class: domain.LostReference, attempts: 1, least: 500 * time.Millisecond, most: time.Second},
		"lost_reference_last":                {class: domain.LostReference, attempts: lostTries - 1, least: 4 * time.Second, most: 8 * time.Second},
		"lost_reference_too_often":           {class: domain.LostReference, attempts: lostTries, dead: true},
		"bad_data":                           {class: domain.BadData, attempts: 1, dead: true},
		"locked":                             {class: domain.Locked, attempts: 2, least: time.Second, most: 2 * time.Second},
		"locked_for_days":                    {class: domain.Locked, attempts: 1000, least: 150 * time.Second, most: 300 * time.Second},
		"a_call_that_failed":                 {class: domain.Locked, attempts: 2, ofCall: true, silent: 1, least: time.Second, most: 2 * time.Second},
		"calls_that_failed_one_by_one":       {class: domain.Locked, attempts: 1000, ofCall: true, silent: 1, least: 16 * time.Second, most: 32 * time.Second},
		"one_of_several_calls_that_failed":   {class: domain.Locked, attempts: 1000, ofCall: true, silent: 0, least: 16 * time.Second, most: 32 * time.Second},
		"an_org_that_answers_nobody":         {class: domain.Locked, attempts: 1000, ofCall: true, silent: 5, least: 150 * time.Second, most: 300 * time.Second},
		"a_row_of_its_own":                   {class: domain.Locked, attempts: 1000, silent: 5, least: 150 * time.Second, most: 300 * time.Second},
		"a_class_that_nobody_knows_here_yet": {class: "new", attempts: 1, least: 500 * time.Millisecond, most: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			got := consequenceOf(domain.PushAnswer{Class: c.class, Until: c.until, OfCall: c.ofCall, Link: domain.Link{Attempts: c.attempts}}, now, c.silent)
			if got.dead != c.dead || got.pause != c.pause {
				t.Errorf("dead %v, pause %v; want %v, %v", got.dead, got.pause, c.dead, c.pause)
			}
			if c.least == 0 {
				if !got.again.IsZero() {
					t.Errorf("again at %v; want never", got.again)
				}
				return
			}
			if wait := got.again.Sub(now); wait < c.least || wait > c.most {
				t.Errorf("again in %v; want %v to %v", wait, c.least, c.most)
			}
		})
	}
}

// TestField checks cases that people reported of other integrations, by the number of the case.
func TestField(t *testing.T) {
	now := time.Date(2026, 11, 18, 9, 0, 0, 0, time.UTC)
	settled := func(failures map[string]domain.Failure) (domain.Link, consequence) {
		a := domain.PushAnswer{Class: domain.Locked, Link: domain.Link{Failures: failures}}
		what := settle(&a, now, 0)
		return a.Link, what
	}
	t.Run("F01_a_part_that_rests_pauses_nothing", func(t *testing.T) {
		until := now.Add(10 * time.Minute)
		for _, class := range []domain.FailureClass{domain.Configuration, domain.LoginFailed} {
			l, what := settled(map[string]domain.Failure{"note": {Class: class, Until: until, FailedAt: now}})
			if what.pause || what.again != until || l.Dead || l.Class != class {
				t.Errorf("%+v, %+v", what, l)
			}
			if _, what := settled(map[string]domain.Failure{domain.RecordPart: {Class: class}, "note": {Class: class, Until: until}}); !what.pause {
				t.Errorf("the record's %s does not pause: %+v", class, what)
			}
		}
	})
	t.Run("F05_each_part_has_its_own_consequence", func(t *testing.T) {
		failures := map[string]domain.Failure{
			domain.RecordPart: {Class: domain.Locked, Attempts: 9, FailedAt: now},
			"first":           {Object: "Note", Class: domain.BadData, Detail: "NO", Attempts: 1, FailedAt: now},
			"second":          {Class: domain.LostReference, Attempts: 1, FailedAt: now},
		}
		l, what := settled(failures)
		if wait := what.again.Sub(now); what.pause || !what.dead || wait < time.Second/2 || wait > time.Second {
			t.Errorf("the first to go does not decide: %+v", what)
		}
		if !l.Dead || l.Class != domain.BadData || l.Detail != "NO" || !l.Failures["first"].Dead || l.Failures["second"].Dead || l.Failures[domain.RecordPart].Dead {
			t.Errorf("%+v", l)
		}
		if failures["first"].Dead {
			t.Error("the failures of the answer were changed in place")
		}
	})
}

// TestBackoff checks its bounds: twice as long each time, from one second to five minutes, and a random part
// of at least half of that.
func TestBackoff(t *testing.T) {
	for attempts, most := range map[int]time.Duration{
		-1: time.Second, 0: time.Second, 1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 9: 256 * time.Second,
		10: 5 * time.Minute, 63: 5 * time.Minute, 1 << 40: 5 * time.Minute,
	} {
		visited := map[time.Duration]bool{}
		for range 200 {
			d := backoff(attempts)
			if d < most/2 || d > most {
				t.Fatalf("attempt %d: %v is outside %v to %v", attempts, d, most/2, most)
			}
			visited[d] = true
		}
		if len(visited) < 2 {
			t.Errorf("attempt %d: always %v: what failed together comes back together", attempts, backoff(attempts))
		}
	}
}

// TestSilence checks the count of pushes without any answer: one answer to one row sets it to 0.
func TestSilence(t *testing.T) {
	unanswered, row := domain.PushAnswer{Class: domain.Locked, OfCall: true}, domain.PushAnswer{Class: domain.Locked}
	var p pusher
	for i, step := range []struct {
		answers []domain.PushAnswer
		silent  int
	}{
		{[]domain.PushAnswer{unanswered}, 1}, {[]domain.PushAnswer{unanswered, unanswered}, 2}, {[]domain.PushAnswer{unanswered, row}, 0},
		{[]domain.PushAnswer{unanswered}, 1}, {[]domain.PushAnswer{{Class: domain.Taken}}, 0},
	} {
		if p.noteSilence(step.answers); p.silent != step.silent {
			t.Errorf("after push %d: %d silent, want %d", i+1, p.silent, step.silent)
		}
	}
}
