package httpapi

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
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

// fakeService is the use cases in memory, for the tests of this package alone. It decides by the same pure
// rules of the domain, without credits, figures or a record. The program's own tests run the API over the
// real use cases and the real record.
type fakeService struct {
	mu     sync.Mutex
	now    time.Time
	next   int
	fault  error // answers every call, when it is set
	panics any   // every call panics with it, when it is set

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
	acts     []mailroom.Act
	noActs   error // answers NoteAct, when it is set
	links    []domain.Link
	penalty  []mailroom.RestrictionRow
	undone   string // the reason of the last undo
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

func newFakeService() *fakeService {
	return &fakeService{now: epoch, members: map[domain.MemberID]domain.Member{}, pairs: map[string]mailroom.Pair{}, keys: map[[32]byte]mailroom.Key{},
		inmails: map[domain.ID]*domain.InMail{}, receipts: map[domain.ID][]domain.Receipt{}, replies: map[domain.ID][]mailroom.ReplyView{},
		reported: map[domain.ID]bool{}, answers: map[mailroom.AnswerKey]mailroom.Accepted{}, asked: map[mailroom.AnswerKey]mailroom.Send{}, policy: domain.HideOpened}
}

// enter locks the service for one call and returns the function that unlocks it.
func (f *fakeService) enter() (func(), error) {
	f.mu.Lock()
	if f.panics != nil {
		defer f.mu.Unlock()
		panic(f.panics)
	}
	return f.mu.Unlock, f.fault
}

func (f *fakeService) id() domain.ID {
	f.next++
	return domain.ID(fmt.Sprintf("019abf5e-8c00-7000-8000-%012x", f.next))
}

func (f *fakeService) Now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func (f *fakeService) advance(_ context.Context, d time.Duration) (time.Time, error) {
	leave, err := f.enter()
	defer leave()
	f.now = f.now.Add(d)
	return f.now, err
}

func (f *fakeService) Authenticate(_ context.Context, key string) (mailroom.Key, error) {
	leave, err := f.enter()
	defer leave()
	f.authentications++
	k, ok := f.keys[sha256.Sum256([]byte(key))]
	if err == nil && !ok {
		err = mailroom.ErrNoKey
	}
	return k, err
}

func (f *fakeService) CreateKey(_ context.Context, v mailroom.Viewer, n mailroom.NewKey) (string, string, error) {
	leave, err := f.enter()
	defer leave()
	if err != nil {
		return "", "", err
	}
	if (n.Role == mailroom.RoleMember) != (n.Member != "") {
		return "", "", domain.Refuse(domain.BadRequest, "a member key names its member, an operator key none")
	}
	if _, ok := f.members[n.Member]; n.Member != "" && !ok {
		return "", "", noMember()
	}
	id := string(f.id())
	key := mailroom.KeyPrefix + id
	f.keys[sha256.Sum256([]byte(key))] = mailroom.Key{ID: id, Role: n.Role, Member: n.Member, CreatedAt: f.now,
		Name: n.Name, ExpiresAt: n.ExpiresAt, ReadOnly: n.ReadOnly, CreatedBy: v.KeyID}
	return id, key, nil
}

func (f *fakeService) NoteUses(_ context.Context, ago map[string]time.Duration) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for hash, k := range f.keys {
		if d, ok := ago[k.ID]; ok {
			k.LastUsedAt = f.now.Add(-d).Truncate(time.Minute)
			f.keys[hash] = k
		}
	}
	return nil
}

func (f *fakeService) MakeSignInLink(_ context.Context, key mailroom.Key, member domain.MemberID) (string, time.Time, error) {
	leave, err := f.enter()
	defer leave()
	return "link-of-" + key.ID + string(member), f.now.Add(mailroom.LinkFor), err
}

func (f *fakeService) Keys(_ context.Context, p mailroom.Page) ([]mailroom.Key, error) {
	leave, err := f.enter()
	defer leave()
	return paged(slices.Collect(maps.Values(f.keys)), p, func(k mailroom.Key) mailroom.Cursor { return mailroom.Cursor{At: k.CreatedAt, ID: k.ID} }), err
}

func (f *fakeService) DeleteKey(_ context.Context, id string) error {
	leave, err := f.enter()
	defer leave()
	n := len(f.keys)
	operators := slices.DeleteFunc(slices.Collect(maps.Values(f.keys)),
		func(k mailroom.Key) bool { return k.Role != mailroom.RoleOperator || k.ReadOnly })
	if err == nil && len(operators) == 1 && operators[0].ID == id {
		return domain.Refuse(domain.Conflict, "the last operator key stays")
	}
	maps.DeleteFunc(f.keys, func(_ [32]byte, k mailroom.Key) bool { return k.ID == id })
	if err == nil && len(f.keys) == n {
		err = domain.Refuse(domain.NotFound, "there is no key with this id")
	}
	return err
}

// paged sorts newest first, by time and id, and returns one page.
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

func (f *fakeService) PutMembers(_ context.Context, ms []domain.Member) ([]error, error) {
	leave, err := f.enter()
	defer leave()
	errs := make([]error, len(ms))
	for i := range ms {
		if errs[i] = ms[i].Validate(domain.ShippedPlans()); errs[i] == nil && err == nil {
			f.members[ms[i].ID] = ms[i]
		}
	}
	return errs, err
}

func (f *fakeService) ChangeMember(_ context.Context, id domain.MemberID, change func(*domain.Member) error) (domain.Member, error) {
	leave, err := f.enter()
	defer leave()
	m, ok := f.members[id]
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
		f.members[id] = m
	}
	return m, err
}

func (f *fakeService) Member(_ context.Context, id domain.MemberID) (domain.Member, error) {
	leave, err := f.enter()
	defer leave()
	m, ok := f.members[id]
	if err == nil && !ok {
		err = noMember()
	}
	return m, err
}

func (f *fakeService) Export(_ context.Context, id domain.MemberID) (mailroom.Export, error) {
	leave, err := f.enter()
	defer leave()
	m, ok := f.members[id]
	if err == nil && !ok {
		err = noMember()
	}
	e := mailroom.Export{At: f.now, Member: m, Credits: domain.Credits{Allowance: 10, Remaining: 10, PeriodStart: f.now, PeriodEnd: f.now}}
	e.Holdings = mailroom.Holdings{Connections: []domain.MemberID{"kim"}, Blocks: []domain.MemberID{"sam"}, Strikes: []time.Time{f.now},
		Periods: []mailroom.ExportedPeriod{{Start: f.now, Used: 1}}, Reports: []mailroom.ExportedReport{{InMail: "019abf5e-8c00-7000-8000-000000000001", At: f.now, Reason: "x"}},
		Keys: []mailroom.Key{{ID: "k1", Hash: [32]byte{7}, Role: mailroom.RoleMember, Member: id, CreatedAt: f.now}},
		Bans: []domain.Ban{{Kind: domain.BanMember, Value: string(id), Reason: "x", At: f.now}}}
	for _, row := range f.penalty {
		if row.Member == id {
			e.Restrictions = append(e.Restrictions, row)
		}
	}
	for _, im := range f.inmails {
		if im.Sender == id || im.Recipient == id && !im.SentAt.IsZero() {
			e.InMails = append(e.InMails, mailroom.ExportedInMail{InMail: im, Status: im.StatusAt(f.now), From: f.person(im.Sender), To: f.person(im.Recipient),
				Receipts: f.receipts[im.ID], Replies: []*domain.Reply{{ID: im.ID, InMail: im.ID, From: im.Recipient, Body: "a reply", At: f.now}}})
		}
	}
	return e, err
}

func (f *fakeService) Erase(_ context.Context, _ mailroom.Viewer, id domain.MemberID) error {
	leave, err := f.enter()
	defer leave()
	if _, ok := f.members[id]; err == nil && !ok {
		return noMember()
	}
	delete(f.members, id)
	maps.DeleteFunc(f.keys, func(_ [32]byte, k mailroom.Key) bool { return k.Member == id })
	return err
}

func (f *fakeService) relate(what string, pairs []mailroom.Pair, there bool) ([]error, error) {
	leave, err := f.enter()
	defer leave()
	errs := make([]error, len(pairs))
	for i, p := range pairs {
		_, a := f.members[p.From]
		_, b := f.members[p.To]
		if !a || !b {
			errs[i] = noMember()
			continue
		}
		if delete(f.pairs, fmt.Sprint(what, p)); there {
			f.pairs[fmt.Sprint(what, p)] = p
		}
	}
	return errs, err
}

func (f *fakeService) Connect(_ context.Context, ps []mailroom.Pair) ([]error, error) {
	return f.relate("connect", ps, true)
}
func (f *fakeService) Disconnect(_ context.Context, ps []mailroom.Pair) ([]error, error) {
	return f.relate("connect", ps, false)
}
func (f *fakeService) Block(_ context.Context, ps []mailroom.Pair) ([]error, error) {
	return f.relate("block", ps, true)
}
func (f *fakeService) Unblock(_ context.Context, ps []mailroom.Pair) ([]error, error) {
	return f.relate("block", ps, false)
}

func (f *fakeService) Ban(_ context.Context, v mailroom.Viewer, b domain.Ban) error {
	leave, err := f.enter()
	defer leave()
	if err == nil && b.Kind != domain.BanMember && b.Kind != domain.BanCompany {
		return domain.Refuse(domain.BadRequest, "the kind of a ban is member or company")
	}
	b.By, b.At = v.KeyID, f.now
	f.banned = append(f.banned, b)
	return err
}

func (f *fakeService) Unban(_ context.Context, _ mailroom.Viewer, kind domain.BanKind, value string) error {
	leave, err := f.enter()
	defer leave()
	n := len(f.banned)
	f.banned = slices.DeleteFunc(f.banned, func(b domain.Ban) bool { return b.Kind == kind && b.Value == value })
	if err == nil && len(f.banned) == n {
		return domain.Refuse(domain.NotFound, "this is not on the list")
	}
	return err
}

func (f *fakeService) Bans(_ context.Context, p mailroom.Page) ([]domain.Ban, error) {
	leave, err := f.enter()
	defer leave()
	return paged(slices.Clone(f.banned), p, func(b domain.Ban) mailroom.Cursor {
		return mailroom.Cursor{At: b.At, ID: string(b.Kind) + ":" + b.Value}
	}), err
}

func (f *fakeService) Restrictions(_ context.Context, member domain.MemberID) (list []mailroom.DecidedRestriction, err error) {
	leave, err := f.enter()
	defer leave()
	for _, p := range f.penalty {
		if p.Member == member {
			row := mailroom.DecidedRestriction{RestrictionRow: p, Decision: &spam.Decision{Version: spam.BehaviourVersion,
				Signals: spam.Signals{Sends: make([]time.Time, 20), Reporters: 1, Deliveries: 64}}}
			if !p.UndoneAt.IsZero() {
				row.Undo = &mailroom.Undo{By: "k1", Reason: f.undone}
			}
			list = append(list, row)
		}
	}
	return list, err
}

func (f *fakeService) HoldingRestrictions(_ context.Context, p mailroom.Page) (list []mailroom.DecidedRestriction, err error) {
	leave, err := f.enter()
	defer leave()
	for _, r := range f.penalty {
		if r.UndoneAt.IsZero() && r.Until.After(f.now) && (r.Until.After(p.After.At) || r.Until.Equal(p.After.At) && r.ID > p.After.ID) {
			list = append(list, mailroom.DecidedRestriction{RestrictionRow: r})
		}
	}
	slices.SortFunc(list, func(a, b mailroom.DecidedRestriction) int {
		return cmp.Or(a.Until.Compare(b.Until), cmp.Compare(a.ID, b.ID))
	})
	return list[:min(len(list), p.Limit)], err
}

// Replay answers for the restrictions and the audit entries that the test stored.
func (f *fakeService) Replay(_ context.Context, id string, o mailroom.OtherSettings) (mailroom.Replayed, error) {
	leave, err := f.enter()
	defer leave()
	for _, p := range f.penalty {
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
	if slices.ContainsFunc(f.audit, func(e mailroom.AuditEntry) bool { return e.ID == id }) {
		return mailroom.Replayed{}, cmp.Or(err, error(domain.Refuse(domain.Conflict, "this decision keeps nothing to decide again from")))
	}
	return mailroom.Replayed{}, cmp.Or(err, error(domain.Refuse(domain.NotFound, "there is no such decision")))
}

func (f *fakeService) UndoRestriction(_ context.Context, _ mailroom.Viewer, id, reason string) error {
	leave, err := f.enter()
	defer leave()
	for i := range f.penalty {
		if f.penalty[i].ID == id && f.penalty[i].UndoneAt.IsZero() {
			f.penalty[i].UndoneAt, f.undone = f.now, reason
			return err
		}
	}
	return cmp.Or(err, error(domain.Refuse(domain.NotFound, "there is no such restriction in force")))
}

func (f *fakeService) judge(from, to domain.MemberID, content []*domain.Refusal) []*domain.Refusal {
	c := domain.Case{Now: f.now, From: from, To: to, Left: 5, Content: content}
	if m, ok := f.members[from]; ok {
		c.Sender = &m
	}
	if m, ok := f.members[to]; ok {
		c.Recipient = &m
	}
	_, c.Connected = f.pairs[fmt.Sprint("connect", mailroom.Pair{From: from, To: to})]
	_, c.Blocked = f.pairs[fmt.Sprint("block", mailroom.Pair{From: to, To: from})]
	for _, b := range f.banned {
		c.Banned = c.Banned || b.Value == string(to)
	}
	for _, p := range f.penalty {
		if p.Member == from && p.UndoneAt.IsZero() {
			c.Restricted, c.Why = p.Until, p.Trigger
		}
	}
	return c.Refusals()
}

func (f *fakeService) Accept(_ context.Context, s mailroom.Send) (mailroom.Accepted, error) {
	leave, err := f.enter()
	defer leave()
	if err != nil {
		return mailroom.Accepted{}, err
	}
	if s.Tags, err = domain.NormalTags(s.Tags); err != nil {
		return mailroom.Accepted{Err: err}, nil
	}
	if s.CRM, err = judged(s.CRM); err != nil {
		return mailroom.Accepted{Err: err}, nil
	}
	key := mailroom.NewAnswerKey(s.From, s.Key)
	if first, again := f.answers[key]; again && s.Key != "" {
		if fmt.Sprint(f.asked[key]) != fmt.Sprint(s) {
			return mailroom.Accepted{Err: domain.Refuse(domain.IdempotencyConflict, "this key was used for another InMail")}, nil
		}
		return first, nil
	}
	text := domain.ReadText(s.Subject, s.Body, s.Attachments)
	answer := mailroom.Accepted{Advice: []advice.Hit{{Code: "no_name", Detail: "write to somebody, by name"}}}
	if rs := f.judge(s.From, s.To, text.Refusals()); len(rs) > 0 {
		entry := mailroom.AuditEntry{ID: string(f.id()), At: f.now, Kind: "send", Sender: s.From, Recipient: s.To, Count: 1, LastAt: f.now}
		for _, refused := range rs {
			entry.Refusals = append(entry.Refusals, refused.Code)
		}
		f.audit = append(f.audit, entry)
		answer = mailroom.Accepted{Err: rs[0].ForSender()}
	} else {
		m, receipt := domain.New(domain.InMail{ID: f.id(), Sender: s.From, Recipient: s.To, Subject: text.Subject, Body: s.Body,
			Preview: text.Preview(), Tags: s.Tags, Category: s.Category, CRM: s.CRM}, f.now)
		f.inmails[m.ID], f.receipts[m.ID] = m, []domain.Receipt{receipt}
		answer.ID = m.ID
	}
	f.answers[key], f.asked[key] = answer, s
	return answer, nil
}

// apply moves an InMail, as deliveries and clocks do.
func (f *fakeService) apply(id domain.ID, e domain.Event, reason domain.Code) {
	f.mu.Lock()
	defer f.mu.Unlock()
	receipts, err := f.inmails[id].Apply(e, f.now, reason)
	if err != nil {
		panic(err)
	}
	f.receipts[id] = append(f.receipts[id], receipts...)
}

func (f *fakeService) Preflight(_ context.Context, from domain.MemberID, to []domain.MemberID, text *mailroom.Send) (mailroom.Campaign, error) {
	leave, err := f.enter()
	defer leave()
	var content []*domain.Refusal
	if text != nil {
		if _, err := judged(text.CRM); err != nil {
			return mailroom.Campaign{}, err
		}
		content = domain.ReadText(text.Subject, text.Body, text.Attachments).Refusals()
	}
	listed := map[domain.MemberID]bool{}
	campaign := mailroom.Campaign{Totals: mailroom.Totals{Refused: map[domain.Code]int{}, Available: 1}}
	t := &campaign.Totals
	for i, id := range to {
		if listed[id] {
			t.Doubles++
			continue
		}
		listed[id] = true
		c := mailroom.Check{Place: i + 1, To: id}
		var refused *domain.Refusal
		if errors.As(id.Validate(), &refused) {
			c.Refusals = []*domain.Refusal{refused}
		} else {
			for _, refused := range f.judge(from, id, content) {
				c.Refusals = append(c.Refusals, refused.ForSender())
			}
			if _, ok := f.members[from]; ok {
				c.Credits = domain.CreditsAt(f.now, domain.Account{AnchorDay: 1, Allowance: 10}, 0)
			}
		}
		if t.Recipients++; len(c.Refusals) == 0 {
			c.OK = true
			t.OK, t.OKNow, t.Needed, t.EnoughAt = t.OK+1, t.OKNow+1, t.Needed+1, f.now
		} else {
			t.Refused[c.Refusals[0].Code]++
		}
		campaign.Checks = append(campaign.Checks, c)
	}
	return campaign, err
}

func (f *fakeService) FindMembers(_ context.Context, v mailroom.Viewer, q mailroom.MemberQuery, p mailroom.Page) (found []*domain.Member, err error) {
	leave, err := f.enter()
	defer leave()
	if q.Restricted && !v.Operator {
		return nil, domain.Refuse(domain.Forbidden, "who is restricted is for operators")
	}
	for _, m := range f.members {
		if (v.Operator || m.ProfileVisible && m.ProfileShared) && !q.Restricted && strings.Contains(domain.NameKey(m.Name), domain.NameKey(q.Text)) &&
			mailroom.NameCursorOf(&m).ID > p.After.ID {
			found = append(found, &m)
		}
	}
	slices.SortFunc(found, func(a, b *domain.Member) int {
		return cmp.Compare(mailroom.NameCursorOf(a).ID, mailroom.NameCursorOf(b).ID)
	})
	return found[:min(len(found), p.Limit)], err
}

func (f *fakeService) person(id domain.MemberID) mailroom.Person {
	m, ok := f.members[id]
	if !ok {
		return mailroom.Person{ID: domain.Erased, Name: string(domain.Erased)}
	}
	return mailroom.Person{ID: m.ID, Name: m.Name, PhotoURL: m.PhotoURL}
}

// find returns an InMail, and whether the viewer is its recipient.
func (f *fakeService) find(v mailroom.Viewer, id domain.ID) (m *domain.InMail, recipient bool, err error) {
	m = f.inmails[id]
	if m == nil || !v.Operator && v.Member != m.Sender && (v.Member != m.Recipient || m.SentAt.IsZero()) {
		return nil, false, noInMail()
	}
	return m, !v.Operator && v.Member == m.Recipient, nil
}

func (f *fakeService) entry(m *domain.InMail) mailroom.InboxItem {
	i := mailroom.InboxItem{ID: m.ID, Kind: mailroom.KindInMail, InMail: m.ID, From: f.person(m.Sender), Subject: m.Subject, Preview: m.Preview,
		Unread: m.OpenedAt.IsZero(), Status: m.StatusAt(f.now), SentAt: m.SentAt}
	if i.Unread {
		i.ExpiresAt = m.ExpiresAt
	}
	return i
}

func (f *fakeService) view(m *domain.InMail, v mailroom.Viewer) mailroom.View {
	view := mailroom.View{InMail: m, Status: m.StatusAt(f.now), Reason: m.Reason.ForSender(), From: f.person(m.Sender), To: f.person(m.Recipient)}
	if v.Operator {
		view.Reason = m.Reason
	}
	view.Links = map[domain.CRM]domain.Link{}
	for _, l := range f.links {
		if l.InMail == m.ID {
			view.Links[cmp.Or(l.CRM, "salesforce")] = l
		}
	}
	return view
}

func (f *fakeService) View(_ context.Context, v mailroom.Viewer, id domain.ID) (mailroom.View, error) {
	leave, err := f.enter()
	defer leave()
	if err != nil {
		return mailroom.View{}, err
	}
	m, recipient, err := f.find(v, id)
	if err != nil {
		return mailroom.View{}, err
	}
	if recipient {
		entry := f.entry(m)
		return mailroom.View{InMail: m, Entry: &entry}, m.Gone(f.now)
	}
	view := f.view(m, v)
	if !v.Operator {
		view.BodyHTML = domain.ReadText("", m.Body, false).Body.HTML()
	}
	view.Receipts = m.Path(slices.Clone(f.receipts[id]), f.now)
	for i := range view.Receipts {
		if !v.Operator {
			view.Receipts[i].Reason = view.Receipts[i].Reason.ForSender()
		}
	}
	return view, nil
}

func (f *fakeService) Sent(_ context.Context, member domain.MemberID, filter mailroom.Filter, p mailroom.Page) ([]mailroom.View, error) {
	leave, err := f.enter()
	defer leave()
	if _, ok := f.members[member]; err == nil && !ok {
		return nil, noMember()
	}
	var views []mailroom.View
	for _, m := range f.inmails {
		if m.Sender == member && (filter.Status == "" || m.StatusAt(f.now) == filter.Status) && (filter.Tag == "" || slices.Contains(m.Tags, filter.Tag)) &&
			(filter.ExpiresBefore.IsZero() || m.Status == domain.Sent && m.ExpiresAt.Before(filter.ExpiresBefore)) {
			views = append(views, f.view(m, mailroom.Viewer{Member: member}))
		}
	}
	return paged(views, p, func(v mailroom.View) mailroom.Cursor {
		return mailroom.Cursor{At: v.InMail.AcceptedAt, ID: string(v.InMail.ID)}
	}), err
}

func (f *fakeService) Inbox(_ context.Context, member domain.MemberID, filter mailroom.Filter, p mailroom.Page) (mailroom.InboxPage, error) {
	leave, err := f.enter()
	defer leave()
	if _, ok := f.members[member]; err == nil && !ok {
		return mailroom.InboxPage{}, noMember()
	}
	var entries []mailroom.InboxItem
	unread := 0
	for _, m := range f.inmails {
		if m.Recipient == member && m.Live(f.now) && (filter.Status == "" || m.StatusAt(f.now) == filter.Status) && (filter.Tag == "" || slices.Contains(m.Tags, filter.Tag)) {
			e := f.entry(m)
			if entries = append(entries, e); e.Unread {
				unread++
			}
		}
		for _, reply := range f.replies[m.ID] {
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

// side returns an InMail when the viewer is on the side that may act on it.
func (f *fakeService) side(v mailroom.Viewer, id domain.ID, recipientMay bool) (*domain.InMail, error) {
	m, recipient, err := f.find(v, id)
	if err == nil && recipient != recipientMay {
		err = domain.Refuse(domain.Forbidden, "only the other side of this InMail may do this")
	}
	return m, err
}

func (f *fakeService) Open(_ context.Context, v mailroom.Viewer, id domain.ID) (mailroom.OpenedInMail, error) {
	leave, err := f.enter()
	defer leave()
	if err != nil {
		return mailroom.OpenedInMail{}, err
	}
	m, err := f.side(v, id, true)
	if err != nil {
		return mailroom.OpenedInMail{}, err
	}
	receipts, err := m.Apply(domain.EventOpen, f.now, "")
	f.receipts[id] = append(f.receipts[id], receipts...)
	return mailroom.OpenedInMail{ID: id, Subject: m.Subject, Body: m.Body, BodyHTML: domain.ReadText("", m.Body, false).Body.HTML(),
		From: f.person(m.Sender), OpenedAt: m.OpenedAt, Replies: f.replies[id]}, err
}

func (f *fakeService) ReplyWith(_ context.Context, v mailroom.Viewer, id domain.ID, message mailroom.Message) (domain.ID, error) {
	body := message.Body
	leave, err := f.enter()
	defer leave()
	if err != nil {
		return "", err
	}
	m, recipient, err := f.find(v, id)
	if err != nil {
		return "", err
	}
	if err := m.MayReply(v.Member, f.now); err != nil {
		return "", err
	}
	if _, blocked := f.pairs[fmt.Sprint("block", mailroom.Pair{From: m.Sender, To: m.Recipient})]; blocked {
		return "", domain.Refuse(domain.Blocked, "one of the two has blocked the other").ForSender()
	}
	if rs := domain.CheckBody(body, domain.ReadText("", body, false).Body); len(rs) > 0 {
		return "", rs[0]
	}
	if recipient && !message.Automatic {
		receipts, err := m.Apply(domain.EventReply, f.now, "")
		if err != nil {
			return "", err
		}
		f.receipts[id] = append(f.receipts[id], receipts...)
	}
	view := mailroom.ReplyView{ID: f.id(), From: f.person(v.Member), Body: body, BodyHTML: "<p>" + body + "</p>", At: f.now, Automatic: message.Automatic}
	f.replies[id] = append(f.replies[id], view)
	return view.ID, nil
}

func (f *fakeService) Decline(_ context.Context, v mailroom.Viewer, id domain.ID, reason string) error {
	leave, err := f.enter()
	defer leave()
	if err != nil {
		return err
	}
	m, err := f.side(v, id, true)
	if err != nil {
		return err
	}
	receipts, err := m.Apply(domain.EventDecline, f.now, "")
	if len(receipts) > 0 {
		m.DeclineReason = reason
	}
	f.receipts[id] = append(f.receipts[id], receipts...)
	return err
}

func (f *fakeService) MarkAutomatic(_ context.Context, v mailroom.Viewer, id, reply domain.ID, automatic bool) error {
	leave, err := f.enter()
	defer leave()
	if err != nil {
		return err
	}
	m, recipient, err := f.find(v, id)
	if err != nil || recipient {
		return cmp.Or(err, error(domain.Refuse(domain.Forbidden, "only the sender of this InMail or an operator may do this")))
	}
	i := slices.IndexFunc(f.replies[id], func(r mailroom.ReplyView) bool { return r.ID == reply })
	if i < 0 {
		return domain.Refuse(domain.NotFound, "this InMail has no such reply")
	}
	first := f.replies[id][i].At
	if automatic {
		first = time.Time{}
	}
	receipts, err := m.Correct(first, f.now)
	if err != nil {
		return err
	}
	f.replies[id][i].Automatic = automatic
	f.receipts[id] = append(f.receipts[id], receipts...)
	return nil
}

func (f *fakeService) Replies(_ context.Context, v mailroom.Viewer, id domain.ID, p mailroom.Page) ([]mailroom.ReplyView, error) {
	leave, err := f.enter()
	defer leave()
	if _, _, missing := f.find(v, id); err == nil && missing != nil {
		return nil, missing
	}
	found := slices.DeleteFunc(slices.Clone(f.replies[id]), func(v mailroom.ReplyView) bool {
		return p.After != (mailroom.Cursor{}) && cmp.Or(v.At.Compare(p.After.At), strings.Compare(string(v.ID), p.After.ID)) <= 0
	})
	return found[:min(len(found), p.Limit)], err
}

func (f *fakeService) Report(_ context.Context, v mailroom.Viewer, id domain.ID, _ string) error {
	leave, err := f.enter()
	defer leave()
	if err != nil {
		return err
	}
	if _, err := f.side(v, id, true); err != nil {
		return err
	}
	if f.reported[id] {
		return domain.Refuse(domain.Conflict, "you have reported this InMail already")
	}
	f.reported[id] = true
	return nil
}

func (f *fakeService) AskRetraction(_ context.Context, v mailroom.Viewer, id domain.ID) (string, time.Time, bool, error) {
	leave, err := f.enter()
	defer leave()
	if err != nil {
		return "", time.Time{}, false, err
	}
	m, err := f.side(v, id, false)
	if err != nil {
		return "", time.Time{}, false, err
	}
	undone, err := m.AskRetraction(f.now, f.policy)
	expires := f.now.Add(domain.ConfirmFor)
	return domain.ConfirmToken(confirmKey, id, expires), expires, undone, err
}

func (f *fakeService) ConfirmRetraction(_ context.Context, v mailroom.Viewer, id domain.ID, token string) (bool, error) {
	leave, err := f.enter()
	defer leave()
	if err != nil {
		return false, err
	}
	m, err := f.side(v, id, false)
	if err != nil {
		return false, err
	}
	if err := domain.CheckToken(confirmKey, id, token, f.now); err != nil {
		return false, err
	}
	receipts, err := m.Apply(domain.EventRetract, f.now, "")
	f.receipts[id] = append(f.receipts[id], receipts...)
	return m.Undone, err
}

func (f *fakeService) Tag(_ context.Context, v mailroom.Viewer, id domain.ID, tags []string) ([]string, error) {
	leave, err := f.enter()
	defer leave()
	if err != nil {
		return nil, err
	}
	m, err := f.side(v, id, false)
	if err != nil {
		return nil, err
	}
	m.Tags, err = domain.NormalTags(tags)
	return m.Tags, err
}

func (f *fakeService) SetCRM(_ context.Context, v mailroom.Viewer, id domain.ID, ids domain.CRMIDs) (domain.CRMIDs, error) {
	leave, err := f.enter()
	defer leave()
	if err == nil {
		ids, err = judged(ids)
	}
	if err != nil {
		return ids, err
	}
	m, err := f.side(v, id, false)
	if err != nil {
		return ids, err
	}
	m.CRM = ids
	return ids, nil
}

func (f *fakeService) Credits(_ context.Context, member domain.MemberID) (domain.Member, domain.Credits, error) {
	leave, err := f.enter()
	defer leave()
	m, ok := f.members[member]
	if err == nil && !ok {
		err = noMember()
	}
	return m, domain.CreditsAt(f.now, domain.Account{AnchorDay: 1, Allowance: 10}, 0), err
}

func (f *fakeService) Standing(_ context.Context, member domain.MemberID) (s spam.Standing, err error) {
	leave, err := f.enter()
	defer leave()
	if _, ok := f.members[member]; err == nil && !ok {
		return s, noMember()
	}
	var active *spam.Restriction
	for _, p := range f.penalty {
		if p.Member == member && p.UndoneAt.IsZero() {
			active = &p.Restriction
		}
	}
	return spam.StandingOf(f.now, spam.Signals{Sends: []time.Time{f.now.Add(-time.Minute)}}, spam.DefaultLimits(), active), err
}

func (f *fakeService) Analytics(_ context.Context, v mailroom.Viewer, by string, _, _ time.Time) (mailroom.Report, error) {
	leave, err := f.enter()
	defer leave()
	report := f.report
	report.By, report.Open, report.Response, report.WindowDays = by, rates.OpenRate, rates.ResponseRate, 30
	if by == "sender" && !v.Operator {
		report.Rows = slices.DeleteFunc(slices.Clone(report.Rows), func(r rates.Row) bool { return r.Key != string(v.Member) })
	}
	return report, err
}

func (f *fakeService) Compare(_ context.Context, _ mailroom.Viewer, by string, keys [2]string, _, _ time.Time) (mailroom.RateComparison, error) {
	leave, err := f.enter()
	defer leave()
	c := mailroom.RateComparison{By: by, Keys: keys, Open: rates.OpenRate, Response: rates.ResponseRate, WindowDays: 30}
	c.Differences = rates.Differences{Open: &rates.Difference{Value: .25, Low: .125, High: .375, Of: [2]int{200, 300}}}
	return c, err
}

func (f *fakeService) NoteAct(ctx context.Context, act mailroom.Act) error {
	leave, err := f.enter()
	defer leave()
	if err = errors.Join(err, f.noActs); err != nil {
		return err
	}
	act.From = mailroom.OriginOf(ctx)
	f.acts = append(f.acts, act)
	return nil
}

func (f *fakeService) Audit(_ context.Context, only mailroom.AuditFilter, p mailroom.Page) ([]mailroom.AuditEntry, error) {
	leave, err := f.enter()
	defer leave()
	mine := slices.DeleteFunc(slices.Clone(f.audit), func(e mailroom.AuditEntry) bool { return only.Sender != "" && e.Sender != only.Sender })
	return paged(mine, p, func(e mailroom.AuditEntry) mailroom.Cursor { return mailroom.Cursor{At: e.At, ID: e.ID} }), err
}

// fakeCRM is a CRM that has only a name and ids.
type fakeCRM struct {
	mailroom.CRM
	name domain.CRM
	ids  []mailroom.ForeignID
}

func (c fakeCRM) Name() domain.CRM          { return c.name }
func (c fakeCRM) IDs() []mailroom.ForeignID { return c.ids }

// fakeCRMs are the CRMs of the tests: the ids of the first stand beside the name of the second.
var fakeCRMs = []mailroom.CRM{
	fakeCRM{name: "salesforce", ids: []mailroom.ForeignID{{Name: "lead_id", Pattern: "^([A-Za-z0-9]{15}([A-Za-z0-9]{3})?)?$", Example: "00Q5g00000AbCdEEAV"},
		{Name: "contact_id"}, {Name: "account_id"}}},
	fakeCRM{name: "other", ids: []mailroom.ForeignID{{Name: "contact_id", Pattern: "^[0-9]*$", Example: "7"}, {Name: "company_id"}}},
}

// judged moves ids without the name of a CRM to the first CRM, and refuses ids that the CRM does not declare.
func judged(ids domain.CRMIDs) (domain.CRMIDs, error) {
	known := domain.CRMIDs{}
	for crm, of := range ids {
		at := slices.IndexFunc(fakeCRMs, func(c mailroom.CRM) bool { return c.Name() == cmp.Or(crm, "salesforce") })
		if at < 0 {
			return nil, domain.Refuse(domain.BadRequest, "crm: one of: salesforce, other")
		}
		for name, id := range of {
			is := func(i mailroom.ForeignID) bool { return i.Name == name }
			if !slices.ContainsFunc(fakeCRMs[at].IDs(), is) {
				return nil, domain.Refuse(domain.BadRequest, "crm: an unknown field")
			}
			if id == "" {
				continue
			}
			if at == 0 && (len(id) != 15 && len(id) != 18 || strings.Contains(id, "!")) {
				return nil, domain.Refuse(domain.BadRequest, "crm: %s: no id", name)
			}
			if known[fakeCRMs[at].Name()] == nil {
				known[fakeCRMs[at].Name()] = domain.ForeignIDs{}
			}
			known[fakeCRMs[at].Name()][name] = id
		}
	}
	return known, nil
}

func (f *fakeService) Connectors() []mailroom.CRM { return fakeCRMs }

func (f *fakeService) WhichCRM(_ context.Context, name string) (domain.CRM, error) {
	leave, err := f.enter()
	defer leave()
	if name != "" && name != "salesforce" && name != "other" {
		return "", domain.Refuse(domain.BadRequest, "crm: one of: salesforce, other")
	}
	return domain.CRM(cmp.Or(name, "salesforce")), err
}

func (f *fakeService) CRMs(ctx context.Context) (all []mailroom.CRMStatus, err error) {
	for _, crm := range fakeCRMs {
		s, err := f.CRMStatus(ctx, crm.Name())
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

func (f *fakeService) CRMStatus(_ context.Context, crm domain.CRM) (mailroom.CRMStatus, error) {
	leave, err := f.enter()
	defer leave()
	if crm != "salesforce" {
		return mailroom.CRMStatus{CRM: crm, Linked: true, Budget: mailroom.Budget{ParkedUntil: f.now.Add(time.Hour)}}, err
	}
	return mailroom.CRMStatus{CRM: crm, Linked: true, Pause: f.paused, Backlog: mailroom.Backlog{Unsynced: len(f.links), OldestUnsynced: f.now.Add(-90 * time.Second),
		Dead: map[domain.FailureClass]int{domain.BadData: len(f.links)}}, Drift: mailroom.Drift{At: f.now, Kinds: map[string]int{"missing": 1}}, Runs: maps.Clone(f.runs)}, err
}

// of returns the links to a CRM; a link without a CRM belongs to the first.
func (f *fakeService) of(crm domain.CRM) []domain.Link {
	return slices.DeleteFunc(slices.Clone(f.links), func(l domain.Link) bool { return cmp.Or(l.CRM, "salesforce") != crm })
}

func (f *fakeService) CRMFailures(_ context.Context, crm domain.CRM, p mailroom.Page) ([]domain.Link, error) {
	leave, err := f.enter()
	defer leave()
	return paged(f.of(crm), p, failurePlace), err
}

func (f *fakeService) RetryCRM(_ context.Context, crm domain.CRM, id domain.ID, class domain.FailureClass) (int, error) {
	leave, err := f.enter()
	defer leave()
	n := 0
	for _, l := range f.of(crm) {
		if (id == "" || l.InMail == id) && (class == "" || l.Class == class) {
			n++
		}
	}
	if err == nil && id != "" && n == 0 {
		err = noInMail()
	}
	return n, err
}

func (f *fakeService) AskRun(_ context.Context, crm domain.CRM, kind mailroom.RunKind) (domain.ID, error) {
	leave, err := f.enter()
	defer leave()
	if crm != "salesforce" {
		return f.id(), err
	}
	if f.runs == nil {
		f.runs = map[mailroom.RunKind]mailroom.Run{}
	}
	if run, ok := f.runs[kind]; ok && run.EndedAt.IsZero() {
		return run.ID, err
	}
	run := mailroom.Run{ID: f.id(), AskedAt: f.now}
	f.runs[kind] = run
	return run.ID, err
}

func (f *fakeService) PauseCRM(_ context.Context, crm domain.CRM, why string, until time.Time) error {
	leave, err := f.enter()
	defer leave()
	if crm == "salesforce" {
		f.paused = &mailroom.Pause{Why: why, Since: f.now, Until: until}
	}
	return err
}

func (f *fakeService) RepairCRM(_ context.Context, crm domain.CRM, apply bool) ([]domain.ID, error) {
	if crm != "salesforce" {
		return nil, nil
	}
	if apply {
		return nil, mailroom.ErrLeaseTaken
	}
	return []domain.ID{"019abf5e-8c00-7000-8000-000000000005"}, nil
}

func (f *fakeService) CheckCRM(_ context.Context, crm domain.CRM) (mailroom.CRMCheck, error) {
	leave, err := f.enter()
	defer leave()
	if crm != "salesforce" && err == nil {
		err = domain.Refuse(domain.NotFound, "the sync with %s has no check", crm)
	}
	return mailroom.CRMCheck{Address: "https://acme.my.salesforce.com", Findings: []mailroom.Finding{
		{What: "login", OK: true, Detail: "by client credentials"},
		{What: "InMail__c", Detail: "missing", Remedy: "deploy the package"}}}, err
}

func (f *fakeService) ShowCRM(_ context.Context, crm domain.CRM, kind, id string) (mailroom.CRMPage, error) {
	leave, err := f.enter()
	defer leave()
	switch {
	case err != nil:
	case crm != "salesforce":
		err = domain.Refuse(domain.NotFound, "no connection to %s", crm)
	case id == "silent":
		err = errors.New("no answer")
	}
	at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	return mailroom.CRMPage{Object: "Lead", Record: id, Name: "Maria Lopez", Fields: []mailroom.CRMField{{Name: kind, Label: "InMails Sent", Value: "3"}},
		Activities: []mailroom.CRMActivity{{Record: "00T", Day: "2026-11-23", Status: "Completed", Subject: "InMail sent", Owner: "Jo"}},
		InMails:    []mailroom.CRMInMail{{Record: "a01", Number: "IM-1", InMail: "019abf5e-8c00-7000-8000-000000000005", Status: "Sent", SentAt: at}}}, err
}

func (f *fakeService) ProveErased(_ context.Context, crm domain.CRM, id domain.MemberID, after domain.ID) (mailroom.ErasureProof, error) {
	leave, err := f.enter()
	defer leave()
	if crm != "salesforce" && err == nil {
		err = domain.Refuse(domain.NotFound, "no connection to %s", crm)
	}
	if after != "" {
		return mailroom.ErasureProof{InMails: 2}, err
	}
	return mailroom.ErasureProof{Known: id == "jo", Waits: "under way", InMails: 1000, Next: "019abf5e-8c00-7000-8000-000000000001",
		Left: []mailroom.Remain{{Object: "Task", Record: "00T5g00000AbCdEEAV", Fields: "Subject, Description", Where: mailroom.PlaceBin, Why: "wait"}}}, err
}

func (f *fakeService) PrepareCRM(_ context.Context, crm domain.CRM, p mailroom.Preparation) (mailroom.CRMPreparation, error) {
	leave, err := f.enter()
	defer leave()
	if crm != "salesforce" && err == nil {
		err = domain.Refuse(domain.NotFound, "the org of %s cannot be prepared from here", crm)
	}
	out := mailroom.CRMPreparation{Address: "https://acme.my.salesforce.com"}
	out.Waiting = p.Waiting
	switch {
	case p.Undo != nil:
		out.Steps = []mailroom.SetupStep{{What: "layouts", State: mailroom.StepMade, Detail: string(p.Undo)}}
	case p.Session == "":
		out.Steps = []mailroom.SetupStep{{What: "package", State: mailroom.StepFailed, Detail: "not allowed", Remedy: "give the session of an administrator"}}
	case p.Apply:
		out.Steps, out.Undo = []mailroom.SetupStep{{What: "package", State: mailroom.StepMade, Detail: p.Session}}, []byte("zip")
		out.Findings = []mailroom.Finding{{What: "login", OK: true, Detail: "by client credentials"}}
	default:
		out.Steps = []mailroom.SetupStep{{What: "package", State: mailroom.StepMissing, Detail: "74 components"}}
	}
	return out, err
}

func (f *fakeService) ResumeCRM(_ context.Context, crm domain.CRM) error {
	leave, err := f.enter()
	defer leave()
	if crm == "salesforce" {
		f.paused = nil
	}
	return err
}

// Import keeps the text that it read and rejects the second of its lines.
func (f *fakeService) Import(_ context.Context, in io.Reader, _ func(int)) (mailroom.ImportReport, error) {
	leave, err := f.enter()
	defer leave()
	if err != nil {
		return mailroom.ImportReport{}, err
	}
	b, err := io.ReadAll(in)
	f.imported = string(b)
	lines := strings.Count(f.imported, "\n")
	return mailroom.ImportReport{Lines: lines, Accepted: lines - 1, RejectedCount: 1, Rejected: []mailroom.Rejected{{Line: 2, Code: domain.BadRequest, Detail: "syntax error at byte 3"}}}, err
}

func (f *fakeService) Resume(_ context.Context, _ mailroom.Viewer, queued mailroom.Queued) (mailroom.Resumed, error) {
	leave, err := f.enter()
	if err != nil {
		return mailroom.Resumed{}, err
	}
	defer leave()
	if queued == mailroom.QueuedSend {
		return mailroom.Resumed{WasHeld: true, Queued: 2}, nil
	}
	return mailroom.Resumed{WasHeld: true, Failed: 2}, nil
}

func (f *fakeService) Feed(context.Context, mailroom.Viewer, string, int) (mailroom.EventsPage, error) {
	leave, err := f.enter()
	defer leave()
	sent := mailroom.Event{Position: 1000, At: f.now, Kind: mailroom.InMailSent, Seq: 2}
	return mailroom.EventsPage{Last: &sent, Items: []mailroom.EventView{
		{Event: sent, Timestamp: f.now, Data: mailroom.EventInMail{ID: f.id(), Seq: 2, Status: domain.Sent, Tags: []string{},
			From: mailroom.EventPerson{ID: "jo", Name: "Jo"}, To: mailroom.EventPerson{ID: "maria", Name: "Maria"}, CRM: mailroom.CRMView{}}},
		{Event: mailroom.Event{Position: 2000, At: f.now, Kind: mailroom.MemberRestricted}, Timestamp: f.now,
			Data: mailroom.EventRestriction{Member: mailroom.EventPerson{ID: "jo", Name: "Jo"}, Trigger: "volume_hour", Step: 1}},
	}}, err
}

// The end points of the fake: one, which is there as long as it was not deleted.
func (f *fakeService) hook(id string) error {
	if id != "019abf5e-8c00-7000-8000-000000000001" {
		return domain.Refuse(domain.NotFound, "there is no such end point")
	}
	return nil
}

func (f *fakeService) webhookNow() mailroom.Webhook {
	return mailroom.Webhook{ID: "019abf5e-8c00-7000-8000-000000000001", URL: "https://hooks.example.com/", Kinds: []string{"inmail.*"}, CreatedAt: f.now,
		CreatedBy: "operator", DownSince: f.now, RetryAt: f.now.Add(time.Minute), LastAt: f.now, LastStatus: 503, LastReason: "status"}
}

func (f *fakeService) CreateWebhook(_ context.Context, _ mailroom.Viewer, c mailroom.WebhookChange) (mailroom.Webhook, string, error) {
	leave, err := f.enter()
	defer leave()
	if err == nil && c.Name != nil && *c.Name == "one too many" {
		err = domain.Refuse(domain.Conflict, "there are 100 end points already; delete one")
	}
	return f.webhookNow(), "whsec_c2VjcmV0", err
}

func (f *fakeService) Webhooks(context.Context) ([]mailroom.Webhook, error) {
	leave, err := f.enter()
	defer leave()
	return []mailroom.Webhook{f.webhookNow()}, err
}

func (f *fakeService) Webhook(_ context.Context, id string) (mailroom.Webhook, error) {
	leave, err := f.enter()
	defer leave()
	return f.webhookNow(), cmp.Or(err, f.hook(id))
}

func (f *fakeService) ChangeWebhook(ctx context.Context, _ mailroom.Viewer, id string, _ mailroom.WebhookChange) (mailroom.Webhook, error) {
	return f.Webhook(ctx, id)
}

func (f *fakeService) DeleteWebhook(ctx context.Context, id string) error {
	_, err := f.Webhook(ctx, id)
	return err
}

func (f *fakeService) TestWebhook(ctx context.Context, id string) (string, error) {
	_, err := f.Webhook(ctx, id)
	return "evt_test_01a207a23280", err
}

func (f *fakeService) RotateWebhook(ctx context.Context, id string) (string, time.Time, error) {
	_, err := f.Webhook(ctx, id)
	return "whsec_c2VjcmV0", epoch, err
}

func (f *fakeService) ReplayWebhook(ctx context.Context, id string, _ time.Time) error {
	return f.DeleteWebhook(ctx, id)
}

func (f *fakeService) EnableWebhook(ctx context.Context, id string) error {
	return f.DeleteWebhook(ctx, id)
}

func (f *fakeService) Deliveries(ctx context.Context, id string, _ mailroom.Page) ([]mailroom.ListedDelivery, error) {
	_, err := f.Webhook(ctx, id)
	e := mailroom.Event{Position: 1000, At: epoch, Kind: mailroom.InMailSent, InMail: "019abf5e-8c00-7000-8000-000000000002"}
	return []mailroom.ListedDelivery{{Event: e, State: mailroom.DeliveryWaiting,
		Delivery: mailroom.Delivery{Tries: 2, LastAt: epoch, LastStatus: 503, LastReason: "status", NextAt: epoch.Add(time.Minute)}}}, err
}
