package record

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	sqlitedriver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// A Fault is an error of the database in one line: what was tried, what went wrong, and the remedy
// where there is one. It never quotes a value: the text of a driver's error may have one (R27), so
// only its code, and what the code means, is kept. errors.Is finds mailroom.ErrUnavailable in
// faults that pass by themselves.
type Fault struct {
	Tried  string // "insert inmails"
	Code   string // SQLSTATE, or SQLite's result code; "" when the error has neither
	Text   string // what it means
	Remedy string // "" when none is known
	kind   error  // mailroom.ErrUnavailable, mailroom.ErrConflict, or nil
	why    mailroom.Cause
	cause  error // context.Canceled or context.DeadlineExceeded, which quote no value; nil: neither
	again  bool  // a deadlock or the like ended the transaction; nothing was stored
	disk   bool  // SQLite only says that reading or writing failed
}

// Error returns what was tried, the text, the code and the remedy in one line.
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

// Cause returns why the record cannot work now, in words for everybody; "" when the record works and
// the statement was at fault.
func (f *Fault) Cause() mailroom.Cause { return f.why }

// unavailable marks the fault as one of a record that cannot be used now, and why.
func (f *Fault) unavailable(why mailroom.Cause) { f.kind, f.why = mailroom.ErrUnavailable, why }

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

// wasEndedForAnother is true when the database ended the transaction because of another (a deadlock, a
// serialisation failure): nothing was stored, and it may be tried again.
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
		f.ofConnecting(err)
	case errors.As(err, &lite):
		f.ofSQLite(lite)
	case errors.Is(err, context.Canceled):
		f.Text, f.cause = "given up, as its caller did", context.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		f.Text, f.Remedy = "took too long", "see what the database is busy with, or raise database_timeout"
		f.unavailable(mailroom.CauseSilent)
		f.cause = context.DeadlineExceeded
	case errors.As(err, &network), pgconn.SafeToRetry(err):
		f.ofConnecting(err)
	case isClosed(err):
		f.Text = "the connection to the database was lost"
		f.unavailable(mailroom.CauseUnreachable)
	case errors.As(err, &mine):
		return fmt.Errorf("%s: %w", tried, err)
	case errors.Is(err, sql.ErrConnDone), errors.Is(err, sql.ErrTxDone):
		f.Text = "the record is closed"
		f.unavailable(mailroom.CauseStarting)
	default: // the text may quote what could not be encoded or scanned
		f.Text = fmt.Sprintf("an error of the driver that was not expected, a %T", innermost(err))
	}
	return f
}

// ofConnecting explains why a connection could not be made. The texts of pgx and of package net quote the
// address, and may quote the user, so only their meaning is kept.
func (f *Fault) ofConnecting(err error) {
	var name *net.DNSError
	f.unavailable(mailroom.CauseUnreachable)
	switch text := err.Error(); {
	case errors.As(err, &name) && name.IsNotFound:
		f.Text, f.Remedy = "the host of database_url has no address", "correct the host, or its entry in the DNS"
	case errors.Is(err, syscall.ECONNREFUSED):
		f.Text, f.Remedy = "nothing listens at the host and port of database_url",
			"start PostgreSQL there, or correct the port"
	case errors.Is(err, fs.ErrNotExist):
		f.Text, f.Remedy = "there is no socket of PostgreSQL in the folder of database_url",
			"start PostgreSQL, or correct the folder and the port"
	case errors.Is(err, fs.ErrPermission):
		f.Text, f.Remedy = "the socket of PostgreSQL may not be opened by this user",
			"give it the right, or connect by host and port"
	case strings.Contains(text, "server refused TLS connection"):
		f.Text, f.Remedy = "the database offers no TLS, which sslmode asks for",
			"turn TLS on there, or set sslmode=prefer where the way is safe"
	case strings.Contains(text, "x509:"), strings.Contains(text, "tls:"):
		f.Text, f.Remedy = "the database's certificate is not trusted",
			"name its authority (sslrootcert), or correct the host"
	case errors.Is(err, context.DeadlineExceeded), pgconn.Timeout(err):
		f.Text, f.Remedy = "the database does not answer", "check that it runs, that a firewall lets the port "+
			"through, and what it is busy with"
		f.why = mailroom.CauseSilent
	default:
		f.Text, f.Remedy = "the database cannot be reached",
			"check that it runs and that database_url names its host and port"
	}
}

// own is an error of this package; its text quotes no value.
type own string

func (e own) Error() string { return string(e) }

// ownf formats an own error; its arguments may be ids and numbers.
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

// isClosed is true for the errors of pgx and of package net for a connection that ended during a statement.
func isClosed(err error) bool {
	return errors.Is(err, net.ErrClosed) || errors.Is(err, fs.ErrClosed) || pgconn.Timeout(err) || isEOF(err)
}

// meaning is what an SQLSTATE or a result code of SQLite means here.
type meaning struct {
	text, remedy string
	why          mailroom.Cause // "": the record works, the statement was at fault
}

// sqlStates explains the SQLSTATEs that an operator can act on.
var sqlStates = map[string]meaning{
	"28P01": {"the database refused the user or the password", "check both in the URL, and pg_hba.conf", ""},
	"28000": {"the database refused the user or the password", "check both in the URL, and pg_hba.conf", ""},
	"3D000": {"the database does not exist", "create it: createdb --template=template0 --encoding=UTF8 NAME", ""},
	"3F000": {"the schema that search_path names does not exist",
		"create it: CREATE SCHEMA NAME, or correct search_path in the URL", ""},
	"42501": {"the user has no right to do this", "grant the rights that the README of the record lists", ""},
	"42P01": {"a table or column is missing", "bring the schema up to date: inmail migrate", ""},
	"42703": {"a table or column is missing", "bring the schema up to date: inmail migrate", ""},
	"08P01": {"a pooler between here and the database refused the connection",
		"set what the README of the record says of PgBouncer (ignore_startup_parameters)", mailroom.CauseRefused},
	"25006": {"the database only reads: it is a standby, or was set so",
		"let the URL name the primary (target_session_attrs=read-write)", mailroom.CauseReadOnly},
	"25P03": {"the transaction was idle for too long and was ended", "find out what stopped this process",
		mailroom.CauseBusy},
	"26000": {"a pooler gave the connection to another between two statements",
		"use its session mode, or add default_query_exec_mode=exec to the URL", mailroom.CauseRefused},
	"42P05": {"a pooler gave the connection to another between two statements",
		"use its session mode, or add default_query_exec_mode=exec to the URL", mailroom.CauseRefused},
	"53100": {"the database's disk is full", "make room on it", mailroom.CauseFull},
	"53200": {"the database has no memory left", "give its machine more, or lower work_mem", mailroom.CauseBusy},
	"53300": {"the database has no connection left", "lower database_connections, or raise its max_connections",
		mailroom.CauseBusy},
	"55P03": {"waited too long for a lock", "", mailroom.CauseBusy},
	"57014": {"the statement took too long or was cancelled",
		"see what the database is busy with, or raise database_timeout",
		mailroom.CauseSilent},
	"57P01": {"the database is starting or shutting down", "", mailroom.CauseStarting},
	"57P02": {"the database is starting or shutting down", "", mailroom.CauseStarting},
	"57P03": {"the database is starting or shutting down", "", mailroom.CauseStarting},
	"58030": {"the database's disk failed", "check the disk and the database's log", mailroom.CauseDamaged},
	"XX001": {"a file of the database is damaged", "restore the last backup (README of the record)",
		mailroom.CauseDamaged},
	"XX002": {"an index of the database is damaged", "rebuild it: REINDEX DATABASE NAME", mailroom.CauseDamaged},
}

// take sets text, remedy and cause from a meaning.
func (f *Fault) take(m meaning) {
	f.Text, f.Remedy = m.text, m.remedy
	if m.why != "" {
		f.unavailable(m.why)
	}
}

// ofPostgres reads an SQLSTATE.
func (f *Fault) ofPostgres(e *pgconn.PgError) {
	f.Code = "SQLSTATE " + e.Code
	if e.Code == "40001" || e.Code == "40P01" {
		f.Text, f.again = "another transaction was in its way", true
		f.unavailable(mailroom.CauseBusy)
		return
	}
	if m, known := sqlStates[e.Code]; known {
		f.take(m)
		return
	}
	f.Text = "the database refused the statement"
	if e.ConstraintName != "" {
		f.Text += ": constraint " + e.ConstraintName
	} else if e.ColumnName != "" {
		f.Text += ": column " + e.ColumnName
	}
	switch e.Code[:min(2, len(e.Code))] {
	case "08":
		f.unavailable(mailroom.CauseUnreachable)
	case "53", "57", "58":
		f.unavailable(mailroom.CauseBusy)
	case "42": // the statement itself is wrong: its text is ours and holds no value
		f.Text += ": " + e.Message
	}
}

// isDuplicate is true when a row has a key that another one has.
func isDuplicate(err error) bool {
	var postgres *pgconn.PgError
	var lite *sqlitedriver.Error
	switch {
	case errors.As(err, &postgres):
		return postgres.Code == "23505"
	case errors.As(err, &lite):
		return lite.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY || lite.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE
	}
	return false
}

// sqliteCodes are the result codes of SQLite that an operator can act on.
var sqliteCodes = map[int]meaning{
	sqlite3.SQLITE_BUSY: {"another process holds the file", "let one inmail at a time use a data folder",
		mailroom.CauseBusy},
	sqlite3.SQLITE_LOCKED: {"another process holds the file", "let one inmail at a time use a data folder",
		mailroom.CauseBusy},
	sqlite3.SQLITE_FULL: {"the disk, or what database_max_bytes gives, is full", "make room, or raise the limit",
		mailroom.CauseFull},
	sqlite3.SQLITE_IOERR: {"the disk failed", "check the disk and the system's log", mailroom.CauseDamaged},
	sqlite3.SQLITE_READONLY: {"the file or its folder cannot be written", "give this user the right to write both",
		mailroom.CauseReadOnly},
	sqlite3.SQLITE_CANTOPEN: {"the file or its folder cannot be written", "give this user the right to write both",
		mailroom.CauseReadOnly},
	sqlite3.SQLITE_PERM: {"the file or its folder cannot be written", "give this user the right to write both",
		mailroom.CauseReadOnly},
	sqlite3.SQLITE_NOTADB: {"the file is not a record of InMail", "move it away, or name another folder",
		mailroom.CauseDamaged},
	sqlite3.SQLITE_CORRUPT: {"the file is damaged", "restore the last backup (README of the record)",
		mailroom.CauseDamaged},
}

// diskReadOnly is the meaning of a file system that the system itself has made read-only, as it does after an
// error of the disk.
var diskReadOnly = meaning{"the disk takes no writes any more",
	"see the system's log, check the disk, and mount it for writing", mailroom.CauseReadOnly}

// ofSQLite reads a result code.
func (f *Fault) ofSQLite(e *sqlitedriver.Error) {
	code := e.Code()
	f.Code = fmt.Sprintf("SQLite %d", code)
	if code == sqlite3.SQLITE_IOERR_SHMSIZE { // the file of shared memory cannot grow
		f.take(sqliteCodes[sqlite3.SQLITE_FULL])
		return
	}
	f.disk = code&0xff == sqlite3.SQLITE_IOERR
	if m, known := sqliteCodes[code&0xff]; known {
		f.take(m)
		return
	}
	switch code & 0xff {
	case sqlite3.SQLITE_INTERRUPT:
		f.Text, f.cause = "given up, as its caller did", context.Canceled
	case sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH:
		f.Text = e.Error() // of the statement or the constraint: SQLite puts no value there
	default:
		f.Text = "the database refused the statement"
	}
}

// ofDisk explains a failed write by the system's error for making a file on the same disk.
func (f *Fault) ofDisk(err error) {
	switch {
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		f.take(diskReadOnly)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		f.take(sqliteCodes[sqlite3.SQLITE_FULL])
	}
}

func isEOF(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

// pathless removes the path from a file error, for messages that name it already.
func pathless(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
