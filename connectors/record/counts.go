package record

import (
	"cmp"
	"maps"
	"slices"

	"inmail/domain"
)

// cell names one count.
type cell struct {
	dimension domain.Dimension
	cohort    domain.Cohort
	key       string
	outcome   domain.Outcome
}

func (a cell) compare(b cell) int {
	return cmp.Or(cmp.Compare(a.dimension, b.dimension), cmp.Compare(a.cohort, b.cohort), cmp.Compare(a.key, b.key),
		cmp.Compare(a.outcome, b.outcome))
}

// Count changes counts. The changes are added up and stored at the end of the transaction, sorted, in one
// statement. So rows that many transactions change are locked for as short as possible, and always in the
// same order, which avoids deadlocks.
func (t *tx) Count(counts []domain.Count) error {
	if !t.write && len(counts) > 0 {
		return t.fail("move counts", errNotWritable)
	}
	if t.counts == nil {
		t.counts = make(map[cell]int64, len(counts))
	}
	for _, c := range counts {
		t.counts[cell{c.Dimension, c.Cohort, c.Key, c.Outcome}] += int64(c.N)
	}
	return nil
}

const moveCounts = `INSERT INTO counts (dimension, cohort, key, outcome, shard, n)
	SELECT r.dimension, r.cohort, r.key, r.outcome, r.shard, r.n
	FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int[], $6::bigint[])
		AS r(dimension, cohort, key, outcome, shard, n)
	WHERE TRUE
	ON CONFLICT (dimension, cohort, key, outcome, shard) DO UPDATE SET n = counts.n + excluded.n`

// storeCounts stores what Count has added up. Few transactions change the counts of one
// sender, so these have one shard.
func (t *tx) storeCounts() error {
	cells := slices.SortedFunc(maps.Keys(t.counts), cell.compare)
	var rows batch
	for _, c := range cells {
		shard := t.shard
		if c.dimension == domain.BySender {
			shard = 0
		}
		if n := t.counts[c]; n != 0 {
			rows.add(string(c.dimension), string(c.cohort), c.key, string(c.outcome), shard, n)
		}
	}
	t.counts = nil
	return t.laterBatch("move counts", moveCounts, &rows, anyNumber)
}

// Counts returns the sums of a dimension between two cohorts (both included; empty: no bound), by cohort, key
// and outcome. Sums of 0 are left out.
func (t *tx) Counts(d domain.Dimension, from, to domain.Cohort) (counts []domain.Count, err error) {
	if err := t.storeCounts(); err != nil { // a transaction reads what it has counted
		return nil, err
	}
	var c conditions
	c.and("dimension = " + c.arg(string(d)))
	if from != "" {
		c.and("cohort >= " + c.arg(string(from)))
	}
	if to != "" {
		c.and("cohort <= " + c.arg(string(to)))
	}
	sql := `SELECT cohort, key, outcome, sum(n)::bigint FROM counts WHERE ` + c.sql +
		` GROUP BY cohort, key, outcome HAVING sum(n) <> 0 ORDER BY cohort, key, outcome`
	err = t.query("read counts", sql, func(r row) error {
		count := domain.Count{Dimension: d}
		err := r.Scan((*string)(&count.Cohort), &count.Key, (*string)(&count.Outcome), &count.N)
		counts = append(counts, count)
		return err
	}, c.args...)
	return counts, err
}
