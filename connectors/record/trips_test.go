package record_test

import (
	"context"
	"errors"
	"testing"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// TestRoundTrips counts what an accept and a delivery send to PostgreSQL: two and three round trips, whatever
// the batch. SQLite has none.
func TestRoundTrips(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		s := newStock(t, postgresConfig(t))
		limit := func(string) int { return 10 }
		ids := s.insert(20)
		pairs := make([]mailroom.Pair, 20)
		var delivered []*domain.InMail
		for i := range pairs {
			pairs[i] = mailroom.Pair{From: domain.MemberID("s1"), To: domain.MemberID("r1")}
		}
		facts := func(tx mailroom.Tx) error {
			_, err := tx.Facts(mailroom.Ask{Lock: true, Pairs: pairs, AnchorDay: 1, Allowance: limit, Common: true, State: "x"})
			return err
		}
		accept := func(tx mailroom.Tx) error {
			m, receipt := domain.New(domain.InMail{ID: domain.ID("01890a5d-ac96-774b-bcce-b302099a8057"), Sender: "s1", Recipient: "r1",
				AccountType: domain.Recruiter}, s.now)
			return errors.Join(facts(tx), tx.Insert([]*domain.InMail{m}, []domain.Receipt{receipt}),
				tx.Strike([]mailroom.Strike{{Member: "s1", At: s.now}}))
		}
		deliver := func(tx mailroom.Tx) error {
			claimed, err := tx.ClaimQueued(ids)
			delivered = claimed
			return errors.Join(err, facts(tx), s.move(tx, claimed, domain.EventDeliver))
		}
		for what, c := range map[string]struct {
			run  func(tx mailroom.Tx) error
			want int64
		}{"accept": {accept, 2}, "deliver": {deliver, 3}} {
			before := s.rec.RoundTrips()
			s.update(c.run)
			if n := s.rec.RoundTrips() - before; n != c.want {
				t.Errorf("%s takes %d round trips, want %d", what, n, c.want)
			}
		}

		// The guard of a change that travels with the commit holds on the server.
		stale := *delivered[0]
		err := s.rec.Update(context.Background(), func(tx mailroom.Tx) error {
			return errors.Join(tx.SetState("beside", []byte("x")), tx.Save([]mailroom.Change{
				{InMail: delivered[1], FromStatus: delivered[1].Status, FromVersion: delivered[1].Version},
				{InMail: &stale, FromStatus: domain.Queued, FromVersion: 1},
			}))
		})
		if !errors.Is(err, mailroom.ErrConflict) {
			t.Errorf("a stale change: %v, want a conflict", err)
		}
		s.view(func(tx mailroom.Tx) error {
			beside, err := tx.State("beside")
			if beside != nil {
				t.Error("something of a transaction with a conflict was stored")
			}
			return err
		})
	})
}
