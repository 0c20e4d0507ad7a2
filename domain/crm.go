package domain

import (
	"slices"
	"time"
)

// Match says whether an InMail found its Lead or Contact (R55).
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

// FailureClass says what follows when Salesforce did not take a row (SALESFORCE.md 2.5).
type FailureClass string

// The classes, in the port's words. What each leads to stands in one table in the package worker.
const (
	Taken         FailureClass = ""               // stored in the org
	Stale         FailureClass = "stale"          // the org holds a newer state: nothing to do (R53)
	Locked        FailureClass = "locked"         // a row lock or a passing fault: again soon
	LimitReached  FailureClass = "limit"          // the daily limit or our share of it: parked until it resets
	SessionEnded  FailureClass = "session"        // logged out: log in once, then again
	LoginFailed   FailureClass = "login"          // logging in itself fails: paused
	LostReference FailureClass = "lost_reference" // the Lead, Contact or Account is converted, merged or gone: match again
	BadData       FailureClass = "bad_data"       // the org refuses this row: a dead letter
	Configuration FailureClass = "configuration"  // the org refuses every such row: paused and shown
)

// failures lists the classes in which a link can wait; every list of classes is made from it.
var failures = []FailureClass{Locked, LimitReached, SessionEnded, LoginFailed, LostReference, BadData, Configuration}

// FailureClasses returns the classes of failure that a stored link can have: all but Taken, and Stale, which leaves
// nothing to do.
func FailureClasses() []FailureClass { return slices.Clone(failures) }

// Link is the Salesforce side of one InMail, as the record keeps it.
type Link struct {
	InMail        ID
	RecordID      string // of InMail__c, 18 characters; empty before the first push
	Match         Match
	LeadID        string
	ContactID     string
	AccountID     string
	PushedVersion int64 // the version of the InMail that the org holds
	PushedSeq     int   // and its receipt number: never goes back (R53)
	SentTask      bool  // the Task of the sending is in the org
	RepliedTask   bool  // the Task of the first reply is in the org
	Attempts      int   // failed pushes since the last that went through, or since a fault first came that makes a dead letter when it stays
	Class         FailureClass
	Detail        string // the org's code and field names; never a text of ours
	FailedAt      time.Time
	Dead          bool // a dead letter: waits for a retry or for the next change
}

// Push is one InMail on its way to Salesforce: its newest state, what is known of its link, and
// what matching needs. Email is of the recipient, for finding the Lead or Contact and for nothing
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
