package record

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"

	"github.com/jackc/pgx/v5/pgconn"
	sqlitedriver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// A Fault is an error of the database in one line: what was tried, what went wrong, and what to do where we
// know. It never quotes a value: the text of a driver's error may hold one (R27), so only its code, and
// what the code means, is kept. errors.Is finds mailroom.ErrUnavailable in those that pass.
type Fault struct {
	Tried  string // "insert inmails"
	Code   string // SQLSTATE, or SQLite's result code; "" where neither spoke
	Text   string // what it means
	Remedy string // "" where there is none to tell
	kind   error  // mailroom.ErrUnavailable, mailroom.ErrConflict, or nil
	cause  error  // context.Canceled and the like, which hold no value
	again  bool   // ended for another transaction; nothing was stored
}

// Error gives it all in one line.
func (f *Fault) Error() string {
	s := f.Tried + ": " + f.Text
	if f.Code != "" {
		s += " (" + f.Code + ")"
	}
	if f.Remedy != "" {
		s += "; " + f.Remedy
	}
	return s
}

// Unwrap lets errors.Is find the kind and the cause.
func (f *Fault) Unwrap() []error {
	var of []error
	if f.kind != nil {
		of = append(of, f.kind)
	}
	if f.cause != nil {
		of = append(of, f.cause)
	}
	return of
}

// wasEndedForAnother says that the database ended the transaction because another was in its way: nothing
// was stored, and it may be tried again.
func wasEndedForAnother(err error) bool {
	var f *Fault
	return errors.As(err, &f) && f.again
}

// explain turns an error of a driver into a Fault. Refusals, faults and our own errors pass as they are.
func explain(tried string, err error) error {
	if err == nil {
		return nil
	}
	var (
		refusal  *domain.Refusal
		fault    *Fault
		postgres *pgconn.PgError
		lite     *sqlitedriver.Error
		connect  *pgconn.ConnectError
		network  net.Error
		mine     own
	)
	f := &Fault{Tried: tried}
	switch {
	case errors.As(err, &refusal), errors.As(err, &fault):
		return err
	case errors.Is(err, mailroom.ErrConflict):
		return fmt.Errorf("%s: %w", tried, err)
	case errors.As(err, &postgres):
		f.ofPostgres(postgres)
	case errors.As(err, &connect) && !errors.Is(err, context.Canceled):
		f.unreachable()
	case errors.As(err, &lite):
		f.ofSQLite(lite)
	case errors.Is(err, context.Canceled):
		f.Text, f.cause = "given up, as its caller did", context.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		f.Text, f.Remedy = "took too long", "look what the database is busy with, or raise database_timeout"
		f.kind, f.cause = mailroom.ErrUnavailable, context.DeadlineExceeded
	case errors.As(err, &network), pgconn.SafeToRetry(err):
		f.unreachable()
	case isClosed(err):
		f.Text, f.kind = "the connection to the database was lost", mailroom.ErrUnavailable
	case errors.As(err, &mine):
		return fmt.Errorf("%s: %w", tried, err)
	case errors.Is(err, sql.ErrConnDone), errors.Is(err, sql.ErrTxDone):
		f.Text, f.kind = "the record is closed", mailroom.ErrUnavailable
	default: // the text may quote what could not be encoded or scanned
		f.Text = fmt.Sprintf("an error of the driver that was not expected, a %T", innermost(err))
	}
	return f
}

func (f *Fault) unreachable() {
	f.Text, f.Remedy, f.kind = "the database cannot be reached", "check that it runs and that database_url names its host and port", mailroom.ErrUnavailable
}

// own is an error whose text is ours and quotes no value.
type own string

func (e own) Error() string { return string(e) }

// ownf makes one; its arguments are ids and numbers.
func ownf(format string, args ...any) error { return own(fmt.Sprintf(format, args...)) }

func innermost(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// isClosed finds what pgx and the net package say of a connection that ended under a statement.
func isClosed(err error) bool {
	return errors.Is(err, net.ErrClosed) || errors.Is(err, fs.ErrClosed) || pgconn.Timeout(err) || isEOF(err)
}

// ofPostgres reads an SQLSTATE.
func (f *Fault) ofPostgres(e *pgconn.PgError) {
	f.Code = "SQLSTATE " + e.Code
	switch e.Code {
	case "28P01", "28000":
		f.Text, f.Remedy = "the database refused the user or the password", "check both in the URL, and pg_hba.conf"
	case "3D000":
		f.Text, f.Remedy = "the database does not exist", "create it: createdb --template=template0 --encoding=UTF8 NAME"
	case "42501":
		f.Text, f.Remedy = "the user has no right to do this", "grant the rights that the README of the record lists"
	case "53300":
		f.Text, f.Remedy, f.kind = "the database has no connection left", "lower database_connections, or raise its max_connections", mailroom.ErrUnavailable
	case "53100":
		f.Text, f.Remedy, f.kind = "the database's disk is full", "make room on it", mailroom.ErrUnavailable
	case "25006":
		f.Text, f.Remedy, f.kind = "the database only reads: it is a standby, or was set so", "let the URL name the primary (target_session_attrs=read-write)", mailroom.ErrUnavailable
	case "40001", "40P01":
		f.Text, f.again, f.kind = "another transaction was in its way", true, mailroom.ErrUnavailable
	case "55P03":
		f.Text, f.kind = "waited too long for a lock", mailroom.ErrUnavailable
	case "57014":
		f.Text, f.Remedy, f.kind = "the statement took too long or was cancelled", "look what the database is busy with, or raise database_timeout", mailroom.ErrUnavailable
	case "57P01", "57P02", "57P03":
		f.Text, f.kind = "the database is starting or shutting down", mailroom.ErrUnavailable
	case "42P01", "42703":
		f.Text, f.Remedy = "a table or column is missing", "bring the schema up to date: inmail migrate"
	default:
		f.Text = "the database refused the statement"
		if e.ConstraintName != "" {
			f.Text += ": constraint " + e.ConstraintName
		} else if e.ColumnName != "" {
			f.Text += ": column " + e.ColumnName
		}
		switch e.Code[:min(2, len(e.Code))] {
		case "08", "53", "57", "58":
			f.kind = mailroom.ErrUnavailable
		case "42": // the statement itself is wrong: its text is ours and holds no value
			f.Text += ": " + e.Message
		}
	}
}

// ofSQLite reads a result code.
func (f *Fault) ofSQLite(e *sqlitedriver.Error) {
	code := e.Code()
	f.Code = fmt.Sprintf("SQLite %d", code)
	switch code & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		f.Text, f.Remedy, f.kind = "another process holds the file", "let one inmail at a time use a data folder", mailroom.ErrUnavailable
	case sqlite3.SQLITE_FULL:
		f.Text, f.Remedy, f.kind = "the disk, or what database_max_bytes gives, is full", "make room, or raise the limit", mailroom.ErrUnavailable
	case sqlite3.SQLITE_IOERR:
		f.Text, f.Remedy, f.kind = "the disk failed", "check the disk and the system's log", mailroom.ErrUnavailable
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		f.Text, f.Remedy, f.kind = "the file or its folder cannot be written", "give this user the right to write both", mailroom.ErrUnavailable
	case sqlite3.SQLITE_NOTADB:
		f.Text, f.Remedy = "the file is not a record of InMail", "move it away, or name another folder"
	case sqlite3.SQLITE_CORRUPT:
		f.Text, f.Remedy = "the file is damaged", "restore the last backup (README of the record)"
	case sqlite3.SQLITE_INTERRUPT:
		f.Text, f.cause = "given up, as its caller did", context.Canceled
	case sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH:
		f.Text = e.Error() // of the statement or the constraint: SQLite puts no value there
	default:
		f.Text = "the database refused the statement"
	}
}

func isEOF(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

// pathless takes the path out of a file error, for messages that name it already.
func pathless(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
