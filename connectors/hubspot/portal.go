package hubspot

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"inmail/domain"
)

// portal is what a portal says of itself: which it is, and what of our model is there.
type portal struct {
	id       int64
	zone     *time.Location
	learned  time.Time
	marked   bool            // communications take no own properties: the key is at the end of their text
	keyed    bool            // communications are found by inmail_event_id, which is unique there
	has      map[string]bool // our properties of communications that are there
	contact  map[string]bool // our properties of contacts that are there
	byMember bool            // contacts are found by inmail_member_id, which is unique there
	owners   map[string]string

	mu       sync.Mutex
	leadType int             // by which communications are associated with leads; 0: they are not
	tags     []option        // the options of inmail_tags, in their order
	refused  map[string]bool // owners that HubSpot refuses
}

// link is how the notes of a link name the portal.
func (p *portal) name() string { return strconv.FormatInt(p.id, 10) }

// portalLife is how long what a portal said of itself is taken for granted.
const portalLife = 24 * time.Hour

func (c *Connector) forgetPortal() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.portal = nil
}

// property is a property as HubSpot answers.
type property struct {
	Name      string   `json:"name"`
	Label     string   `json:"label"`
	Type      string   `json:"type"`
	FieldType string   `json:"fieldType"`
	Unique    bool     `json:"hasUniqueValue"`
	Options   []option `json:"options"`
}

// option is a value of an enumeration.
type option struct {
	Label  string `json:"label"`
	Value  string `json:"value"`
	Order  int    `json:"displayOrder"`
	Hidden bool   `json:"hidden"`
}

type propertyList struct {
	Results []property `json:"results"`
}

func (l propertyList) named(name string) (property, bool) {
	i := slices.IndexFunc(l.Results, func(p property) bool { return p.Name == name })
	if i < 0 {
		return property{}, false
	}
	return l.Results[i], true
}

// accountDetails is what HubSpot says of an account.
type accountDetails struct {
	PortalID int64  `json:"portalId"`
	Type     string `json:"accountType"`
	TimeZone string `json:"timeZone"`
}

// learn returns what is known of the portal, and asks it once a day: about the account, about our
// properties, and whether communications are found by their key. A portal that lacks what every row needs,
// or that is another than before, is a fault of the settings.
func (c *Connector) learn(ctx context.Context) (*portal, error) {
	c.learning.Lock()
	defer c.learning.Unlock()
	c.mu.Lock()
	p, before := c.portal, c.kept
	c.mu.Unlock()
	if now := c.clock.Now(); p != nil && now.Sub(p.learned) < portalLife && !now.Before(p.learned) {
		return p, nil
	}
	var a accountDetails
	if err := c.call(ctx, account, http.MethodGet, c.path("account-info", "details"), nil, &a); err != nil {
		return nil, err
	}
	switch {
	case a.PortalID == 0:
		return nil, unanswered(http.StatusOK, errors.New("the account has no id"))
	case c.config.Portal != 0 && a.PortalID != c.config.Portal:
		return nil, setting("PORTAL_IS_ANOTHER", "hubspot.portal")
	case c.config.Portal == 0 && before != 0 && a.PortalID != before:
		return nil, setting("PORTAL_CHANGED", "hubspot.portal")
	}
	p = &portal{id: a.PortalID, zone: time.UTC, learned: c.clock.Now(), has: map[string]bool{}, contact: map[string]bool{},
		refused: map[string]bool{}, marked: c.config.KeyIn == keyInBody}
	if zone, err := time.LoadLocation(a.TimeZone); err == nil && a.TimeZone != "" {
		p.zone = zone
	}
	c.budget.setZone(p.zone)
	var there, people propertyList
	if err := c.call(ctx, properties, http.MethodGet, c.path("properties", communications), nil, &there); err != nil {
		return nil, err
	}
	if err := c.call(ctx, properties, http.MethodGet, c.path("properties", contacts), nil, &people); err != nil {
		return nil, err
	}
	for _, m := range model {
		list, has := there, p.has
		if m.object == contacts {
			list, has = people, p.contact
		} else if p.marked {
			continue
		}
		found, ok := list.named(m.name)
		has[m.name] = ok
		switch {
		case !ok && m.needed:
			return nil, setting("PROPERTY_DOESNT_EXIST", m.name)
		case m.name == eventKey:
			p.keyed = found.Unique
		case m.name == tagsProperty:
			p.tags = found.Options
		case m.name == memberProperty:
			p.byMember = ok && found.Unique
		}
	}
	if p.keyed {
		if _, err := c.read(ctx, communications, eventKey, []string{unknownKey}); err != nil {
			if f := asFault(err); f.Status != http.StatusBadRequest {
				return nil, err
			}
			p.keyed = false
		}
	}
	if err := c.learnOwners(ctx, p); err != nil {
		return nil, err
	}
	if err := c.learnLeads(ctx, p); err != nil {
		return nil, err
	}
	if before == 0 || before != p.id {
		c.log.InfoContext(ctx, "connected to a HubSpot portal", "portal", p.id, "unique_key", p.keyed)
	}
	c.mu.Lock()
	c.portal, c.kept = p, p.id
	c.mu.Unlock()
	return p, nil
}

// learnOwners reads the owners of the portal. A sender's owner is named by a setting, by id or e-mail
// address, or has the sender's own address; one that is unknown or has left is passed over.
func (c *Connector) learnOwners(ctx context.Context, p *portal) error {
	p.owners = map[string]string{}
	path := c.path("owners")
	path = strings.TrimSuffix(path, "/") + "?limit=100"
	for after := ""; ; {
		var list struct {
			Results []struct {
				ID    string `json:"id"`
				Email string `json:"email"`
			} `json:"results"`
			Paging struct {
				Next struct {
					After string `json:"after"`
				} `json:"next"`
			} `json:"paging"`
		}
		next := path
		if after != "" {
			next += "&after=" + after
		}
		if err := c.call(ctx, owners, http.MethodGet, next, nil, &list); err != nil {
			if f := asFault(err); f.Status == http.StatusForbidden {
				c.log.WarnContext(ctx, "the owners of HubSpot cannot be read: messages have none", "answer", f.Detail())
				return nil
			}
			return err
		}
		for _, o := range list.Results {
			p.owners[o.ID] = o.ID
			if o.Email != "" {
				p.owners[strings.ToLower(o.Email)] = o.ID
			}
		}
		if after = list.Paging.Next.After; after == "" {
			return nil
		}
	}
}

// ownerOf returns the id of the owner of a sender's messages; empty: none.
func (c *Connector) ownerOf(p *portal, push *domain.Push) string {
	sender := push.InMail.Sender
	owner := cmp.Or(c.owners[sender], strings.ToLower(strings.TrimSpace(push.SenderEmail.Reveal())))
	if owner == "" || sender == domain.Erased {
		return ""
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if id := p.owners[owner]; !p.refused[id] {
		return id
	}
	return ""
}

// refuse passes an owner over from now on.
func (p *portal) refuse(owner string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused[owner] = true
}

// maxTags is how many options the property of tags may have.
const maxTags = 5000

// offerTags adds the tags of works to the options of the property, which HubSpot wants before they are
// used. Changing options replaces their list, so it is read first; the write lease keeps others from doing
// the same.
func (c *Connector) offerTags(ctx context.Context, p *portal, works []*work) error {
	if !p.has[tagsProperty] {
		return nil
	}
	var missing []string
	for _, w := range works {
		for _, t := range tagsOf(w.push.InMail.Tags) {
			if !p.offers(t) && !slices.Contains(missing, t) {
				missing = append(missing, t)
			}
		}
	}
	if missing == nil {
		return nil
	}
	path := c.path("properties", communications, tagsProperty)
	var now property
	if err := c.call(ctx, properties, http.MethodGet, path, nil, &now); err != nil {
		return err
	}
	p.setTags(now.Options)
	var in struct {
		Options []option `json:"options"`
	}
	in.Options = now.Options
	for _, t := range missing {
		if !p.offers(t) && len(in.Options) < maxTags {
			in.Options = append(in.Options, option{Label: t, Value: t, Order: len(in.Options)})
		}
	}
	if err := c.call(ctx, properties, http.MethodPatch, path, in, &now); err != nil {
		if asFault(err).Class != domain.LimitReached {
			c.forgetPortal() // which options there are is not known
		}
		return err
	}
	p.setTags(now.Options)
	return nil
}

func (p *portal) setTags(options []option) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tags = slices.Clone(options)
}

// offers reports whether a tag is among the options.
func (p *portal) offers(tag string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.tags, func(o option) bool { return o.Value == tag })
}
