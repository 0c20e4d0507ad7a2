package record

import (
	"context"
	"errors"
	"time"
)

// Scrub removes every byte of deleted data from the files of the record, also from unused parts of pages and
// from the write-ahead log (R60). It runs beside other work, and must not run inside a transaction. On
// PostgreSQL it does less: README.md says what.
func (r *Record) Scrub(ctx context.Context) error {
	if r.closed.Load() {
		return explain("scrub the record", errClosed)
	}
	return explain("scrub the record", r.engine.scrub(ctx))
}

// scrubPages is how many pages of SQLite's file one transaction reads. That takes some
// milliseconds; then others may write.
const scrubPages = 500

// checkpointEvery is how long scrub waits for readers before it tries again to empty the write-ahead log.
const checkpointEvery = 20 * time.Millisecond

// scrub removes what secure_delete leaves. SQLite overwrites a cell when it is deleted; but when a page is
// split or joined, it writes the cells anew and leaves the old copies in the gap between the cell pointers
// and the cells. There they stay readable after the cell was deleted (found in one page of a hundred). VACUUM
// would rewrite the whole file, and nobody could write meanwhile. So scrub empties the gaps page by page, and
// then the write-ahead log.
func (s *sqlite) scrub(ctx context.Context) error {
	for next, last := 1, 1; next <= last; next += scrubPages {
		var err error
		if last, err = s.scrubSome(ctx, next); err != nil {
			return err
		}
	}
	for {
		busy, err := s.checkpoint(ctx)
		if err != nil || !busy {
			return err
		}
		select {
		case <-time.After(checkpointEvery):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

const (
	countPages = `PRAGMA page_count`
	readPages  = `SELECT pgno, data FROM sqlite_dbpage WHERE pgno BETWEEN $1 AND $2`
	writePage  = `UPDATE sqlite_dbpage SET data = $2 WHERE pgno = $1`
)

// scrubSome empties the gaps of scrubPages pages from first on and returns the
// number of the file's last page.
func (s *sqlite) scrubSome(ctx context.Context, first int) (last int, err error) {
	session, err := s.begin(ctx, true)
	if err != nil {
		return 0, err
	}
	defer session.rollback()
	each, _ := one(&last)
	if err := session.query(ctx, countPages, nil, each); err != nil {
		return 0, err
	}
	end := min(first+scrubPages-1, last)
	cleaned := map[int][]byte{}
	err = session.query(ctx, readPages, []any{first, end}, func(r row) error {
		var number int
		var page []byte
		if err := r.Scan(&number, &page); err != nil {
			return err
		}
		if emptyGap(number, last, page) {
			cleaned[number] = page
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	for number, page := range cleaned {
		if _, err := session.exec(ctx, writePage, []any{number, page}); err != nil {
			return 0, err
		}
	}
	_, err = session.commit(ctx, nil)
	return last, err
}

// The kinds of B-tree pages, and where the header and its fields stand
// (https://www.sqlite.org/fileformat2.html, 1.6).
const (
	interiorIndex, interiorTable = 0x02, 0x05
	leafIndex, leafTable         = 0x0a, 0x0d

	fileHeader   = 100 // bytes before the header of page 1
	cellCount    = 3   // two bytes
	contentStart = 5   // two bytes
	leafHeader   = 8
	innerHeader  = 12
)

// emptyGap overwrites the unused space between the cell pointers and the cells of a B-tree page with zeros,
// and returns whether anything was there. It leaves other pages as they are: they begin with a page number,
// whose first byte is below every kind of B-tree page as long as the file has fewer than 2^25 pages.
func emptyGap(number, last int, page []byte) bool {
	if last >= interiorIndex<<24 || len(page) < fileHeader+innerHeader {
		return false
	}
	header := 0
	if number == 1 {
		header = fileHeader
	}
	size := leafHeader
	switch page[header] {
	case interiorIndex, interiorTable:
		size = innerHeader
	case leafIndex, leafTable:
	default:
		return false
	}
	from := header + size + 2*twoBytes(page, header+cellCount)
	to := twoBytes(page, header+contentStart)
	if to == 0 {
		to = 1 << 16
	}
	if from > to || to > len(page) {
		return false // SQLite would not accept this page; scrub does not repair it
	}
	was := false
	for i := from; i < to; i++ {
		was = was || page[i] != 0
		page[i] = 0
	}
	return was
}

func twoBytes(page []byte, at int) int { return int(page[at])<<8 | int(page[at+1]) }

// checkpoint moves the write-ahead log into the file and empties it, unless a reader still needs it.
func (s *sqlite) checkpoint(ctx context.Context) (busy bool, err error) {
	c, err := take(ctx, s.writer)
	if err != nil {
		return false, err
	}
	defer func() { s.writer <- c }()
	if err := c.open(ctx, s.db); err != nil {
		return false, err
	}
	// Nobody can write while the checkpoint waits for a reader, so it waits for 20 ms only.
	if _, err := c.conn.ExecContext(ctx, "PRAGMA busy_timeout = 20"); err != nil {
		return false, err
	}
	var log, moved int
	err = c.conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &log, &moved)
	_, restored := c.conn.ExecContext(context.WithoutCancel(ctx),
		"PRAGMA busy_timeout = "+milliseconds(s.cfg.LockTimeout))
	return busy, errors.Join(err, restored)
}

// touched lists the tables that an erasure changes.
const touched = `members, names, member_words, allowances, credits, connections, blocks, banned, keys,
	inmails, waiting, texts, replies, answers, crm_links, counts, snapshots, state, strikes, restrictions, reports, audit`

// scrub removes the dead rows of the tables that an erasure changes. PostgreSQL overwrites their
// bytes when it uses the space again. How long its write-ahead log and its backups are kept is a
// setting of the server (README.md).
func (p *postgres) scrub(ctx context.Context) error {
	_, err := p.pool.Exec(ctx, `VACUUM `+touched)
	return err
}
