// Package web is the pages for people: a mailbox for recipients, a place to write for senders, the figures,
// and the operator's view. They are rendered on the server by html/template and work without script where a
// form will do; everything that they load is embedded.
//
// The pages decide nothing and show nothing that the API would not say to the same person: each handler calls
// the use cases of inmail/domain/mailroom as that person, makes a view model by a plain function, and renders
// one template. routes.go is the list of all pages; a page has a file for its handlers and a template. The
// words for codes are in words.go.
package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"inmail/connectors/web/oidc"
	"inmail/connectors/web/words"
	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/domain/spam"
)

// Parts is what the pages are built of.
type Parts struct {
	Service UseCases
	Sender  Sender
	Probes  []Probe // what the operator's page asks
	Queue   Queue   // nil: the job queue is not shown
	// Beat returns how long ago the schedule beat last; nil: it is not shown.
	Beat func() time.Duration
	// Export lays out an export of a member as the document that the API answers; nil: there is no export.
	Export func(e mailroom.Export) ([]byte, error)
	// Remedies are what a person can do about each class of failure of a CRM.
	Remedies map[domain.FailureClass]string
	// Check looks for what a CRM lacks; nil: there is no such check.
	Check func(ctx context.Context, crm domain.CRM) ([]Finding, error)
	// Words is a translation of the pages' words in the format of words/english.pot; nil: they are English.
	Words io.Reader
	Log   *slog.Logger
	SSO   *oidc.Provider // single sign-on; nil: there is none
}

// Finding is one line of the check of a CRM.
type Finding struct {
	OK                   bool
	What, Detail, Remedy string
}

// Queue is the job queue as an operator sees it.
type Queue interface {
	Status(ctx context.Context) (Jobs, error)
	// Failures lists up to limit failed tasks, the latest failure first.
	Failures(ctx context.Context, limit int) ([]FailedTask, error)
	// Retry runs a failed task now; all with an empty id.
	Retry(ctx context.Context, id string) error
}

// Sender accepts one InMail. It is the group commit in front of mailroom.Service.Accept.
type Sender interface {
	Accept(ctx context.Context, send mailroom.Send) (mailroom.Accepted, error)
}

// Probe checks whether a part of the system works.
type Probe struct {
	Name  string
	Check func(ctx context.Context) error
}

// Jobs is what the job queue holds.
type Jobs struct {
	Waiting, Running, Retry, GivenUp int
	Oldest                           time.Duration // how long the first has waited
	Servers                          int           // groups of workers, of all processes
	Queues                           []JobQueue
}

// JobQueue is one queue.
type JobQueue struct {
	Name                             string
	Waiting, Running, Retry, GivenUp int
	Oldest                           time.Duration // how long the first has waited
	Processed, Failed                int           // today
	Paused                           bool
}

// FailedTask is a task that failed.
type FailedTask struct {
	ID, Queue, Type, Class string
	GivenUp                bool // it is not tried again by itself
	Attempts, Limit        int
	At, Next               time.Time
}

// UseCases are the use cases that the pages call; *mailroom.Service has all.
type UseCases interface {
	SignInPerson(ctx context.Context, p mailroom.Identity) (token string, s mailroom.Session, err error)
	SignIn(ctx context.Context, shown string) (token string, s mailroom.Session, err error)
	LinkOf(ctx context.Context, link string) (mailroom.Session, error)
	FollowLink(ctx context.Context, link string) (token string, s mailroom.Session, err error)
	SessionOf(ctx context.Context, token string) (mailroom.Session, error)
	SignOut(ctx context.Context, token string) error

	Now() time.Time
	Policy() domain.Policy
	Member(ctx context.Context, id domain.MemberID) (domain.Member, error)
	FindMembers(ctx context.Context, v mailroom.Viewer, q mailroom.MemberQuery, p mailroom.Page) ([]*domain.Member, error)
	ChangeMember(ctx context.Context, id domain.MemberID, change func(*domain.Member) error) (domain.Member, error)
	Credits(ctx context.Context, id domain.MemberID) (domain.Member, domain.Credits, error)
	Standing(ctx context.Context, id domain.MemberID) (spam.Standing, error)

	Inbox(ctx context.Context, member domain.MemberID, f mailroom.Filter, p mailroom.Page) (mailroom.InboxPage, error)
	Unread(ctx context.Context, member domain.MemberID) (int, error)
	Open(ctx context.Context, v mailroom.Viewer, id domain.ID) (mailroom.OpenedInMail, error)
	Reply(ctx context.Context, v mailroom.Viewer, id domain.ID, body string) (domain.ID, error)
	Replies(ctx context.Context, v mailroom.Viewer, id domain.ID, p mailroom.Page) ([]mailroom.ReplyView, error)
	Decline(ctx context.Context, v mailroom.Viewer, id domain.ID, reason string) error
	MarkAutomatic(ctx context.Context, v mailroom.Viewer, id, reply domain.ID, automatic bool) error
	Report(ctx context.Context, v mailroom.Viewer, id domain.ID, reason string) error
	Block(ctx context.Context, pairs []mailroom.Pair) ([]error, error)

	Sent(ctx context.Context, member domain.MemberID, f mailroom.Filter, p mailroom.Page) ([]mailroom.View, error)
	CountSent(ctx context.Context, member domain.MemberID, tag string) (map[domain.Status]int, error)
	View(ctx context.Context, v mailroom.Viewer, id domain.ID) (mailroom.View, error)
	Preflight(ctx context.Context, from domain.MemberID, to []domain.MemberID,
		text *mailroom.Send) (mailroom.Campaign, error)
	AskRetraction(ctx context.Context, v mailroom.Viewer, id domain.ID) (string, time.Time, bool, error)
	ConfirmRetraction(ctx context.Context, v mailroom.Viewer, id domain.ID, token string) (bool, error)
	Tag(ctx context.Context, v mailroom.Viewer, id domain.ID, tags []string) ([]string, error)

	Analytics(ctx context.Context, v mailroom.Viewer, by string, from, to time.Time) (mailroom.Report, error)
	Compare(ctx context.Context, v mailroom.Viewer, by string, keys [2]string, from, to time.Time) (mailroom.RateComparison, error)
	StoredSnapshot(ctx context.Context) (*mailroom.Snapshot, error)
	CRMs(ctx context.Context) ([]mailroom.CRMStatus, error)
	CRMTitle(name domain.CRM) string
	RecordURL(link domain.Link) string
	WhichCRM(ctx context.Context, name string) (domain.CRM, error)
	CRMFailures(ctx context.Context, crm domain.CRM, p mailroom.Page) ([]domain.Link, error)
	RetryCRM(ctx context.Context, crm domain.CRM, id domain.ID, class domain.FailureClass) (int, error)
	AskRun(ctx context.Context, crm domain.CRM, kind mailroom.RunKind) (domain.ID, error)
	PauseCRM(ctx context.Context, crm domain.CRM, why string, until time.Time) error
	ResumeCRM(ctx context.Context, crm domain.CRM) error

	Restrictions(ctx context.Context, member domain.MemberID) ([]mailroom.DecidedRestriction, error)
	HoldingRestrictions(ctx context.Context, p mailroom.Page) ([]mailroom.DecidedRestriction, error)
	UndoRestriction(ctx context.Context, v mailroom.Viewer, id, reason string) error
	Export(ctx context.Context, id domain.MemberID) (mailroom.Export, error)
	Plans() domain.Plans
	Erase(ctx context.Context, v mailroom.Viewer, id domain.MemberID) error
	CreateWebhook(ctx context.Context, v mailroom.Viewer, c mailroom.WebhookChange) (mailroom.Webhook, string, error)
	Webhooks(ctx context.Context) ([]mailroom.Webhook, error)
	Deliveries(ctx context.Context, id string, p mailroom.Page) ([]mailroom.ListedDelivery, error)
	TestWebhook(ctx context.Context, id string) (event string, err error)
	EnableWebhook(ctx context.Context, id string) error
	ReplayWebhook(ctx context.Context, id string, from time.Time) error
	DeleteWebhook(ctx context.Context, id string) error
	Bans(ctx context.Context, p mailroom.Page) ([]domain.Ban, error)
	Ban(ctx context.Context, v mailroom.Viewer, b domain.Ban) error
	Unban(ctx context.Context, v mailroom.Viewer, kind domain.BanKind, value string) error
	Keys(ctx context.Context, p mailroom.Page) ([]mailroom.Key, error)
	CreateKey(ctx context.Context, v mailroom.Viewer, n mailroom.NewKey) (id, key string, err error)
	DeleteKey(ctx context.Context, id string) error
	Audit(ctx context.Context, f mailroom.AuditFilter, p mailroom.Page) ([]mailroom.AuditEntry, error)
	NoteAct(ctx context.Context, act mailroom.Act) error
}

// Site serves the pages. It is an http.Handler for the requests that Route claims.
type Site struct {
	Parts
	mux    *http.ServeMux
	guard  *http.CrossOriginProtection
	pages  templates
	assets assets
}

// New builds the pages. It fails when a template or a string is missing.
func New(p Parts) (*Site, error) {
	if p.Service == nil || p.Sender == nil || p.Log == nil {
		return nil, errors.New("web: Service, Sender and Log are needed")
	}
	s := &Site{Parts: p, mux: http.NewServeMux(), guard: http.NewCrossOriginProtection()}
	if p.Words != nil {
		catalogue, code, err := words.Read(p.Words)
		if err != nil {
			return nil, fmt.Errorf("web: the words: %w", err)
		}
		speak(catalogue, code)
	}
	var err error
	if s.assets, err = loadAssets(); err != nil {
		return nil, err
	}
	if s.pages, err = loadTemplates(s.assets); err != nil {
		return nil, err
	}
	for _, r := range routes {
		if r.page != "" && s.pages[r.page] == nil {
			return nil, errors.New("web: there is no template " + r.page)
		}
		s.mux.HandleFunc(r.pattern, func(w http.ResponseWriter, req *http.Request) { s.serve(w, req, r) })
	}
	return s, nil
}

// Route returns the pattern of the page that a request asks for; empty when no page does. The path / is a
// page for browsers alone: a program gets what the API answers there.
func (s *Site) Route(r *http.Request) string {
	if r.URL.Path == "/" && !strings.Contains(r.Header.Get("Accept"), "text/html") {
		return ""
	}
	_, pattern := s.mux.Handler(r)
	_, path, _ := strings.Cut(pattern, " ")
	return strings.TrimSuffix(path, "{$}")
}

// ServeHTTP answers one request that Route claims.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }
