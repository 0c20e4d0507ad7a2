package record

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"inmail/domain"
)

// PostgreSQL has the table texts in partitions by range of the id, a month each, as an id begins with its
// time. A look-up by id reads one of them, and retention drops whole months (R60). The partition DEFAULT
// takes what no other does: ids of clocks far off, and new ones when nobody has made their month. SQLite has
// one plain table.

// The months for which partitions are made ahead of the present one: by each program that may, and by inmail
// migrate, after which a program without the right to make tables does with them for a year.
const (
	monthsAhead         = 3
	monthsAheadMigrated = 12
)

// upkeep says what is done about partitions.
type upkeep struct {
	now    time.Time
	months int   // are made ahead of the present one
	small  int64 // a DEFAULT partition of at most so many bytes is read under a lock that keeps others out
	large  bool  // one that is larger is converted: it is read once, which may take long and keeps nobody out

	before time.Time // partitions whose texts are all older are dropped; zero: none is
}

// smallPartition is read in some ten milliseconds.
const smallPartition = 16 << 20

// Partition makes the partitions of this month and of the next ones, where they are missing, and drops those
// in which every text is of an InMail that was sent, or ended unsent, before a time; zero: it drops none. An
// InMail in a dropped partition reads as one whose texts were emptied. advice says what an operator should
// do, when this program cannot; nothing is lost then. It runs beside other work and in several processes at
// once. On SQLite it does nothing.
func (r *Record) Partition(ctx context.Context, now, before time.Time) (advice string, err error) {
	switch {
	case r.closed.Load():
		return "", explain("keep the partitions", errClosed)
	case r.Held() != nil:
		return "", r.Held()
	}
	u := upkeep{now: now, months: monthsAhead, small: smallPartition, large: true, before: before}
	advice, err = r.engine.partition(ctx, u)
	return advice, explain("keep the partitions", err)
}

// partition does nothing: a file has no partitions.
func (s *sqlite) partition(context.Context, upkeep) (string, error) { return "", nil }

// partition is one partition of texts, with the ids from from on and below to.
type partition struct {
	name     string
	from, to domain.ID // empty: there is no bound
	other    bool      // DEFAULT
}

const selectPartitions = `SELECT c.oid::regclass::text, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits h
	JOIN pg_class c ON c.oid = h.inhrelid WHERE h.inhparent = 'texts'::regclass`

var partitionBounds = regexp.MustCompile(`FROM \((?:MINVALUE|'([^']*)')\) TO \((?:MAXVALUE|'([^']*)')\)`)

// partitionsOf returns the partitions of texts in the order of their ids, and the DEFAULT partition.
func partitionsOf(ctx context.Context, conn interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}) (ranges []partition, other partition, err error) {
	rows, err := conn.Query(ctx, selectPartitions)
	if err != nil {
		return nil, other, err
	}
	all, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (p partition, err error) {
		var bounds string
		if err = r.Scan(&p.name, &bounds); err != nil {
			return p, err
		}
		p.other = bounds == "DEFAULT"
		if m := partitionBounds.FindStringSubmatch(bounds); m != nil {
			p.from, p.to = domain.ID(m[1]), domain.ID(m[2])
		}
		return p, nil
	})
	for _, p := range all {
		if p.other {
			other = p
		} else {
			ranges = append(ranges, p)
		}
	}
	slices.SortFunc(ranges, func(a, b partition) int { return strings.Compare(string(a.from), string(b.from)) })
	return ranges, other, err
}

// endOf returns the id up to which ranges reach; all says that there is no end.
func endOf(ranges []partition) (end domain.ID, all bool) {
	if len(ranges) == 0 {
		return "", false
	}
	end = ranges[len(ranges)-1].to
	return end, end == ""
}

// month returns the first instant of the month that is n after that of t.
func month(t time.Time, n int) time.Time {
	t = t.UTC()
	return time.Date(t.Year(), t.Month()+time.Month(n), 1, 0, 0, 0, 0, time.UTC)
}

// lowestID returns the lowest UUIDv7 of a time.
func lowestID(t time.Time) domain.ID {
	ms := t.UnixMilli()
	return domain.ID(fmt.Sprintf("%08x-%04x-0000-0000-000000000000", ms>>16, ms&0xffff))
}

// timeOf returns the time with which an id begins.
func timeOf(id domain.ID) time.Time {
	b := uuidOf(id).Bytes
	var ms int64
	for _, c := range b[:6] {
		ms = ms<<8 | int64(c)
	}
	return time.UnixMilli(ms).UTC()
}

// What an operator is asked to do.
const (
	adviseMigrate = "the months ahead have no partitions of texts, and this program has no right to make them; " +
		"run: inmail migrate, as the owner of the tables"
	adviseAhead = "the partition %s of texts has ids of years to come, as of a clock that was far ahead, " +
		"and stays as it is; see connectors/record/README.md"
	adviseBelow = "the partition %s of texts has grown large with ids below %s, and stays as it is; " +
		"see connectors/record/README.md"
)

// partition keeps the partitions of texts. One process does at a time; another leaves it to that one.
func (p *postgres) partition(ctx context.Context, u upkeep) (advice string, err error) {
	ranges, _, err := partitionsOf(ctx, p.pool)
	if err != nil {
		return "", err
	}
	old := droppable(ranges, u.before)
	if end, all := endOf(ranges); len(old) == 0 && (all || end >= lowestID(month(u.now, u.months+1))) {
		return "", nil
	}
	connect := p.pool.Config().ConnConfig
	guard, err := pgx.ConnectConfig(ctx, connect)
	if err != nil {
		return "", err
	}
	defer guard.Close(context.WithoutCancel(ctx))
	var mine bool
	// The lock is the transaction's, which a pooler keeps on one server. It ends before the connection does:
	// the server notices the end of that a moment later, and whoever comes next would find the lock taken.
	if _, err := guard.Exec(ctx, "BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0"); err != nil {
		return "", err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_, _ = guard.Exec(ctx, "ROLLBACK")
	}()
	err = guard.QueryRow(ctx, "SELECT pg_try_advisory_xact_lock(hashtext('inmail partitions'))").Scan(&mine)
	if err != nil || !mine {
		return "", err
	}
	conn, err := pgx.ConnectConfig(ctx, connect)
	if err != nil {
		return "", err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	k := &keeper{conn: conn, upkeep: u}
	advice, err = k.make(ctx)
	if lacksRight(err) {
		advice, err = adviseMigrate, nil
	}
	if err != nil || len(old) == 0 {
		return advice, err
	}
	return advice, k.drop(ctx, old)
}

func lacksRight(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && refused.Code == "42501"
}

// keeper changes the partitions of texts, on a connection of its own.
type keeper struct {
	conn *pgx.Conn
	upkeep
}

// The strong locks are waited for shortly, as whoever comes later waits behind, and often.
const (
	lockFor   = "2s"
	lockTries = 5
	lockPause = time.Second
)

// within runs fn in a transaction, and again when it got no lock.
func (k *keeper) within(ctx context.Context, fn func(tx pgx.Tx) error) (err error) {
	for try := 1; ; try++ {
		err = pgx.BeginFunc(ctx, k.conn, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "SET LOCAL lock_timeout = '"+lockFor+"'; SET LOCAL statement_timeout = 0"); err != nil {
				return err
			}
			return fn(tx)
		})
		if !gotNoLock(err) || try == lockTries {
			return err
		}
		select {
		case <-time.After(lockPause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// gotNoLock reports whether a transaction ended since others hold what it would lock.
func gotNoLock(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && (refused.Code == "55P03" || refused.Code == "40P01")
}

// run is within for statements without an answer.
func (k *keeper) run(ctx context.Context, sql ...string) error {
	return k.within(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, strings.Join(sql, "; "))
		return err
	})
}

// make makes the months that are missing, from the end of the last partition on, or from the present one.
func (k *keeper) make(ctx context.Context) (advice string, err error) {
	ranges, other, err := partitionsOf(ctx, k.conn)
	if err != nil {
		return "", err
	}
	if other.name == "" { // its owner has made partitions, and none of these
		if err := k.run(ctx, "CREATE TABLE texts_other PARTITION OF texts DEFAULT"); err != nil {
			return "", err
		}
		other.name = "texts_other"
	}
	end, all := endOf(ranges)
	until := month(k.now, k.months+1)
	if all || end >= lowestID(until) {
		return "", nil
	}
	var size int64
	var oldest, newest domain.ID
	err = k.conn.QueryRow(ctx, `SELECT pg_total_relation_size($1::text::regclass),
		coalesce((SELECT o.inmail FROM `+other.name+` o ORDER BY o.inmail LIMIT 1)::text, ''),
		coalesce((SELECT o.inmail FROM `+other.name+` o ORDER BY o.inmail DESC LIMIT 1)::text, '')`, other.name).
		Scan(&size, (*string)(&oldest), (*string)(&newest))
	switch {
	case err != nil:
		return "", err
	case newest == "": // it is empty
	case size > k.small && !k.large:
		return "", nil // the job does it, when the program runs
	case len(ranges) == 0 || size > k.small:
		bound := month(k.now, 2)
		if at := timeOf(newest); !at.Before(bound) {
			bound = month(at, 1)
		}
		switch {
		case bound.After(month(k.now, monthsAheadMigrated+1)) && size > k.small:
			return fmt.Sprintf(adviseAhead, other.name), nil
		case bound.After(month(k.now, monthsAheadMigrated+1)): // the months are made beside them
		case oldest < end:
			return fmt.Sprintf(adviseBelow, other.name, end), nil
		default:
			if err := k.convert(ctx, other.name, end, bound); err != nil {
				return "", err
			}
			end, other.name = lowestID(bound), "texts_other"
		}
	}
	from := month(k.now, 0)
	if end != "" {
		from = timeOf(end)
	}
	for from.Before(until) {
		to := month(from, 1)
		if err := k.makeMonth(ctx, other.name, from, to); err != nil {
			return "", err
		}
		from = to
	}
	return "", nil
}

// bounds are the bounds of a partition in SQL.
func bounds(from, to domain.ID) string {
	lowest := "MINVALUE"
	if from != "" {
		lowest = "'" + string(from) + "'"
	}
	return "FOR VALUES FROM (" + lowest + ") TO ('" + string(to) + "')"
}

// makeMonth makes a partition. What DEFAULT has of it already moves there; nobody reads or writes DEFAULT
// meanwhile.
func (k *keeper) makeMonth(ctx context.Context, other string, from, to time.Time) error {
	name := from.Format("texts_2006_01")
	if from.Day() != 1 { // after a partition that its owner has made
		name = from.Format("texts_2006_01_02")
	}
	first, end := lowestID(from), lowestID(to)
	return k.run(ctx, "CREATE TABLE "+name+" (LIKE texts INCLUDING ALL)",
		"LOCK TABLE texts IN SHARE UPDATE EXCLUSIVE MODE", "LOCK TABLE "+other+" IN ACCESS EXCLUSIVE MODE",
		fmt.Sprintf(`WITH moved AS (DELETE FROM %s WHERE inmail >= '%s' AND inmail < '%s'
			RETURNING inmail, subject, preview, body, decline_reason)
			INSERT INTO %s (inmail, subject, preview, body, decline_reason) SELECT * FROM moved`, other, first, end, name),
		"ALTER TABLE texts ATTACH PARTITION "+name+" "+bounds(first, end))
}

// convert makes a DEFAULT partition that is large the partition of all ids below a bound, and an empty table
// DEFAULT in its place. That all ids are below the bound is found beforehand, while others read and write;
// the change itself takes moments. The constraint holds in between: the bound is a month ahead at least, and
// the next call begins again.
func (k *keeper) convert(ctx context.Context, other string, from domain.ID, until time.Time) error {
	const check = "texts_until"
	to := lowestID(until)
	name := until.Format("texts_until_2006_01")
	condition := "inmail < '" + string(to) + "'"
	if from != "" {
		condition += " AND inmail >= '" + string(from) + "'"
	}
	if err := k.run(ctx, "ALTER TABLE "+other+" DROP CONSTRAINT IF EXISTS "+check,
		"ALTER TABLE "+other+" ADD CONSTRAINT "+check+" CHECK ("+condition+") NOT VALID"); err != nil {
		return err
	}
	err := k.run(ctx, "ALTER TABLE "+other+" VALIDATE CONSTRAINT "+check)
	if err == nil {
		err = k.run(ctx, "ALTER TABLE texts DETACH PARTITION "+other, "ALTER TABLE "+other+" RENAME TO "+name,
			"CREATE TABLE texts_other PARTITION OF texts DEFAULT",
			"ALTER TABLE texts ATTACH PARTITION "+name+" "+bounds(from, to),
			"ALTER TABLE "+name+" DROP CONSTRAINT "+check)
	}
	if err != nil {
		after := context.WithoutCancel(ctx)
		return errors.Join(err, k.run(after, "ALTER TABLE IF EXISTS "+other+" DROP CONSTRAINT IF EXISTS "+check))
	}
	return nil
}

// droppable returns the partitions with ids of times before one alone.
func droppable(ranges []partition, before time.Time) (old []partition) {
	if before.IsZero() {
		return nil
	}
	for _, p := range ranges {
		if p.to != "" && p.to <= lowestID(before) {
			old = append(old, p)
		}
	}
	return old
}

// youngOf finds an InMail of a partition whose texts are to stay: it was decided late, or is not yet.
const youngOf = `SELECT EXISTS (SELECT FROM inmails
	WHERE id >= $1 AND id < $2 AND coalesce(sent_at, ended_at, $3) >= $3)`

// waitsIn finds an InMail of a partition that is queued.
const waitsIn = `SELECT EXISTS (SELECT FROM waiting WHERE id < $1)`

// drop drops those of old partitions in which no text is young, if the role may. The server's clock has the
// last word: no id of the present goes into a partition that is dropped, also when the time was moved ahead.
func (k *keeper) drop(ctx context.Context, old []partition) error {
	var shown int64
	var passed []byte
	var may bool
	err := k.conn.QueryRow(ctx, `SELECT floor(extract(epoch FROM clock_timestamp() - interval '1 day') * 1000)::bigint,
		coalesce((SELECT value FROM state WHERE name = $1), ''),
		(SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = 'texts'::regclass)`, stateDroppedInMails).
		Scan(&shown, &passed, &may)
	if err != nil || !may {
		return err
	}
	for _, p := range old {
		if p.to > lowestID(time.UnixMilli(shown)) {
			return nil
		}
		from := max(p.from, domain.ID(passed), firstID)
		stays := false
		// What waits is asked first: decided in between, it is found among the decided ones.
		err := k.within(ctx, func(tx pgx.Tx) error {
			err := tx.QueryRow(ctx, waitsIn, p.to).Scan(&stays)
			if err != nil || stays || from >= p.to {
				return err
			}
			return tx.QueryRow(ctx, youngOf, from, p.to, millis(k.before)).Scan(&stays)
		})
		if err != nil {
			return err
		}
		if stays {
			continue
		}
		err = k.within(ctx, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "DROP TABLE "+p.name); err != nil {
				return err
			}
			if err := tx.QueryRow(ctx, waitsIn, p.to).Scan(&stays); err == nil && stays {
				return errWaits // what waits keeps its text
			}
			return err
		})
		if err != nil && !errors.Is(err, errWaits) {
			return err
		}
	}
	return nil
}

// errWaits ends a transaction.
var errWaits = own("an InMail waits")
