package salesforce

import (
	"maps"
	"sync"
	"time"
)

// chunks are how many rows of an object the org takes in one collection. A trigger or flow of the org may
// meet a limit of its transaction with fewer rows than the 200 that Salesforce allows. The size that passed
// is kept, in the record too, and grows by a quarter after a day without such a limit.
type chunks struct {
	mu sync.Mutex
	by map[string]chunkSize
}

type chunkSize struct {
	Rows  int       `json:"rows"`
	Since time.Time `json:"since"`
}

// chunkGrowth is how long a size is kept before a larger one is tried.
const chunkGrowth = 24 * time.Hour

// rows returns how many rows of an object go in one collection now.
func (cs *chunks) rows(object string, now time.Time) int {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	is, ok := cs.by[object]
	if !ok {
		return collection
	}
	if now.Sub(is.Since) >= chunkGrowth {
		is = chunkSize{Rows: is.Rows + max(1, is.Rows/4), Since: now}
		if is.Rows >= collection {
			delete(cs.by, object)
			return collection
		}
		cs.by[object] = is
	}
	return is.Rows
}

// sizes returns all sizes that are below the usual one.
func (cs *chunks) sizes() map[string]chunkSize {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return maps.Clone(cs.by)
}

func (cs *chunks) set(object string, size chunkSize) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.by == nil {
		cs.by = map[string]chunkSize{}
	}
	cs.by[object] = size
}

// passed notes that the org took a part of a collection that was too large for it.
func (cs *chunks) passed(object string, rows int, now time.Time) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if is, ok := cs.by[object]; ok && is.Rows <= rows {
		return
	}
	if cs.by == nil {
		cs.by = map[string]chunkSize{}
	}
	cs.by[object] = chunkSize{Rows: rows, Since: now}
}
