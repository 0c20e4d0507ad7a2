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

// What was overwritten must stand in no file (R60). secure_delete overwrites a cell when it is
// deleted. Two things are left: the write-ahead log, which holds older pages, and what SQLite
// forgets in the gap of a page when it writes its cells anew, as in a split. So nothing moves
// from the log into the file by itself: scrub does it, and empties the gaps of those pages
// first. The file, which all pages reach through the log, has no such gaps.

// logSize is how many bytes the log may hold.
const logSize = 8 << 20

// losesText reports whether a text of the old version is not in the new one.
func (c change) losesText() bool {
	if c.old == nil || c.now == nil {
		return c.old != nil
	}
	return slices.ContainsFunc(c.old.object.fields, func(f *field) bool {
		return (f.kind.text() || f.kind == kindMultiselect) && c.old.at(f) != nil && c.old.at(f) != c.now.at(f)
	})
}

// scrubDue scrubs when a commit has overwritten a text, before that is answered, or when the
// log is long. What fails is tried again with the next commit.
func (st *store) scrubDue() {
	if st.path == "" {
		return
	}
	info, err := os.Stat(st.path + "-wal")
	if due := st.due.Swap(false); !due && err == nil && info.Size() < logSize {
		return
	}
	if err := st.scrub(); err != nil {
		st.due.Store(true)
		st.log.Error("sandbox not scrubbed", "error", err)
	}
}

// scrub moves the log into the file, without what is in the gaps of its pages.
func (st *store) scrub() error {
	ctx := context.Background()
	c, err := st.writer.Conn(ctx) // nobody writes meanwhile
	if err != nil {
		return err
	}
	defer c.Close()
	st.looking.Lock() // and nobody reads: a reader would keep the log from being emptied
	defer st.looking.Unlock()
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
		if err != nil && !errors.Is(err, sql.ErrNoRows) { // the file may have lost a page
			return err
		}
	}
	return tx.Commit()
}

// pagesInLog lists the numbers of the pages in the write-ahead log, and perhaps such as an
// earlier round has left there.
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
	var number [4]byte // each page in the log begins with it
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

// emptyGap overwrites what is between the list of cells and the cells of a B-tree page, and
// reports whether anything was there (https://www.sqlite.org/fileformat2.html, 1.6). Pages of
// other kinds begin with the number of a page, whose first byte is 0 in files under 64 GiB.
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
