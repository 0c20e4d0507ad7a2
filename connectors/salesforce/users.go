package salesforce

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"inmail/domain"
)

// user is a User of the org.
type user struct {
	ID         string `json:"Id"`
	Active     bool   `json:"IsActive"`
	Federation string `json:"FederationIdentifier"`
	Email      string `json:"Email"` // compared and kept nowhere (R01)
	zone       *time.Location
}

// users are the Users who stand for senders: the one of the setting, else the one whose FederationIdentifier
// is the sender's member id, else the one with the sender's e-mail address. The org is asked once a day for
// each sender. Only ids of Users and their zones are kept.
type users struct {
	mu      sync.Mutex
	senders map[domain.MemberID]sender
	known   map[string]user // by id
}

// sender is who stands for a sender.
type sender struct {
	user  string // the id of the User; empty: nobody was found
	asked time.Time
}

// These constants bound what is kept of Users.
const (
	usersKept    = 24 * time.Hour
	usersRetried = 15 * time.Minute // after a question that failed
	maxSenders   = 100_000          // then all are forgotten and asked for again
)

// userWays are the ways in which Users are looked for.
var userWays = []way{{"User", "Id"}, {"User", "FederationIdentifier"}, {"User", "Email"}}

// forget drops what is known of senders.
func (u *users) forget(ids ...domain.MemberID) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, id := range ids {
		delete(u.senders, id)
	}
}

// forgetAll makes the org be asked again for everybody.
func (u *users) forgetAll() {
	u.mu.Lock()
	defer u.mu.Unlock()
	clear(u.senders)
	clear(u.known)
}

// of returns the User who stands for a sender, active or not, and whether the org was asked for it.
func (u *users) of(id domain.MemberID) (is user, asked bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	s, asked := u.senders[id]
	return u.known[s.user], asked
}

// active says that a User may own records, as far as the org has answered.
func (u *users) active(id string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	is, known := u.known[id]
	return !known || is.Active
}

// userSearch asks the org who stands for the senders of some InMails.
type userSearch struct {
	c       *Connector
	members []domain.MemberID
	emails  map[domain.MemberID]string
	items   []userTerm
	ways    []way
	found   map[string]user
	fault   *Fault
}

// userTerm is one value by which Users are looked for.
type userTerm struct{ field, value string }

// searchUsers returns the search for the senders who are due to be asked for, or nil when none is. erased
// senders have no User (R60).
func (c *Connector) searchUsers(pushes []*domain.Push) *userSearch {
	now := c.clock.Now()
	s := &userSearch{c: c, emails: map[domain.MemberID]string{}, found: map[string]user{}}
	terms := map[userTerm]bool{}
	add := func(field, value string) {
		if value != "" && !c.ways.closed(way{"User", field}, now) {
			terms[userTerm{field, value}] = true
		}
	}
	c.users.mu.Lock()
	for _, p := range pushes {
		id := p.InMail.Sender
		is, asked := c.users.senders[id]
		if _, listed := s.emails[id]; listed || id == domain.Erased || asked && now.Sub(is.asked) < usersKept {
			continue
		}
		mapped := c.owners[id]
		if !c.config.FindOwners && mapped == "" && len(c.teamOwners) == 0 {
			continue
		}
		s.members = append(s.members, id)
		s.emails[id] = senderAddress(p)
		add("Id", mapped)
		add("Id", c.fallback(p.SenderTeam))
		if mapped == "" && c.config.FindOwners {
			add("FederationIdentifier", string(id))
			for _, form := range forms(s.emails[id]) {
				add("Email", form)
			}
		}
	}
	c.users.mu.Unlock()
	if len(s.members) == 0 {
		return nil
	}
	s.items = slices.SortedFunc(maps.Keys(terms), func(a, b userTerm) int {
		return strings.Compare(a.field+a.value, b.field+b.value)
	})
	for _, w := range userWays {
		if !c.ways.closed(w, now) {
			s.ways = append(s.ways, w)
		}
	}
	return s
}

// senderAddress returns the sender's e-mail address as Users are compared by it; empty when there is none.
func senderAddress(p *domain.Push) string {
	return address(&domain.Push{Email: p.SenderEmail})
}

// queries returns the question of the search.
func (s *userSearch) queries() []*query {
	if s == nil || len(s.items) == 0 {
		return nil
	}
	columns := "Id, IsActive, TimeZoneSidKey"
	for _, w := range s.ways[min(1, len(s.ways)):] {
		columns += ", " + w.field
	}
	return []*query{{n: len(s.items), read: s.read, failed: func(f *Fault) { s.fault = f },
		soql: func(part []int) string {
			values := map[string][]string{}
			for _, t := range pick(s.items, part) {
				values[t.field] = append(values[t.field], t.value)
			}
			var terms []string
			for _, field := range slices.Sorted(maps.Keys(values)) {
				terms = append(terms, field+" IN "+in(values[field]))
			}
			return "SELECT " + columns + " FROM User WHERE " + strings.Join(terms, " OR ")
		}}}
}

func (s *userSearch) read(record []byte) error {
	var u user
	if err := json.Unmarshal(record, &u); err != nil {
		return err
	}
	u.zone, _ = zoneOf(record)
	u.Email = sameAddress(u.Email)
	s.found[u.ID] = u
	return nil
}

// learn keeps what the org answered.
func (s *userSearch) learn(ctx context.Context) {
	if s == nil {
		return
	}
	c, now := s.c, s.c.clock.Now()
	asked := now
	if s.fault != nil {
		if c.closeWays(ctx, s.ways, s.fault) == nil {
			return // the next push asks by the ways that are left
		}
		c.log.WarnContext(ctx, "the org does not answer who its Users are: records go to the next owner",
			"answer", s.fault.Detail())
		asked = now.Add(usersRetried - usersKept)
	}
	several := 0
	c.users.mu.Lock()
	defer c.users.mu.Unlock()
	if c.users.senders == nil || len(c.users.senders) > maxSenders {
		c.users.senders, c.users.known = map[domain.MemberID]sender{}, map[string]user{}
	}
	for _, id := range s.members {
		is, ambiguous := s.userOf(id)
		if ambiguous {
			several++
		}
		if s.fault != nil && is == "" { // who was found earlier stays
			is = c.users.senders[id].user
		}
		c.users.senders[id] = sender{is, asked}
	}
	for id, u := range s.found {
		u.Email, u.Federation = "", ""
		c.users.known[id] = u
	}
	if several > 0 {
		c.log.WarnContext(ctx, "several Users could be one sender: name the right one in salesforce.owners", "senders", several)
	}
}

// userOf returns the User who stands for a sender among those that were found. Several active ones at the
// first level that has any are ambiguous, and none of them stands for the sender.
func (s *userSearch) userOf(id domain.MemberID) (found string, ambiguous bool) {
	if mapped := s.c.owners[id]; mapped != "" {
		return mapped, false
	}
	if !s.c.config.FindOwners {
		return "", false
	}
	for _, level := range []func(user) bool{
		func(u user) bool { return u.Federation == string(id) },
		func(u user) bool { return s.emails[id] != "" && u.Email == s.emails[id] },
	} {
		var active, idle []string
		for _, user := range slices.Sorted(maps.Keys(s.found)) {
			switch u := s.found[user]; {
			case !level(u):
			case u.Active:
				active = append(active, user)
			default:
				idle = append(idle, user)
			}
		}
		switch {
		case len(active) > 1:
			return "", true
		case len(active) == 1:
			return active[0], false
		case len(idle) == 1:
			return idle[0], false
		}
	}
	return "", false
}

// beside returns the questions that go along with those of a push, and a function that keeps their answers.
func (c *Connector) beside(pushes []*domain.Push) (queries []*query, learn func(context.Context)) {
	s := c.searchUsers(pushes)
	return append(s.queries(), c.zoneQueries()...), s.learn
}

// learnBeside asks what is due beside a push and was not asked with another question.
func (c *Connector) learnBeside(ctx context.Context, pushes []*domain.Push) error {
	queries, learn := c.beside(pushes)
	if len(queries) == 0 {
		learn(ctx)
		return nil
	}
	err := c.ask(ctx, queries...)
	if err == nil {
		learn(ctx)
	}
	return err
}

// zoneFor returns the zone in which the days of a sender's Tasks are written.
func (c *Connector) zoneFor(id domain.MemberID) *time.Location {
	if u, _ := c.users.of(id); u.zone != nil {
		return u.zone
	}
	return c.zone.of(c.config.TimeZone)
}

// senderUser returns the User who stands for a sender; empty when nobody does, or the org was not asked.
func (c *Connector) senderUser(id domain.MemberID) string {
	if id == domain.Erased {
		return ""
	}
	if mapped := c.owners[id]; mapped != "" {
		return mapped
	}
	u, _ := c.users.of(id)
	return u.ID
}

// fallback returns the User who owns what a team sends without a User of its own; empty: nobody.
func (c *Connector) fallback(team string) string {
	if id := c.teamOwners[team]; id != "" {
		return id
	}
	return c.teamOwners[anyTeam]
}

// ownersOf returns the Users who may own a row of an object of an InMail, best first: the sender's own, then
// the fallback of its team. Inactive Users and those that the org refused lately are left out. After the last
// the integration user owns it.
func (c *Connector) ownersOf(p *domain.Push, object string) (ids []string) {
	if p.InMail.Sender == domain.Erased {
		return nil
	}
	now := c.clock.Now()
	for _, id := range []string{c.senderUser(p.InMail.Sender), c.fallback(p.SenderTeam)} {
		if id != "" && c.users.active(id) && !c.refusedOwners.has(object+id, now) && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// firstOwner returns the best owner, or an empty text for the integration user.
func (c *Connector) firstOwner(p *domain.Push, object string) string {
	if ids := c.ownersOf(p, object); len(ids) > 0 {
		return ids[0]
	}
	return ""
}

// These notes of a link say whom the org has as the owner of the record, and as its sender's User, because we
// wrote them.
const (
	ownerNote = "owner"
	userNote  = "user"
)

// ownerFor returns the owner that is to be written into an InMail's record; empty: the owner stays as it is.
// It is written when the record is made, and when the User of the sender is found later. So a record that
// somebody gave to another owner in the org stays there. What an erased sender owned goes to the integration
// user (R60).
func (c *Connector) ownerFor(w *work) string {
	p := w.push
	isNew := p.Link.RecordID == ""
	if p.InMail.Sender == domain.Erased {
		if s := c.current.Load(); s != nil && isNew {
			return s.user
		}
		return ""
	}
	owner := c.firstOwner(p, inMailObject)
	if isNew || owner != "" && owner == c.senderUser(p.InMail.Sender) && p.Link.Notes[ownerNote] != owner {
		return owner
	}
	return ""
}

// noteOwner keeps in a link whom its record was written with.
func noteOwner(l *domain.Link, row map[string]any) {
	notes := maps.Clone(l.Notes)
	if notes == nil {
		notes = map[string]string{}
	}
	for name, column := range map[string]string{ownerNote: ownerColumn, userNote: userColumn} {
		value, there := row[column]
		if id, _ := value.(string); id != "" {
			notes[name] = id
		} else if there {
			delete(notes, name)
		}
	}
	if len(notes) == 0 {
		notes = nil
	}
	l.Notes = notes
}

// userChanged says that a record has another sender's User than it should have because the User was found or
// changed since it was written, and not because somebody edited it.
func (c *Connector) userChanged(p *domain.Push, r orgRow) bool {
	return p.InMail.Sender != domain.Erased && r.text(userColumn) == p.Link.Notes[userNote] &&
		c.senderUser(p.InMail.Sender) != r.text(userColumn)
}

// userKnown says whether it is known who stands for a sender.
func (c *Connector) userKnown(id domain.MemberID) bool {
	_, asked := c.users.of(id)
	return asked || id == domain.Erased || !c.config.FindOwners || c.owners[id] != ""
}
