package spam

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const ms = time.Millisecond

// t0 is the time at which these tests judge.
var t0 = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

// sendsBefore returns the times that lie so long before now.
func sendsBefore(now time.Time, ago ...time.Duration) []time.Time {
	times := make([]time.Time, 0, len(ago))
	for _, d := range ago {
		times = append(times, now.Add(-d))
	}
	return times
}

// scattered returns n times, newest first: the oldest lies so long before now, the others at uneven gaps in
// between, none in the last minute.
func scattered(now time.Time, n int, oldest time.Duration) []time.Time {
	times := make([]time.Time, n)
	for i := range times {
		part := float64(n-i) / float64(n) // 1 … 1/n
		times[n-1-i] = now.Add(-time.Minute - time.Duration(float64(oldest-time.Minute)*part*part))
	}
	return times
}

// name returns the name of a trigger, "" for none.
func name(t *Trigger) string {
	if t == nil {
		return ""
	}
	return t.Name
}

// want fails unless d triggered by name, with value against limit.
func want(t *testing.T, d *Trigger, name string, value, limit float64) {
	t.Helper()
	if diff := cmp.Diff(&Trigger{Name: name, Value: value, Limit: limit, At: t0}, d); diff != "" {
		t.Errorf("trigger (-want +got):\n%s", diff)
	}
}

func TestRules(t *testing.T) {
	paceRules(t)
	limits := DefaultLimits()

	t.Run("R41_defaults", func(t *testing.T) {
		want := Limits{VolumeHour: 20, VolumeDay: 40, Strikes: 3, SimilarDay: 12, RegularGaps: 10, BurstMinute: 10, ReportersMin: 3, ReportShare: 0.02}
		if diff := cmp.Diff(want, limits); diff != "" {
			t.Errorf("limits (-want +got):\n%s", diff)
		}
	})

	t.Run("R41_volume_hour", func(t *testing.T) {
		for _, window := range []struct {
			oldest time.Duration
			counts bool
		}{{time.Hour - ms, true}, {time.Hour, false}, {time.Hour + ms, false}} {
			before := scattered(t0, 20, window.oldest)
			if got := Decide(t0, Signals{Sends: before[:19]}, limits); got != nil {
				t.Errorf("the 20th send: %+v", got)
			}
			got := Decide(t0, Signals{Sends: before}, limits)
			if !window.counts {
				if got != nil {
					t.Errorf("the 21st send, the first %s old: %+v", window.oldest, got)
				}
				continue
			}
			want(t, got, "volume_hour", 21, 20)
		}
	})

	t.Run("R41_volume_day", func(t *testing.T) {
		for _, window := range []struct {
			oldest time.Duration
			counts bool
		}{{24*time.Hour - ms, true}, {24 * time.Hour, false}, {24*time.Hour + ms, false}} {
			// Nineteen in the last hour, so that the hour alone would let it pass.
			before := append(scattered(t0, 19, time.Hour-ms), scattered(t0.Add(-2*time.Hour), 21, window.oldest-2*time.Hour)...)
			if got := Decide(t0, Signals{Sends: before[:39]}, limits); got != nil {
				t.Errorf("the 40th send: %+v", got)
			}
			got := Decide(t0, Signals{Sends: before}, limits)
			if !window.counts {
				if got != nil {
					t.Errorf("the 41st send, the first %s old: %+v", window.oldest, got)
				}
				continue
			}
			want(t, got, "volume_day", 41, 40)
		}
	})

	t.Run("R41_burst_minute", func(t *testing.T) {
		ago := []time.Duration{1 * time.Second, 3 * time.Second, 8 * time.Second, 9 * time.Second, 20 * time.Second,
			22 * time.Second, 30 * time.Second, 41 * time.Second, 50 * time.Second}
		if got := Decide(t0, Signals{Sends: sendsBefore(t0, ago...)}, limits); got != nil {
			t.Errorf("the 10th send in a minute: %+v", got)
		}
		want(t, Decide(t0, Signals{Sends: sendsBefore(t0, append(ago, time.Minute-ms)...)}, limits), "burst_minute", 11, 10)
		if got := Decide(t0, Signals{Sends: sendsBefore(t0, append(ago, time.Minute)...)}, limits); got != nil {
			t.Errorf("the 11th send, the first exactly a minute old: %+v", got)
		}
		// A burst is also regular; the trigger is burst_minute.
		want(t, Decide(t0, Signals{Sends: make10(t0, 10*ms)}, limits), "burst_minute", 11, 10)
	})

	t.Run("R41_regular_gaps", func(t *testing.T) {
		if got := Decide(t0, Signals{Sends: make10(t0, 90*time.Second)[:9]}, limits); got != nil {
			t.Errorf("the 10th send of an even cadence, its 9th gap: %+v", got)
		}
		want(t, Decide(t0, Signals{Sends: make10(t0, 90*time.Second)}, limits), "regular_gaps", 10, 10)
		if got := Decide(t0.Add(time.Second), Signals{Sends: make10(t0, 90*time.Second)}, limits); name(got) != "regular_gaps" {
			t.Errorf("a gap longer by exactly 1 s: %+v", got)
		}
		if got := Decide(t0.Add(time.Second+ms), Signals{Sends: make10(t0, 90*time.Second)}, limits); got != nil {
			t.Errorf("a gap longer by 1.001 s: %+v", got)
		}
		// All gaps are compared with each other: a gap that grows slowly is not regular.
		creeping := []time.Time{t0}
		for i := range 11 {
			creeping = append([]time.Time{creeping[0].Add(90*time.Second + time.Duration(i)*200*ms)}, creeping...)
		}
		if got := Decide(creeping[0], Signals{Sends: creeping[1:]}, limits); got != nil {
			t.Errorf("gaps that grow by 0.2 s each: %+v", got)
		}
		// One different gap anywhere in the run ends it.
		for at := range 9 {
			sends := make10(t0, 90*time.Second)
			for i := range at + 1 {
				sends[i] = sends[i].Add(2 * time.Second)
			}
			if got := Decide(t0.Add(2*time.Second), Signals{Sends: sends}, limits); got != nil {
				t.Errorf("the gap before send %d longer by 2 s: %+v", at, got)
			}
		}
		// A cadence of one send a day is regular, too.
		want(t, Decide(t0, Signals{Sends: make10(t0, 24*time.Hour)}, limits), "regular_gaps", 10, 10)
	})

	t.Run("R41_similar_day", func(t *testing.T) {
		if got := Decide(t0, Signals{Similar: 11}, limits); got != nil {
			t.Errorf("the 12th near-identical body: %+v", got)
		}
		want(t, Decide(t0, Signals{Similar: 12}, limits), "similar_day", 13, 12)
	})

	t.Run("R41_nine_words_of_ten", func(t *testing.T) {
		ten := "one two three four five six seven eight nine ten"
		for other, alike := range map[string]bool{
			ten: true,
			"One, two; three: four - five six seven eight nine TEN!": true,
			"one two three four five six seven eight nine zehn":      true,
			"one two three four five six seven eight neun zehn":      false,
			"one two three four five six seven eight nine":           true,
			"one two three four five six seven eight":                false,
			ten + " eleven":  true,
			ten + " ten":     true,
			ten + " ten ten": false, // each as often
			"something else altogether, and not even of the same length": false,
		} {
			if got := Similar(NewFingerprint(ten), NewFingerprint(other)); got != alike {
				t.Errorf("%q: %t", other, got)
			}
			if got := Similar(NewFingerprint(other), NewFingerprint(ten)); got != alike {
				t.Errorf("%q, the other way round: %t", other, got)
			}
		}
	})

	t.Run("R41_the_recipients_own_words_do_not_count", func(t *testing.T) {
		template := "Hi %s, as a %s at %s you know how hard it is to find data people. We found nine for a neighbour of yours. Shall we talk?"
		write := func(name, headline, company string) Fingerprint {
			return NewFingerprint(fmt.Sprintf(template, strings.Fields(name)[0], headline, company), name, headline, company)
		}
		ann := write("Ann Lee", "Head of Data and People", "Acme Widgets")
		bob := write("Bob Müller-Lüdenscheidt", "Chief Financial Officer", "Northwind Traders of Ohio")
		if !Similar(ann, bob) {
			t.Error("the same text with other names is near-identical")
		}
		if Similar(NewFingerprint(fmt.Sprintf(template, "Ann", "Head of Data and People", "Acme Widgets")),
			NewFingerprint(fmt.Sprintf(template, "Bob", "Chief Financial Officer", "Northwind Traders of Ohio"))) {
			t.Error("with the profile words counted it is not: this test shows nothing")
		}
	})

	t.Run("R41_strikes", func(t *testing.T) {
		two := Signals{}.WithStrike(t0.Add(-30*24*time.Hour + ms)).WithStrike(t0.Add(-time.Hour))
		if got := Struck(t0, two, limits); got != nil {
			t.Errorf("the 2nd strike: %+v", got)
		}
		want(t, Struck(t0, two.WithStrike(t0), limits), "strikes", 3, 3)
		old := Signals{}.WithStrike(t0.Add(-30 * 24 * time.Hour)).WithStrike(t0.Add(-time.Hour)).WithStrike(t0)
		if got := Struck(t0, old, limits); got != nil {
			t.Errorf("the 3rd strike, the first exactly 30 days old: %+v", got)
		}
		if got := Decide(t0, two.WithStrike(t0), limits); got != nil {
			t.Errorf("strikes that were answered refuse no later send: %+v", got)
		}
	})

	t.Run("R41_reports", func(t *testing.T) {
		for _, row := range []struct {
			reporters, deliveries int
			limit                 float64 // 0: passes
		}{
			{2, 10, 0}, {3, 10, 3}, {3, 149, 3}, {3, 150, 3}, {3, 151, 0}, {4, 151, 4}, {4, 200, 4}, {4, 201, 0}, {20, 1000, 20}, {19, 1000, 0}, {3, 0, 3},
		} {
			got := Reported(t0, Signals{Reporters: row.reporters, Deliveries: row.deliveries}, limits)
			if row.limit == 0 {
				if got != nil {
					t.Errorf("%d reporters of %d deliveries: %+v", row.reporters, row.deliveries, got)
				}
				continue
			}
			want(t, got, "reports", float64(row.reporters), row.limit)
		}
		if got := Decide(t0, Signals{Reporters: 50, Deliveries: 50}, limits); got != nil {
			t.Errorf("reports that were answered refuse no later send: %+v", got)
		}
	})

	t.Run("R42_spam_content", func(t *testing.T) {
		v := Judge(nil, "Congratulations!!!", "You have won $1,000,000. Click here to claim your prize!!!")
		if !v.Spam || len(v.Reasons) == 0 || v.Score < RefuseScore {
			t.Errorf("%+v", v)
		}
		v = Judge(nil, "Free for a call on Tuesday?", "Hi Anna, we could increase your pipeline by 20 %. There is a €50k budget for it.")
		if v.Spam {
			t.Errorf("%+v", v)
		}
	})

	t.Run("R42_ladder", func(t *testing.T) {
		var previous []Restriction
		now := t0
		for i, length := range []time.Duration{24 * time.Hour, 72 * time.Hour, 7 * 24 * time.Hour, 7 * 24 * time.Hour} {
			r := Restrict(now, Trigger{Name: VolumeDay, Value: 41, Limit: 40, At: now}, previous)
			want := Restriction{Trigger: "volume_day", Value: 41, Limit: 40, Step: min(i+1, 3), StartedAt: now, Until: now.Add(length)}
			if diff := cmp.Diff(want, r); diff != "" {
				t.Errorf("restriction %d (-want +got):\n%s", i+1, diff)
			}
			previous = append([]Restriction{r}, previous...)
			now = r.Until.Add(time.Hour)
		}
	})

	t.Run("R42_lifts_by_itself", func(t *testing.T) {
		r := Restrict(t0, Trigger{Name: Strikes}, nil)
		for after, active := range map[time.Duration]bool{-ms: true, 0: true, 24*time.Hour - ms: true, 24 * time.Hour: false, 24*time.Hour + ms: false} {
			if got := r.Active(t0.Add(after)); got != active {
				t.Errorf("%s after its stamp, which a clock that was set back may not have reached: %t", after, got)
			}
		}
	})

	t.Run("R42_a_step_lower_after_90_days_without", func(t *testing.T) {
		const days = 24 * time.Hour
		first := Restrict(t0, Trigger{}, nil)
		second := Restrict(first.Until, Trigger{}, []Restriction{first})
		third := Restrict(second.Until, Trigger{}, []Restriction{second, first})
		for _, row := range []struct {
			previous []Restriction
			clean    time.Duration
			step     int
		}{
			{[]Restriction{third, second, first}, 90*days - ms, 3},
			{[]Restriction{third, second, first}, 90 * days, 2},
			{[]Restriction{third, second, first}, 180*days - ms, 2},
			{[]Restriction{third, second, first}, 180 * days, 1},
			{[]Restriction{third, second, first}, 3650 * days, 1},
			{[]Restriction{second, first}, 90*days - ms, 3},
			{[]Restriction{second, first}, 90 * days, 2},
			{[]Restriction{first}, 90*days - ms, 2},
			{[]Restriction{first}, 90 * days, 1},
		} {
			now := row.previous[0].Until.Add(row.clean)
			if got := Restrict(now, Trigger{}, row.previous); got.Step != row.step {
				t.Errorf("%s after step %d: step %d, want %d", row.clean, row.previous[0].Step, got.Step, row.step)
			}
		}
		// The clean time between earlier ones counts as well.
		late := Restrict(second.Until.Add(90*days), Trigger{}, []Restriction{second, first})
		if got := Restrict(late.Until, Trigger{}, []Restriction{late, second, first}); got.Step != 3 {
			t.Errorf("after 1, 2, 90 days, 2: step %d, want 3", got.Step)
		}
	})

	t.Run("R42_undone_ones_do_not_count", func(t *testing.T) {
		first := Restrict(t0, Trigger{}, nil)
		second := Restrict(first.Until, Trigger{}, []Restriction{first})
		if got := Restrict(second.Until, Trigger{}, []Restriction{second}); got.Step != 2 {
			t.Errorf("after an active one and one that was undone: step %d, want 2", got.Step)
		}
	})

	t.Run("R43_one_row_for_each_limit", func(t *testing.T) {
		var rows []string
		for _, n := range StandingOf(t0, Signals{}, limits, nil).Triggers {
			rows = append(rows, fmt.Sprintf("%s %g of %g, %g left, %t", n.Trigger, n.Value, n.Limit, n.Headroom, n.EasesAt.IsZero()))
		}
		want := []string{"volume_hour 0 of 20, 20 left, true", "volume_day 0 of 40, 40 left, true", "strikes 0 of 3, 2 left, true",
			"reports 0 of 3, 2 left, true", "similar_day 0 of 12, 12 left, true", "regular_gaps 0 of 10, 9 left, true", "burst_minute 0 of 10, 10 left, true"}
		if diff := cmp.Diff(want, rows); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
	})

	t.Run("R43_how_near_and_when_it_eases", func(t *testing.T) {
		s := Signals{
			Sends:      sendsBefore(t0, 10*time.Second, 70*time.Second, 2*time.Hour, 25*time.Hour),
			Strikes:    sendsBefore(t0, time.Hour, 29*24*time.Hour, 30*24*time.Hour),
			Reporters:  2,
			ReportedAt: t0.Add(-7 * 24 * time.Hour),
			Deliveries: 300,
			Similar:    4,
			SimilarAt:  t0.Add(-23 * time.Hour),
		}
		want := []Nearness{
			{"volume_hour", 2, 20, 18, t0.Add(time.Hour - 70*time.Second)},
			{"volume_day", 3, 40, 37, t0.Add(22 * time.Hour)},
			{"strikes", 2, 3, 0, t0.Add(24 * time.Hour)},
			{"reports", 2, 6, 3, t0.Add(23 * 24 * time.Hour)},
			{"similar_day", 4, 12, 8, t0.Add(time.Hour)},
			{"regular_gaps", 1, 10, 8, t0.Add(-10*time.Second + 60*time.Second + time.Second + ms)},
			{"burst_minute", 1, 10, 9, t0.Add(50 * time.Second)},
		}
		if diff := cmp.Diff(want, StandingOf(t0, s, limits, nil).Triggers); diff != "" {
			t.Errorf("triggers (-want +got):\n%s", diff)
		}
	})

	t.Run("R43_a_full_window_eases_for_the_next_send", func(t *testing.T) {
		// Twenty-five in the hour, because the limit was higher before: five must leave
		// until one passes.
		sends := scattered(t0, 25, time.Hour-ms)
		row := StandingOf(t0, Signals{Sends: sends}, limits, nil).Triggers[0]
		if row.Value != 25 || row.Headroom != 0 {
			t.Errorf("%+v", row)
		}
		if got := Decide(row.EasesAt.Add(-ms), Signals{Sends: sends}, limits); name(got) != "volume_hour" {
			t.Errorf("1 ms before it eases: %+v", got)
		}
		if got := Decide(row.EasesAt, Signals{Sends: sends}, limits); name(got) == "volume_hour" {
			t.Errorf("when it eases: %+v", got)
		}
	})

	t.Run("R43_the_restriction_that_holds", func(t *testing.T) {
		r := Restrict(t0, Trigger{Name: VolumeHour, Value: 21, Limit: 20}, nil)
		if got := StandingOf(r.Until.Add(-ms), Signals{}, limits, &r).Restricted; got != &r {
			t.Errorf("1 ms before its end: %+v", got)
		}
		if got := StandingOf(r.Until, Signals{}, limits, &r).Restricted; got != nil {
			t.Errorf("at its end: %+v", got)
		}
	})

	t.Run("R43_warned_before_regular_gaps", func(t *testing.T) {
		// Gaps of 100 s and some: too uneven for the limit, too even for a person.
		sends := []time.Time{t0}
		for i := range 20 {
			sends = append(sends, sends[i].Add(-100*time.Second-time.Duration(i%5)*5*time.Second))
		}
		if got := Decide(t0.Add(100*time.Second), Signals{Sends: sends}, Limits{VolumeHour: 100, VolumeDay: 100, SimilarDay: 100, RegularGaps: 10, BurstMinute: 100}); got != nil {
			t.Fatalf("it is no trigger yet: %+v", got)
		}
		if got := StandingOf(t0, Signals{Sends: sends}, limits, nil).Warnings; len(got) != 1 || got[0].Code != "even_cadence" {
			t.Errorf("20 even gaps: %+v", got)
		}
		if got := StandingOf(t0, Signals{Sends: sends[:20]}, limits, nil).Warnings; len(got) != 0 {
			t.Errorf("19 even gaps: %+v", got)
		}
		if got := StandingOf(t0, Signals{Sends: scattered(t0, 21, 24*time.Hour)}, limits, nil).Warnings; len(got) != 0 {
			t.Errorf("gaps of a person: %+v", got)
		}
	})

	t.Run("R43_explained_and_replayed", func(t *testing.T) {
		s := Signals{Sends: scattered(t0, 20, time.Hour-ms), Deliveries: 7}
		stored, err := json.Marshal(NewDecision(t0, *Decide(t0, s, limits), s, limits))
		if err != nil {
			t.Fatal(err)
		}
		var d Decision
		if err := json.Unmarshal(stored, &d); err != nil {
			t.Fatal(err)
		}
		if d.Version != BehaviourVersion || !d.At.Equal(t0) {
			t.Errorf("version %q at %s", d.Version, d.At)
		}
		want(t, d.Replay(limits), "volume_hour", 21, 20)
		higher := limits
		higher.VolumeHour = 21
		if got := d.Replay(higher); got != nil {
			t.Errorf("under a limit of 21: %+v", got)
		}
		if higher.VolumeHour, higher.VolumeDay = 60, 60; !d.Complete(higher) {
			t.Error("all 20 sends were kept, and it is said that more may have been")
		}
		d.Signals.Sends = append(d.Signals.Sends, scattered(t0.Add(-time.Hour), 20, 20*time.Hour)...)
		if d.Complete(higher) || !d.Complete(limits) {
			t.Error("40 sends were kept, which is all that was: a limit of 60 cannot be replayed from them, one of 40 can")
		}
		for name, s := range map[string]Signals{
			Strikes: {Strikes: sendsBefore(t0, 0, time.Hour, 2*time.Hour)},
			Reports: {Reporters: 3, Deliveries: 3},
		} {
			d := Decision{Trigger: Trigger{Name: name}, At: t0, Signals: s}
			want(t, d.Replay(limits), name, 3, 3)
			milder := limits
			milder.Strikes, milder.ReportersMin = 4, 4
			if got := d.Replay(milder); got != nil {
				t.Errorf("%s under a limit of 4: %+v", name, got)
			}
		}
	})

	t.Run("R43_a_refusal_is_replayed_from_its_score", func(t *testing.T) {
		v := Judge(nil, "You have won", "Claim your prize now: https://bit.ly/x1 before it is too late!!!")
		stored, err := json.Marshal(NewContentDecision(t0, v))
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"prize now", "bit.ly", "won"} {
			if strings.Contains(string(stored), word) {
				t.Errorf("the decision contains %q of the message: %s", word, stored)
			}
		}
		var d ContentDecision
		if err := json.Unmarshal(stored, &d); err != nil {
			t.Fatal(err)
		}
		if d.Threshold != RefuseScore || !d.Replay(d.Threshold) || !d.Replay(v.Score) || d.Replay(v.Score+1e-9) {
			t.Errorf("a score of %g under a bar of %g: %+v", v.Score, d.Threshold, d)
		}
	})

	t.Run("R43_what_is_undone_counts_no_more", func(t *testing.T) {
		s := Signals{Sends: make10(t0, 10*ms), Strikes: sendsBefore(t0, time.Hour, 2*time.Hour)}
		want(t, Decide(t0, s, limits), BurstMinute, 11, 10)
		// A burst also passes other limits of sends: once undone, its sends count for none of them.
		after := s.After(Undone{}.Undo(BurstMinute, t0))
		if got := Decide(t0.Add(ms), after, limits); got != nil {
			t.Errorf("the send after the undo: %+v", got)
		}
		if len(after.Strikes) != 2 {
			t.Errorf("strikes are another kind of evidence: %v", after.Strikes)
		}
		later := t0.Add(time.Second)
		next := after
		for range 10 {
			next = next.WithSend(later)
		}
		if got := Decide(later, next, limits); got == nil || got.Name != BurstMinute || got.Value != 11 {
			t.Errorf("eleven sends after the undo: %+v", got)
		}
		if got := Struck(t0, s.After(Undone{}.Undo(Strikes, t0)).WithStrike(t0.Add(ms)), limits); got != nil {
			t.Errorf("the first strike after the undo of three: %+v", got)
		}
		prints := []SentPrint{{At: t0}, {At: t0.Add(ms)}}
		if got := PrintsAfter(prints, Undone{}.Undo(SimilarDay, t0)); len(got) != 1 || !got[0].At.Equal(t0.Add(ms)) {
			t.Errorf("fingerprints after the undo: %v", got)
		}
		u := Undone{}.Undo(Reports, t0).Undo(Reports, t0.Add(-time.Hour))
		if diff := cmp.Diff(Undone{Reports: t0}, u); diff != "" {
			t.Errorf("the latest undone decision counts (-want +got):\n%s", diff)
		}
	})

	t.Run("R43_a_verdict_says_why", func(t *testing.T) {
		v := Judge(NewModel(), "", "You have won a fr33 g1ft! Claim your reward: https://bit.ly/x1")
		var codes []string
		for _, r := range v.Reasons {
			codes = append(codes, r.Code)
			if r.Text == "" || r.Points <= 0 || len(strings.Fields(r.Words)) > 4 {
				t.Errorf("%+v", r)
			}
		}
		if diff := cmp.Diff([]string{"prize", "disguised", "short_link"}, codes); diff != "" {
			t.Errorf("reasons (-want +got):\n%s", diff)
		}
		if v.Version != ContentVersion+" spam:0 good:0" {
			t.Errorf("version %q", v.Version)
		}
	})
}

// make10 returns ten sends, the newest one gap before now.
func make10(now time.Time, gap time.Duration) []time.Time {
	var times []time.Time
	for i := range 10 {
		times = append(times, now.Add(-gap*time.Duration(i+1)))
	}
	return times
}
