package sandbox

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// A journal is a file of JSON lines. It begins with a snapshot: a header, a line for each
// record and each change of the history. Behind it each commit is one line, written before
// the commit is answered, so that a process that is killed loses nothing that it has
// answered. A last line that was cut short was never answered, and is dropped. Users are not
// in it: each start makes them anew from the credentials.

// line is one line of a journal or snapshot. Just one of its members is set.
type line struct {
	Header *header     `json:"header,omitempty"`
	Record *rowState   `json:"record,omitempty"`
	Past   *Change     `json:"past,omitempty"`
	Commit *commitLine `json:"commit,omitempty"`
}

// journalFormat is the version of the format. Another one is refused.
const journalFormat = 1

type header struct {
	Sandbox  string               `json:"sandbox"`
	Format   int                  `json:"format"`
	Counters map[string][2]uint64 `json:"counters"` // by object: last id, last auto number
}

// commitLine is what one transaction changed, in order.
type commitLine struct {
	At   time.Time  `json:"at"`
	Rows []rowState `json:"rows"`
}

// rowState is a record, or what changed in it.
type rowState struct {
	Object string         `json:"object"`
	ID     string         `json:"id"`
	Values map[string]any `json:"values,omitempty"` // by field name; null where it was cleared
	Gone   *deletion      `json:"gone,omitempty"`
	Purged bool           `json:"purged,omitempty"`
}

// journal appends commits to a file. A nil journal keeps nothing.
type journal struct {
	path string
	file *os.File
	size int64
	// scrub is signalled when a text was overwritten or purged: its old form still stands in
	// the file, where an erasure must not leave it (R60).
	scrub      chan struct{}
	compacting sync.Mutex
	done       chan struct{} // closed when the scrubber has ended
	stop       context.CancelFunc
}

// append writes a transaction. The store's lock is held.
func (j *journal) append(tx *txn) error {
	if j == nil {
		return nil
	}
	c := commitLine{At: tx.at}
	overwritten := false
	for _, step := range tx.log {
		c.Rows = append(c.Rows, stateOf(step.table.object, step.id, step.old, step.new))
		overwritten = overwritten || losesText(step.old, step.new)
	}
	data, err := json.Marshal(line{Commit: &c})
	if err != nil {
		return fmt.Errorf("encode a commit: %w", err)
	}
	n, err := j.file.Write(append(data, '\n'))
	if err != nil {
		// What was written in part is cut off, so that later lines stay whole.
		_, seek := j.file.Seek(j.size, io.SeekStart)
		return errors.Join(err, j.file.Truncate(j.size), seek)
	}
	j.size += int64(n)
	if overwritten {
		j.due()
	}
	return nil
}

// due says that the file holds what it should not.
func (j *journal) due() {
	select {
	case j.scrub <- struct{}{}:
	default: // it is said already
	}
}

// stateOf is what changed from one version of a record to the next.
func stateOf(o *object, id string, old, now *record) rowState {
	r := rowState{Object: o.name, ID: id}
	if now == nil {
		r.Purged = true
		return r
	}
	r.Gone, r.Values = now.gone, map[string]any{}
	for _, f := range o.fields {
		v := now.values[f.pos]
		if f.pos == posID || old == nil && v == nil || old != nil && v == old.values[f.pos] {
			continue
		}
		r.Values[f.name] = v
	}
	return r
}

// losesText reports whether a text of the old version is not in the new one.
func losesText(old, now *record) bool {
	if old == nil {
		return false
	}
	if now == nil {
		return true
	}
	for _, f := range old.object.fields {
		if was := old.values[f.pos]; (f.kind.text() || f.kind == kindMultiselect) && was != nil && was != now.values[f.pos] {
			return true
		}
	}
	return false
}

// apply makes the version of a record that a line describes.
func (r *rowState) apply(o *object, old *record) (*record, error) {
	if r.Purged {
		return nil, nil
	}
	now := &record{object: o, values: make([]any, len(o.fields)), gone: r.Gone}
	if old != nil {
		copy(now.values, old.values)
	}
	now.values[posID] = r.ID
	for name, in := range r.Values {
		f := o.field(name)
		if f == nil {
			continue // of an older package
		}
		v, err := f.restore(in)
		if err != nil {
			return nil, fmt.Errorf("field %s.%s: %w", o.name, name, err)
		}
		now.values[f.pos] = v
	}
	return now, nil
}

// restore turns a value of the journal back into one of a record.
func (f *field) restore(in any) (any, error) {
	if in == nil {
		return nil, nil
	}
	fits := false
	switch {
	case f.kind.number():
		_, fits = in.(float64)
	case f.kind == kindBoolean:
		_, fits = in.(bool)
	case f.kind == kindDateTime:
		text, _ := in.(string)
		t, err := time.Parse(time.RFC3339, text)
		return t, err
	default:
		_, fits = in.(string)
	}
	if !fits {
		return nil, fmt.Errorf("a %T does not fit a %s", in, f.kind)
	}
	return in, nil
}

// unjournaled reports whether an object's records are made anew at each start.
func unjournaled(o *object) bool { return o.name == "User" }

// writeSnapshot writes the whole store as lines.
func (st *store) writeSnapshot(w io.Writer) error {
	out := bufio.NewWriterSize(w, 1<<16)
	encode := json.NewEncoder(out)
	h := header{Sandbox: "InMail Salesforce sandbox", Format: journalFormat, Counters: map[string][2]uint64{}}
	for _, o := range st.schema.objects {
		if t := st.tables[o]; !unjournaled(o) {
			h.Counters[o.name] = [2]uint64{t.lastID, t.lastNo}
		}
	}
	if err := encode.Encode(line{Header: &h}); err != nil {
		return err
	}
	for _, o := range st.schema.objects {
		if unjournaled(o) {
			continue
		}
		for _, s := range st.tables[o].slots {
			state := stateOf(o, s.record.id(), nil, s.record)
			if err := encode.Encode(line{Record: &state}); err != nil {
				return err
			}
		}
	}
	for i := range st.history.changes {
		if err := encode.Encode(line{Past: &st.history.changes[i]}); err != nil {
			return err
		}
	}
	return out.Flush()
}

// readLines puts the lines of a journal or snapshot into an empty store, and returns the
// length of the part that is whole.
func (st *store) readLines(r io.Reader) (whole int64, commits int, err error) {
	in := bufio.NewReaderSize(r, 1<<16)
	for number := 1; ; number++ {
		data, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return whole, commits, nil // without a line break: cut short, never answered
		}
		if err != nil {
			return whole, commits, fmt.Errorf("line %d: %w", number, err)
		}
		var l line
		if err := json.Unmarshal(data, &l); err != nil {
			return whole, commits, fmt.Errorf("line %d: %w", number, err)
		}
		if (l.Header != nil) != (number == 1) {
			return whole, commits, fmt.Errorf("line %d: a header must be the first line, and only it", number)
		}
		if err := st.readLine(l); err != nil {
			return whole, commits, fmt.Errorf("line %d: %w", number, err)
		}
		if l.Commit != nil {
			commits++
		}
		whole += int64(len(data))
	}
}

func (st *store) readLine(l line) error {
	switch {
	case l.Header != nil:
		if l.Header.Format != journalFormat {
			return fmt.Errorf("format %d is not known", l.Header.Format)
		}
		for name, counters := range l.Header.Counters {
			if o := st.schema.object(name); o != nil {
				st.tables[o].lastID, st.tables[o].lastNo = counters[0], counters[1]
			}
		}
	case l.Record != nil:
		_, err := st.restoreRow(l.Record)
		return err
	case l.Past != nil:
		st.history.changes = append(st.history.changes, *l.Past)
	case l.Commit != nil:
		tx := &txn{store: st, at: l.Commit.At}
		for i := range l.Commit.Rows {
			step, err := st.restoreRow(&l.Commit.Rows[i])
			if err != nil {
				return err
			}
			if step.table != nil {
				tx.log = append(tx.log, step)
			}
		}
		st.history.note(tx)
	}
	return nil
}

func (st *store) restoreRow(r *rowState) (change, error) {
	o := st.schema.object(r.Object)
	if o == nil {
		return change{}, nil // of an older package
	}
	if full, ok := canonicalID(r.ID); !ok || full != r.ID || st.schema.objectOf(r.ID) != o {
		return change{}, fmt.Errorf("%q is no id of %s", r.ID, o.name)
	}
	t := st.tables[o]
	old := st.find(r.ID)
	if old == nil && r.Purged {
		return change{}, nil
	}
	now, err := r.apply(o, old)
	if err != nil {
		return change{}, err
	}
	t.put(r.ID, now)
	if name := o.nameAt; now != nil && name != nil && name.autoNumber != "" {
		text, _ := now.at(name).(string)
		if n, ok := autoNumberOf(name.autoNumber, text); ok && n > t.lastNo {
			t.lastNo = n
		}
	}
	return change{t, r.ID, old, now}, nil
}

// openJournal reads what the file holds into an empty store and goes on writing behind it.
func (st *store) openJournal(path string) error {
	if err := os.Remove(path + compacted); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("sandbox: remove what a compaction left: %w", err)
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("sandbox: open the journal: %w", err)
	}
	whole, commits, err := st.readLines(file)
	if err == nil {
		err = file.Truncate(whole)
	}
	if err == nil {
		_, err = file.Seek(whole, io.SeekStart)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("sandbox: read the journal %s: %w", path, err), file.Close())
	}
	st.journal = &journal{path: path, file: file, size: whole, scrub: make(chan struct{}, 1)}
	records := 0
	for _, t := range st.tables {
		records += len(t.slots)
	}
	if whole == 0 || commits > 2*records+1000 {
		return st.compact()
	}
	return nil
}

// compacted ends the name of the file that a compaction writes.
const compacted = ".new"

// compact replaces the journal's file by one that holds only what is. Commits go on while
// the bulk of it is written.
func (st *store) compact() error {
	st.journal.compacting.Lock()
	defer st.journal.compacting.Unlock()
	temporary, err := os.OpenFile(st.journal.path+compacted, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("sandbox: compact the journal: %w", err)
	}
	if err := st.compactInto(temporary); err != nil {
		return errors.Join(fmt.Errorf("sandbox: compact the journal: %w", err), temporary.Close(), os.Remove(temporary.Name()))
	}
	return nil
}

func (st *store) compactInto(temporary *os.File) error {
	st.mu.Lock()
	view := st.view()
	behind := st.journal.size
	st.mu.Unlock()
	if err := view.writeSnapshot(temporary); err != nil {
		return err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	// What was committed since the view was taken stands behind it in the old file.
	tail := io.NewSectionReader(st.journal.file, behind, st.journal.size-behind)
	if _, err := io.Copy(temporary, tail); err != nil {
		return err
	}
	size, err := temporary.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	if err := os.Rename(temporary.Name(), st.journal.path); err != nil {
		return err
	}
	old := st.journal.file
	st.journal.file, st.journal.size = temporary, size
	return old.Close()
}

// scrubAfter is how long the scrubber waits for more to scrub.
const scrubAfter = 200 * time.Millisecond

// scrubber compacts the journal whenever a text in it was overwritten, so that soon nothing
// of the old text stands in any file. What fails is tried again with the next such commit.
func (s *Sandbox) scrubber() {
	ctx, stop := context.WithCancel(context.Background())
	j := s.store.journal
	j.stop, j.done = stop, make(chan struct{})
	go func() {
		defer close(j.done)
		for {
			select {
			case <-ctx.Done():
				return
			case <-j.scrub:
			}
			if s.options.Sleep(ctx, scrubAfter) != nil {
				j.due() // for Close
				return
			}
			if err := s.store.compact(); err != nil {
				s.options.Log.Error("sandbox journal not compacted", "error", err)
			}
		}
	}()
}

// Close ends what runs beside the org and closes its journal. A scrubbing that is due is
// done first. Calls that come later find no journal to write and are refused.
func (s *Sandbox) Close() error {
	j := s.store.journal
	if j == nil {
		return nil
	}
	j.stop()
	<-j.done
	var err error
	select {
	case <-j.scrub:
		err = s.store.compact()
	default:
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	return errors.Join(err, j.file.Close())
}

// view is a copy of the store that later commits leave alone: records never change.
func (st *store) view() *store {
	v := &store{schema: st.schema, tables: map[*object]*table{}}
	for o, t := range st.tables {
		frozen := &table{object: o, lastID: t.lastID, lastNo: t.lastNo, slots: make([]*slot, len(t.slots))}
		copies := make([]slot, len(t.slots))
		for i, s := range t.slots {
			copies[i] = *s
			frozen.slots[i] = &copies[i]
		}
		v.tables[o] = frozen
	}
	v.history.changes = st.history.changes[:len(st.history.changes):len(st.history.changes)]
	return v
}

// Snapshot writes the org's records and history to a file, all of it or nothing.
func (s *Sandbox) Snapshot(path string) error {
	temporary, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("sandbox: write a snapshot: %w", err)
	}
	s.store.mu.RLock()
	view := s.store.view()
	s.store.mu.RUnlock()
	if err := errors.Join(view.writeSnapshot(temporary), temporary.Close()); err != nil {
		return errors.Join(fmt.Errorf("sandbox: write a snapshot: %w", err), os.Remove(temporary.Name()))
	}
	if err := os.Rename(temporary.Name(), path); err != nil {
		return errors.Join(fmt.Errorf("sandbox: write a snapshot: %w", err), os.Remove(temporary.Name()))
	}
	return nil
}

// Restore replaces the org's records and history by those of a snapshot, or leaves all as it
// is when the file cannot be read.
func (s *Sandbox) Restore(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("sandbox: read a snapshot: %w", err)
	}
	fresh := newStore(s.schema)
	whole, _, err := fresh.readLines(bytes.NewReader(data))
	if err == nil && (whole == 0 || whole != int64(len(data))) {
		err = errors.New("it is cut short")
	}
	if err != nil {
		return fmt.Errorf("sandbox: read the snapshot %s: %w", path, err)
	}
	s.store.mu.Lock()
	users := s.schema.object("User")
	fresh.tables[users] = s.store.tables[users]
	s.store.tables, s.store.history = fresh.tables, fresh.history
	s.store.mu.Unlock()
	if s.store.journal == nil {
		return nil
	}
	return s.store.compact()
}
