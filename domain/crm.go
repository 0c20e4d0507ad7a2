package domain

import (
	"maps"
	"slices"
	"time"
)

// CRM names a CRM that InMails are brought to, as its connector names itself. The domain knows no list of them.
type CRM string

// ForeignIDs are ids of a CRM's own records, by the words of its connector: opaque to everybody else. Nil is none.
// They are shared and never changed in place.
type ForeignIDs map[string]string

// CRMIDs are the ids that a sender named for an InMail, by CRM; an empty one is left out. They are never changed in place.
type CRMIDs map[CRM]ForeignIDs

// Equal says whether both name the same ids.
func (ids CRMIDs) Equal(other CRMIDs) bool {
	return maps.EqualFunc(ids, other, func(a, b ForeignIDs) bool { return maps.Equal(a, b) })
}

// Match says whether a CRM knows the person whom an InMail was sent to (R55).
type Match string

// The answers of matching. NoMatch is "not asked yet".
const (
	NoMatch   Match = ""
	Matched   Match = "Matched"
	Unmatched Match = "Unmatched"
	Ambiguous Match = "Ambiguous"
)

// Matches returns the answers of matching, those that were given.
func Matches() []Match { return []Match{Matched, Unmatched, Ambiguous} }

// FailureClass says what follows when a CRM did not take a row.
type FailureClass string

// The classes, in the port's words. What each leads to stands in one table in the package worker.
const (
	Taken         FailureClass = ""               // stored there
	Stale         FailureClass = "stale"          // the CRM holds a newer state: nothing to do (R53)
	Locked        FailureClass = "locked"         // a row lock or a passing fault: again soon
	LimitReached  FailureClass = "limit"          // the daily limit or our share of it: parked until it resets
	SessionEnded  FailureClass = "session"        // logged out: log in once, then again
	LoginFailed   FailureClass = "login"          // logging in itself fails: paused
	LostReference FailureClass = "lost_reference" // what the record hangs on there is converted, merged or gone: match again
	BadData       FailureClass = "bad_data"       // the CRM refuses this row: a dead letter
	Configuration FailureClass = "configuration"  // the CRM refuses every such row: paused and shown
)

// failures lists the classes in which a link can wait; every list of classes is made from it.
var failures = []FailureClass{Locked, LimitReached, SessionEnded, LoginFailed, LostReference, BadData, Configuration}

// FailureClasses returns the classes of failure that a stored link can have: all but Taken, and Stale, which leaves
// nothing to do.
func FailureClasses() []FailureClass { return slices.Clone(failures) }

// Link is one CRM's side of one InMail, as the record keeps it.
type Link struct {
	InMail        ID
	CRM           CRM
	RecordID      string // of the InMail's own record there; empty before the first push
	Match         Match
	Parents       ForeignIDs        // what that record hangs on there
	Notes         map[string]string // what the connector has done beside the record, in its own words; never changed in place
	PushedVersion int64             // the version of the InMail that the CRM holds
	PushedSeq     int               // and its receipt number: never goes back (R53)
	Attempts      int               // failed pushes since the last that went through, or since a fault first came that makes a dead letter when it stays
	Class         FailureClass
	Detail        string // the CRM's code and field names; never a text of ours
	FailedAt      time.Time
	Dead          bool // a dead letter: waits for a retry or for the next change
}

// Push is one InMail on its way to a CRM: its newest state, what is known of its link, and
// what matching needs. Email is of the recipient, for finding the person there and for nothing
// else (R01).
type Push struct {
	InMail        InMail
	Link          Link
	SenderName    string
	RecipientName string
	Email         Email
}

// PushAnswer is what became of one Push: the link as it is now, and the class of the failure, if any.
// Until is when a parked row may go again. OfCall says that a whole call failed: nothing is known of the row itself.
type PushAnswer struct {
	Link   Link
	Class  FailureClass
	Until  time.Time
	OfCall bool
}
