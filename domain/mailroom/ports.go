package mailroom

import (
	"context"
	"errors"
	"time"

	"inmail/domain"
	"inmail/domain/spam"
)

// Clock tells the record's time as far as it is known outside a transaction, UTC, cut to milliseconds. Tx.Now
// is the time of every decision.
type Clock interface{ Now() time.Time }

// IDs makes what nobody can guess or has seen before.
type IDs interface {
	NewID() domain.ID    // a UUIDv7 in lower case
	NewSecret() [32]byte // random bytes, for keys
}

// Queue asks workers to look. Losing what was asked loses nothing: the record says what is due.
type Queue interface {
	Enqueue(ctx context.Context, tasks ...Task) error
}

// CRM is the one port to a CRM. Its connector alone knows the CRM's words; all that it keeps in the record is opaque to
// others. It makes one try; waiting is the queue's (STYLE H12). Its methods may be used by several goroutines at once.
type CRM interface {
	Name() domain.CRM
	// Configured says whether this process reaches the CRM. One that is not configured still judges ids; what else is
	// asked of it fails with ErrNotConfigured.
	Configured() bool
	// IDs describes the ids that a sender may name. Judge is asked about some of these names, with values that are not empty,
	// and refuses with bad_request what cannot be of this CRM. It asks nobody.
	IDs() []ForeignID
	Judge(ids domain.ForeignIDs) error
	// Push brings InMails to the CRM in as few calls as it can; answers[i] is for pushes[i]. A row's fault is in
	// its answer; an error is of the connector itself, and then nothing is known of any row.
	Push(ctx context.Context, pushes []domain.Push) (answers []domain.PushAnswer, err error)
	// Forget takes the ids of members out of the CRM (R60). An error says that some may still be there.
	Forget(ctx context.Context, ids []domain.MemberID) error
	// ForgetThose takes out every id that gone says yes to. It looks at all that the CRM holds.
	ForgetThose(ctx context.Context, gone func(domain.MemberID) bool) error
	// Compare compares the CRM with the record; with repairs it repairs what differs, and goes on where it stopped, else it
	// changes nothing. progress is told after each step. The error of one that stopped because the CRM takes no more for
	// now is a *Waits.
	Compare(ctx context.Context, record CRMRecord, repairs bool, progress func(Comparison)) (Comparison, error)
	// Backfill brings everything to the CRM, and goes on where it stopped. progress and errors are as of Compare.
	Backfill(ctx context.Context, record CRMRecord, progress func(BackfillProgress)) (BackfillProgress, error)
	// PlanBackfill counts what a backfill would take and calls nobody.
	PlanBackfill(ctx context.Context, record CRMRecord) (BackfillPlan, error)
	// Budget tells what was spent of the calls that the CRM allows.
	Budget() Budget
	// Resume forgets what the CRM refused a while ago: a person who has mended it asks so.
	Resume(ctx context.Context) error
}

// ErrNotConfigured is what a CRM answers that this process does not reach.
var ErrNotConfigured = errors.New("this CRM is not configured")

// ForeignID describes an id that a sender may name for a CRM, for those who offer it.
type ForeignID struct {
	Name    string // lead_id
	Pattern string // what it looks like, as a regular expression that JSON Schema knows; empty: any text
	Example string
}

// CRMObserver is told what a CRM's connector called and what became of rows. It must not block. The words are from the
// connector's own closed lists.
type CRMObserver interface {
	// Called is told each call that left the process.
	Called(resource string, took time.Duration)
	// Pushed is told rows of an object: created, updated or unchanged, or of those that failed the class (domain.FailureClass).
	Pushed(object, result string, n int)
	// BudgetUsed is told our calls as a share of what may be ours; 1 is spent.
	BudgetUsed(ratio float64)
}

// CRMRecord is the record as the reconcile and the backfill of one CRM see it. Each call is a transaction of its own.
type CRMRecord interface {
	// PushesAfter walks all InMails by id, with names and links: up to limit after an id.
	PushesAfter(ctx context.Context, after domain.ID, limit int) ([]domain.Push, error)
	// Resync makes InMails due to be pushed from scratch.
	Resync(ctx context.Context, ids []domain.ID) error
	// StorePushes stores what became of pushes, as after a push.
	StorePushes(ctx context.Context, answers []domain.PushAnswer, retryAt []time.Time, budget Budget) error
	// SetDrift keeps what a reconcile found.
	SetDrift(ctx context.Context, found Drift) error
	// State and SetState keep a small value of the connector's own, such as how far it has come; nil is none.
	State(ctx context.Context, name string) ([]byte, error)
	SetState(ctx context.Context, name string, value []byte) error
	// Alone runs write while nobody else writes to this CRM, in any process, and returns its error; the context of write
	// ends when that does not hold any more. A push holds it already.
	Alone(ctx context.Context, write func(context.Context) error) error
}

// Record is the SQL record. Update runs fn in one transaction and commits; View reads in one
// snapshot. When fn or the commit fails nothing of it was stored, and the error is returned as it
// is when it is a *domain.Refusal. Both give up when ctx ends. fn may be run again only when
// nothing of its first run was stored; it must not speak to anything but tx (STYLE H11).
type Record interface {
	Update(ctx context.Context, fn func(tx Tx) error) error
	View(ctx context.Context, fn func(tx Tx) error) error
	// Ping does what the service does: it writes a row and commits it. Its error knows the Cause.
	Ping(ctx context.Context) error
	// Scrub leaves no byte of what was deleted in any file of the record: free pages and write-ahead log
	// too (R60).
	Scrub(ctx context.Context) error
}

// Tx is one transaction of the record. All methods take batches and answer row by row where they
// answer; empty in, empty out. A method that is not "for update" locks nothing. What stores may wait for the next that reads, and
// for the commit where nothing does, and be told there that it failed; the transaction fails then, whatever was returned.
type Tx interface {
	// Now is one time for the whole transaction: the record's, which never goes back. It is read behind the
	// first lock that LockMembers, LockInMails or Facts take, unless it was asked for before.
	Now() time.Time
	// Facts returns all that sends are judged by, in fewer round trips than its parts: first it locks the senders of the
	// pairs when it is asked to (LockMembers), and then it reads.
	Facts(ask Ask) (Facts, error)
	Members
	InMails
	Conversations
	Reputation
	CRMLinks
	Figures
	Keys
}

// Ask says what Facts are about.
type Ask struct {
	Pairs      []Pair
	Lock       bool // the senders
	AnchorDay  int  // these three as for Accounts
	AllPeriods bool
	Allowance  func(plan string) int
	Signals    *spam.Limits // as for Signals; nil: not asked
	Common     bool         // also what the two of each pair share
	Keys       []AnswerKey  // whose first answers are looked for
	State      string       // the name of a state
}

// Facts are what Members, Accounts with InFlight, Restricted, BannedAmong, Pairs, Signals, CommonConnections, FirstAnswers and
// State answer. Members are those of both sides, Banned is asked of the recipients, the rest of the senders.
type Facts struct {
	Members    map[domain.MemberID]*domain.Member
	Accounts   map[domain.MemberID]domain.Account
	Restricted map[domain.MemberID]spam.Restriction
	Banned     map[domain.MemberID]bool
	Between    []Between
	Signals    map[domain.MemberID]spam.Signals
	Common     [][]string
	Answers    []*Answer
	State      []byte
}

// Members is the part of the record that knows people and what lies between them.
type Members interface {
	// Members returns those of ids who exist; the erased and unknown are absent.
	Members(ids []domain.MemberID) (map[domain.MemberID]*domain.Member, error)
	// LockMembers makes this transaction the only one that decides for these senders until it ends.
	// It takes the locks in the order of the ids, so that two batches cannot wait for each other.
	LockMembers(ids []domain.MemberID) error
	// PutMembers inserts or replaces. A new allowance is noted with its time (R07, R09); CreatedAt of
	// an existing member stays. When the anchor day changes, the usage of the period that now holds is
	// counted anew from what was sent in it (R08). allowance answers for a plan's name.
	// anchorDay is for members who have none.
	PutMembers(ms []*domain.Member, anchorDay int, allowance func(plan string) int) error
	// RecountUsage counts the usage of the period that now holds anew for all members who have no anchor day of their
	// own, after the policy's has changed to anchorDay (R08).
	RecountUsage(anchorDay int) error
	// Accounts returns what credits are computed from, one for each of ids that exists: anchorDay is for
	// members who have none. allPeriods: with all periods and plans (rollover), else the current one.
	Accounts(ids []domain.MemberID, anchorDay int, allPeriods bool, allowance func(plan string) int) (map[domain.MemberID]domain.Account, error)
	// Spend moves credits: used and returned are added to the period's row, which is made when missing.
	Spend(moves []CreditMove) error
	// Pairs answers for each pair what stands between the two.
	Pairs(pairs []Pair) ([]Between, error)
	// CommonConnections returns for each pair up to three names of people whom both are connected to.
	CommonConnections(pairs []Pair) ([][]string, error)
	Connect(pairs []Pair) error // symmetric; already connected is fine
	Disconnect(pairs []Pair) error
	Block(pairs []Pair) error // From blocks To
	Unblock(pairs []Pair) error
	PutBans(bans []domain.Ban) error // the same kind and value (folded for companies): replaced
	DeleteBan(kind domain.BanKind, value string) error
	Bans(page Page) ([]domain.Ban, error) // newest first; cursor by (at, kind:value)
	// BannedAmong returns those of the members who are on the list, by id or by company (R17).
	BannedAmong(ms []*domain.Member) (map[domain.MemberID]bool, error)
	// EraseMember takes name, ids and texts of a member out of every table and keeps the counts under
	// "erased" (R60). It returns the InMails it touched, whose records in the CRMs must be erased too.
	// It does at most limit InMails; done says that nothing is left.
	EraseMember(id domain.MemberID, limit int) (touched []domain.ID, done bool, err error)
	// Holdings returns what is kept under a member's id beside InMails, for an export.
	Holdings(id domain.MemberID) (Holdings, error)
}

// Pair names two members in one direction.
type Pair struct{ From, To domain.MemberID }

// Between is what stands between the two of a Pair.
type Between struct {
	Connected bool
	Blocked   bool // by either (R16)
	Awaiting  bool // a delivered InMail From → To that is live at Now and has no reply (R20)
	OnItsWay  bool // a queued InMail From → To
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

// Page asks for a part of a list, newest first. The zero After is the beginning.
type Page struct {
	Limit int // 1..MaxPage
	After Cursor
}

// Cursor is the place of the last item seen: its time and, among equals, its id.
type Cursor struct {
	At time.Time
	ID string
}

// InMails is the part of the record that keeps InMails and their receipts.
type InMails interface {
	// Insert stores new queued InMails with their tags and first receipts, and their links to all CRMs, due at once.
	Insert(ms []*domain.InMail, receipts []domain.Receipt) error
	// InMails returns those of ids that exist, with tags.
	InMails(ids []domain.ID) (map[domain.ID]*domain.InMail, error)
	// LockInMails is InMails for update: this transaction decides for them until it ends.
	LockInMails(ids []domain.ID) (map[domain.ID]*domain.InMail, error)
	// ClaimQueued locks those of ids that are queued and that no other transaction holds, in the order
	// of ids; the others are left out.
	ClaimQueued(ids []domain.ID) ([]*domain.InMail, error)
	// ExpireDue stores what EventExpire does to up to limit unopened InMails whose window is over at Now, oldest first,
	// skipping what another transaction holds (R33): state, receipt, version and mark, in statements over all of them. It
	// returns them as they were before, without texts; counts are the caller's to move.
	ExpireDue(limit int) ([]*domain.InMail, error)
	// QueuedBefore returns up to limit queued InMails accepted before t, oldest first, and after them those
	// accepted later than Now, by a clock that was set back since: a stamp in the future is no reason to
	// wait.
	QueuedBefore(t time.Time, limit int) ([]domain.ID, error)
	// Save stores changed InMails, guarded by the state and version that each was loaded with, and appends
	// the receipts. A row that is no longer as it was loaded fails the whole batch with ErrConflict. A change
	// of Version makes the InMail due for every CRM.
	Save(changes []Change) error
	Receipts(id domain.ID) ([]domain.Receipt, error) // by sequence number
	// InMailsOf returns the ids of all InMails that a member sent, and of those that were delivered to it, oldest first.
	InMailsOf(member domain.MemberID) ([]domain.ID, error)
	// InFlight counts the queued InMails of each sender.
	InFlight(senders []domain.MemberID) (map[domain.MemberID]int, error)
	// SetPreviewed notes the first listing of those that were never listed and returns how many (R30).
	SetPreviewed(ids []domain.ID) (int, error)
	// SentBy lists what a member sent (accepted), newest first by (AcceptedAt, ID), without bodies.
	SentBy(sender domain.MemberID, f Filter, page Page) ([]*domain.InMail, error)
	// InboxOf lists what is live in a member's inbox: InMails by SentAt, without bodies, and replies by At, newest first.
	// A filter is asked of the InMail, also where the line is a reply to it.
	InboxOf(member domain.MemberID, f Filter, page Page) ([]Entry, error)
	// Unread counts the live unopened InMails and unread replies of a member.
	Unread(member domain.MemberID) (int, error)
	// FirstAnswers returns the answers that were given under idempotency keys; nil where there is none (R28).
	FirstAnswers(keys []AnswerKey) ([]*Answer, error)
	PutAnswers(answers []Answer) error
}

// Change is an InMail that Apply has moved.
type Change struct {
	InMail      *domain.InMail
	FromStatus  domain.Status // as it was loaded
	FromVersion int64
	Receipts    []domain.Receipt
	Retagged    bool // the tags changed and are stored anew
}

// Filter narrows a list; empty fields do not.
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

// AnswerKey is the idempotency key of one sender.
type AnswerKey struct {
	Sender domain.MemberID
	Key    string // as it is kept: a digest of the sender's own
}

// Answer is the first answer under a key: what was asked (as a digest) and what was said (R28).
type Answer struct {
	AnswerKey
	Digest [32]byte
	InMail domain.ID // of an accepted one, else ""
	Body   []byte    // what was answered, as the use case keeps it; never a text of the InMail
	At     time.Time
}

// Conversations is the part of the record that keeps replies.
type Conversations interface {
	InsertReplies(rs []*domain.Reply) error
	// Replies returns a page of the conversation of an InMail, oldest first by (At, ID).
	Replies(id domain.ID, page Page) ([]*domain.Reply, error)
	// MarkRead marks the replies to a member in one conversation as read.
	MarkRead(id domain.ID, reader domain.MemberID) error
}

// Reputation is the part of the record that the filter and its restrictions live on (R41–R44).
type Reputation interface {
	// Signals returns what was seen of each sender until Now, as far back as need says, without what an operator's
	// undo has set aside (spam.Undone).
	Signals(senders []domain.MemberID, need spam.Limits) (map[domain.MemberID]spam.Signals, error)
	// NoteSends keeps the fingerprints of accepted bodies for the window of the similarity check.
	NoteSends(sends []SendNote) error
	// Fingerprints returns those of a sender since t, newest first.
	Fingerprints(sender domain.MemberID, since time.Time) ([]SendNote, error)
	Strike(strikes []Strike) error
	// Restrictions returns all of a member, newest first.
	Restrictions(member domain.MemberID) ([]RestrictionRow, error)
	// Restricted returns the restriction of each sender that holds at Now; absent when there is none.
	Restricted(senders []domain.MemberID) (map[domain.MemberID]spam.Restriction, error)
	// PutRestriction restricts a member. While another restriction of the member holds it fails with
	// ErrConflict.
	PutRestriction(member domain.MemberID, id string, r spam.Restriction) error
	// Restriction returns one by its id; nil when there is none.
	Restriction(id string) (*RestrictionRow, error)
	UndoRestriction(id string) error
	// Report keeps an abuse report, once for each InMail; again is ErrConflict (R44).
	Report(id domain.ID, sender, reporter domain.MemberID, reason string) error
	// AppendAudit appends decisions; Audit lists them, newest first by (At, ID), those on one sender or with "" all.
	AppendAudit(entries []AuditEntry) error
	Audit(sender domain.MemberID, page Page) ([]AuditEntry, error)
	// Decisions returns those of ids that are in the audit.
	Decisions(ids []string) (map[string]AuditEntry, error)
	// Model returns the learnt filter as stored, nil when nothing was learnt; PutModel replaces it.
	Model() ([]byte, error)
	PutModel(blob []byte) error
	// Lesson notes that an InMail is to be learnt from; TakeLessons returns and removes up to limit.
	AppendLessons(ls []Lesson) error
	TakeLessons(limit int) ([]Lesson, error)
	// Reported returns the newest reports since then, up to limit, by (At, InMail); Taught notes that the filter has
	// learned from those of InMails.
	Reported(since time.Time, limit int) ([]ReportRow, error)
	Taught(ids []domain.ID) error
}

// SendNote is what is kept of an accepted body: its fingerprint, not its words.
type SendNote struct {
	Sender      domain.MemberID
	At          time.Time
	Fingerprint []byte
}

// Strike is one refused spammy message (R42).
type Strike struct {
	Member domain.MemberID
	At     time.Time
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
	DecidedSend     = "send"
	DecidedDelivery = "deliver"
	DecidedRestrict = "restrict"
	DecidedUndo     = "undo"
	DecidedBan      = "ban"
	DecidedUnban    = "unban"
	DecidedErase    = "erase"
)

// AuditKinds returns all of them.
func AuditKinds() []string {
	return []string{DecidedSend, DecidedDelivery, DecidedRestrict, DecidedUndo, DecidedBan, DecidedUnban, DecidedErase}
}

// AuditEntry is one decision: an attempt that was refused with all true codes in R21's order, or a
// restriction, a ban, an undo.
type AuditEntry struct {
	ID        string
	At        time.Time
	Kind      string // one of AuditKinds
	InMail    domain.ID
	Sender    domain.MemberID
	Recipient domain.MemberID
	Refusals  []domain.Code
	By        string // the key id of an operator, where one acted
	Detail    []byte // JSON: of restrict a spam.Decision, of a refusal for spam_content a spam.ContentDecision (R43)
}

// ReportRow is a stored abuse report. Reporter tells reporters apart and is not always a member's id: who was erased goes on
// under another name.
type ReportRow struct {
	InMail   domain.ID
	Sender   domain.MemberID
	Reporter string
	At       time.Time
	Taught   bool
}

// Lesson is one InMail that teaches the filter.
type Lesson struct {
	InMail domain.ID
	Spam   bool
}

// CRMLinks is the part of the record that knows which CRMs there are, and what each has and lacks. What is of one CRM
// touches nothing of another.
type CRMLinks interface {
	// CRMs returns the CRMs that were ever connected, the earliest first.
	CRMs() ([]ConnectedCRM, error)
	// ConnectCRM notes that a CRM is connected: from here on every new InMail has a link to it, whoever accepts it. Again
	// is nothing. What was accepted before is for LinkInMails.
	ConnectCRM(crm domain.CRM) error
	// LinkInMails makes the links of up to limit InMails that were accepted before the CRM was connected, due at once, by
	// id; more says that some may be left. It goes on where the last one stopped.
	LinkInMails(crm domain.CRM, limit int) (more bool, err error)
	// ClaimUnsynced takes up to limit InMails that are due to be pushed and leases them until Now + lease, so that
	// nobody else pushes them; oldest change first, skipping what another transaction holds.
	ClaimUnsynced(crm domain.CRM, limit int, lease time.Duration) ([]domain.Push, error)
	// PutOff gives back what this transaction has claimed: it is due again at a time, and no failure.
	Postpone(crm domain.CRM, ids []domain.ID, until time.Time) error
	// ExtendLeases holds the leases of ids until Now + lease; one that was ended stays so.
	ExtendLeases(crm domain.CRM, ids []domain.ID, lease time.Duration) error
	// FreeLeases ends the leases that an earlier process left; only a process that is alone on the record may ask.
	FreeLeases() error
	// StoreAnswers stores what became of pushes and ends their leases. An InMail counts as synced only when its
	// version is still the pushed one. retryAt[i] is when a failed one goes again; zero: not by itself.
	StoreAnswers(crm domain.CRM, answers []domain.PushAnswer, retryAt []time.Time) error
	// RetryDead makes dead letters due again: one InMail, a class, or all.
	RetryDead(crm domain.CRM, id domain.ID, class domain.FailureClass) (int, error)
	// Resync makes InMails due to be pushed again from scratch, as reconcile found them missing or different. An empty crm
	// is all of them.
	Resync(crm domain.CRM, ids []domain.ID) error
	// Links returns the links of ids, by CRM.
	Links(ids []domain.ID) (map[domain.ID]map[domain.CRM]domain.Link, error)
	// PushesAfter walks all InMails by id for reconcile and backfill: up to limit after an id, with names.
	PushesAfter(crm domain.CRM, after domain.ID, limit int) ([]domain.Push, error)
	Failures(crm domain.CRM, page Page) ([]domain.Link, error) // newest first by (FailedAt, InMail)
	// Backlog is what /v1/crm/status and the snapshot tell.
	Backlog(crm domain.CRM) (Backlog, error)
	// State and SetState keep small named values: pause of a sync, drift of the last reconcile, progress of a
	// backfill, keys of the program. A missing name is nil.
	State(name string) ([]byte, error)
	SetState(name string, value []byte) error
}

// ConnectedCRM is a CRM that the record serves.
type ConnectedCRM struct {
	Name   domain.CRM
	Since  time.Time
	Linked bool // every InMail has its link; else some that are older than the connection still lack it
}

// Backlog is how far a CRM is behind.
type Backlog struct {
	Unsynced       int
	OldestUnsynced time.Time // zero: nothing waits
	Dead           map[domain.FailureClass]int
}

// Figures is the part of the record that the rates are read from.
type Figures interface {
	// Count moves counts, in one fixed order so that two transactions cannot wait for each other.
	Count(counts []domain.Count) error
	// Counts returns the sums of a dimension between two cohorts (both included; empty: open end).
	Counts(d domain.Dimension, from, to domain.Cohort) ([]domain.Count, error)
	PutSnapshot(blob []byte) error
	Snapshot() (blob []byte, at time.Time, err error) // nil when there is none
	// RestrictedByTrigger counts the senders restricted at Now.
	RestrictedByTrigger() (map[string]int, error)
	// DropTexts empties texts of InMails that ended or were sent before t, up to limit; returns how many.
	DropTexts(before time.Time, limit int) (int, error)
}

// Keys is the part of the record that knows who may call.
type Keys interface {
	PutKey(k Key) error
	KeyByHash(hash [32]byte) (*Key, error) // nil: unknown
	ListKeys(page Page) ([]Key, error)
	DeleteKey(id string) (bool, error)
}

// Role is what a key may do.
type Role string

// The two roles of API.md.
const (
	RoleOperator Role = "operator"
	RoleMember   Role = "member"
)

// Roles returns both.
func Roles() []Role { return []Role{RoleOperator, RoleMember} }

// Key is a stored API key; the key itself is not kept, only its SHA-256.
type Key struct {
	ID        string
	Hash      [32]byte
	Role      Role
	Member    domain.MemberID
	CreatedAt time.Time
}
