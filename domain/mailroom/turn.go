package mailroom

import (
	"context"
	"errors"
	"time"

	"inmail/domain"
)

// Turn names what one worker of all processes does at a time. Whoever takes it holds it until a lease ends, and prolongs that while
// it is at work: one that dies delays the others by no more than a lease. The record keeps it, like what is claimed.
type Turn string

// TurnWrite is the turn at writing rows that hang on Leads, Contacts and Accounts: two writers would wait for each other's parents
// (SALESFORCE.md 2.6). Each kind of walk has a turn too.
const TurnWrite Turn = "crm_write"

// ErrTurnTaken says that another holds the turn.
var ErrTurnTaken = errors.New("another worker has the turn")

// maxTurn is the longest lease of a turn. One that ends later was taken by a clock that is not ours.
const maxTurn = 5 * time.Minute

// held is a turn as the record keeps it.
type held struct {
	By    domain.ID `json:"by"`
	Until time.Time `json:"until"`
}

func (h *held) lives(now time.Time) bool {
	return h != nil && now.Before(h.Until) && h.Until.Sub(now) <= maxTurn
}

// NewHolder names one who takes turns.
func (r *Room) NewHolder() domain.ID { return r.ids.NewID() }

// TakeTurn gives a turn to holder until the lease ends, or prolongs it; ErrTurnTaken while another holds it. A lease is at most five minutes.
func (r *Room) TakeTurn(ctx context.Context, t Turn, holder domain.ID, lease time.Duration) error {
	err := r.record.Update(ctx, func(tx Tx) error {
		if err := turnFree(tx, t, holder); err != nil {
			return err
		}
		return takeTurn(tx, t, holder, lease)
	})
	return wrap("take the turn "+string(t), err)
}

// EndTurn lets the next one have the turn at once, if holder still has it.
func (r *Room) EndTurn(ctx context.Context, t Turn, holder domain.ID) error {
	err := r.record.Update(ctx, func(tx Tx) error {
		h, err := state[held](tx, t.state())
		if err != nil || h == nil || h.By != holder { // nothing was taken, so nothing is written
			return err
		}
		if h, err = lockTurn(tx, t); err != nil || h == nil || h.By != holder {
			return err
		}
		return tx.SetState(t.state(), nil)
	})
	return wrap("end the turn "+string(t), err)
}

func (t Turn) state() string { return "turn_" + string(t) }

// turnFree looks whether holder may take a turn, and locks nothing.
func turnFree(tx Tx, t Turn, holder domain.ID) error {
	h, err := state[held](tx, t.state())
	if err == nil && h.lives(tx.Now()) && h.By != holder {
		return ErrTurnTaken
	}
	return err
}

// takeTurn takes or prolongs a turn.
func takeTurn(tx Tx, t Turn, holder domain.ID, lease time.Duration) error {
	h, err := lockTurn(tx, t)
	if err != nil {
		return err
	}
	if h.lives(tx.Now()) && h.By != holder {
		return ErrTurnTaken
	}
	return setState(tx, t.state(), held{By: holder, Until: tx.Now().Add(min(lease, maxTurn))})
}

// stateTurns is written before a turn is read: of two transactions the second waits there until the first has ended, and then reads
// what that decided.
const stateTurns = "turns"

func lockTurn(tx Tx, t Turn) (*held, error) {
	if err := tx.SetState(stateTurns, []byte(t)); err != nil {
		return nil, err
	}
	return state[held](tx, t.state())
}
