package sandbox

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// FaultKind is what goes wrong with a call.
type FaultKind string

// The faults of calls. Those before the commit store nothing; those after it store all and lose the answer.
const (
	ServerError FaultKind = "server_error" // 500 in JSON, before the commit
	BadGateway  FaultKind = "bad_gateway"  // 502 with a page, before the commit
	DropBefore  FaultKind = "drop_before"  // the connection is cut before the commit
	DropAfter   FaultKind = "drop_after"   // the connection is cut after the commit
	ErrorAfter  FaultKind = "error_after"  // 502 with a page after the commit
	Truncated   FaultKind = "truncated"    // the answer is cut off, after the commit
	CommitLate  FaultKind = "commit_late"  // 504 at once, and the commit comes after Delay
	BurstLimit  FaultKind = "burst_limit"  // 429 TEN_SECONDLY_ROLLING
	SecondLimit FaultKind = "second_limit" // 429 SECONDLY
	DailyLimit  FaultKind = "daily_limit"  // 429 DAILY
	LockedFor2s FaultKind = "locked"       // 423
	Moving      FaultKind = "moving"       // 477 with Retry-After
	Revoked     FaultKind = "revoked"      // 401
	RowRefused  FaultKind = "row_refused"  // one row is refused, with Code and Property
)

// FaultKinds returns the faults of calls that pass by themselves, for storms.
func FaultKinds() []FaultKind {
	return []FaultKind{ServerError, BadGateway, DropBefore, DropAfter, ErrorAfter, Truncated, CommitLate, BurstLimit,
		LockedFor2s}
}

// Fault is something that goes wrong, by chance or for some calls.
type Fault struct {
	Kind     FaultKind
	Rate     float64       // 0..1, of the calls or rows that it concerns
	Times    int           // how often at most; 0: without end
	Path     string        // only calls whose path contains it; empty: all
	Writes   bool          // only calls that write
	Delay    time.Duration // of CommitLate and Moving
	Code     string        // of RowRefused
	Property string        // of RowRefused; empty: none is named
	done     int
}

type lateWrite struct {
	at time.Time
	do func()
}

// Inject adds faults.
func (s *Sandbox) Inject(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, faults...)
}

// ClearFaults ends all faults. Writes that are to be committed late still are.
func (s *Sandbox) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// CommitLate commits the writes that are due by now, and returns how many are left.
func (s *Sandbox) CommitLate() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commitLate()
	return len(s.late)
}

// Late returns how many writes were committed late.
func (s *Sandbox) Late() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lateRows
}

func (s *Sandbox) commitLate() {
	now := s.now()
	due := slices.Clone(s.late)
	s.late = slices.DeleteFunc(s.late, func(l lateWrite) bool { return !now.Before(l.at) })
	for _, l := range due {
		if !now.Before(l.at) {
			before := len(s.history)
			l.do()
			s.lateRows += len(s.history) - before
		}
	}
}

// draw returns the fault of a call; nil: none.
func (s *Sandbox) draw(c *request, writes bool) *Fault {
	for i := range s.faults {
		f := &s.faults[i]
		if f.Kind == RowRefused || f.Times > 0 && f.done >= f.Times || f.Writes && !writes || !strings.Contains(c.raw, f.Path) ||
			f.Kind == CommitLate && !writes {
			continue
		}
		if f.Rate == 0 || s.random.Float64() < f.Rate {
			f.done++
			hit := *f
			return &hit
		}
	}
	return nil
}

// drawRow returns the refusal of one row of a communication; nil: none.
func (s *Sandbox) drawRow(o *object) *refusal {
	if o.name != "communications" {
		return nil
	}
	for i := range s.faults {
		f := &s.faults[i]
		if f.Kind != RowRefused || f.Times > 0 && f.done >= f.Times || f.Rate > 0 && s.random.Float64() >= f.Rate {
			continue
		}
		f.done++
		return invalidValue(f.Code, f.Property, "a rule of the portal refuses it")
	}
	return nil
}

// before returns the answer of a fault that refuses the call; nil: it does not.
func (f *Fault) before() *refusal {
	switch f.Kind {
	case ServerError:
		return &refusal{Status: http.StatusInternalServerError, Category: "INTERNAL_ERROR", Message: "internal error"}
	case BadGateway:
		return &refusal{Status: http.StatusBadGateway, html: true}
	case BurstLimit:
		return rateLimit("TEN_SECONDLY_ROLLING")
	case SecondLimit:
		return rateLimit("SECONDLY")
	case DailyLimit:
		return rateLimit("DAILY")
	case LockedFor2s:
		return &refusal{Status: http.StatusLocked, Category: "LOCKED", Message: "locked by volume"}
	case Moving:
		return &refusal{Status: 477, Category: "MIGRATION_IN_PROGRESS", Message: "the portal is being moved"}
	case Revoked:
		return &refusal{Status: http.StatusUnauthorized, Category: "INVALID_AUTHENTICATION", Message: "revoked"}
	}
	return nil
}

// commits reports whether the call is carried out although its answer is lost.
func (f *Fault) commits() bool {
	return f.Kind == DropAfter || f.Kind == ErrorAfter || f.Kind == Truncated
}

// damage changes the answer on its way, and reports whether it has answered.
func (f *Fault) damage(w http.ResponseWriter) bool {
	switch f.Kind {
	case DropBefore, DropAfter:
		panic(http.ErrAbortHandler)
	case ErrorAfter:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusBadGateway)
		_, _ = io.WriteString(w, "<html><body>Bad gateway</body></html>")
		return true
	case Truncated:
		w.Header().Set("Content-Type", "application/json;charset=utf-8")
		w.WriteHeader(http.StatusOK)
		_, _ = io.WriteString(w, `{"status":"COMPLETE","results":[{"id":"1`)
		return true
	case Moving:
		w.Header().Set("Retry-After", fmt.Sprint(int(f.Delay.Seconds())))
	}
	return false
}
