package httpapi

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"inmail/domain"
	"inmail/domain/advice"
	"inmail/domain/mailroom"
	"inmail/domain/rates"
	"inmail/domain/spam"
)

// room is the use cases in memory, for the tests of this package alone: it keeps what it is told and decides by the
// same pure rules of the domain, without credits, figures or a record. The program's own tests run the API over the
// real use cases and the real record.
type room struct {
	mu      sync.Mutex
	now     time.Time
	next    int
	fault   error // answers every call, when it is set
	explode any   // thrown by every call, when it is set

	members  map[domain.MemberID]domain.Member
	pairs    map[string]mailroom.Pair // connect or block, and the pair
	banned   []domain.Ban
	keys     map[[32]byte]mailroom.Key
	inmails  map[domain.ID]*domain.InMail
	receipts map[domain.ID][]domain.Receipt
	replies  map[domain.ID][]mailroom.ReplyView
	reported map[domain.ID]bool
	answers  map[mailroom.AnswerKey]mailroom.Accepted
	asked    map[mailroom.AnswerKey]mailroom.Send
	audit    []mailroom.AuditEntry
	links    []domain.Link
	penalty  []mailroom.RestrictionRow
	runs     map[mailroom.RunKind]mailroom.Run
	paused   *mailroom.Pause
	report   mailroom.Report

	authentications int
	imported        string
	policy          domain.RetractOpened
}

var (
	epoch      = time.Date(2026, time.November, 23, 9, 0, 0, 0, time.UTC)
	confirmKey = []byte("0123456789abcdef0123456789abcdef")
)

func newRoom() *room {
	return &room{now: epoch, members: map[domain.MemberID]domain.Member{}, pairs: map[string]mailroom.Pair{}, keys: map[[32]byte]mailroom.Key{},
		inmails: map[domain.ID]*domain.InMail{}, receipts: map[domain.ID][]domain.Receipt{}, replies: map[domain.ID][]mailroom.ReplyView{},
		reported: map[domain.ID]bool{}, answers: map[mailroom.AnswerKey]mailroom.Accepted{}, asked: map[mailroom.AnswerKey]mailroom.Send{}, policy: domain.HideOpened}
}

// enter takes the room for one call; what it returns gives it back.
func (r *room) enter() (func(), error) {
	r.mu.Lock()
	if r.explode != nil {
		defer r.mu.Unlock()
		panic(r.explode)
	}
	return r.mu.Unlock, r.fault
}

func (r *room) id() domain.ID {
	r.next++
	return domain.ID(fmt.Sprintf("019abf5e-8c00-7000-8000-%012x", r.next))
}

func (r *room) Now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *room) advance(_ context.Context, d time.Duration) (time.Time, error) {
	leave, err := r.enter()
	defer leave()
	r.now = r.now.Add(d)
	return r.now, err
}

func (r *room) Authenticate(_ context.Context, key string) (mailroom.Key, error) {
	leave, err := r.enter()
	defer leave()
	r.authentications++
	k, ok := r.keys[sha256.Sum256([]byte(key))]
	if err == nil && !ok {
		err = mailroom.ErrNoKey
	}
	return k, err
}

func (r *room) CreateKey(_ context.Context, role mailroom.Role, member domain.MemberID) (string, string, error) {
	leave, err := r.enter()
	defer leave()
	if err != nil {
		return "", "", err
	}
	if (role == mailroom.RoleMember) != (member != "") {
		return "", "", domain.Refuse(domain.BadRequest, "a member key names its member, an operator key none")
	}
	if _, ok := r.members[member]; member != "" && !ok {
		return "", "", noMember()
	}
	id := string(r.id())
	key := mailroom.KeyPrefix + id
	r.keys[sha256.Sum256([]byte(key))] = mailroom.Key{ID: id, Role: role, Member: member, CreatedAt: r.now}
	return id, key, nil
}

func (r *room) Keys(_ context.Context, p mailroom.Page) ([]mailroom.Key, error) {
	leave, err := r.enter()
	defer leave()
	return paged(slices.Collect(maps.Values(r.keys)), p, func(k mailroom.Key) mailroom.Cursor { return mailroom.Cursor{At: k.CreatedAt, ID: k.ID} }), err
}

func (r *room) DeleteKey(_ context.Context, id string) error {
	leave, err := r.enter()
	defer leave()
	n := len(r.keys)
	maps.DeleteFunc(r.keys, func(_ [32]byte, k mailroom.Key) bool { return k.ID == id })
	if err == nil && len(r.keys) == n {
		err = domain.Refuse(domain.NotFound, "there is no key with this id")
	}
	return err
}

// paged sorts newest first, by time and id, and cuts out a page.
func paged[T any](all []T, p mailroom.Page, place func(T) mailroom.Cursor) []T {
	order := func(a, b mailroom.Cursor) int { return cmp.Or(b.At.Compare(a.At), strings.Compare(b.ID, a.ID)) }
	slices.SortFunc(all, func(a, b T) int { return order(place(a), place(b)) })
	if p.After != (mailroom.Cursor{}) {
		all = slices.DeleteFunc(all, func(t T) bool { return order(place(t), p.After) <= 0 })
	}
	return all[:min(len(all), p.Limit)]
}

func noMember() error { return domain.Refuse(domain.NotFound, "there is no member with this id") }
func noInMail() error { return domain.Refuse(domain.NotFound, "there is no such InMail") }

func (r *room) PutMembers(_ context.Context, ms []domain.Member) ([]error, error) {
	leave, err := r.enter()
	defer leave()
	errs := make([]error, len(ms))
	for i := range ms {
		if errs[i] = ms[i].Validate(domain.ShippedPlans()); errs[i] == nil && err == nil {
			r.members[ms[i].ID] = ms[i]
		}
	}
	return errs, err
}

func (r *room) ChangeMember(_ context.Context, id domain.MemberID, change func(*domain.Member) error) (domain.Member, error) {
	leave, err := r.enter()
	defer leave()
	m, ok := r.members[id]
	if err == nil && !ok {
		err = noMember()
	}
	if err == nil {
		err = change(&m)
	}
	if err == nil {
		err = m.Validate(domain.ShippedPlans())
	}
	if err == nil {
		r.members[id] = m
	}
	return m, err
}

func (r *room) Member(_ context.Context, id domain.MemberID) (domain.Member, error) {
	leave, err := r.enter()
	defer leave()
	m, ok := r.members[id]
	if err == nil && !ok {
		err = noMember()
	}
	return m, err
}

func (r *room) Export(_ context.Context, id domain.MemberID) (mailroom.Export, error) {
	leave, err := r.enter()
	defer leave()
	m, ok := r.members[id]
	if err == nil && !ok {
		err = noMember()
	}
	e := mailroom.Export{At: r.now, Member: m, Credits: domain.Credits{Allowance: 10, Remaining: 10, PeriodStart: r.now, PeriodEnd: r.now}}
	e.Holdings = mailroom.Holdings{Connections: []domain.MemberID{"kim"}, Blocks: []domain.MemberID{"sam"}, Strikes: []time.Time{r.now},
		Periods: []mailroom.ExportedPeriod{{Start: r.now, Used: 1}}, Reports: []mailroom.ExportedReport{{InMail: "019abf5e-8c00-7000-8000-000000000001", At: r.now, Reason: "x"}},
		Keys: []mailroom.Key{{ID: "k1", Hash: [32]byte{7}, Role: mailroom.RoleMember, Member: id, CreatedAt: r.now}},
		Bans: []domain.Ban{{Kind: domain.BanMember, Value: string(id), Reason: "x", At: r.now}}}
	for _, row := range r.penalty {
		if row.Member == id {
			e.Restrictions = append(e.Restrictions, row)
		}
	}
	for _, im := range r.inmails {
		if im.Sender == id || im.Recipient == id && !im.SentAt.IsZero() {
			e.InMails = append(e.InMails, mailroom.ExportedInMail{InMail: im, Status: im.StatusAt(r.now), From: r.person(im.Sender), To: r.person(im.Recipient),
				Receipts: r.receipts[im.ID], Replies: []*domain.Reply{{ID: im.ID, InMail: im.ID, From: im.Recipient, Body: "a reply", At: r.now}}})
		}
	}
	return e, err
}

func (r *room) Erase(_ context.Context, _ mailroom.Viewer, id domain.MemberID) error {
	leave, err := r.enter()
	defer leave()
	if _, ok := r.members[id]; err == nil && !ok {
		return noMember()
	}
	delete(r.members, id)
	maps.DeleteFunc(r.keys, func(_ [32]byte, k mailroom.Key) bool { return k.Member == id })
	return err
}

func (r *room) relate(what string, pairs []mailroom.Pair, there bool) ([]error, error) {
	leave, err := r.enter()
	defer leave()
	errs := make([]error, len(pairs))
	for i, p := range pairs {
		_, a := r.members[p.From]
		_, b := r.members[p.To]
		if !a || !b {
			errs[i] = noMember()
			continue
		}
		if delete(r.pairs, fmt.Sprint(what, p)); there {
			r.pairs[fmt.Sprint(what, p)] = p
		}
	}
	return errs, err
}

func (r *room) Connect(_ context.Context, ps []mailroom.Pair) ([]error, error) {
	return r.relate("connect", ps, true)
}
func (r *room) Disconnect(_ context.Context, ps []mailroom.Pair) ([]error, error) {
	return r.relate("connect", ps, false)
}
func (r *room) Block(_ context.Context, ps []mailroom.Pair) ([]error, error) {
	return r.relate("block", ps, true)
}
func (r *room) Unblock(_ context.Context, ps []mailroom.Pair) ([]error, error) {
	return r.relate("block", ps, false)
}

func (r *room) Ban(_ context.Context, v mailroom.Viewer, b domain.Ban) error {
	leave, err := r.enter()
	defer leave()
	if err == nil && b.Kind != domain.BanMember && b.Kind != domain.BanCompany {
		return domain.Refuse(domain.BadRequest, "the kind of a ban is member or company")
	}
	b.By, b.At = v.KeyID, r.now
	r.banned = append(r.banned, b)
	return err
}

func (r *room) Unban(_ context.Context, _ mailroom.Viewer, kind domain.BanKind, value string) error {
	leave, err := r.enter()
	defer leave()
	n := len(r.banned)
	r.banned = slices.DeleteFunc(r.banned, func(b domain.Ban) bool { return b.Kind == kind && b.Value == value })
	if err == nil && len(r.banned) == n {
		return domain.Refuse(domain.NotFound, "this is not on the list")
	}
	return err
}

func (r *room) Bans(_ context.Context, p mailroom.Page) ([]domain.Ban, error) {
	leave, err := r.enter()
	defer leave()
	return paged(slices.Clone(r.banned), p, func(b domain.Ban) mailroom.Cursor {
		return mailroom.Cursor{At: b.At, ID: string(b.Kind) + ":" + b.Value}
	}), err
}

func (r *room) Restrictions(_ context.Context, member domain.MemberID) (list []mailroom.DecidedRestriction, err error) {
	leave, err := r.enter()
	defer leave()
	for _, p := range r.penalty {
		if p.Member == member {
			list = append(list, mailroom.DecidedRestriction{RestrictionRow: p, Decision: &spam.Decision{Version: spam.BehaviourVersion,
				Signals: spam.Signals{Sends: make([]time.Time, 20), Reporters: 1, Deliveries: 64}}})
		}
	}
	return list, err
}

// Replay knows the restrictions, and of the audit what it was given.
func (r *room) Replay(_ context.Context, id string, o mailroom.OtherSettings) (mailroom.Replayed, error) {
	leave, err := r.enter()
	defer leave()
	for _, p := range r.penalty {
		if p.ID == id && err == nil {
			limits := spam.DefaultLimits()
			out := mailroom.Replayed{AuditEntry: mailroom.AuditEntry{ID: id, At: p.StartedAt, Kind: "restrict", Sender: p.Member}, Version: spam.BehaviourVersion,
				Was: spam.Trigger{Name: p.Trigger, Value: p.Value, Limit: p.Limit}, Limits: &limits, Whole: true}
			if o.VolumeHour != nil {
				limits.VolumeHour = *o.VolumeHour
			}
			if p.Value > float64(limits.VolumeHour) {
				out.Would = &spam.Trigger{Name: p.Trigger, Value: p.Value, Limit: float64(limits.VolumeHour)}
			}
			return out, nil
		}
	}
	if slices.ContainsFunc(r.audit, func(e mailroom.AuditEntry) bool { return e.ID == id }) {
		return mailroom.Replayed{}, cmp.Or(err, error(domain.Refuse(domain.Conflict, "this decision keeps nothing to decide again from")))
	}
	return mailroom.Replayed{}, cmp.Or(err, error(domain.Refuse(domain.NotFound, "there is no such decision")))
}

func (r *room) UndoRestriction(_ context.Context, _ mailroom.Viewer, id string) error {
	leave, err := r.enter()
	defer leave()
	for i := range r.penalty {
		if r.penalty[i].ID == id && r.penalty[i].UndoneAt.IsZero() {
			r.penalty[i].UndoneAt = r.now
			return err
		}
	}
	return cmp.Or(err, error(domain.Refuse(domain.NotFound, "there is no such restriction in force")))
}

func (r *room) judge(from, to domain.MemberID, content []*domain.Refusal) []*domain.Refusal {
	c := domain.Case{Now: r.now, From: from, To: to, Left: 5, Content: content}
	if m, ok := r.members[from]; ok {
		c.Sender = &m
	}
	if m, ok := r.members[to]; ok {
		c.Recipient = &m
	}
	_, c.Connected = r.pairs[fmt.Sprint("connect", mailroom.Pair{From: from, To: to})]
	_, c.Blocked = r.pairs[fmt.Sprint("block", mailroom.Pair{From: to, To: from})]
	for _, b := range r.banned {
		c.Banned = c.Banned || b.Value == string(to)
	}
	for _, p := range r.penalty {
		if p.Member == from && p.UndoneAt.IsZero() {
			c.Restricted, c.Why = p.Until, p.Trigger
		}
	}
	return c.Refusals()
}

func (r *room) Accept(_ context.Context, s mailroom.Send) (mailroom.Accepted, error) {
	leave, err := r.enter()
	defer leave()
	if err != nil {
		return mailroom.Accepted{}, err
	}
	if s.Tags, err = domain.NormalTags(s.Tags); err != nil {
		return mailroom.Accepted{Err: err}, nil
	}
	key := mailroom.AnswerKey{Sender: s.From, Key: s.Key}
	if first, again := r.answers[key]; again && s.Key != "" {
		if fmt.Sprint(r.asked[key]) != fmt.Sprint(s) {
			return mailroom.Accepted{Err: domain.Refuse(domain.IdempotencyConflict, "this key was used for another InMail")}, nil
		}
		return first, nil
	}
	text := domain.ReadText(s.Subject, s.Body, s.Attachments)
	answer := mailroom.Accepted{Advice: []advice.Hit{{Code: "no_name", Detail: "write to somebody, by name"}}}
	if rs := r.judge(s.From, s.To, text.Refusals()); len(rs) > 0 {
		entry := mailroom.AuditEntry{ID: string(r.id()), At: r.now, Kind: "send", Sender: s.From, Recipient: s.To}
		for _, refused := range rs {
			entry.Refusals = append(entry.Refusals, refused.Code)
		}
		r.audit = append(r.audit, entry)
		answer = mailroom.Accepted{Err: rs[0].Tell()}
	} else {
		m, receipt := domain.New(domain.InMail{ID: r.id(), Sender: s.From, Recipient: s.To, Subject: text.Subject, Body: s.Body,
			Preview: text.Preview(), Tags: s.Tags, Category: s.Category, CRM: s.CRM}, r.now)
		r.inmails[m.ID], r.receipts[m.ID] = m, []domain.Receipt{receipt}
		answer.ID = m.ID
	}
	r.answers[key], r.asked[key] = answer, s
	return answer, nil
}

// apply moves an InMail, as deliveries and clocks do.
func (r *room) apply(id domain.ID, e domain.Event, reason domain.Code) {
	r.mu.Lock()
	defer r.mu.Unlock()
	receipts, err := r.inmails[id].Apply(e, r.now, reason)
	if err != nil {
		panic(err)
	}
	r.receipts[id] = append(r.receipts[id], receipts...)
}

func (r *room) Preflight(_ context.Context, from domain.MemberID, to []domain.MemberID, text *mailroom.Draft) ([]mailroom.Check, error) {
	leave, err := r.enter()
	defer leave()
	var content []*domain.Refusal
	if text != nil {
		content = domain.ReadText(text.Subject, text.Body, text.Attachments).Refusals()
	}
	checks := make([]mailroom.Check, len(to))
	for i, id := range to {
		checks[i] = mailroom.Check{To: id}
		for _, refused := range r.judge(from, id, content) {
			checks[i].Refusals = append(checks[i].Refusals, refused.Tell())
		}
		checks[i].OK = len(checks[i].Refusals) == 0
		if _, ok := r.members[from]; ok {
			checks[i].Credits = domain.CreditsAt(r.now, domain.Account{AnchorDay: 1, Allowance: 10}, 0)
		}
	}
	return checks, err
}

func (r *room) Totals(_ context.Context, _ domain.MemberID, checks []mailroom.Check) (mailroom.Totals, error) {
	leave, err := r.enter()
	defer leave()
	t := mailroom.Totals{Recipients: len(checks), Refused: map[domain.Code]int{}, Available: 1}
	for _, c := range checks {
		if c.OK {
			t.OK, t.Needed, t.EnoughAt = t.OK+1, t.Needed+1, r.now
		} else {
			t.Refused[c.Refusals[0].Code]++
		}
	}
	return t, err
}

func (r *room) person(id domain.MemberID) mailroom.Person {
	m, ok := r.members[id]
	if !ok {
		return mailroom.Person{ID: domain.Erased, Name: string(domain.Erased)}
	}
	return mailroom.Person{ID: m.ID, Name: m.Name, PhotoURL: m.PhotoURL}
}

// find returns an InMail and on which side of it a viewer stands.
func (r *room) find(v mailroom.Viewer, id domain.ID) (m *domain.InMail, recipient bool, err error) {
	m = r.inmails[id]
	if m == nil || !v.Operator && v.Member != m.Sender && (v.Member != m.Recipient || m.SentAt.IsZero()) {
		return nil, false, noInMail()
	}
	return m, !v.Operator && v.Member == m.Recipient, nil
}

func (r *room) entry(m *domain.InMail) mailroom.InboxItem {
	i := mailroom.InboxItem{ID: m.ID, Kind: mailroom.KindInMail, InMail: m.ID, From: r.person(m.Sender), Subject: m.Subject, Preview: m.Preview,
		Unread: m.OpenedAt.IsZero(), Status: m.StatusAt(r.now), SentAt: m.SentAt}
	if i.Unread {
		i.ExpiresAt = m.ExpiresAt
	}
	return i
}

func (r *room) view(m *domain.InMail, v mailroom.Viewer) mailroom.View {
	view := mailroom.View{InMail: m, Status: m.StatusAt(r.now), Reason: m.Reason.Tell(), From: r.person(m.Sender), To: r.person(m.Recipient)}
	if v.Operator {
		view.Reason = m.Reason
	}
	for _, l := range r.links {
		if l.InMail == m.ID {
			view.Link = &l
		}
	}
	return view
}

func (r *room) View(_ context.Context, v mailroom.Viewer, id domain.ID) (mailroom.View, error) {
	leave, err := r.enter()
	defer leave()
	if err != nil {
		return mailroom.View{}, err
	}
	m, recipient, err := r.find(v, id)
	if err != nil {
		return mailroom.View{}, err
	}
	if recipient {
		entry := r.entry(m)
		return mailroom.View{InMail: m, Entry: &entry}, m.Gone(r.now)
	}
	view := r.view(m, v)
	view.Receipts = m.Path(slices.Clone(r.receipts[id]), r.now)
	for i := range view.Receipts {
		if !v.Operator {
			view.Receipts[i].Reason = view.Receipts[i].Reason.Tell()
		}
	}
	return view, nil
}

func (r *room) Sent(_ context.Context, member domain.MemberID, f mailroom.Filter, p mailroom.Page) ([]mailroom.View, error) {
	leave, err := r.enter()
	defer leave()
	if _, ok := r.members[member]; err == nil && !ok {
		return nil, noMember()
	}
	var views []mailroom.View
	for _, m := range r.inmails {
		if m.Sender == member && (f.Status == "" || m.StatusAt(r.now) == f.Status) && (f.Tag == "" || slices.Contains(m.Tags, f.Tag)) &&
			(f.ExpiresBefore.IsZero() || m.Status == domain.Sent && m.ExpiresAt.Before(f.ExpiresBefore)) {
			views = append(views, r.view(m, mailroom.Viewer{Member: member}))
		}
	}
	return paged(views, p, func(v mailroom.View) mailroom.Cursor {
		return mailroom.Cursor{At: v.InMail.AcceptedAt, ID: string(v.InMail.ID)}
	}), err
}

func (r *room) Inbox(_ context.Context, member domain.MemberID, f mailroom.Filter, p mailroom.Page) (mailroom.InboxPage, error) {
	leave, err := r.enter()
	defer leave()
	if _, ok := r.members[member]; err == nil && !ok {
		return mailroom.InboxPage{}, noMember()
	}
	var entries []mailroom.InboxItem
	unread := 0
	for _, m := range r.inmails {
		if m.Recipient == member && m.Live(r.now) && (f.Status == "" || m.StatusAt(r.now) == f.Status) && (f.Tag == "" || slices.Contains(m.Tags, f.Tag)) {
			e := r.entry(m)
			if entries = append(entries, e); e.Unread {
				unread++
			}
		}
		for _, reply := range r.replies[m.ID] {
			if reply.From.ID != member && (m.Sender == member || m.Recipient == member) {
				entries = append(entries, mailroom.InboxItem{ID: reply.ID, Kind: mailroom.KindReply, InMail: m.ID, From: reply.From, Subject: m.Subject,
					Preview: reply.Body, Unread: true, Status: m.Status, SentAt: reply.At})
				unread++
			}
		}
	}
	shown := paged(entries, mailroom.Page{Limit: p.Limit + 1, After: p.After},
		func(i mailroom.InboxItem) mailroom.Cursor { return mailroom.Cursor{At: i.SentAt, ID: string(i.ID)} })
	page := mailroom.InboxPage{Items: shown[:min(len(shown), p.Limit)], Unread: unread, More: len(shown) > p.Limit}
	return page, err
}

// side finds an InMail for the side that may do something with it.
func (r *room) side(v mailroom.Viewer, id domain.ID, recipientMay bool) (*domain.InMail, error) {
	m, recipient, err := r.find(v, id)
	if err == nil && recipient != recipientMay {
		err = domain.Refuse(domain.Forbidden, "only the other side of this InMail may do this")
	}
	return m, err
}

func (r *room) Open(_ context.Context, v mailroom.Viewer, id domain.ID) (mailroom.OpenedInMail, error) {
	leave, err := r.enter()
	defer leave()
	if err != nil {
		return mailroom.OpenedInMail{}, err
	}
	m, err := r.side(v, id, true)
	if err != nil {
		return mailroom.OpenedInMail{}, err
	}
	receipts, err := m.Apply(domain.EventOpen, r.now, "")
	r.receipts[id] = append(r.receipts[id], receipts...)
	return mailroom.OpenedInMail{ID: id, Subject: m.Subject, Body: m.Body, BodyHTML: domain.ReadText("", m.Body, false).Body.HTML(),
		From: r.person(m.Sender), OpenedAt: m.OpenedAt, Replies: r.replies[id]}, err
}

func (r *room) Reply(_ context.Context, v mailroom.Viewer, id domain.ID, body string) (domain.ID, error) {
	leave, err := r.enter()
	defer leave()
	if err != nil {
		return "", err
	}
	m, recipient, err := r.find(v, id)
	if err != nil {
		return "", err
	}
	if err := m.MayReply(v.Member, r.now); err != nil {
		return "", err
	}
	if _, blocked := r.pairs[fmt.Sprint("block", mailroom.Pair{From: m.Sender, To: m.Recipient})]; blocked {
		return "", domain.Refuse(domain.Blocked, "one of the two has blocked the other").Tell()
	}
	if rs := domain.CheckBody(body, domain.ReadText("", body, false).Body); len(rs) > 0 {
		return "", rs[0]
	}
	if recipient {
		receipts, err := m.Apply(domain.EventReply, r.now, "")
		if err != nil {
			return "", err
		}
		r.receipts[id] = append(r.receipts[id], receipts...)
	}
	view := mailroom.ReplyView{ID: r.id(), From: r.person(v.Member), Body: body, BodyHTML: "<p>" + body + "</p>", At: r.now}
	r.replies[id] = append(r.replies[id], view)
	return view.ID, nil
}

func (r *room) Replies(_ context.Context, v mailroom.Viewer, id domain.ID, p mailroom.Page) ([]mailroom.ReplyView, error) {
	leave, err := r.enter()
	defer leave()
	if _, _, missing := r.find(v, id); err == nil && missing != nil {
		return nil, missing
	}
	found := slices.DeleteFunc(slices.Clone(r.replies[id]), func(v mailroom.ReplyView) bool {
		return p.After != (mailroom.Cursor{}) && cmp.Or(v.At.Compare(p.After.At), strings.Compare(string(v.ID), p.After.ID)) <= 0
	})
	return found[:min(len(found), p.Limit)], err
}

func (r *room) Report(_ context.Context, v mailroom.Viewer, id domain.ID, _ string) error {
	leave, err := r.enter()
	defer leave()
	if err != nil {
		return err
	}
	if _, err := r.side(v, id, true); err != nil {
		return err
	}
	if r.reported[id] {
		return domain.Refuse(domain.Conflict, "you have reported this InMail already")
	}
	r.reported[id] = true
	return nil
}

func (r *room) AskRetraction(_ context.Context, v mailroom.Viewer, id domain.ID) (string, time.Time, bool, error) {
	leave, err := r.enter()
	defer leave()
	if err != nil {
		return "", time.Time{}, false, err
	}
	m, err := r.side(v, id, false)
	if err != nil {
		return "", time.Time{}, false, err
	}
	undone, err := m.AskRetraction(r.now, r.policy)
	expires := r.now.Add(domain.ConfirmFor)
	return domain.ConfirmToken(confirmKey, id, expires), expires, undone, err
}

func (r *room) ConfirmRetraction(_ context.Context, v mailroom.Viewer, id domain.ID, token string) (bool, error) {
	leave, err := r.enter()
	defer leave()
	if err != nil {
		return false, err
	}
	m, err := r.side(v, id, false)
	if err != nil {
		return false, err
	}
	if err := domain.CheckToken(confirmKey, id, token, r.now); err != nil {
		return false, err
	}
	receipts, err := m.Apply(domain.EventRetract, r.now, "")
	r.receipts[id] = append(r.receipts[id], receipts...)
	return m.Undone, err
}

func (r *room) Tag(_ context.Context, v mailroom.Viewer, id domain.ID, tags []string) ([]string, error) {
	leave, err := r.enter()
	defer leave()
	if err != nil {
		return nil, err
	}
	m, err := r.side(v, id, false)
	if err != nil {
		return nil, err
	}
	m.Tags, err = domain.NormalTags(tags)
	return m.Tags, err
}

func (r *room) SetCRM(_ context.Context, v mailroom.Viewer, id domain.ID, ids domain.CRMIDs) (domain.CRMIDs, error) {
	leave, err := r.enter()
	defer leave()
	if err != nil {
		return ids, err
	}
	m, err := r.side(v, id, false)
	if err != nil {
		return ids, err
	}
	m.CRM = ids
	return ids, nil
}

func (r *room) Credits(_ context.Context, member domain.MemberID) (domain.Member, domain.Credits, error) {
	leave, err := r.enter()
	defer leave()
	m, ok := r.members[member]
	if err == nil && !ok {
		err = noMember()
	}
	return m, domain.CreditsAt(r.now, domain.Account{AnchorDay: 1, Allowance: 10}, 0), err
}

func (r *room) Standing(_ context.Context, member domain.MemberID) (s spam.Standing, err error) {
	leave, err := r.enter()
	defer leave()
	if _, ok := r.members[member]; err == nil && !ok {
		return s, noMember()
	}
	var active *spam.Restriction
	for _, p := range r.penalty {
		if p.Member == member && p.UndoneAt.IsZero() {
			active = &p.Restriction
		}
	}
	return spam.StandingOf(r.now, spam.Signals{Sends: []time.Time{r.now.Add(-time.Minute)}}, spam.DefaultLimits(), active), err
}

func (r *room) Analytics(_ context.Context, by string, _, _ time.Time) (mailroom.Report, error) {
	leave, err := r.enter()
	defer leave()
	report := r.report
	report.By, report.Open, report.Response, report.WindowDays = by, rates.OpenRate, rates.ResponseRate, 30
	return report, err
}

func (r *room) Audit(_ context.Context, sender domain.MemberID, p mailroom.Page) ([]mailroom.AuditEntry, error) {
	leave, err := r.enter()
	defer leave()
	mine := slices.DeleteFunc(slices.Clone(r.audit), func(e mailroom.AuditEntry) bool { return sender != "" && e.Sender != sender })
	return paged(mine, p, func(e mailroom.AuditEntry) mailroom.Cursor { return mailroom.Cursor{At: e.At, ID: e.ID} }), err
}

func (r *room) CRMStatus(context.Context) (mailroom.CRMStatus, error) {
	leave, err := r.enter()
	defer leave()
	return mailroom.CRMStatus{Pause: r.paused, Backlog: mailroom.Backlog{Unsynced: len(r.links), OldestUnsynced: r.now.Add(-90 * time.Second),
		Dead: map[domain.FailureClass]int{domain.BadData: len(r.links)}}, Drift: mailroom.Drift{At: r.now, Kinds: map[string]int{"missing": 1}}, Runs: maps.Clone(r.runs)}, err
}

func (r *room) CRMFailures(_ context.Context, p mailroom.Page) ([]domain.Link, error) {
	leave, err := r.enter()
	defer leave()
	return paged(slices.Clone(r.links), p, failurePlace), err
}

func (r *room) RetryCRM(_ context.Context, id domain.ID, class domain.FailureClass) (int, error) {
	leave, err := r.enter()
	defer leave()
	n := 0
	for _, l := range r.links {
		if (id == "" || l.InMail == id) && (class == "" || l.Class == class) {
			n++
		}
	}
	if err == nil && id != "" && n == 0 {
		err = noInMail()
	}
	return n, err
}

func (r *room) AskRun(_ context.Context, kind mailroom.RunKind) (domain.ID, error) {
	leave, err := r.enter()
	defer leave()
	if r.runs == nil {
		r.runs = map[mailroom.RunKind]mailroom.Run{}
	}
	if run, ok := r.runs[kind]; ok && run.EndedAt.IsZero() {
		return run.ID, err
	}
	run := mailroom.Run{ID: r.id(), AskedAt: r.now}
	r.runs[kind] = run
	return run.ID, err
}

func (r *room) PauseCRM(_ context.Context, why string, until time.Time) error {
	leave, err := r.enter()
	defer leave()
	r.paused = &mailroom.Pause{Why: why, Since: r.now, Until: until}
	return err
}

func (r *room) ResumeCRM(context.Context) error {
	leave, err := r.enter()
	defer leave()
	r.paused = nil
	return err
}

// Import keeps what it read and reports the second of its lines.
func (r *room) Import(_ context.Context, in io.Reader, _ func(int)) (mailroom.ImportReport, error) {
	leave, err := r.enter()
	defer leave()
	if err != nil {
		return mailroom.ImportReport{}, err
	}
	b, err := io.ReadAll(in)
	r.imported = string(b)
	lines := strings.Count(r.imported, "\n")
	return mailroom.ImportReport{Lines: lines, Accepted: lines - 1, Rejected: []mailroom.Rejected{{Line: 2, Code: domain.BadRequest, Detail: "syntax error at byte 3"}}}, err
}
