package domain

import (
	"maps"
	"slices"
	"time"
)

// CRM is the name of a CRM, as its connector gives it. The domain has no list of CRMs.
type CRM string

// ForeignIDs are ids of a CRM's own records, by the names that its connector gives them. They are opaque to
// everybody else. Nil is none. The map is shared and never changed in place.
type ForeignIDs map[string]string

// CRMIDs are the ids that a sender named for an InMail, by CRM. A CRM without ids is left out. The map is
// never changed in place.
type CRMIDs map[CRM]ForeignIDs

// Equal reports whether both name the same ids.
func (ids CRMIDs) Equal(other CRMIDs) bool {
	return maps.EqualFunc(ids, other, func(a, b ForeignIDs) bool { return maps.Equal(a, b) })
}

// Match says whether a CRM knows the person whom an InMail was sent to (R55).
type Match string

// The answers of matching. NoMatch means that the CRM was not asked yet.
const (
	NoMatch   Match = ""
	Matched   Match = "Matched"
	Unmatched Match = "Unmatched"
	Ambiguous Match = "Ambiguous"
)

// Matches returns the answers that a CRM can give: all but NoMatch.
func Matches() []Match { return []Match{Matched, Unmatched, Ambiguous} }

// FailureClass says why a CRM did not store a row, and so what follows.
type FailureClass string

// The classes. The table in package worker (consequenceOf) says what follows from each.
const (
	Taken         FailureClass = ""               // the CRM stored the row
	Stale         FailureClass = "stale"          // the CRM has a newer state: nothing to do (R53)
	Locked        FailureClass = "locked"         // a row lock or a passing fault: tried again soon
	Unreachable   FailureClass = "unreachable"    // no answer, or none of the CRM: tried again soon
	LimitReached  FailureClass = "limit"          // the daily limit or our share is used up: parked
	SessionEnded  FailureClass = "session"        // the session ended: tried again after a new login
	LoginFailed   FailureClass = "login"          // the login fails: the sync pauses
	LostReference FailureClass = "lost_reference" // a parent was converted, merged or deleted: matched again
	BadData       FailureClass = "bad_data"       // the CRM refuses this row: a dead letter
	Configuration FailureClass = "configuration"  // the CRM refuses every such row: the sync pauses
)

// failures lists the classes that a stored link can have. Every other list of classes is made from it.
var failures = []FailureClass{Locked, Unreachable, LimitReached, SessionEnded, LoginFailed, LostReference, BadData, Configuration}

// FailureClasses returns the classes of failure that a stored link can have: all but Taken and Stale, after
// which nothing is left to do.
func FailureClasses() []FailureClass { return slices.Clone(failures) }

// Link is one CRM's side of one InMail, as the record keeps it.
type Link struct {
	InMail        ID
	CRM           CRM
	RecordID      string // id of the InMail's own record in the CRM; empty before the first push
	Match         Match
	Parents       ForeignIDs        // the CRM's records that the InMail is shown under
	Notes         map[string]string // what the connector did beside the record; never changed in place
	Chosen        bool              // a person chose the parents in the CRM, so that they hold for the next InMail too
	PushedVersion int64             // the version of the InMail that the CRM has
	PushedSeq     int               // the sequence number of its last receipt there; it only rises (R53)
	// Failures are the parts of the InMail that the CRM lacks, by the names that the connector gives them.
	// Each part has its own class and tries, so the refusal of one changes nothing of another. Never changed
	// in place.
	Failures map[string]Failure
	// The rest is the first of Failures, as Summarize chooses it, for lists and counts.
	Attempts int
	Class    FailureClass
	Detail   string // error code and field names of the CRM; never a text of an InMail
	FailedAt time.Time
	Dead     bool // a dead letter: it waits for a retry by hand or for the next change of the InMail
}

// RecordPart is the name of the part that every connector has: the InMail's own record.
const RecordPart = "record"

// Failure says why a CRM lacks one part of an InMail: the search for its person, its record, or a row beside
// that, such as a Task.
type Failure struct {
	Object string       `json:"object,omitempty"` // the CRM's object, such as Task
	Class  FailureClass `json:"class"`
	Detail string       `json:"detail,omitempty"` // error code and field names of the CRM; never a text of an InMail
	// Attempts counts the failed pushes of the part since the last successful one, or since the first with a
	// fault that makes it a dead letter when it persists.
	Attempts int       `json:"attempts,omitempty"`
	FailedAt time.Time `json:"failed_at"`
	Dead     bool      `json:"dead,omitempty"` // it waits for a retry by hand or for the next change of the InMail

	Until  time.Time `json:"-"` // when the part may be pushed again; zero: not known
	OfCall bool      `json:"-"` // the whole call failed, so nothing is known of the part itself
}

// Parts returns the names of the parts that failed: dead letters first, otherwise by name.
func (l *Link) Parts() []string {
	names := slices.Sorted(maps.Keys(l.Failures))
	slices.SortStableFunc(names, func(a, b string) int {
		switch dead := l.Failures[a].Dead; {
		case dead == l.Failures[b].Dead:
			return 0
		case dead:
			return -1
		}
		return 1
	})
	return names
}

// Summarize sets the fields that show the first failure of the link. FailedAt is the time of the newest.
func (l *Link) Summarize() {
	l.Attempts, l.Class, l.Detail, l.FailedAt, l.Dead = 0, Taken, "", time.Time{}, false
	for i, name := range l.Parts() {
		f := l.Failures[name]
		if i == 0 {
			l.Attempts, l.Class, l.Detail, l.Dead = f.Attempts, f.Class, f.Detail, f.Dead
		}
		if f.FailedAt.After(l.FailedAt) {
			l.FailedAt = f.FailedAt
		}
	}
}

// Push is one InMail to be pushed to a CRM: its newest state, its link, and what matching needs. Email is the
// recipient's address and SenderEmail the sender's. They serve only to find the person and the sender's own
// account in the CRM (R01).
type Push struct {
	InMail        InMail
	Link          Link
	SenderName    string
	RecipientName string
	Email         Email
	SenderEmail   Email
	SenderTeam    string
	// Company and Headline are the recipient's, so that a person can find them where matching did not.
	Company, Headline string
	Answer            string         // what the recipient wrote last; automatic replies are left out (R64)
	Correspondence    Correspondence // all that reached the recipient
	// Chosen are the parents that a person chose in this CRM for another InMail to the recipient, the newest
	// first; nil: nobody did.
	Chosen ForeignIDs
}

// Correspondence sums up the InMails that reached a member.
type Correspondence struct {
	Sent        int       // how many were delivered
	LastSentAt  time.Time // when the newest was; zero: none was
	LastStatus  Status    // its status
	LastReplyAt time.Time // when the member answered last, automatic replies left out (R64); zero: never
}

// PushAnswer is the result of one Push.
type PushAnswer struct {
	Link   Link         // as it is after the push
	Class  FailureClass // why the push failed; Taken when it did not
	Until  time.Time    // when the row may be pushed again; zero: not known
	OfCall bool         // the whole call failed, so nothing is known of the row itself
}
