package record

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5/pgtype"

	"inmail/domain"
)

// SQL is written once, for PostgreSQL. This file alone translates it for SQLite. The forms that differ, in
// statements and in migrations:
//
//	PostgreSQL                                       SQLite
//	$1                                               ?1
//	IN (SELECT unnest($1::text[])), an array         IN (SELECT value FROM json_each(?1)), a JSON array
//	unnest($2::uuid[], $3::bigint[]) AS r(id, at)    r.id is ?2, r.at is ?3; the statement runs once a row
//	FOR UPDATE … SKIP LOCKED                         nothing: there is one writer, which has begun already
//	LOCK TABLE … MODE                                SELECT 1: likewise
//	JOIN LATERAL (…)                                 JOIN (…): what it refers to is a parameter
//	::bigint                                         nothing
//	strpos(a, b), greatest(a, b), least(a, b)        instr(a, b), max(a, b), min(a, b)
//	UUID, BYTEA, BIGINT, BOOLEAN, DOUBLE PRECISION   TEXT, BLOB, INTEGER, INTEGER, REAL
//	COLLATE "C"                                      nothing: it is SQLite's default
//
// A list is written IN (SELECT unnest(…)), not = ANY(…): in a prepared statement PostgreSQL compares each row
// of a small table with each element of an ANY, one by one; locking 500 of 2,000 members took 22 ms.
//
// SQL for one engine alone stands in a comment with its name: /*sqlite …*/, /*postgres …*/.
var sqliteForms = []struct {
	form *regexp.Regexp
	to   string
}{
	{regexp.MustCompile(`SELECT unnest\(\$(\d+)::\w+\[\]\)`), "SELECT value FROM json_each(?$1)"},
	{regexp.MustCompile(`FOR UPDATE(?: OF \w+)?(?: SKIP LOCKED)?`), ""},
	{regexp.MustCompile(`^LOCK TABLE .* MODE$`), "SELECT 1"},
	{regexp.MustCompile(`\bLATERAL `), ""},
	{regexp.MustCompile(`::\w+(\[\])?`), ""},
	{regexp.MustCompile(`\bstrpos\(`), "instr("},
	{regexp.MustCompile(`\bgreatest\(`), "max("},
	{regexp.MustCompile(`\bleast\(`), "min("},
	{regexp.MustCompile(`\$(\d+)`), "?$1"},
}

// sqliteDDL are the forms that differ in migrations alone.
var sqliteDDL = []struct {
	form *regexp.Regexp
	to   string
}{
	{regexp.MustCompile(` COLLATE "C"`), ""},
	{regexp.MustCompile(`\bUUID\b`), "TEXT"},
	{regexp.MustCompile(`\bBYTEA\b`), "BLOB"},
	{regexp.MustCompile(`\b(BIGINT|BOOLEAN)\b`), "INTEGER"},
	{regexp.MustCompile(`\bDOUBLE PRECISION\b`), "REAL"},
}

var (
	sqliteOnly   = regexp.MustCompile(`(?s)/\*sqlite (.*?)\*/`)
	postgresOnly = regexp.MustCompile(`(?s)/\*postgres (.*?)\*/`)
	sqliteTexts  sync.Map // statement → the same for SQLite
	postgresOwn  sync.Map // statement with parts for one engine → the same for PostgreSQL
)

// forPostgres returns a statement or migration for PostgreSQL.
func forPostgres(sql string) string {
	if !strings.Contains(sql, "/*postgres ") {
		return sql
	}
	if s, ok := postgresOwn.Load(sql); ok {
		return s.(string)
	}
	s := postgresOnly.ReplaceAllString(sql, "$1")
	postgresOwn.Store(sql, s)
	return s
}

// forSQLite translates a statement for SQLite.
func forSQLite(sql string) string {
	if s, ok := sqliteTexts.Load(sql); ok {
		return s.(string)
	}
	s := sqliteRow(sqliteOnly.ReplaceAllString(sql, "$1"))
	for _, f := range sqliteForms {
		s = f.form.ReplaceAllString(s, f.to)
	}
	sqliteTexts.Store(sql, s)
	return s
}

// forSQLiteDDL translates a migration for SQLite.
func forSQLiteDDL(sql string) string {
	s := sqliteOnly.ReplaceAllString(sql, "$1")
	for _, f := range sqliteDDL {
		s = f.form.ReplaceAllString(s, f.to)
	}
	return s
}

var (
	unnested  = regexp.MustCompile(`unnest\(([^()]*)\)\s+AS\s+r\(([^()]*)\)`)
	fromRow   = regexp.MustCompile(`\s+FROM\s+unnest\([^()]*\)\s+AS\s+r\([^()]*\)(\s+WHERE\b|\s*\)|\s*$)`)
	rowColumn = regexp.MustCompile(`\br\.\w+(?: AS \w+)?`)
)

// sqliteRow replaces the columns of unnest in a statement by parameters, since SQLite runs the statement once
// for each row. The FROM is removed, or becomes a table of one row when more is joined to it.
func sqliteRow(sql string) string {
	m := unnested.FindStringSubmatch(sql)
	if m == nil {
		return sql
	}
	values, columns := strings.Split(m[1], ","), strings.Split(m[2], ",")
	if len(values) != len(columns) {
		panic(fmt.Sprintf("record: %d values for the %d columns of %s", len(values), len(columns), m[0]))
	}
	of := make(map[string]string, len(columns))
	for i, column := range columns {
		of[strings.TrimSpace(column)] = strings.TrimSpace(values[i])
	}
	sql = unnested.ReplaceAllLiteralString(fromRow.ReplaceAllString(sql, "$1"), "(SELECT 1) AS r")
	return rowColumn.ReplaceAllStringFunc(sql, func(column string) string {
		name, as, _ := strings.Cut(column[2:], " ")
		value, ok := of[name]
		if !ok {
			panic(fmt.Sprintf("record: unnest has no column %s: %s", name, sql))
		}
		return strings.TrimSpace(value + " " + as)
	})
}

// sqliteArg converts an argument for the SQLite driver: lists to JSON arrays, the empty id to NULL.
func sqliteArg(arg any) any {
	switch v := arg.(type) {
	case domain.ID:
		if v == "" {
			return nil
		}
		return string(v)
	case domain.MemberID:
		return string(v)
	case int:
		return int64(v)
	case moment:
		return v.millis()
	case []domain.ID, []domain.MemberID, []string, []int64:
		b, err := json.Marshal(v)
		if err != nil {
			panic(err) // strings and numbers always marshal
		}
		return string(b)
	}
	return arg
}

// postgresArg converts an argument for pgx: ids to UUIDs, the empty id to NULL. An id in a list that is no
// UUID names no row and is left out.
func postgresArg(arg any) any {
	switch v := arg.(type) {
	case domain.ID:
		return uuidOf(v)
	case domain.MemberID:
		return string(v)
	case moment:
		return v.add.Milliseconds()
	case []domain.ID:
		uuids := make([]pgtype.UUID, 0, len(v))
		for _, id := range v {
			if u := uuidOf(id); u.Valid {
				uuids = append(uuids, u)
			}
		}
		return uuids
	case []domain.MemberID:
		ids := make([]string, len(v))
		for i := range v {
			ids[i] = string(v[i])
		}
		return ids
	}
	return arg
}

// parameter is a parameter of a statement.
var parameter = regexp.MustCompile(`\$\d+`)

// postgresTexts are the statements with moments: statement and which of its arguments are some → the same for
// PostgreSQL.
var postgresTexts sync.Map

// postgresMoments puts the transaction's time inside PostgreSQL where a statement has a moment: the argument
// is what is added to it.
func postgresMoments(sql string, args []any) string {
	sql = forPostgres(sql)
	var moments uint64
	for i, a := range args {
		if _, ok := a.(moment); ok {
			moments |= 1 << i
		}
	}
	if moments == 0 {
		return sql
	}
	type key struct {
		sql     string
		moments uint64
	}
	k := key{sql, moments}
	if s, ok := postgresTexts.Load(k); ok {
		return s.(string)
	}
	s := parameter.ReplaceAllStringFunc(sql, func(p string) string {
		if n, err := strconv.Atoi(p[1:]); err == nil && moments&(1<<(n-1)) != 0 {
			return "(" + p + "::bigint + " + timeThere + ")"
		}
		return p
	})
	postgresTexts.Store(k, s)
	return s
}

// postgresColumns turns rows into one array a column, as unnest takes them.
func postgresColumns(rows [][]any) ([]any, error) {
	columns := make([]any, len(rows[0]))
	for c, first := range rows[0] {
		switch first.(type) {
		case string, domain.MemberID:
			column := make([]string, len(rows))
			for i, row := range rows {
				switch v := row[c].(type) {
				case string:
					column[i] = v
				case domain.MemberID:
					column[i] = string(v)
				}
			}
			columns[c] = column
		case domain.ID:
			column := make([]pgtype.UUID, len(rows))
			for i, row := range rows {
				column[i] = uuidOf(row[c].(domain.ID))
			}
			columns[c] = column
		case int64:
			columns[c] = column[int64](rows, c)
		case int:
			columns[c] = column[int](rows, c)
		case bool:
			columns[c] = column[bool](rows, c)
		case []byte:
			columns[c] = column[[]byte](rows, c)
		default:
			return nil, ownf("column %d of a batch is a %T, which is not handled", c+1, first)
		}
	}
	return columns, nil
}

func column[T any](rows [][]any, c int) []T {
	column := make([]T, len(rows))
	for i, row := range rows {
		column[i] = row[c].(T)
	}
	return column
}

// uuidOf reads an id. A text that is not a UUID in lower case with its hyphens becomes NULL: it is no
// row's id on SQLite either.
func uuidOf(id domain.ID) (u pgtype.UUID) {
	if len(id) != 36 || id[8] != '-' || id[13] != '-' || id[18] != '-' || id[23] != '-' {
		return u
	}
	n := 0
	for i := 0; i < 36; {
		if id[i] == '-' {
			i++
			continue
		}
		if i+1 >= 36 {
			return pgtype.UUID{}
		}
		high, low := nibble(id[i]), nibble(id[i+1])
		if high > 15 || low > 15 || n > 15 {
			return pgtype.UUID{}
		}
		u.Bytes[n] = high<<4 | low
		n++
		i += 2
	}
	if n != 16 {
		return pgtype.UUID{}
	}
	u.Valid = true
	return u
}

func nibble(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return 255
}
