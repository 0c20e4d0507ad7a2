package record_test

import (
	"fmt"
	"testing"

	"inmail/connectors/record"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// TestIndexNames checks that members of an earlier version, who have no words, get them: in parts, whatever
// the program has stored meanwhile, and once.
func TestIndexNames(t *testing.T) {
	for name, config := range map[string]func(testing.TB) record.Config{"sqlite": sqliteConfig, "postgres": postgresConfig} {
		t.Run(name, func(t *testing.T) {
			cfg := config(t)
			rec := open(t, cfg)
			put := func(first, n int) {
				t.Helper()
				var ms []*domain.Member
				for i := first; i < first+n; i++ {
					m := domain.NewMember(domain.MemberID(fmt.Sprintf("m%d", i)), fmt.Sprintf("Number %d", i))
					ms = append(ms, &m)
				}
				if err := rec.Update(t.Context(), func(tx mailroom.Tx) error {
					return tx.PutMembers(ms, 1, func(string) int { return 10 })
				}); err != nil {
					t.Fatal(err)
				}
			}
			put(0, 25)
			for _, sql := range []string{"DELETE FROM names", "DELETE FROM member_words"} {
				if cfg.Postgres() {
					execute(t, cfg.URL, sql)
				} else if _, err := direct(t, cfg).Exec(sql); err != nil {
					t.Fatal(err)
				}
			}
			put(20, 10) // five of them are new, and five unchanged
			parts := 0
			for last := domain.MemberID(""); ; parts++ {
				if err := rec.Update(t.Context(), func(tx mailroom.Tx) (err error) {
					last, err = tx.IndexNames(last, 10)
					return err
				}); err != nil {
					t.Fatal(err)
				}
				if last == "" {
					break
				}
			}
			if parts != 3 {
				t.Errorf("%d parts, want 3 for 25 members", parts)
			}
			if err := rec.View(t.Context(), func(tx mailroom.Tx) error {
				found, err := tx.FindMembers(mailroom.MemberFilter{Words: []string{"number"}}, mailroom.Page{Limit: 100})
				if err == nil && len(found) != 30 {
					err = fmt.Errorf("%d are found, want 30", len(found))
				}
				return err
			}); err != nil {
				t.Error(err)
			}
		})
	}
}
