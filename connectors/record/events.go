package record

import (
	"cmp"
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// positionStep is how far the positions of two transactions are apart on PostgreSQL, at least: the sequence
// event_positions rises by it, so that one answer of it is enough for as many events.
const positionStep = 1000

// AppendEvents keeps events until the commit, which stores them behind everything else: the later a position
// is taken, the sooner nothing can come in below it.
func (t *tx) AppendEvents(events []mailroom.Event) error {
	if !t.write && len(events) > 0 {
		return t.fail("append events", errNotWritable)
	}
	t.events = append(t.events, events...)
	return nil
}

// takePositions gives the transaction its number, if it has none yet, and then takes positions: whoever has
// taken a lower position has a number that was given out before (settled).
const takePositions = `SELECT /*sqlite 1*/ /*postgres pg_current_xact_id()::text,
	set_config('inmail.events', nextval('event_positions')::text, TRUE)*/`

// packedMost is how many events are one row at most, so that who reads some reads not many more.
const packedMost = 50

// Events of one transaction share rows: the position of a row is that of its last event, and those before it
// have the positions before that (packed.go). So the events behind a position begin in the first row behind
// it. An event that is alone has columns of its own, as every event had before.
const insertEvents = `INSERT INTO events (position, at, kind, inmail, seq, about, packed)
	SELECT /*postgres current_setting('inmail.events')::bigint - 1 + r.taken*/
		/*sqlite (SELECT coalesce(max(e.position), 0) FROM events e) + r.n*/, $1, r.kind, r.inmail, r.seq, r.about, r.packed
	FROM unnest($2::int[], $3::int[], $4::text[], $5::uuid[], $6::int[], $7::text[], $8::bytea[])
		AS r(taken, n, kind, inmail, seq, about, packed)`

// storeEvents stores the events of the transaction in their order.
func (t *tx) storeEvents() error {
	for part := range slices.Chunk(t.events, positionStep) {
		rows, taken := batch{args: []any{t.at(0)}}, 0
		for group := range slices.Chunk(part, packedMost) {
			taken += len(group)
			if e := group[0]; len(group) == 1 {
				rows.add(taken, 1, string(e.Kind), e.InMail, e.Seq, e.About, []byte(nil))
				continue
			}
			packed, err := packEvents(group)
			if err != nil {
				return t.fail("append events", err)
			}
			rows.add(taken, len(group), "", domain.ID(""), 0, "", packed)
		}
		t.pending = append(t.pending, step{what: "take positions of events", sql: takePositions,
			each: func(row) error { return nil }})
		if err := t.laterBatch("append events", insertEvents, &rows, len(rows.rows)); err != nil {
			return err
		}
	}
	return nil
}

const eventColumns = `SELECT e.position, e.at, e.kind, coalesce(e.inmail::text, ''), e.seq, e.about, e.packed FROM events e `

const (
	eventsAfter  = eventColumns + `WHERE e.position > $1 AND e.position <= $2 ORDER BY e.position LIMIT $3`
	eventsBefore = eventColumns + `WHERE e.position > $2
		AND e.position <= coalesce((SELECT min(o.position) FROM events o WHERE o.position >= $1), $1)
		ORDER BY e.position DESC LIMIT $3`
	eventsAt = `WITH asked(at) AS (SELECT unnest($1::bigint[])) ` + eventColumns + `WHERE e.position IN (
		SELECT (SELECT min(o.position) FROM events o WHERE o.position >= a.at) FROM asked a)`
)

// readEvents reads the events of rows that are wanted, by position. It passes over rows when it has enough.
func (t *tx) readEvents(enough int, wanted func(position int64) bool, sql string, args ...any) (events []mailroom.Event, err error) {
	err = t.query("read events", sql, func(r row) error {
		if len(events) >= enough {
			return nil
		}
		var e mailroom.Event
		var at int64
		var packed []byte
		err := r.Scan(&e.Position, &at, (*string)(&e.Kind), (*string)(&e.InMail), &e.Seq, &e.About, &packed)
		if err != nil {
			return err
		}
		e.At = instant(at)
		of := []mailroom.Event{e}
		if len(packed) > 0 {
			if of, err = unpackEvents(packed, e.Position, e.At); err != nil {
				return err
			}
		}
		for _, e := range of {
			if wanted(e.Position) {
				events = append(events, e)
			}
		}
		return nil
	}, args...)
	slices.SortFunc(events, func(a, b mailroom.Event) int { return cmp.Compare(a.Position, b.Position) })
	return events, err
}

// Events returns up to limit events after a position and up to another (R68).
func (t *tx) Events(after, upTo int64, limit int) ([]mailroom.Event, error) {
	// The row that has the event at upTo may have later ones too.
	rows := min(upTo, math.MaxInt64-packedMost) + packedMost - 1
	events, err := t.readEvents(limit, func(p int64) bool { return p > after && p <= upTo }, eventsAfter, after, rows, limit)
	return events[:min(len(events), max(limit, 0))], err
}

// EventsAt returns the events at these positions, by position.
func (t *tx) EventsAt(positions []int64) ([]mailroom.Event, error) {
	if len(positions) == 0 {
		return nil, nil
	}
	asked := make(map[int64]bool, len(positions))
	for _, p := range positions {
		asked[p] = true
	}
	return t.readEvents(len(asked), func(p int64) bool { return asked[p] }, eventsAt, positions)
}

// EventsBefore returns up to limit events before a position and behind another, newest first.
func (t *tx) EventsBefore(before, after int64, limit int) ([]mailroom.Event, error) {
	// One row more than limit, as the first may have nothing before the position.
	events, err := t.readEvents(limit, func(p int64) bool { return p > after && p < before }, eventsBefore, before, after, limit+1)
	slices.Reverse(events)
	return events[:min(len(events), limit)], err
}

// Settled returns a position up to which every event is stored that ever will be (R68). On SQLite that is any
// position, as one transaction writes at a time.
func (r *Record) Settled(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	position, err := r.engine.settled(ctx)
	if err != nil {
		return 0, explain("find how far events are settled", err)
	}
	return position, nil
}

func (s *sqlite) settled(context.Context) (int64, error) { return math.MaxInt64, nil }

// settling is what a process knows of how far events are settled on PostgreSQL.
type settling struct {
	sync.Mutex
	position int64 // up to here nothing can come in any more
	next     int64 // the newest position that was taken when before was given out; 0: nothing is awaited
	before   int64 // the number of a transaction: next is settled when all with a lower number have ended
}

const (
	// settleWait is how long a reader waits for the transactions that may still store events. One that takes
	// longer holds the newest events back.
	settleWait  = 20 * time.Millisecond
	settlePause = 2 * time.Millisecond
)

const (
	positionsTaken = `SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM event_positions`
	numberNow      = `SELECT pg_current_xact_id()::text::bigint`
	lowestOpen     = `SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint`
)

// settled notes which positions were taken, then a transaction number that is new. Whoever took one of these
// positions had a lower number: when all lower ones have ended, the positions are settled.
func (p *postgres) settled(ctx context.Context) (int64, error) {
	s := &p.settling
	s.Lock()
	defer s.Unlock()
	until := time.Now().Add(settleWait)
	for fresh := false; ; {
		if s.next == 0 {
			var taken int64
			if err := p.pool.QueryRow(ctx, positionsTaken).Scan(&taken); err != nil {
				return 0, err
			}
			if taken = taken + positionStep - 1; taken <= s.position || fresh {
				return s.position, nil
			}
			if err := p.pool.QueryRow(ctx, numberNow).Scan(&s.before); err != nil {
				return 0, err
			}
			s.next, fresh = taken, true
		}
		var lowest int64
		if err := p.pool.QueryRow(ctx, lowestOpen).Scan(&lowest); err != nil {
			return 0, err
		}
		switch {
		case lowest >= s.before:
			s.position, s.next = s.next, 0
		case time.Now().After(until):
			return s.position, nil
		default:
			time.Sleep(settlePause)
		}
	}
}

// How far the times of events may be out of the order of their positions: no longer than a transaction lasts.
const eventDisorder = time.Minute

const (
	eventNext = `SELECT e.position, e.at FROM events e WHERE e.position >= $1 ORDER BY e.position LIMIT 1`
	eventLast = `SELECT coalesce(max(e.position), 0) FROM events e`
	eventFrom = `SELECT e.position, e.at FROM events e WHERE e.position > $1 ORDER BY e.position LIMIT 1000`
)

// EventsSince finds the position by halving, as times rise with positions but for eventDisorder. Then it
// reads on to the first event that is new enough.
func (t *tx) EventsSince(at time.Time) (after int64, err error) {
	each := func(position, ms *int64) func(row) error {
		return func(r row) error { return r.Scan(position, ms) }
	}
	var high int64
	if err := t.query("find the newest event", eventLast, func(r row) error { return r.Scan(&high) }); err != nil {
		return 0, err
	}
	low, bound := int64(0), millis(at.Add(-eventDisorder))
	for low < high { // every event at or below low is older than bound; one above high-1 is not, or there is none
		middle := low + (high-low)/2 + 1
		position, ms := int64(math.MaxInt64), int64(math.MaxInt64)
		if err := t.query("find an event by its time", eventNext, each(&position, &ms), middle); err != nil {
			return 0, err
		}
		if ms < bound {
			low = position
		} else {
			high = middle - 1
		}
	}
	for {
		n, found := 0, false
		err := t.query("find an event by its time", eventFrom, func(r row) error {
			var position, ms int64
			err := r.Scan(&position, &ms)
			if n++; !found && ms < millis(at) {
				low = position
			} else {
				found = true
			}
			return err
		}, low)
		if err != nil || found || n == 0 {
			return low, err
		}
	}
}

// dropEvents reads the oldest rows of the table alone.
const dropEvents = `DELETE FROM events WHERE at < $1 AND position <= (SELECT max(d.position) FROM (SELECT o.position
		FROM events o WHERE o.position < (SELECT max(n.position) FROM events n) ORDER BY o.position LIMIT $2) d)
	RETURNING position`

// DropEvents deletes up to limit rows of events before a time, and returns how many, and the position of the
// last event. The newest row stays, so that SQLite gives no position twice.
func (t *tx) DropEvents(before time.Time, limit int) (n int, last int64, err error) {
	err = t.change("drop old events", dropEvents, func(r row) error {
		var position int64
		err := r.Scan(&position)
		n, last = n+1, max(last, position)
		return err
	}, millis(before), limit)
	if err != nil || n == 0 {
		return n, last, err
	}
	return n, last, t.dropDeliveriesOf(last, before)
}

// expiring reads the index of expiry times from a place on.
const expiring = `SELECT i.id, i.seq, i.expires_at FROM inmails i
	WHERE i.status = 'sent' AND i.expires_at >= $1 AND i.expires_at > $2 AND i.expires_at <= $3
		AND NOT (i.expires_at = $1 AND i.id <= $4)
	ORDER BY i.expires_at, i.id LIMIT $5`

// Expiring returns unopened InMails whose window ends after Now and within a time from Now.
func (t *tx) Expiring(after mailroom.ExpiringPlace, within time.Duration, limit int,
	lock bool) (ms []*domain.InMail, err error) {
	sql := expiring
	if lock {
		sql += ` FOR UPDATE`
	}
	id := after.ID
	if id == "" {
		id = noID
	}
	err = t.query("find InMails that soon expire", sql, func(r row) error {
		m := &domain.InMail{Status: domain.Sent}
		var expires int64
		err := r.Scan((*string)(&m.ID), &m.Seq, &expires)
		m.ExpiresAt = instant(expires)
		ms = append(ms, m)
		return err
	}, millis(after.ExpiresAt), t.at(0), t.at(within), id, limit)
	return ms, err
}
