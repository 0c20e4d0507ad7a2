package record

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgtype"

	"inmail/domain"
)

func TestForSQLite(t *testing.T) {
	for postgres, want := range map[string]string{
		`SELECT a FROM t WHERE b = $1 AND c > $12`:                                          `SELECT a FROM t WHERE b = ?1 AND c > ?12`,
		`WHERE i.id IN (SELECT unnest($2::uuid[])) ORDER BY i.id`:                           `WHERE i.id IN (SELECT value FROM json_each(?2)) ORDER BY i.id`,
		`SELECT 1 FROM t ORDER BY a LIMIT $2 FOR UPDATE SKIP LOCKED`:                        `SELECT 1 FROM t ORDER BY a LIMIT ?2 `,
		`FROM t i FOR UPDATE OF i SKIP LOCKED`:                                              `FROM t i `,
		`sum(n)::bigint, strpos(a, $1), greatest(a, b)`:                                     `sum(n), instr(a, ?1), max(a, b)`,
		`INSERT INTO t (a, b) SELECT r.a, $1 FROM unnest($2::text[]) AS r(a)`:               `INSERT INTO t (a, b) SELECT ?2, ?1`,
		`SELECT r.a FROM unnest($1::text[]) AS r(a) WHERE TRUE ON CONFLICT`:                 `SELECT ?1 WHERE TRUE ON CONFLICT`,
		`UPDATE t SET a = r.b FROM unnest($1::int[], $2::int[]) AS r(a, b) WHERE t.a = r.a`: `UPDATE t SET a = ?2 WHERE t.a = ?1`,
		`WHERE (a, b) IN (SELECT r.a, r.b FROM unnest($1::text[], $2::text[]) AS r(a, b))`:  `WHERE (a, b) IN (SELECT ?1, ?2)`,
		`SELECT r.n FROM unnest($1::int[]) AS r(n) JOIN t ON t.n = r.n`:                     `SELECT ?1 FROM (SELECT 1) AS r JOIN t ON t.n = ?1`,
	} {
		if got := forSQLite(postgres); got != want {
			t.Errorf("%s\n got %s\nwant %s", postgres, got, want)
		}
	}
	ddl := "CREATE TABLE t (a UUID, b BYTEA, c TEXT COLLATE \"C\", d BIGINT, e BOOLEAN, f DOUBLE PRECISION) /*sqlite WITHOUT ROWID*/ /*postgres WITH (x)*/;"
	if got, want := forSQLiteDDL(ddl), "CREATE TABLE t (a TEXT, b BLOB, c TEXT, d INTEGER, e INTEGER, f REAL) WITHOUT ROWID /*postgres WITH (x)*/;"; got != want {
		t.Errorf("got %s", got)
	}
	if got := forPostgres(ddl); !strings.Contains(got, "/*sqlite WITHOUT ROWID*/ WITH (x);") {
		t.Errorf("got %s", got)
	}
}

// TestUUIDOf checks that an id names the same row on both engines: an id in another form
// than the record's names none.
func TestUUIDOf(t *testing.T) {
	const id domain.ID = "018f0e2a-7b3c-7def-8123-456789abcdef"
	if got := uuidOf(id); !got.Valid || got.String() != string(id) {
		t.Errorf("%s reads as %v", id, got)
	}
	for _, none := range []domain.ID{"", "x", domain.ID(strings.ToUpper(string(id))), id + "0", id[:35], "018f0e2a7b3c-7def-8123-456789abcdef-", "018f0e2a-7b3c-7def-8123-456789abcde-",
		"018f0e2a-7b3c-7def-8123--56789abcdef", "018f0e2g-7b3c-7def-8123-456789abcdef"} {
		if got := uuidOf(none); got != (pgtype.UUID{}) {
			t.Errorf("%q reads as %v", none, got)
		}
	}
}

func FuzzUUIDOf(f *testing.F) {
	f.Add("018f0e2a-7b3c-7def-8123-456789abcdef")
	f.Add("--------------------------0---------")
	f.Fuzz(func(t *testing.T, id string) {
		if got := uuidOf(domain.ID(id)); got.Valid && got.String() != string(id) {
			t.Errorf("%q reads as %s", id, got)
		}
	})
}
