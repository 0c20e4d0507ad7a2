package record

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"inmail/domain/mailroom"
)

// place says where a record is, in such a way that a copy of the record is elsewhere. The record keeps the
// place in which it was last worked on.
type place struct {
	Born  int64  `json:"born,omitempty"`  // SQLite: when its file was created, nanoseconds; 0: the filesystem does not say
	Inode uint64 `json:"inode,omitempty"` // of that file

	System   string `json:"system,omitempty"`   // PostgreSQL: the cluster's identifier; empty: it may not be read
	Database uint32 `json:"database,omitempty"` // the oid of the database
	Table    uint32 `json:"table,omitempty"`    // the oid of the table instance: a restored dump has another
	Timeline string `json:"timeline,omitempty"` // of the write-ahead log: it changes at a failover and at a restore

	Held bool `json:"held,omitempty"` // an operator wants whatever is started next to be held
}

// instance is the row of the table instance.
type instance struct {
	place  place
	beat   int64 // 0: there is no row, as no program has marked the record yet
	beatAt int64 // milliseconds; it never goes back, whatever the clocks do
}

const (
	// failoverLoss is how far a standby may be behind when it takes over. A record that went back further
	// under a running program was restored.
	failoverLoss = time.Minute
	// failoverRest is how long nobody may have worked on a record whose server changed its timeline. A
	// longer rest looks like a restored base backup.
	failoverRest = 10 * time.Minute
)

// heldWhy returns why a record that was last worked on as it says is not to be worked on here and now; empty
// when it may be. outside is the latest beat that is known outside of the record; last is the row as this
// process stored it last, or without a beat when it has not yet, with the latest time of a beat that is
// known.
func (was instance) heldWhy(is place, outside int64, now int64, last instance) string {
	at := func() string { return time.UnixMilli(was.beatAt).UTC().Format(time.RFC3339) }
	w := was.place
	switch {
	case outside > was.beat:
		return fmt.Sprintf("it is older than what was here before: it was last worked on at %s, and after that %d times",
			at(), outside-was.beat)
	case was.beat == 0:
		return ""
	case w.Held:
		return "an operator held it (inmail hold)"
	case w.Born != 0 && is.Born != 0 && w.Born != is.Born, (w.Born == 0 || is.Born == 0) && w.Inode != is.Inode:
		return fmt.Sprintf("its file is a copy of the one that was worked on at %s", at())
	case w.System != "" && is.System != "" && w.System != is.System:
		return fmt.Sprintf("it is on another server than the one that was worked on at %s", at())
	case w.Database != is.Database:
		return fmt.Sprintf("it is in another database than the one that was worked on at %s", at())
	case w.Table != is.Table:
		return fmt.Sprintf("its tables were made anew since it was worked on at %s, as a restored dump does", at())
	case last.beatAt-was.beatAt > failoverLoss.Milliseconds():
		return fmt.Sprintf("it went back to %s, and was worked on at %s", at(),
			time.UnixMilli(last.beatAt).UTC().Format(time.RFC3339))
	case w.Timeline != is.Timeline && w.Timeline != "" && is.Timeline != "" && last.beat == 0 &&
		now-was.beatAt > failoverRest.Milliseconds():
		return fmt.Sprintf("the server has another timeline than at %s, when it was last worked on, as a restored "+
			"base backup has", at())
	}
	return ""
}

const selectInstance = `SELECT place, beat, beat_at FROM instance WHERE id = 1`

const putInstance = `INSERT INTO instance (id, place, beat, beat_at) VALUES (1, $1, $3::bigint + 1, $2)
	ON CONFLICT (id) DO UPDATE SET place = excluded.place, beat_at = greatest(instance.beat_at, excluded.beat_at),
		beat = greatest(instance.beat, $3::bigint) + 1
	RETURNING beat, beat_at`

// instance reads the row; with lock nobody else changes it until the transaction ends.
func (t *tx) instance(lock bool) (was instance, err error) {
	sql := selectInstance
	if lock {
		sql += ` FOR UPDATE`
	}
	var text string
	each, found := one(&text, &was.beat, &was.beatAt)
	if err := t.query("read the instance", sql, each); err != nil || !*found {
		return instance{}, err
	}
	if err := json.Unmarshal([]byte(text), &was.place); err != nil {
		return instance{}, t.fail("read the instance", ownf("its place is no JSON object"))
	}
	return was, nil
}

// putInstance stores that the record is worked on in a place. The new beat is above outside.
func (t *tx) putInstance(is place, outside, now int64) (stored instance, err error) {
	text, err := json.Marshal(is)
	if err != nil {
		return stored, err
	}
	stored.place = is
	each, _ := one(&stored.beat, &stored.beatAt)
	err = t.change("store the instance", putInstance, each, string(text), now, outside)
	return stored, err
}

// whereIsIt returns where the record is and what the clock there shows, in milliseconds. The record's time is
// neither read nor moved on: what is compared with it here is minutes old or not.
func (r *Record) whereIsIt(ctx context.Context) (is place, now int64, err error) {
	is, now, err = r.engine.place(ctx)
	if r.engine.ownTime() {
		own, _, _ := r.times.own()
		now = own.UnixMilli()
	}
	return is, now, err
}

// timeless returns the transaction t without the record's time: its statements read none.
func timeless(t mailroom.Tx) *tx {
	own := t.(*tx)
	own.asked = true
	return own
}

// look reads the row and holds the record when it is a copy. A record that no program has marked yet is
// marked. It is called when the record opens, also on a server that only reads.
func (r *Record) look(ctx context.Context) error {
	is, now, err := r.whereIsIt(ctx)
	if err != nil {
		return err
	}
	outside := r.engine.outside() // before the row: another process may mark the record meanwhile
	why, marked := "", false
	err = r.View(ctx, func(t mailroom.Tx) error {
		was, err := timeless(t).instance(false)
		if err != nil {
			return err
		}
		marked = was.beat > 0
		why = was.heldWhy(is, outside, now, instance{})
		return nil
	})
	if err != nil {
		return err
	}
	r.here = is
	r.hold(why, seeOriginal)
	if !marked && why == "" {
		_ = r.Beat(ctx) // a record that cannot be written now is marked by a later beat
	}
	return nil
}

// BeatEvery is how often a program that works on the record calls Beat; HeldBeat, while it is held.
const (
	BeatEvery = 10 * time.Second
	HeldBeat  = time.Second
)

// Beat stores that the record is worked on here, or finds that it must not be (R61): then it is held, until
// an operator resumes it here or in another process. A program calls it now and then. It also finds that a
// newer program has migrated the schema: what this one wrote there might be wrong, so the record is held for
// this process until it ends.
func (r *Record) Beat(ctx context.Context) error { return r.beat(ctx, false) }

// Unhold ends a hold: from now on this place is the record's, and all its processes find that.
func (r *Record) Unhold(ctx context.Context) error { return r.beat(ctx, true) }

func (r *Record) beat(ctx context.Context, unhold bool) error {
	r.beats.Lock()
	defer r.beats.Unlock()
	is, now, err := r.whereIsIt(ctx)
	if err != nil {
		return explain("read where the record is", err)
	}
	outside := r.engine.outside() // before the row, as look does
	var why string
	var stored instance
	var newer int64
	err = r.UpdateHeld(ctx, func(t mailroom.Tx) error {
		stored, newer = instance{}, 0
		was, err := timeless(t).instance(true)
		if err != nil {
			return err
		}
		if newer, err = t.(*tx).newerSchema(); err != nil || newer > 0 {
			return err
		}
		last := instance{beat: r.last.beat, beatAt: max(r.last.beatAt, r.known)}
		if why = was.heldWhy(is, outside, now, last); why != "" && !unhold {
			return nil
		}
		why = ""
		stored, err = t.(*tx).putInstance(is, outside, max(now, r.known))
		return err
	})
	if err != nil {
		return err
	}
	if newer > 0 {
		r.hold(fmt.Sprintf("its schema was brought to version %d, which this program does not know", newer),
			"end this process and start the newer program in its place")
		return nil
	}
	if r.hold(why, seeOriginal); why != "" {
		return nil
	}
	r.last = stored
	return r.engine.noteOutside(stored.beat)
}

// LastBeat returns when this process last stored that the record is worked on here, and a key that names the
// record, so that the time can be kept where the record's own server cannot set it back. The key is empty
// where that is of no use: SQLite keeps its beats in the folder.
func (r *Record) LastBeat() (key string, at time.Time) {
	r.beats.Lock()
	defer r.beats.Unlock()
	if r.here.Database != 0 {
		key = fmt.Sprintf("instance:%s:%d:%d", r.here.System, r.here.Database, r.here.Table)
	}
	return key, time.UnixMilli(r.last.beatAt)
}

// KnowBeat lets the next Beat know when another has, of this record or of what it was copied from.
func (r *Record) KnowBeat(at time.Time) {
	r.beats.Lock()
	defer r.beats.Unlock()
	r.known = max(r.known, at.UnixMilli())
}

// HoldNext lets whatever program opens the record next hold it, and this one too: for a copy that cannot be
// noticed, such as a snapshot of a whole disk.
func (r *Record) HoldNext(ctx context.Context) error {
	err := r.UpdateHeld(ctx, func(t mailroom.Tx) error {
		was, err := timeless(t).instance(true)
		if err != nil {
			return err
		}
		was.place.Held = true
		_, err = t.(*tx).putInstance(was.place, r.engine.outside(), was.beatAt)
		return err
	})
	if err == nil {
		err = r.Beat(ctx)
	}
	return err
}

// selectNewer reads the newest version of the schema that this program does not know; 0: it knows all.
var selectNewer = `SELECT coalesce(max(version_id), 0) FROM ` + versions + ` WHERE version_id NOT IN (` + knownVersions + `)`

// newerSchema returns the version to which a newer program has brought the schema; 0: none has.
func (t *tx) newerSchema() (newer int64, err error) {
	each, _ := one(&newer)
	return newer, t.query("read the version of the schema", selectNewer, each)
}

// seeOriginal is what to do about a copy.
const seeOriginal = "see where its original is, then: inmail resume --after-restore"

// hold sets the hold and how it ends; without a why it ends it.
func (r *Record) hold(why, remedy string) {
	if why == "" {
		r.held.Store(nil)
		return
	}
	r.held.Store(&Fault{Tried: "change the record", Text: "it is held: " + why,
		Remedy: remedy,
		kind:   mailroom.ErrUnavailable, why: mailroom.CauseHeld})
}

// Held returns why the record is held, in words for operators: it is a copy, or was restored from a backup,
// and only reads until it is resumed (R61). It returns nil when the record is not held.
func (r *Record) Held() error {
	if f := r.held.Load(); f != nil {
		return f
	}
	return nil
}
