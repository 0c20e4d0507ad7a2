package mailroom_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/domain/rates"
)

// privacyRules proves on every record who gets which figures and texts (R69, F36).
func privacyRules(t *testing.T) {
	on(t, "R69_own_cuts_hold_own_sends", func(w *world) {
		w.member("a", "recruiter_50")
		w.member("b", "recruiter_50")
		w.members(250)
		send := func(from domain.MemberID, to int, category string, tags ...string) domain.ID {
			s := text(from, recipient(to))
			s.Tags, s.Category = tags, category
			id, err := w.accept(s)
			w.ok(err)
			w.work()
			return id
		}
		opened := send("a", 0, "follow_up", "spring", "fair")
		_, err := w.svc.Open(w.ctx, as("r0"), opened)
		w.ok(err)
		answered := send("a", 1, "", "spring")
		_, err = w.svc.Reply(w.ctx, as("r1"), answered, "Gladly, on Tuesday.")
		w.ok(err)
		send("a", 2, "")
		gone := send("a", 3, "follow_up", "fair")
		_, err = w.retract(gone, "a")
		w.ok(err)
		send("b", 4, "secret plan", "project x")
		send("b", 5, "follow_up", "spring")
		report := func(v mailroom.Viewer, by string) map[string]rates.Row {
			t.Helper()
			r, err := w.svc.Analytics(w.ctx, v, by, time.Time{}, time.Time{})
			w.ok(err)
			rows := map[string]rates.Row{}
			for _, row := range r.Rows {
				rows[row.Key] = row
			}
			return rows
		}
		shape := func(rows map[string]rates.Row) map[string]string {
			shapes := map[string]string{}
			for key, r := range rows {
				shapes[key] = fmt.Sprintf("%d %d %d %d", r.Delivered, r.Opened, r.Replied, r.Retracted)
			}
			return shapes
		}
		for by, want := range map[string]map[string]string{
			"tag":      {"spring": "2 2 1 0", "fair": "2 1 0 1", "none": "1 0 0 0"},
			"category": {"follow_up": "2 1 0 1", "none": "2 1 1 0"},
			"sender":   {"a": "4 2 1 1"},
		} {
			if diff := cmp.Diff(want, shape(report(as("a"), by))); diff != "" {
				w.t.Errorf("a by %s (-want +got):\n%s", by, diff)
			}
		}
		if got := shape(report(as("b"), "tag")); got["project x"] != "1 0 0 0" || len(got) != 2 {
			w.t.Errorf("b by tag: %v", got)
		}
		if got := shape(report(as("r9"), "tag")); len(got) != 0 {
			w.t.Errorf("who sent nothing gets %v", got)
		}
		// The operator's figures of a tag that only one sender has are the sender's own, to the last figure
		// (R59).
		for _, key := range []string{"fair"} {
			if diff := cmp.Diff(report(operator, "tag")[key], report(as("a"), "tag")[key]); diff != "" {
				w.t.Errorf("%s (-operator +own):\n%s", key, diff)
			}
		}
		for _, by := range []string{"week", "account_type", "length", "advice"} {
			if diff := cmp.Diff(report(operator, by), report(as("r9"), by)); diff != "" {
				w.t.Errorf("by %s, which is the platform's (-operator +member):\n%s", by, diff)
			}
		}
		// The own figures follow a new tag, and stay when a recipient is erased.
		_, err = w.svc.Tag(w.ctx, as("a"), opened, []string{"autumn"})
		w.ok(err)
		before := report(as("a"), "tag")
		w.ok(w.svc.Erase(w.ctx, operator, "r0"))
		w.work()
		if diff := cmp.Diff(before, report(as("a"), "tag")); diff != "" || before["autumn"].Opened != 1 {
			w.t.Errorf("after an erasure (-before +after):\n%s", diff)
		}
		for i := range 204 { // more than a page of the sent list
			if i%40 == 0 {
				w.clock.advance(31 * 24 * time.Hour)
			}
			send("b", 10+i, "", fmt.Sprintf("n%d", i%2))
		}
		if got := shape(report(as("b"), "tag")); got["n0"] != "102 0 0 0" || got["project x"] != "1 0 0 0" {
			w.t.Errorf("b by tag: %v", got)
		}
	})
	on(t, "R69_an_inbox_has_no_tags", func(w *world) {
		w.member("a", "recruiter_25")
		w.members(1)
		w.sent("a", "r0")
		_, err := w.svc.Inbox(w.ctx, "r0", mailroom.Filter{Tag: "spring"}, mailroom.Page{Limit: 10})
		w.want(err, domain.BadRequest)
	})
	on(t, "R69_senders_read_what_they_sent", func(w *world) {
		w.member("a", "recruiter_25")
		w.members(1)
		s := text("a", "r0")
		s.Body = "Would **Tuesday** suit you, r0?"
		id, err := w.accept(s)
		w.ok(err)
		w.work()
		view, err := w.svc.View(w.ctx, as("a"), id)
		w.ok(err)
		if view.InMail.Body != s.Body || !strings.Contains(view.BodyHTML, "<strong>Tuesday</strong>") {
			w.t.Errorf("the sender reads %q, %q", view.InMail.Body, view.BodyHTML)
		}
		view, err = w.svc.View(w.ctx, operator, id)
		w.ok(err)
		if view.BodyHTML != "" {
			w.t.Errorf("the operator reads %q", view.BodyHTML)
		}
		if got := w.inmail(id); !got.OpenedAt.IsZero() {
			w.t.Error("reading what one sent opens it")
		}
	})
	on(t, "R69_F36_words_of_the_figures_are_no_tags", func(w *world) {
		w.member("a", "recruiter_25")
		w.members(2)
		for _, word := range []string{"none", "Other", " ERASED "} {
			s := text("a", "r0")
			s.Tags = []string{"fine", word}
			_, err := w.accept(s)
			w.want(err, domain.BadRequest)
			s.Tags, s.Category = nil, word
			_, err = w.accept(s)
			w.want(err, domain.BadRequest)
		}
		id := w.sent("a", "r0")
		_, err := w.svc.Tag(w.ctx, as("a"), id, []string{"other"})
		w.want(err, domain.BadRequest)
		s := text("a", "r1")
		s.Tags, s.Category = []string{"none of these", "another"}, "others"
		_, err = w.accept(s)
		w.ok(err)
	})
}
