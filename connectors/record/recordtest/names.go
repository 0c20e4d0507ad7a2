package recordtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/domain/spam"
)

// find returns the ids of those whom a query finds, all pages of one.
func (w *world) find(query, company string, change func(*mailroom.MemberFilter)) string {
	w.t.Helper()
	var f mailroom.MemberFilter
	for text, words := range map[string]*[]string{query: &f.Words, company: &f.Company} {
		if text != "" {
			var err error
			if *words, err = domain.QueryWords(text); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	if change != nil {
		change(&f)
	}
	var ids []string
	for p := (mailroom.Page{Limit: 1}); ; {
		found := read(w, func(tx mailroom.Tx) ([]*domain.Member, error) { return tx.FindMembers(f, p) })
		if len(found) == 0 {
			return strings.Join(ids, " ")
		}
		for _, m := range found {
			ids = append(ids, string(m.ID))
			p.After = mailroom.NameCursorOf(m)
		}
	}
}

// foundByWords checks which members are found by which words, in the order of their names.
func foundByWords(t *testing.T, w *world) {
	put := func(ms ...domain.Member) {
		w.update(func(tx mailroom.Tx) error {
			var all []*domain.Member
			for i := range ms {
				all = append(all, &ms[i])
			}
			return tx.PutMembers(all, 1, plan(10))
		})
	}
	member := func(id domain.MemberID, name, company, headline string) domain.Member {
		m := domain.NewMember(id, name)
		m.Company, m.Headline = company, headline
		return m
	}
	hidden := member("h", "Petra Hidden", "Nord", "")
	hidden.ProfileVisible = false
	unshared := member("u", "Petra Unshared", "", "")
	unshared.ProfileShared = false
	put(member("z", "petra Park", "Nord Logistik", "Head of Sales"), member("a", "Petra Zorn", "Süd", "Buys from Nord"),
		member("m2", "Jürgen Müller", "Nordlicht", ""), member("m1", "Jurgen Muller", "", ""), hidden, unshared, member("c", "王小明", "", ""))
	visible := func(f *mailroom.MemberFilter) { f.Visible = true }
	for _, row := range []struct{ query, company, want string }{
		{"petra", "", "h z u a"}, {"PETR par", "", "z"}, {"park petra", "", "z"}, {"etra", "", ""}, {"petra nord", "", "h z a"},
		{"muller", "", "m1 m2"}, {"mueller", "", "m2"}, {"小明", "", "c"}, {"", "nord", "m2 h z"}, {"petra", "nord", "h z"},
		{"head", "", "z"}, {"", "", "m1 m2 h z u a c"}, {"petra", "nord log", "z"}, {"pe_ra", "", ""}, {"pe%", "", "h z u a"},
	} {
		if diff := gocmp.Diff(row.want, w.find(row.query, row.company, nil)); diff != "" {
			t.Errorf("%q at %q (-want +got):\n%s", row.query, row.company, diff)
		}
	}
	if diff := gocmp.Diff("z a", w.find("petra", "", visible)); diff != "" {
		t.Errorf("visible (-want +got):\n%s", diff)
	}
	w.update(func(tx mailroom.Tx) error {
		now := tx.Now()
		return tx.PutRestriction("a", string(newID()), spam.Restriction{Trigger: "strikes", Step: 1, StartedAt: now, Until: now.Add(time.Hour)})
	})
	restricted := func(f *mailroom.MemberFilter) { f.Restricted = true }
	if diff := gocmp.Diff("a", w.find("", "", restricted)); diff != "" {
		t.Errorf("restricted (-want +got):\n%s", diff)
	}
	w.clock.advance(time.Hour)
	if got := w.find("petra", "", restricted); got != "" {
		t.Errorf("restricted after its end: %s", got)
	}
	// A new name is found, the old one is not; a flag changes no words.
	changed := member("z", "Paula Park", "Nord Logistik", "Head of Sales")
	changed.AcceptsInMail = false
	put(changed)
	if got := w.find("park", "", nil) + "|" + w.find("petra", "", nil); got != "z|h u a" {
		t.Errorf("after a new name: %s", got)
	}
	w.update(func(tx mailroom.Tx) error { _, _, err := tx.EraseMember("a", 10); return err })
	if got := w.find("petra", "", nil) + "|" + w.find("zorn", "", nil); got != "h u|" {
		t.Errorf("after an erasure: %s", got)
	}
}

// manyNames checks that pages of members of equal names are whole.
func manyNames(t *testing.T, w *world) {
	var ids []domain.MemberID
	for i := range 130 {
		ids = append(ids, domain.MemberID(fmt.Sprintf("m%03d", i)))
	}
	w.update(func(tx mailroom.Tx) error {
		var ms []*domain.Member
		for _, id := range ids {
			m := domain.NewMember(id, "One Name")
			ms = append(ms, &m)
		}
		return tx.PutMembers(ms, 1, plan(10))
	})
	for _, f := range []mailroom.MemberFilter{{}, {Words: []string{"na", "one"}}} {
		var got []domain.MemberID
		for p := (mailroom.Page{Limit: 50}); ; {
			found := read(w, func(tx mailroom.Tx) ([]*domain.Member, error) { return tx.FindMembers(f, p) })
			if len(found) == 0 {
				break
			}
			for _, m := range found {
				got = append(got, m.ID)
				p.After = mailroom.NameCursorOf(m)
			}
		}
		if !slices.Equal(got, ids) {
			t.Errorf("%v: %v", f, got)
		}
	}
}
