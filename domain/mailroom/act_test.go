package mailroom_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// testActs is the part of TestRules about acts of operators (R70).
func testActs(t *testing.T) {
	by := mailroom.Viewer{Operator: true, ByOperator: true, KeyID: "k1", KeyName: "on call"}
	origin := mailroom.Origin{Address: "192.0.2.7", Request: "r1"}
	on(t, "R70_all_at_once", func(w *world) {
		ctx := mailroom.WithOrigin(w.ctx, origin)
		for i := range 50 {
			w.member(domain.MemberID(fmt.Sprintf("m%d", i)), "basic_0")
		}
		var group sync.WaitGroup
		for i := range 50 {
			group.Go(func() {
				act := mailroom.Act{By: by, Call: fmt.Sprintf("PUT /v1/members/{id} %d", i), Member: domain.MemberID(fmt.Sprintf("m%d", i))}
				if err := w.svc.NoteAct(ctx, act); err != nil {
					w.t.Error(err)
				}
			})
		}
		group.Wait()
		entries, err := w.svc.Audit(w.ctx, mailroom.AuditFilter{}, mailroom.Page{Limit: 100})
		w.ok(err)
		noted := map[string]bool{}
		for _, e := range entries {
			call, isAct := mailroom.CallOf(e)
			if !isAct || e.By != "k1" || e.At.IsZero() || !strings.Contains(string(e.Detail), `"key_name":"on call"`) ||
				!strings.Contains(string(e.Detail), `"from":"192.0.2.7"`) || !strings.Contains(string(e.Detail), `"request_id":"r1"`) {
				w.t.Errorf("%+v %s", e, e.Detail)
			}
			noted[call] = true
		}
		if decided, err := w.svc.Audit(w.ctx, mailroom.AuditFilter{Kind: mailroom.Decided}, mailroom.Page{Limit: 10}); err != nil || len(decided) != 0 {
			w.t.Errorf("of decisions alone: %+v, %v", decided, err)
		}
		if on7, err := w.svc.Audit(w.ctx, mailroom.AuditFilter{Kind: mailroom.DecidedAct, Sender: "m7"}, mailroom.Page{Limit: 10}); err != nil || len(on7) != 1 {
			w.t.Errorf("of acts on m7: %+v, %v", on7, err)
		}
		if len(entries) != 50 || len(noted) != 50 {
			w.t.Errorf("%d entries of %d calls, want 50", len(entries), len(noted))
		}
	})
	on(t, "R70_erasure_keeps_what_an_operator_did", func(w *world) {
		w.member("a", "job_seeker_5")
		w.ok(w.svc.NoteAct(mailroom.WithOrigin(w.ctx, origin), mailroom.Act{By: by, Call: "GET /v1/members/{id}/export", Member: "a"}))
		w.ok(w.svc.Erase(w.ctx, by, "a"))
		w.work()
		entries, err := w.svc.Audit(w.ctx, mailroom.AuditFilter{}, mailroom.Page{Limit: 10})
		w.ok(err)
		kept := 0
		for _, e := range entries {
			if call, isAct := mailroom.CallOf(e); isAct && call == "GET /v1/members/{id}/export" && e.Sender == domain.Erased && e.By == "k1" {
				kept++
			}
		}
		if kept != 1 {
			w.t.Errorf("%d entries are kept of the act, want 1: %+v", kept, entries)
		}
	})
	on(t, "R70_of_an_erased_member_no_id_comes_back", func(w *world) {
		w.member("a", "job_seeker_5")
		w.ok(w.svc.Erase(w.ctx, by, "a"))
		w.work()
		w.ok(w.svc.NoteAct(w.ctx, mailroom.Act{By: by, Call: "GET /v1/members/{id}", Member: "a"}))
		w.ok(w.svc.NoteAct(w.ctx, mailroom.Act{By: by, Call: "PUT /v1/members/{id}", Member: "new", Makes: true}))
		entries, err := w.svc.Audit(w.ctx, mailroom.AuditFilter{Kind: mailroom.DecidedAct}, mailroom.Page{Limit: 10})
		w.ok(err)
		if len(entries) != 2 || entries[0].Sender+entries[1].Sender != "new" {
			w.t.Errorf("%+v", entries)
		}
	})
	on(t, "R70_like_reads_of_one_minute_are_one_entry", func(w *world) {
		w.member("a", "job_seeker_5")
		w.member("b", "job_seeker_5")
		ctx, elsewhere := mailroom.WithOrigin(w.ctx, origin), mailroom.WithOrigin(w.ctx, mailroom.Origin{Address: "192.0.2.8", Request: "r2"})
		note := func(ctx context.Context, act mailroom.Act) {
			w.t.Helper()
			w.ok(w.svc.NoteAct(ctx, act))
			w.clock.advance(time.Second)
		}
		feed := mailroom.Act{By: by, Call: "GET /v1/events", Reads: true}
		for range 30 {
			note(ctx, feed)
		}
		note(elsewhere, feed)
		note(ctx, mailroom.Act{By: mailroom.Viewer{ByOperator: true, KeyID: "k2"}, Call: "GET /v1/events", Reads: true})
		for _, on := range []domain.MemberID{"a", "b", "a"} {
			note(ctx, mailroom.Act{By: by, Call: "GET /v1/members/{id}", Member: on, Reads: true})
		}
		for range 2 {
			note(ctx, mailroom.Act{By: by, Call: "PUT /v1/members/{id}", Member: "a"})
		}
		w.clock.set(t0.Add(time.Minute))
		note(ctx, feed)
		entries, err := w.svc.Audit(w.ctx, mailroom.AuditFilter{Kind: mailroom.DecidedAct}, mailroom.Page{Limit: 20})
		w.ok(err)
		var got []string
		for _, e := range entries {
			call, _ := mailroom.CallOf(e)
			got = append(got, fmt.Sprintf("%s %s%s %d from %s to %s", e.By, call, " "+e.Sender, e.Count, e.At.Sub(t0), e.LastAt.Sub(t0)))
		}
		want := []string{
			"k1 GET /v1/events  1 from 1m0s to 1m0s",
			"k1 PUT /v1/members/{id} a 1 from 36s to 36s", "k1 PUT /v1/members/{id} a 1 from 35s to 35s",
			"k1 GET /v1/members/{id} b 1 from 33s to 33s", "k1 GET /v1/members/{id} a 2 from 32s to 34s",
			"k2 GET /v1/events  1 from 31s to 31s", "k1 GET /v1/events  1 from 30s to 30s",
			"k1 GET /v1/events  30 from 0s to 29s",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			w.t.Errorf("acts (-want +got):\n%s", diff)
		}

		// The entry of an erased member is closed, and what it names is gone (R60).
		w.ok(w.svc.Erase(w.ctx, by, "a"))
		w.work()
		if entries, err = w.svc.Audit(w.ctx, mailroom.AuditFilter{Sender: "a"}, mailroom.Page{Limit: 20}); err != nil || len(entries) != 0 {
			w.t.Errorf("after the erasure: %+v, %v", entries, err)
		}
	})
	on(t, "R70_a_caller_who_goes_away_takes_no_entry_with_it", func(w *world) {
		gone, leave := context.WithCancel(w.ctx)
		leave()
		_ = w.svc.NoteAct(gone, mailroom.Act{By: by, Call: "one"})
		w.ok(w.svc.NoteAct(w.ctx, mailroom.Act{By: by, Call: "two"}))
		entries, err := w.svc.Audit(w.ctx, mailroom.AuditFilter{}, mailroom.Page{Limit: 10})
		w.ok(err)
		if len(entries) != 2 {
			w.t.Errorf("%d entries, want 2", len(entries))
		}
	})
	on(t, "R70_who_has_no_key_is_named", func(w *world) {
		w.member("a", "job_seeker_5")
		_, _, err := w.svc.SignInPerson(w.ctx, mailroom.Identity{ID: "k1", For: time.Hour})
		if err == nil {
			w.t.Error("a person has the id of a key")
		}
		_, _, err = w.svc.SignInPerson(w.ctx, mailroom.Identity{ID: "sso:1", Member: "nobody", For: time.Hour})
		w.want(err, domain.NotFound)

		token, began, err := w.svc.SignInPerson(w.ctx, mailroom.Identity{ID: "sso:1", Name: "Nordlicht", ReadOnly: true, For: 48 * time.Hour})
		w.ok(err)
		s, err := w.svc.SessionOf(w.ctx, token)
		w.ok(err)
		want := mailroom.Viewer{Operator: true, ByOperator: true, KeyID: "sso:1", KeyName: "Nordlicht"}
		if s != began || s.Viewer != want || !s.ReadOnly || !s.BySSO || !s.EndsAt.Equal(w.svc.Now().Add(mailroom.SessionFor)) {
			w.t.Errorf("the session is %+v, began as %+v", s, began)
		}
		w.ok(w.svc.NoteAct(w.ctx, mailroom.Act{By: s.Viewer, Call: "POST /works/banned"}))
		entries, err := w.svc.Audit(w.ctx, mailroom.AuditFilter{Kind: mailroom.DecidedAct}, mailroom.Page{Limit: 10})
		w.ok(err)
		if len(entries) != 1 || entries[0].By != "sso:1" || !strings.Contains(string(entries[0].Detail), "Nordlicht") {
			w.t.Errorf("%+v", entries)
		}

		w.ok(w.svc.DeleteKey(w.ctx, "sso:1"))
		w.want(w.svc.DeleteKey(w.ctx, "sso:1"), domain.NotFound)
		w.want(w.svc.DeleteKey(w.ctx, "sso:"), domain.NotFound)
		if _, err := w.svc.SessionOf(w.ctx, token); !errors.Is(err, mailroom.ErrNoKey) {
			w.t.Errorf("after its end: %v", err)
		}
		token, s, err = w.svc.SignInPerson(w.ctx, mailroom.Identity{ID: "sso:2", Member: "a", For: time.Hour})
		w.ok(err)
		if s.Viewer != (mailroom.Viewer{Member: "a", KeyID: "sso:2"}) {
			w.t.Errorf("the member's session is %+v", s)
		}
		w.ok(w.svc.Erase(w.ctx, by, "a"))
		if _, err := w.svc.SessionOf(w.ctx, token); !errors.Is(err, mailroom.ErrNoKey) {
			w.t.Errorf("after the erasure: %v", err)
		}
	})
}
