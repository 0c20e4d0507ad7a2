package sandbox

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"slices"
)

// Text that was overwritten must remain in no file (R60). secure_delete overwrites the cell of a deleted
// row. Two copies are left: older pages in the write-ahead log, and cells in the unallocated gap of a page
// that SQLite has rewritten, as in a split. Therefore checkpoints are not automatic: scrub runs them, after
// it has emptied the gaps of the pages in the log. All pages reach the file through the log, so the file
// has no such gaps.

// logSize is the size of the log in bytes from which it is moved into the file.
const logSize = 8 << 20

// losesText reports whether the new version lacks a text of the old one.
func (c change) losesText() bool {
	if c.old == nil || c.now == nil {
		return c.old != nil
	}
	return slices.ContainsFunc(c.old.object.fields, func(f *field) bool {
		return (f.kind.text() || f.kind == kindMultiselect) && c.old.at(f) != nil && c.old.at(f) != c.now.at(f)
	})
}

// scrubDue scrubs, before the commit is acknowledged, when the commit has overwritten a text or the log is
// long. A failure is logged, and the next commit tries again.
func (st *store) scrubDue() {
	if st.path == "" {
		return
	}
	info, err := os.Stat(st.path + "-wal")
	if scrubPending := st.scrubPending.Swap(false); !scrubPending && err == nil && info.Size() < logSize {
		return
	}
	if err := st.scrub(); err != nil {
		st.scrubPending.Store(true)
		st.log.Error("sandbox not scrubbed", "error", err)
	}
}

// scrub moves the log into the file, without what is in the gaps of its pages.
func (st *store) scrub() error {
	ctx := context.Background()
	c, err := st.writer.Conn(ctx) // excludes writers: there is one such connection
	if err != nil {
		return err
	}
	defer c.Close()
	st.readLock.Lock() // excludes readers, who would prevent the log from being emptied
	defer st.readLock.Unlock()
	if err := st.emptyGaps(ctx, c); err != nil {
		return err
	}
	var busy, log, moved int
	err = c.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &log, &moved)
	if err == nil && busy != 0 {
		err = errors.New("another process uses the file")
	}
	return err
}

// emptyGaps empties the gaps of all pages in the log.
func (st *store) emptyGaps(ctx context.Context, c *sql.Conn) error {
	pages, err := pagesInLog(st.path + "-wal")
	if err != nil || len(pages) == 0 {
		return err
	}
	tx, err := c.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // unless it was committed
	read, err := tx.Prepare("SELECT data FROM sqlite_dbpage WHERE pgno = ?")
	if err != nil {
		return err
	}
	for _, number := range pages {
		var page []byte
		err := read.QueryRow(number).Scan(&page)
		if err == nil && emptyGap(number, page) {
			_, err = tx.Exec("UPDATE sqlite_dbpage SET data = ? WHERE pgno = ?", page, number)
		}
		if err != nil && !errors.Is(err, sql.ErrNoRows) { // a page may no longer exist
			return err
		}
	}
	return tx.Commit()
}

// pagesInLog lists the numbers of the pages in the write-ahead log. It may include pages of an earlier
// checkpoint, whose frames are still in the file.
func pagesInLog(path string) ([]uint32, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var pages []uint32
	var number [4]byte // each frame of the log begins with the number of its page
	for at := int64(32); err == nil; at += 24 + databasePage {
		if _, err = f.ReadAt(number[:], at); err == nil {
			pages = append(pages, binary.BigEndian.Uint32(number[:]))
		}
	}
	if !errors.Is(err, io.EOF) {
		return nil, err
	}
	slices.Sort(pages)
	return slices.Compact(pages), nil
}

// emptyGap overwrites the bytes between the list of cells and the cells of a B-tree page, and reports
// whether any was not 0 (https://www.sqlite.org/fileformat2.html, 1.6). Pages of other kinds begin with a
// page number, whose first byte is 0 in files under 64 GiB.
func emptyGap(number uint32, page []byte) bool {
	head := 0
	if number == 1 {
		head = 100
	}
	if len(page) != databasePage {
		return false
	}
	list := head + 8
	switch page[head] {
	case 2, 5: // inner pages
		list += 4
	case 10, 13: // leaves
	default:
		return false
	}
	cells := int(binary.BigEndian.Uint16(page[head+3:]))
	from, to := list+2*cells, int(binary.BigEndian.Uint16(page[head+5:]))
	if from > to || to > len(page) {
		return false
	}
	was := false
	for i := from; i < to; i++ {
		was = was || page[i] != 0
		page[i] = 0
	}
	return was
}
