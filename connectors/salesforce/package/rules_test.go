package sfpackage

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"inmail/domain"
)

// monday is 00:00 UTC of the Monday of t's week.
func monday(t time.Time) time.Time {
	t = t.UTC().Truncate(24 * time.Hour)
	for t.Weekday() != time.Monday {
		t = t.AddDate(0, 0, -1)
	}
	return t
}

// cohort returns the name of t's ISO week, as in the field Open_Rate_Cohort__c.
func cohort(t time.Time) string {
	year, week := t.UTC().ISOWeek()
	return fmt.Sprintf("%04d-W%02d", year, week)
}

const (
	openFor    = domain.Window // R32
	weekLength = 7 * 24 * time.Hour
)

// replyIn is the default response window, for which the package is written (R58).
var replyIn = time.Duration(domain.DefaultPolicy().ResponseWindowDays) * 24 * time.Hour

// anInMail draws an InMail that was sent before now, or never, with its outcome as of now.
func anInMail(now time.Time) *rapid.Generator[record] {
	return rapid.Custom(func(t *rapid.T) record {
		r := record{
			"Sender_Member__c": rapid.SampledFrom([]any{"m1", "m2", "m3", nil}).Draw(t, "sender"),
			"Tags__c":          rapid.SampledFrom([]any{nil, "demo", "demo;renewal", "renewal"}).Draw(t, "tags"),
			"Campaign__c":      rapid.SampledFrom([]any{nil, "Fair", "Spring"}).Draw(t, "campaign"),
			"Status__c":        "Refused",
		}
		if r["Sender_Member__c"] == "m1" || r["Sender_Member__c"] == "m2" {
			r["Sender_Name__c"] = "Kim Lee" // the same name as another sender
		}
		if rapid.IntRange(0, 9).Draw(t, "delivered") == 0 {
			return r
		}
		seconds := func(name string, most time.Duration) time.Duration {
			return time.Duration(rapid.Int64Range(0, int64(most/time.Second)).Draw(t, name)) * time.Second
		}
		sent := now.Add(-seconds("sent before", 20*weekLength)).Truncate(time.Second)
		r["Sent_At__c"], r["Expires_At__c"], r["Open_Rate_Cohort__c"], r["Status__c"] = sent, sent.Add(openFor), cohort(sent), "Sent"
		r["Cohort_Monday__c"] = dayOf(monday(sent))
		opened := sent.Add(seconds("opened after", 2*openFor))
		if opened.Before(sent.Add(openFor)) && !opened.After(now) {
			r["Opened_At__c"], r["Status__c"] = opened, "Opened"
			if replied := opened.Add(seconds("replied after", 2*replyIn)); !replied.After(now) && rapid.Bool().Draw(t, "replies") {
				r["Replied_At__c"], r["Status__c"], r["Replies__c"] = replied, "Replied", 1.0
			}
		} else if !now.Before(sent.Add(openFor)) {
			r["Status__c"], r["Expired_At__c"] = "Expired", sent.Add(openFor)
		}
		if rapid.IntRange(0, 9).Draw(t, "retracted") == 0 { // stays below the line, and above it if it was opened
			r["Status__c"], r["Retracted_At__c"] = "Retracted", now
		}
		return r
	})
}

// counted counts the matching records without a formula of the package: delivered and opened, or replied to
// in time. Every other view must show the same numbers.
func counted(records []record, kind string, match func(record, time.Time) bool) total {
	var n total
	for _, r := range records {
		sent, ok := r["Sent_At__c"].(time.Time)
		if !ok || !match(r, sent) {
			continue
		}
		n.delivered++
		opened := r["Opened_At__c"] != nil
		replied, ok := r["Replied_At__c"].(time.Time)
		if kind == "Open_Rate" && opened || kind == "Response_Rate" && ok && replied.Sub(sent) <= replyIn {
			n.hits++
		}
	}
	n.rate = n.hits / n.delivered
	return n
}

// complete reports whether a rate of the week of sent is published (R57, R58).
func complete(kind string, sent, now time.Time) bool {
	if kind == "Open_Rate" {
		return !now.Before(monday(sent).Add(weekLength + openFor))
	}
	return !now.Before(monday(sent).Add(weekLength + replyIn))
}

func TestRules(t *testing.T) {
	m := mustLoad(t)
	inMail := mustObject(t, m, "InMail__c")
	all := components(t)
	find := func(kind, name string) node {
		for _, c := range all[kind] {
			if c.name == name {
				return c.root
			}
		}
		t.Fatalf("no %s %s", kind, name)
		return node{}
	}

	t.Run("R32_unopened_a_day_left", func(t *testing.T) {
		sent := time.Date(2026, 11, 16, 9, 0, 0, 0, time.UTC)
		r := record{"Status__c": "Sent", "Sent_At__c": sent, "Expires_At__c": sent.Add(openFor), "Cohort_Monday__c": dayOf(monday(sent))}
		for left, shown := range map[time.Duration]bool{25 * time.Hour: false, 24*time.Hour + time.Second: false, 24 * time.Hour: true, time.Second: true, 0: false, -time.Hour: false} {
			o := org{object: inMail, now: sent.Add(openFor - left)}
			if got := o.passes(t, r, find("ListView", "Unopened_a_Day_Left").all("filters"), "field"); got != shown {
				t.Errorf("with %v left the list view shows it: %v", left, got)
			}
			if got := o.passes(t, r, find("Report", "Unopened_a_Day_Left").at("filter").all("criteriaItems"), "column"); got != shown {
				t.Errorf("with %v left the report shows it: %v", left, got)
			}
		}
		r["Status__c"] = "Opened"
		o := org{object: inMail, now: sent.Add(openFor - time.Hour)}
		if o.passes(t, r, find("ListView", "Unopened_a_Day_Left").all("filters"), "field") || o.value(r, "Hours_Left__c") != nil {
			t.Error("an opened one is shown, or has hours left")
		}
	})

	t.Run("R53_never_backwards", func(t *testing.T) {
		if len(inMail.Rules) != 1 {
			t.Fatalf("rules are %+v", inMail.Rules)
		}
		rule := inMail.Rules[0]
		if want := (ValidationRule{Name: "Never_Backwards", Active: true, Message: OlderThanStored, Formula: rule.Formula}); rule != want {
			t.Errorf("the rule is %+v, not %+v", rule, want)
		}
		refused := func(prior record, sequence any) bool {
			return org{object: inMail, prior: prior}.compute(record{"Status_Sequence__c": sequence}, rule.Formula) == true
		}
		stored := record{"Status_Sequence__c": 3.0}
		for sequence, want := range map[float64]bool{1: true, 2: true, 3: false, 4: false} {
			if got := refused(stored, sequence); got != want {
				t.Errorf("sequence %v over 3 is refused: %v", sequence, got)
			}
		}
		if refused(nil, 1.0) {
			t.Error("a new record is refused")
		}
		if refused(record{}, 1.0) {
			t.Error("the first sequence on a record without one is refused")
		}
	})

	t.Run("R57_cohort_starts_on_monday", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			sent := time.Unix(rapid.Int64Range(1420070400, 2524608000).Draw(t, "sent"), 0).UTC() // 2015 to 2050
			o := org{object: inMail, now: sent}
			if got := o.value(record{"Open_Rate_Cohort__c": cohort(sent)}, "Cohort_Starts_On__c"); got != dayOf(monday(sent)) {
				t.Fatalf("%s starts on %v, not %v", cohort(sent), got.(day).midnight(), monday(sent))
			}
		})
		if got := (org{object: inMail}).value(record{}, "Cohort_Starts_On__c"); got != nil {
			t.Errorf("without a cohort it starts on %v", got)
		}
	})

	for kind, after := range map[string]time.Duration{"R57_open_rate_state": weekLength + openFor, "R58_response_rate_state": weekLength + replyIn} {
		t.Run(kind, func(t *testing.T) {
			field := kind[len("R57_"):] + "__c"
			for _, sent := range []time.Time{
				time.Date(2026, 11, 16, 0, 0, 0, 0, time.UTC), time.Date(2026, 11, 22, 23, 59, 59, 0, time.UTC),
				time.Date(2026, 12, 31, 12, 0, 0, 0, time.UTC), time.Date(2027, 1, 3, 12, 0, 0, 0, time.UTC), time.Date(2024, 12, 30, 0, 0, 0, 0, time.UTC),
			} {
				r := record{"Open_Rate_Cohort__c": cohort(sent), "Sent_At__c": sent, "Expires_At__c": sent.Add(openFor)}
				published := monday(sent).Add(after)
				for now, want := range map[time.Time]string{published.Add(-time.Millisecond): "So far", published: "Complete", sent: "So far"} {
					if got := (org{object: inMail, now: now}).value(r, field); got != want {
						t.Errorf("%s at %s is %v, not %s", cohort(sent), now.Format(time.RFC3339Nano), got, want)
					}
				}
			}
			if got := (org{object: inMail}).value(record{}, field); got != "" {
				t.Errorf("without a cohort it is %v", got)
			}
		})
	}

	t.Run("R58_reply_window", func(t *testing.T) {
		sent := time.Date(2026, 11, 16, 9, 0, 0, 0, time.UTC)
		for after, want := range map[time.Duration]float64{0: 1, replyIn: 1, replyIn + time.Second: 0} {
			r := record{"Sent_At__c": sent, "Replied_At__c": sent.Add(after)}
			if got := (org{object: inMail}).value(r, "Replied_In_Time__c"); got != want {
				t.Errorf("a reply after %v counts %v, not %v", after, got, want)
			}
		}
	})

	t.Run("R59_senders_of_one_name_and_erased_ones", func(t *testing.T) {
		for want, r := range map[string]record{
			"Kim Lee (m1)": {"Sender_Member__c": "m1", "Sender_Name__c": "Kim Lee"},
			"m3":           {"Sender_Member__c": "m3"},
			"erased":       {},
		} {
			if got := (org{object: inMail}).value(r, "Sender__c"); got != want {
				t.Errorf("sender is %v, not %s", got, want)
			}
		}
	})

	// The deployed reports, run over drawn InMails, must give the figures that are counted without them.
	t.Run("R59_one_number", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			now := time.Unix(rapid.Int64Range(1767225600, 1830297600).Draw(t, "now"), 0).UTC() // 2026 and 2027
			if rapid.Bool().Draw(t, "at a boundary") {
				now = monday(now)
			}
			drawn := rapid.SliceOfN(anInMail(now), 0, 40).Draw(t, "records")
			o := org{object: inMail, now: now}
			var records []record // those of the weeks that the reports show
			for _, r := range drawn {
				if sent, ok := r["Sent_At__c"].(time.Time); ok && dayOf(monday(sent)) > dayOf(now)-reported {
					records = append(records, r)
				}
			}
			for _, kind := range []string{"Open_Rate", "Response_Rate"} {
				weeks, final, bySender, byTags, byCampaign, oneTag := map[string]total{}, map[string]total{}, map[string]total{}, map[string]total{}, map[string]total{}, map[string]total{}
				for _, r := range records {
					sent, ok := r["Sent_At__c"].(time.Time)
					if !ok {
						continue
					}
					week := func(_ record, s time.Time) bool { return monday(s).Equal(monday(sent)) }
					state := "So far / "
					if complete(kind, sent, now) {
						state = "Complete / "
						published := func(_ record, s time.Time) bool { return complete(kind, s, now) }
						final[cohort(sent)] = counted(records, kind, week)
						bySender[fmt.Sprint(o.value(r, "Sender__c"))] = counted(records, kind, func(x record, s time.Time) bool {
							return published(x, s) && x["Sender_Member__c"] == r["Sender_Member__c"]
						})
						tags := "-"
						if r["Tags__c"] != nil {
							tags = fmt.Sprint(r["Tags__c"])
						}
						campaign := "-"
						if r["Campaign__c"] != nil {
							campaign = fmt.Sprint(r["Campaign__c"])
						}
						byCampaign[campaign] = counted(records, kind, func(x record, s time.Time) bool { return published(x, s) && x["Campaign__c"] == r["Campaign__c"] })
						byTags[tags] = counted(records, kind, func(x record, s time.Time) bool { return published(x, s) && x["Tags__c"] == r["Tags__c"] })
					}
					weeks[state+cohort(sent)] = counted(records, kind, week)
					tagged := func(x record) bool { return slices.Contains(strings.Split(fmt.Sprint(x["Tags__c"]), ";"), "demo") }
					if tagged(r) {
						oneTag[state+cohort(sent)] = counted(records, kind, func(x record, s time.Time) bool { return week(x, s) && tagged(x) })
					}
				}
				for name, want := range map[string]map[string]total{
					"_by_Week": weeks, "_Complete_Weeks": final, "_by_Sender": bySender, "_by_Tags": byTags, "_of_One_Tag": oneTag,
					"_of_My_Team": bySender, "_by_Campaign": byCampaign,
				} {
					got := o.run(t, find("Report", kind+name), drawn)
					for key, line := range got {
						if math.IsNaN(line.rate) {
							t.Errorf("%s%s: %s divides by zero", kind, name, key)
						}
					}
					if diff := cmp.Diff(want, got, cmp.AllowUnexported(total{})); diff != "" {
						t.Fatalf("%s%s (-counted +report):\n%s", kind, name, diff)
					}
				}
			}
		})
	})
}
