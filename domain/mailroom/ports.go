package mailroom

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"time"

	"inmail/domain"
	"inmail/domain/spam"
)

// Clock gives the record's time as far as it is known outside a transaction: UTC, cut to milliseconds.
// Every decision uses Tx.Now instead.
type Clock interface{ Now() time.Time }

// IDs makes ids and secrets that are new and that nobody can guess.
type IDs interface {
	NewID() domain.ID    // a UUIDv7 in lower case
	NewSecret() [32]byte // random bytes, for keys
}

// Queue asks the workers to do tasks. A lost task loses nothing, because the record says what is due.
type Queue interface {
	Enqueue(ctx context.Context, tasks ...Task) error
}

// CRM is the one port to a CRM. Only its connector knows the CRM's own words; what it keeps in the record
// is opaque to others. Its methods try once and leave the waiting to the queue (STYLE H12). They are safe
// for concurrent use.
type CRM interface {
	Name() domain.CRM
	// Configured reports whether this process reaches the CRM. A CRM that is not configured still judges
	// ids; its other methods fail with ErrNotConfigured.
	Configured() bool
	// IDs describes the ids that a sender may name.
	IDs() []ForeignID
	// Judge refuses, with bad_request, ids that this CRM cannot have. The names are among those of IDs, the
	// values are not empty. It makes no call.
	Judge(ids domain.ForeignIDs) error
	// Push brings InMails to the CRM in as few calls as it can; answers[i] is for pushes[i]. The fault of a
	// row is in its answer. An error is a fault of the connector itself; nothing is known of any row then.
	Push(ctx context.Context, pushes []domain.Push) (answers []domain.PushAnswer, err error)
	// Forget removes the ids of members from the CRM (R60). After an error some may still be there.
	Forget(ctx context.Context, ids []domain.MemberID) error
	// ForgetThose removes every id for which gone is true. It reads all ids that the CRM has.
	ForgetThose(ctx context.Context, gone func(domain.MemberID) bool) error
	// Compare compares the CRM with the record. With repairs it repairs what differs and continues where
	// it stopped before; without it changes nothing. It calls progress after each step. It returns a
	// *Waits when it stopped because the CRM allows no more calls for now.
	Compare(ctx context.Context, record CRMRecord, repairs bool, progress func(Comparison)) (Comparison, error)
	// Backfill brings all InMails to the CRM, and continues where it stopped before. progress and errors
	// are as of Compare.
	Backfill(ctx context.Context, record CRMRecord, progress func(BackfillProgress)) (BackfillProgress, error)
	// PlanBackfill counts what a backfill would cost. It makes no call.
	PlanBackfill(ctx context.Context, record CRMRecord) (BackfillPlan, error)
	// Budget returns how many calls the CRM allows and how many were used.
	Budget() Budget
	// Resume drops what the connector remembers of refusals, after a person has repaired their cause.
	Resume(ctx context.Context) error
}

// Rememberer is a CRM that goes on with what its Budget kept before a restart.
type Rememberer interface {
	Remember(ctx context.Context, kept json.RawMessage) error
}

// Replacer is a CRM that can make records anew which it refuses to change for ever.
type Replacer interface {
	// Replace removes the records of those of links that must be made anew, and returns their InMails. The
	// other links are left alone.
	Replace(ctx context.Context, links []domain.Link) ([]domain.ID, error)
	// Replaceable says that a link is one of these.
	Replaceable(link domain.Link) bool
}

// Shower is a CRM that can show a record as people see it there.
type Shower interface {
	// Show returns a record by the name of its id, as IDs has it, and the id. there is false when the CRM has
	// no such record. An id that the CRM cannot have is refused with bad_request.
	Show(ctx context.Context, kind, id string) (page CRMPage, there bool, err error)
}

// CRMPage is a record of a CRM as its page shows it. It has no e-mail address (R01).
type CRMPage struct {
	Object     string // such as Lead
	Record     string // its id there
	Name       string
	Fields     []CRMField
	Activities []CRMActivity // the newest first
	InMails    []CRMInMail   // the related list, the newest first
}

// CRMField is a field of a page. An empty value is none.
type CRMField struct{ Name, Label, Value string }

// CRMActivity is an entry of a page's timeline.
type CRMActivity struct{ Record, Day, Status, Subject, Text, Owner string }

// CRMInMail is a row of a page's related list of InMails.
type CRMInMail struct {
	Record, Number                         string
	InMail                                 domain.ID
	Subject, Sender, User, Owner, Status   string
	SentAt, ExpiresAt, OpenedAt, RepliedAt time.Time // zero: not yet, or never
	Answer, Link                           string
}

// Remain is something that a CRM still has of an erased member.
type Remain struct {
	Object string // such as Task
	Record string // the id of the record there
	Fields string // the fields that hold it, joined by commas
	Where  string // one of Places
	Why    string // why it is still there, and what to do
}

// These are the places in which a CRM keeps records.
const (
	PlaceLive    = "live"
	PlaceArchive = "archive"
	PlaceBin     = "recycle_bin"
)

// Places lists the places of a Remain.
func Places() []string { return []string{PlaceLive, PlaceArchive, PlaceBin} }

// Prover is a CRM that can be asked what it still has of erased members. It changes nothing.
type Prover interface {
	// LeftOf returns what has the id of a member (R60).
	LeftOf(ctx context.Context, id domain.MemberID) ([]Remain, error)
	// LeftIn returns what the CRM has of erased InMails, their texts, names, ids and parents, that it should
	// not have any more (R60).
	LeftIn(ctx context.Context, erased []domain.Push) ([]Remain, error)
}

// Finding is the result for one thing that the check of a CRM looked at, and how to repair it.
type Finding struct {
	What   string `json:"what"` // such as version, login, limits or InMail__c.Status__c
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`           // what was found; never a secret
	Remedy string `json:"remedy,omitempty"` // what to do; empty when nothing needs to be done
}

// Checker is a CRM that can compare its org with what the sync needs.
type Checker interface {
	// Address returns where the org is; empty: none is configured.
	Address() string
	// Check stores nothing in the org.
	Check(ctx context.Context) []Finding
}

// The states of a step of a set-up.
const (
	StepThere   = "there"   // nothing was to be done
	StepMissing = "missing" // it would be made
	StepMade    = "made"
	StepFailed  = "failed" // it cannot be made, or is there in another form
)

// SetupStep is one thing that a CRM needs in its org, and whether it is there.
type SetupStep struct {
	What   string `json:"what"`
	State  string `json:"state"` // there, missing, made or failed
	Detail string `json:"detail,omitempty"`
	Remedy string `json:"remedy,omitempty"` // what a person must do; empty: nothing
}

// Installer is a CRM whose org this program can set up.
type Installer interface {
	// Setup returns what the org needs, step by step. With apply it makes what is missing; without, it
	// changes nothing. It may be repeated.
	Setup(ctx context.Context, apply bool) ([]SetupStep, error)
}

// Preparation says how the org of a CRM is to be prepared.
type Preparation struct {
	Apply   bool   // make what is missing; false: only list it
	Session string // access token of an administrator of the org, kept nowhere; empty: the sync's own user
	Undo    []byte // what an earlier preparation gave: it is put back, and nothing else is done; nil: nothing
	Waiting string // what an earlier preparation waited for, to go on with it; empty: nothing
}

// Prepared is what a preparation found or made.
type Prepared struct {
	Steps    []SetupStep
	Undo     []byte    // puts back what was changed of the org's own; nil: nothing was
	Waiting  string    // the org is still at this; the preparation goes on when it is asked again; empty: it ended
	Findings []Finding // of the check that follows when nothing is left to be made; nil: none was made
}

// Preparer is a CRM that can prepare its org.
type Preparer interface {
	Prepare(ctx context.Context, record CRMRecord, p Preparation) (Prepared, error)
}

// Linker is a CRM whose records people look at in a browser.
type Linker interface {
	// RecordURL returns the address at which people see the InMail's own record; empty: it has none.
	RecordURL(link domain.Link) string
}

// Titler is a CRM with a name that people know.
type Titler interface {
	Title() string
}

// ErrNotConfigured is returned by a CRM that this process does not reach.
var ErrNotConfigured = errors.New("this CRM is not configured")

// ForeignID describes an id that a sender may name for a CRM; the API and the command line offer it.
type ForeignID struct {
	Name    string // lead_id
	Pattern string // its form, as a regular expression of JSON Schema; empty: any text
	Example string
}

// CRMObserver gets the figures of a CRM's connector. It must not block. The connector takes all words from
// closed lists of its own.
type CRMObserver interface {
	// Called notes a call that left the process.
	Called(resource string, took time.Duration)
	// Pushed notes n rows of an object with one result: created, updated, unchanged, or the class of a
	// failure (domain.FailureClass).
	Pushed(object, result string, n int)
	// BudgetUsed notes our calls as a share of those that we may make; 1: all are used.
	BudgetUsed(ratio float64)
}

// CRMRecord is the record as the reconcile and the backfill of one CRM see it. Each call is a transaction
// of its own.
type CRMRecord interface {
	// PushesAfter returns a page of all InMails by id, with names and links: up to limit after an id.
	PushesAfter(ctx context.Context, after domain.ID, limit int) ([]domain.Push, error)
	// Resync makes InMails due to be pushed again in full.
	Resync(ctx context.Context, ids []domain.ID) error
	// StorePushes stores the results of pushes, as Service.StorePushes does.
	StorePushes(ctx context.Context, answers []domain.PushAnswer, retryAt []time.Time, budget Budget) error
	// SetDrift stores what a reconcile found.
	SetDrift(ctx context.Context, found Drift) error
	// State and SetState read and store a small value of the connector, such as its progress; nil is none.
	State(ctx context.Context, name string) ([]byte, error)
	SetState(ctx context.Context, name string, value []byte) error
	// Alone runs write under the write lease of the CRM, so that nobody else writes there, in any process,
	// and returns its error. The context of write ends when the lease is lost. A push has the lease
	// already.
	Alone(ctx context.Context, write func(context.Context) error) error
}

// Record is the SQL record. Update runs fn in one transaction and commits; View reads in one snapshot. When
// fn or the commit fails, nothing is stored; a *domain.Refusal is returned unchanged. Both give up when ctx
// ends. fn may be run again, but only when nothing of its first run was stored; it must use nothing outside
// but tx (STYLE H11).
type Record interface {
	Update(ctx context.Context, fn func(tx Tx) error) error
	View(ctx context.Context, fn func(tx Tx) error) error
	// Held returns why the record is held; nil when it is not. A record that is a copy, or was restored
	// from a backup, is held: Update and Ping fail with CauseHeld, and View goes on (R61). UpdateHeld is
	// Update also then, and Unhold ends it.
	Held() error
	UpdateHeld(ctx context.Context, fn func(tx Tx) error) error
	Unhold(ctx context.Context) error
	// Ping writes a row and commits it, as the service does. Its error has a Cause.
	Ping(ctx context.Context) error
	// Settled returns a position up to which every event is committed that ever will be. It moves on when the
	// transactions that may store events before it have ended.
	Settled(ctx context.Context) (position int64, err error)
	// Scrub removes every byte of deleted data from the files of the record, free pages and write-ahead log
	// included (R60).
	Scrub(ctx context.Context) error
	// Partition keeps the partitions in which the record has the texts, where it has any: it makes those of
	// the months after now, and drops those whose texts are all older than before; zero drops none. An
	// InMail in one that was dropped reads as with empty texts. advice says what an operator should do,
	// when the record cannot; nothing is lost then.
	Partition(ctx context.Context, now, before time.Time) (advice string, err error)
}

// Tx is one transaction of the record. All methods take batches, and those that answer do so row by row;
// an empty batch gets an empty answer. A method that is not "for update" locks nothing. A method that
// stores may be delayed until the next one that reads, or until the commit. Its error is then returned
// there, and the transaction fails, whatever the method itself returned.
type Tx interface {
	// Now returns one time for the whole transaction: the record's, which never goes back. It is read after
	// the first lock that LockMembers, LockInMails or Facts takes, unless Now is called before.
	Now() time.Time
	// Facts returns everything that sends are judged by, in fewer round trips than single methods would
	// take. When asked to, it first locks the senders of the pairs (LockMembers); then it reads.
	Facts(ask Ask) (Facts, error)
	Members
	InMails
	Conversations
	Reputation
	CRMLinks
	Figures
	Keys
	Sessions
	Events
	Webhooks
}

// Ask says which Facts are wanted.
type Ask struct {
	Pairs         []Pair
	Lock          bool // lock the senders first, and the recipients for whom a limit holds (R65)
	RecipientWeek int  // the policy of R65; for recipients with a limit Received is returned
	AnchorDay     int  // this and the next two are as for Accounts
	AllPeriods    bool
	Allowance     func(plan string) int
	Signals       *spam.Limits  // as for Signals; nil: Signals are not wanted
	Common        bool          // CommonConnections of each pair are wanted
	Keys          []AnswerKey   // the keys whose answers are wanted
	KeepKeys      time.Duration // how long an answer is kept under its key (R28)
	State         string        // the name of the state that is wanted; empty: none
}

// Facts are the answers of Members, Accounts with InFlight, Restricted, BannedAmong, Pairs, Signals,
// CommonConnections, FirstAnswers, Received and State. Members are those of both sides, Banned and
// Received are about the recipients, the rest is about the senders.
type Facts struct {
	Members    map[domain.MemberID]*domain.Member
	Accounts   map[domain.MemberID]domain.Account
	Restricted map[domain.MemberID]spam.Restriction
	Banned     map[domain.MemberID]bool
	Between    []Between
	Signals    map[domain.MemberID]spam.Signals
	Common     [][]string
	Answers    []*Answer
	Received   map[domain.MemberID]domain.Received // of recipients with a limit (R65)
	State      []byte
}

// Members is the part of the record that has the members and their relations.
type Members interface {
	// Members returns those of ids who exist; erased and unknown ones are absent.
	Members(ids []domain.MemberID) (map[domain.MemberID]*domain.Member, error)
	// FindMembers lists members by (name, id); the id of the cursor is that of NameCursorOf.
	FindMembers(f MemberFilter, page Page) ([]*domain.Member, error)
	// IndexNames stores the words by which members are found for up to limit members after an id who have
	// none yet, because an earlier version stored them. It returns the last of them, and an empty id when
	// none is left.
	IndexNames(after domain.MemberID, limit int) (last domain.MemberID, err error)
	// LockMembers locks these senders for this transaction, so that no other decides for them until it
	// ends. It takes the locks in the order of the ids, so that two batches cannot wait for each other.
	LockMembers(ids []domain.MemberID) error
	// PutMembers inserts or replaces members. It stores a new allowance with its time (R07, R09) and keeps
	// CreatedAt of an existing member. When the anchor day changes, it counts the usage of the current
	// period anew from what was sent in it (R08). allowance returns the allowance of a plan by name;
	// anchorDay is for members who have none of their own.
	PutMembers(ms []*domain.Member, anchorDay int, allowance func(plan string) int) error
	// RecountUsage counts the usage of the current period anew for all members without an anchor day of
	// their own, after the policy has changed to anchorDay (R08).
	RecountUsage(anchorDay int) error
	// Accounts returns what credits are computed from, for each of ids that exists. anchorDay is for
	// members who have none of their own. allPeriods asks for all periods and plans (rollover) instead of
	// the current ones.
	Accounts(ids []domain.MemberID, anchorDay int, allPeriods bool,
		allowance func(plan string) int) (map[domain.MemberID]domain.Account, error)
	// Spend adds used and returned credits to the rows of their periods, and makes rows that are missing.
	Spend(moves []CreditMove) error
	// Pairs returns the relations between the two members of each pair.
	Pairs(pairs []Pair) ([]Between, error)
	// CommonConnections returns for each pair up to three names of members whom both are connected to.
	CommonConnections(pairs []Pair) ([][]string, error)
	// Received returns what reached members within the PeaceWindow: for each the newest InMails, as many as
	// its limit, and the number of those that are queued (R65).
	Received(limits map[domain.MemberID]int) (map[domain.MemberID]domain.Received, error)
	Connect(pairs []Pair) error // symmetric; already connected is fine
	Disconnect(pairs []Pair) error
	Block(pairs []Pair) error // From blocks To
	Unblock(pairs []Pair) error
	PutBans(bans []domain.Ban) error // the same kind and value (folded for companies): replaced
	DeleteBan(kind domain.BanKind, value string) error
	Bans(page Page) ([]domain.Ban, error) // newest first; cursor by (at, kind:value)
	// BannedAmong returns those of the members who are on the list, by id or by company (R17).
	BannedAmong(ms []*domain.Member) (map[domain.MemberID]bool, error)
	// EraseMember removes name, ids and texts of a member from every table and keeps the counts under
	// "erased" (R60). It returns the InMails that it changed, limit at most; their records in the CRMs must
	// be erased too. done means that nothing is left.
	EraseMember(id domain.MemberID, limit int) (touched []domain.ID, done bool, err error)
	// Holdings returns what the record keeps under a member's id beside InMails, for an export.
	Holdings(id domain.MemberID) (Holdings, error)
}

// Pair names two members in one direction.
type Pair struct{ From, To domain.MemberID }

// Between is the relations between the two members of a Pair.
type Between struct {
	Connected  bool
	Blocked    bool      // by either (R16)
	Awaiting   bool      // a delivered InMail From → To that is live at Now and has no reply (R20)
	OnItsWay   bool      // a queued InMail From → To
	DeclinedAt time.Time // when To last declined an InMail of From; zero: never (R63)
}

// CreditMove adds to the usage of one period of a member.
type CreditMove struct {
	Member      domain.MemberID
	PeriodStart time.Time
	Used        int
	Returned    int
}

// MaxPage is the longest page of a list.
const MaxPage = 200

// Page asks for a part of a list, newest first. A zero After is the beginning.
type Page struct {
	Limit int // 1..MaxPage
	After Cursor
}

// Cursor is the place of the last item of a page: its time and, among equal times, its id.
type Cursor struct {
	At time.Time
	ID string
}

// InMails is the part of the record that keeps InMails and their receipts.
type InMails interface {
	// Insert stores new queued InMails with their tags, and their links to all CRMs, due at once.
	// receipts[i] is of ms[i]; what an InMail implies is not stored (domain.InMail.Implied).
	Insert(ms []*domain.InMail, receipts []domain.Receipt) error
	// InMails returns those of ids that exist, with tags.
	InMails(ids []domain.ID) (map[domain.ID]*domain.InMail, error)
	// LockInMails is InMails for update: this transaction decides for them until it ends.
	LockInMails(ids []domain.ID) (map[domain.ID]*domain.InMail, error)
	// ClaimQueued locks those of ids that are queued and that no other transaction has locked, in the order
	// of ids. The others are left out.
	ClaimQueued(ids []domain.ID) ([]*domain.InMail, error)
	// ExpireDue applies EventExpire to up to limit unopened InMails whose window is over at Now, oldest
	// first, and skips those that another transaction has locked (R33). It stores state, version and mark
	// in statements over all of them. It returns the InMails as they were before, without texts; the
	// caller moves the counts.
	ExpireDue(limit int) ([]*domain.InMail, error)
	// NextExpiry returns when the window of an unopened InMail is over next; the time may have passed. Zero:
	// there is none.
	NextExpiry() (time.Time, error)
	// QueuedBefore returns up to limit queued InMails that were accepted before t, oldest first. After them
	// it returns those that were accepted later than Now, by a clock that was set back since: they must not
	// wait until that time.
	QueuedBefore(t time.Time, limit int) ([]domain.ID, error)
	// Save stores changed InMails, guarded by the state and version that each was loaded with, and appends
	// the receipts. A row that has changed since it was loaded fails the whole batch with ErrConflict. A
	// change of Version makes the InMail due for every CRM.
	Save(changes []Change) error
	// Receipts returns the receipts of an InMail by sequence number: the stored ones and those that it
	// implies (R54).
	Receipts(id domain.ID) ([]domain.Receipt, error)
	// InMailsOf returns the ids of all InMails that a member sent, and of those that were delivered to it,
	// oldest first.
	InMailsOf(member domain.MemberID) ([]domain.ID, error)
	// InFlight counts the queued InMails of each sender.
	InFlight(senders []domain.MemberID) (map[domain.MemberID]int, error)
	// SetPreviewed stores the first listing of those that were never listed, and returns how many (R30).
	SetPreviewed(ids []domain.ID) (int, error)
	// SentBy lists the accepted InMails of a sender, newest first by (AcceptedAt, ID), without bodies.
	SentBy(sender domain.MemberID, f Filter, page Page) ([]*domain.InMail, error)
	// CountSent counts the newest InMails of a sender, so many at most, by their state as the clock gives
	// it (R33). tag narrows it to those with a tag.
	CountSent(sender domain.MemberID, tag string, newest int) (map[domain.Status]int, error)
	// InboxOf lists the live entries of a member's inbox, newest first: InMails by SentAt, without bodies,
	// and replies by At. The filter applies to the InMail, also where the entry is a reply to it.
	InboxOf(member domain.MemberID, f Filter, page Page) ([]Entry, error)
	// Unread counts the live unopened InMails and unread replies of a member.
	Unread(member domain.MemberID) (int, error)
	// FirstAnswers returns the answers that were stored under idempotency keys less than keep ago; nil
	// where there is none (R28).
	FirstAnswers(keys []AnswerKey, keep time.Duration) ([]*Answer, error)
	// PutAnswers stores answers, in place of those that FirstAnswers left out as too old in this transaction.
	PutAnswers(answers []Answer) error
	// DropAnswers reads up to limit answers, deletes those that are older than keep, and returns how many it
	// read. Each call goes on where the last one stopped, and 0 says that there is nothing to read for now.
	DropAnswers(keep time.Duration, limit int) (int, error)
}

// Change is an InMail that Apply has moved.
type Change struct {
	InMail      *domain.InMail
	FromStatus  domain.Status // as it was loaded
	FromVersion int64
	Receipts    []domain.Receipt
	Retagged    bool // the tags changed and are stored anew
}

// Filter narrows a list. An empty field does not narrow it.
type Filter struct {
	Status        domain.Status // as the clock gives it (R33)
	Tag           string        // normalised
	ExpiresBefore time.Time
}

// Entry is one line of an inbox: an InMail, or a reply with the InMail it belongs to.
type Entry struct {
	InMail *domain.InMail
	Reply  *domain.Reply // nil for an InMail
}

// AnswerKey is the idempotency key of one sender, as it is stored: a digest, because people put names and ids
// into theirs (R60).
type AnswerKey struct {
	Sender domain.MemberID
	Key    Digest
}

// NewAnswerKey returns what the key that a sender gave is stored as.
func NewAnswerKey(sender domain.MemberID, key string) AnswerKey {
	return AnswerKey{sender, halfSum([]byte(key))}
}

// Digest is the first half of a SHA-256. It distinguishes the keys and the requests of one sender: who takes
// the trouble of finding two that have the same (2^64 tries) has taken two of its own sends for one.
type Digest [16]byte

func halfSum(b []byte) Digest {
	sum := sha256.Sum256(b)
	return Digest(sum[:])
}

// Answer is the answer to an accepted send under its idempotency key, with a digest of its request (R28).
type Answer struct {
	AnswerKey
	Digest Digest
	InMail domain.ID // the accepted InMail
	Body   []byte    // the rest of the answer, as the use case stores it; never a text of the InMail
	At     time.Time
}

// Conversations is the part of the record that keeps replies.
type Conversations interface {
	InsertReplies(rs []*domain.Reply) error
	// Replies returns a page of the conversation of an InMail, oldest first by (At, ID).
	Replies(id domain.ID, page Page) ([]*domain.Reply, error)
	// Reply returns one reply of an InMail, without its text; nil when there is none.
	Reply(inmail, reply domain.ID) (*domain.Reply, error)
	// MarkAutomatic stores whether a reply is automatic (R64).
	MarkAutomatic(reply domain.ID, automatic bool) error
	// FirstReply returns when a member first wrote in a conversation, automatic replies left out; the zero
	// time: never (R64).
	FirstReply(inmail domain.ID, from domain.MemberID) (time.Time, error)
	// MarkRead marks the replies to a member in one conversation as read.
	MarkRead(id domain.ID, reader domain.MemberID) error
}

// Reputation is the part of the record that the filter and the restrictions need (R41–R44).
type Reputation interface {
	// Signals returns the signals of each sender until Now, as far back as need asks, without those that an
	// operator's undo has set aside (spam.Undone).
	Signals(senders []domain.MemberID, need spam.Limits) (map[domain.MemberID]spam.Signals, error)
	// Sends returns what a sender's accepted InMails since t are, newest first, whatever became of them.
	Sends(sender domain.MemberID, since time.Time) ([]SendNote, error)
	Strike(strikes []Strike) error
	// Restrictions returns all of a member, newest first.
	Restrictions(member domain.MemberID) ([]RestrictionRow, error)
	// HoldingRestrictions lists those of all members that hold at Now, by (Until, ID).
	HoldingRestrictions(page Page) ([]RestrictionRow, error)
	// Restricted returns the restriction of each sender that is in force at Now; absent when there is none.
	Restricted(senders []domain.MemberID) (map[domain.MemberID]spam.Restriction, error)
	// PutRestriction restricts a member. It fails with ErrConflict while another restriction of the member
	// is in force.
	PutRestriction(member domain.MemberID, id string, r spam.Restriction) error
	// Restriction returns one by its id; nil when there is none.
	Restriction(id string) (*RestrictionRow, error)
	UndoRestriction(id string) error
	// Report stores an abuse report, once for each InMail; a second one is ErrConflict (R44).
	Report(id domain.ID, sender, reporter domain.MemberID, reason string) error
	// AppendAudit appends entries. One whose Same is that of an entry which is there adds its Count to that
	// and moves its LastAt on, and is nothing of its own. Audit lists those that pass a filter, newest first
	// by (At, ID). DropAudit deletes up to limit entries before a time, the oldest first, and returns how
	// many; restrictions and undos are kept from another time on.
	AppendAudit(entries []AuditEntry) error
	DropAudit(before, restrictions time.Time, limit int) (int, error)
	Audit(f AuditFilter, page Page) ([]AuditEntry, error)
	// Decisions returns those of ids that are in the audit.
	Decisions(ids []string) (map[string]AuditEntry, error)
	// Model returns the stored model of the filter, nil when nothing was learnt; PutModel replaces it.
	Model() ([]byte, error)
	PutModel(blob []byte) error
	// AppendLessons stores InMails to be learnt from; TakeLessons returns and removes up to limit of them.
	AppendLessons(ls []Lesson) error
	TakeLessons(limit int) ([]Lesson, error)
	// Reported returns up to limit reports after since, the newest, by (At, InMail). Taught stores that the
	// filter has learned from the reports of these InMails.
	Reported(since time.Time, limit int) ([]ReportRow, error)
	Taught(ids []domain.ID) error
}

// SendNote says of an accepted InMail to whom it is and when it was accepted.
type SendNote struct {
	InMail domain.ID
	To     domain.MemberID
	At     time.Time
}

// Strike is one refused spammy message (R42).
type Strike struct {
	Member domain.MemberID
	At     time.Time
	Since  time.Time // the member's older strikes count no more; zero: those of the window do
}

// RestrictionRow is a stored restriction.
type RestrictionRow struct {
	ID     string
	Member domain.MemberID
	spam.Restriction
	UndoneAt time.Time
}

// The kinds of decision that are kept.
const (
	DecidedSend       = "send"
	DecidedDelivery   = "deliver"
	DecidedRestrict   = "restrict"
	DecidedUndo       = "undo"
	DecidedBan        = "ban"
	DecidedUnban      = "unban"
	DecidedErase      = "erase"
	DecidedResume     = "resume"
	DecidedAct        = "act"         // of an operator (R70)
	DecidedWebhookOff = "webhook_off" // an end point was switched off (R68)
)

// AuditKinds returns all kinds of decision.
func AuditKinds() []string {
	return []string{DecidedSend, DecidedDelivery, DecidedRestrict, DecidedUndo, DecidedBan, DecidedUnban, DecidedErase,
		DecidedResume, DecidedAct, DecidedWebhookOff}
}

// Decided is the kind of a filter that stands for all kinds but acts.
const Decided = "decided"

// AuditFilter chooses entries of the audit; what is empty allows all.
type AuditFilter struct {
	Sender domain.MemberID // of a decision, or the member whom an act is on
	Kind   string          // one of AuditKinds, or Decided
}

// AuditEntry is one decision: a refused attempt with all true codes in R21's order, or a restriction, a
// ban, an undo.
type AuditEntry struct {
	ID        string
	At        time.Time
	Kind      string // one of AuditKinds
	InMail    domain.ID
	Sender    domain.MemberID
	Recipient domain.MemberID
	Refusals  []domain.Code
	By        string // the key id of the operator who acted; empty: none did
	// Count is how many it stands for: itself, which all other fields describe, and those like it until
	// LastAt. 0 and a zero LastAt are stored as 1 and At.
	Count  int
	LastAt time.Time
	// Same is given to what may be one entry with those like it, which have the same value; empty: it stands
	// alone. It is not read back.
	Same string
	// Detail is JSON: a spam.Decision of a restriction, a spam.ContentDecision of a refusal for spam_content
	// (R43), an actDetail of an act, whose Sender is the member that it is on (R70).
	Detail []byte
}

// ReportRow is a stored abuse report. Reporter distinguishes reporters and is not always a member's id: an
// erased reporter gets another name.
type ReportRow struct {
	InMail   domain.ID
	Sender   domain.MemberID
	Reporter string
	At       time.Time
	Taught   bool // the filter has learned from it
}

// Lesson is one InMail that teaches the filter.
type Lesson struct {
	InMail domain.ID
	Spam   bool
}

// CRMLinks is the part of the record that has the CRMs and, for each, what it has and lacks. What is done
// for one CRM changes nothing of another.
type CRMLinks interface {
	// CRMs returns all CRMs that were ever connected, in that order.
	CRMs() ([]ConnectedCRM, error)
	// ConnectCRM stores that a CRM is connected. From then on every new InMail has a link to it, whichever
	// process accepts it; LinkInMails links older ones. Connecting it again changes nothing.
	ConnectCRM(crm domain.CRM) error
	// LinkInMails makes links, due at once, for up to limit InMails that were accepted before the CRM was
	// connected, by id. It continues where the last call stopped; more means that some may be left.
	LinkInMails(crm domain.CRM, limit int) (more bool, err error)
	// ClaimUnsynced claims up to limit InMails that are due to be pushed until Now + lease, so that nobody
	// else pushes them. The oldest change comes first; InMails that another transaction has locked are
	// skipped.
	ClaimUnsynced(crm domain.CRM, limit int, lease time.Duration) ([]domain.Push, error)
	// Postpone gives back InMails that this transaction has claimed. They are due again at until; none has
	// failed.
	Postpone(crm domain.CRM, ids []domain.ID, until time.Time) error
	// ExtendLeases prolongs the claims of ids until Now + lease; a claim that was ended stays ended.
	ExtendLeases(crm domain.CRM, ids []domain.ID, lease time.Duration) error
	// FreeLeases ends all claims, which an earlier process left. Only a process that is alone on the record
	// may call it.
	FreeLeases() error
	// StoreAnswers stores the results of pushes and ends their claims. An InMail is synced only when its
	// version is still the pushed one. retryAt[i] is when a failed one is due again; zero: not by itself.
	StoreAnswers(crm domain.CRM, answers []domain.PushAnswer, retryAt []time.Time) error
	// RetryDead makes dead letters due again, of one InMail or one class, or all when both are empty.
	RetryDead(crm domain.CRM, id domain.ID, class domain.FailureClass) (int, error)
	// RetryWaiting makes failed pushes that wait for their time due at once.
	RetryWaiting(crm domain.CRM) error
	// Resync makes InMails due to be pushed again in full, because reconcile found them missing or
	// different. An empty crm means every CRM.
	Resync(crm domain.CRM, ids []domain.ID) error
	// Links returns the links of ids, by CRM.
	Links(ids []domain.ID) (map[domain.ID]map[domain.CRM]domain.Link, error)
	// PushesAfter returns a page of all InMails by id, with names, for reconcile and backfill: up to limit
	// after an id.
	PushesAfter(crm domain.CRM, after domain.ID, limit int) ([]domain.Push, error)
	// ErasedAfter returns a page of the InMails whose sender or recipient is erased, as PushesAfter does.
	ErasedAfter(crm domain.CRM, after domain.ID, limit int) ([]domain.Push, error)
	Failures(crm domain.CRM, page Page) ([]domain.Link, error) // newest first by (FailedAt, InMail)
	// Backlog returns how far a CRM is behind, for /v1/crm/status and the snapshot.
	Backlog(crm domain.CRM) (Backlog, error)
	// State and SetState read and store small named values: the pause of a sync, the drift of the last
	// reconcile, the progress of a backfill, keys of the program. The value of a missing name is nil.
	State(name string) ([]byte, error)
	SetState(name string, value []byte) error
}

// ConnectedCRM is a CRM that the record serves.
type ConnectedCRM struct {
	Name   domain.CRM
	Since  time.Time
	Linked bool // every InMail has its link; false: some older ones still lack it
}

// Backlog is how far a CRM is behind.
type Backlog struct {
	Unsynced       int
	OldestUnsynced time.Time // zero: nothing is unsynced
	Dead           map[domain.FailureClass]int
	// Held counts the InMails that the CRM holds back, because nobody or several there match: they are in
	// sync, without a record there (R67). Nil: none.
	Held map[domain.Match]int
}

// Figures is the part of the record that the rates are computed from.
type Figures interface {
	// Count adds to counts, in a fixed order so that two transactions cannot wait for each other.
	Count(counts []domain.Count) error
	// Counts returns the sums of a dimension between two cohorts, both included; an empty one is an open
	// end.
	Counts(d domain.Dimension, from, to domain.Cohort) ([]domain.Count, error)
	PutSnapshot(blob []byte) error
	Snapshot() (blob []byte, at time.Time, err error) // nil when there is none
	// RestrictedByTrigger counts the senders who are restricted at Now, by trigger.
	RestrictedByTrigger() (map[string]int, error)
	// DropTexts empties the texts of up to limit InMails that ended or were sent before then, and returns
	// how many.
	DropTexts(before time.Time, limit int) (int, error)
}

// Keys is the part of the record that has the API keys.
type Keys interface {
	PutKey(k Key) error
	KeyByHash(hash [32]byte) (*Key, error) // nil: unknown
	ListKeys(page Page) ([]Key, error)
	// LockOperatorKeys locks the operator keys that may change something and hold at Now, and returns their
	// ids.
	LockOperatorKeys() ([]string, error)
	// UseKey notes when a key was last used; a key that is gone, and an earlier time, change nothing.
	UseKey(id string, at time.Time) error
	DeleteKey(id string) (bool, error)
}

// Sessions is the part of the record that has the sessions of the pages, and the one-time links that begin
// one.
type Sessions interface {
	// PutSession stores a session or a link, and deletes those that have ended by Now.
	PutSession(s SessionRow) error
	// SessionByHash returns the session or link with a hash, also one that has ended; nil when there is
	// none.
	SessionByHash(hash [32]byte) (*SessionRow, error)
	// DeleteSession deletes a session or link and reports whether there was one.
	DeleteSession(hash [32]byte) (bool, error)
	// DeleteSessionsOf deletes the sessions of a person and reports whether there was one.
	DeleteSessionsOf(person string) (bool, error)
}

// Events is the part of the record that has what happened, for others to read (R68).
type Events interface {
	// AppendEvents stores events with the commit, in their order. They get their positions then, behind those
	// of every transaction that this one has waited for, and Now as their time.
	AppendEvents(events []Event) error
	// Events returns up to limit events after a position and at most at another, by position. Up to
	// Record.Settled, as it was before the transaction began, nothing can come in later.
	Events(after, upTo int64, limit int) ([]Event, error)
	// EventsBefore returns up to limit events before a position and behind another, newest first.
	EventsBefore(before, after int64, limit int) ([]Event, error)
	NewestEvent() (position int64, err error) // 0: there is none
	// EventsAt returns the events at these positions, by position.
	EventsAt(positions []int64) ([]Event, error)
	// EventsSince returns the position behind which the events since a time stand: none of an earlier
	// position is as new.
	EventsSince(at time.Time) (int64, error)
	// DropEvents deletes up to limit rows of events before a time, the oldest first, but never the newest. It
	// returns how many, and the position of the last event.
	DropEvents(before time.Time, limit int) (n int, last int64, err error)
	// Expiring returns unopened InMails whose window ends after Now and within a time from Now, in the order
	// of (ExpiresAt, ID) after a place, without texts; lock locks them.
	Expiring(after ExpiringPlace, within time.Duration, limit int, lock bool) ([]*domain.InMail, error)
}

// Webhooks is the part of the record that has the end points and what waits for them (R68).
type Webhooks interface {
	// Webhooks returns all end points, oldest first, with OldestWaiting.
	Webhooks() ([]Webhook, error)
	// LockWebhook returns one end point, for update where the transaction writes; nil when there is none.
	LockWebhook(id string) (*Webhook, error)
	PutWebhook(w Webhook) error // inserts or replaces
	DeleteWebhook(id string) (bool, error)
	FreeWebhooks() error // ends all leases
	// DueWebhooks returns those that nobody has leased and that have a test, or that are on and not down and
	// have a delivery or an event that is due.
	DueWebhooks() ([]string, error)
	// DueDeliveries returns tests that are due, and with events the deliveries that are due, up to limit by
	// their time, each with all that waits behind it of its InMail, by position.
	DueDeliveries(webhook string, limit int, events bool) ([]Delivery, error)
	// OldestWaiting returns the delivery that waits longest, if there is one.
	OldestWaiting(webhook string) ([]Delivery, error)
	// WaitingInMails returns those of ids that deliveries wait for.
	WaitingInMails(webhook string, ids []domain.ID) (map[domain.ID]bool, error)
	PutDeliveries(ds []Delivery) error // inserts or replaces
	// FreeFollowers makes the first delivery that waits of each InMail due now, where none of it is due.
	FreeFollowers(webhook string, ids []domain.ID) error
	// RetryDeliveries makes the first delivery that waits of each InMail due now, as if it had never failed.
	RetryDeliveries(webhook string) error
	// DropDeliveries forgets the deliveries of events behind a position.
	DropDeliveries(webhook string, after int64) error
	// DeliveriesAt returns what is kept of events at these positions; TestDeliveries the newest tests.
	DeliveriesAt(webhook string, positions []int64) (map[int64]Delivery, error)
	TestDeliveries(webhook string) ([]Delivery, error)
}

// SessionRow is a stored session, or a stored link. Its secret is not stored, only the SHA-256.
type SessionRow struct {
	Hash    [32]byte
	Link    bool            // it begins a session and is none
	KeyHash [32]byte        // of the key that it acts by; zero: of a person
	Member  domain.MemberID // whom it acts as; empty: an operator
	EndsAt  time.Time

	Person     string // the id of the person whom a provider identified; empty: it acts by a key
	PersonName string // what the audit names beside the id
	ReadOnly   bool   // the person changes nothing
}

// Role is what a key may do.
type Role string

// The two roles of API.md.
const (
	RoleOperator Role = "operator"
	RoleMember   Role = "member"
)

// Roles returns both roles.
func Roles() []Role { return []Role{RoleOperator, RoleMember} }

// Key is a stored API key. The key itself is not stored, only its SHA-256.
type Key struct {
	ID         string
	Hash       [32]byte
	Role       Role
	Member     domain.MemberID
	CreatedAt  time.Time
	Name       string    // for people; at most MaxKeyName characters
	ExpiresAt  time.Time // from then on it is unknown; zero: never
	ReadOnly   bool      // it changes nothing
	CreatedBy  string    // the id of the key that made it; "" for one of the settings
	LastUsedAt time.Time // to the minute, as far as it was noted; zero: never
}
