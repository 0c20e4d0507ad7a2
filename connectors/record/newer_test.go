package record_test

import (
	"strings"
	"testing"

	"inmail/domain/mailroom"
)

// TestNewerSchemaUnderARunningProgram migrates a record under a program that knows less: it writes no more,
// whatever an operator says, and goes on reading.
func TestNewerSchemaUnderARunningProgram(t *testing.T) {
	onVersion(t, 1, func(t *testing.T, o *old) {
		rec := open(t, o.cfg)
		works(t, rec)
		o.put("INSERT INTO schema_versions (version_id, is_applied) VALUES (21000, TRUE)")
		if err := rec.Beat(t.Context()); err != nil {
			t.Fatal(err)
		}
		isHeld := func(when string) {
			t.Helper()
			held := rec.Held()
			err := rec.Update(t.Context(), func(mailroom.Tx) error { return nil })
			if held == nil || err == nil || !strings.Contains(err.Error(), "version 21000") || !strings.Contains(err.Error(), "start the newer program") {
				t.Errorf("%s: held %v, a write %v", when, held, err)
			}
			if err := rec.View(t.Context(), func(mailroom.Tx) error { return nil }); err != nil {
				t.Errorf("%s: a read: %v", when, err)
			}
		}
		isHeld("migrated")
		if err := rec.Unhold(t.Context()); err != nil {
			t.Fatal(err)
		}
		isHeld("resumed by an operator")
	})
}
