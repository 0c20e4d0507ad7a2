package httpapi

import (
	"context"
	"net/http"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// keyStore creates, lists and deletes keys.
type keyStore interface {
	CreateKey(ctx context.Context, v mailroom.Viewer, n mailroom.NewKey) (id, key string, err error)
	Keys(ctx context.Context, p mailroom.Page) ([]mailroom.Key, error)
	DeleteKey(ctx context.Context, id string) error
	NoteUses(ctx context.Context, ago map[string]time.Duration) error
}

func (a *API) keyEndpoints() []endpoint {
	return []endpoint{
		takes(endpoint{method: "POST", path: "/v1/keys", name: "createKey", group: "Operators", access: operatorOnly,
			status: http.StatusCreated,
			does:   "Make a key", more: "It is shown once and kept as a hash. A member key acts as one member; an " +
				"operator key names none. A read-only key makes GET and HEAD requests and preflights; from expires_at " +
				"on a key is unknown.",
			refuses: []domain.Code{domain.NotFound}}, (*call).createKey),
		gives(endpoint{method: "GET", path: "/v1/keys", name: "listKeys", group: "Operators", access: operatorOnly,
			status: http.StatusOK,
			does:   "List the keys, newest first",
			more:   "Name, role, end, who made it and when it was last used; never the key itself.", query: pageParameters()}, (*call).listKeys),
		gives(endpoint{method: "DELETE", path: "/v1/keys/{id}", name: "deleteKey", group: "Operators",
			access: operatorOnly, status: http.StatusNoContent,
			does: "End a key, at once on this server and within seconds on others",
			more: "The last operator key that may change something stays: 409. Keys of the settings come back at the " +
				"next start. An id that begins with sso: ends the sessions of a person of single sign-on.",
			refuses: []domain.Code{domain.NotFound, domain.Conflict}}, (*call).deleteKey),
	}
}

type keyBody struct {
	Role      string           `json:"role" list:"role" example:"member"`
	Member    *domain.MemberID `json:"member,omitempty" doc:"of a member key: whom it acts as" example:"maria-lopez"`
	Name      *string          `json:"name,omitempty" doc:"for people; at most {MaxKeyName} characters" example:"weekly report"`
	ExpiresAt *string          `json:"expires_at,omitempty" doc:"RFC 3339; left out: never" example:"2027-11-23T09:00:00Z"`
	ReadOnly  *bool            `json:"read_only,omitempty" doc:"it changes nothing" example:"true"`
}

type newKey struct {
	ID  string `json:"id" example:"019abf5e-8c00-7a31-9c55-0d6a3f6b7e21"`
	Key string `json:"key" doc:"shown this once" example:"inm_5f0c…"`
}

func (c *call) createKey(in *keyBody) (newKey, error) {
	n := mailroom.NewKey{Role: mailroom.Role(in.Role)}
	set(&n.Member, in.Member)
	set(&n.Name, in.Name)
	set(&n.ReadOnly, in.ReadOnly)
	if in.ExpiresAt != nil {
		at, err := time.Parse(time.RFC3339, *in.ExpiresAt)
		if err != nil {
			return newKey{}, domain.Refuse(domain.BadRequest,
				"expires_at: it is no RFC 3339 time; for instance 2027-11-23T09:00:00Z")
		}
		n.ExpiresAt = at.UTC().Truncate(time.Millisecond)
	}
	id, key, err := c.api.Service.CreateKey(c.ctx, c.viewer, n)
	return newKey{ID: id, Key: key}, err
}

type keyView struct {
	ID         string          `json:"id" example:"019abf5e-8c00-7a31-9c55-0d6a3f6b7e21"`
	Role       string          `json:"role" list:"role" example:"member"`
	Member     domain.MemberID `json:"member,omitempty" example:"maria-lopez"`
	CreatedAt  stamp           `json:"created_at"`
	Name       string          `json:"name,omitempty" example:"weekly report"`
	ExpiresAt  *stamp          `json:"expires_at,omitempty"`
	ReadOnly   bool            `json:"read_only,omitempty" doc:"it changes nothing" example:"true"`
	CreatedBy  string          `json:"created_by,omitempty" doc:"the id of the key that made it; none made those of the settings" example:"operator"`
	LastUsedAt *stamp          `json:"last_used_at,omitempty" doc:"to the minute, noted within two; left out: never"`
}

func keyViewOf(k mailroom.Key) keyView {
	return keyView{ID: k.ID, Role: string(k.Role), Member: k.Member, CreatedAt: stamp(k.CreatedAt),
		Name: k.Name, ExpiresAt: stampOrNull(k.ExpiresAt), ReadOnly: k.ReadOnly, CreatedBy: k.CreatedBy,
		LastUsedAt: stampOrNull(k.LastUsedAt)}
}

func (c *call) listKeys() (items[keyView], error) {
	p, err := keyList.page(c.query)
	if err != nil {
		return items[keyView]{}, err
	}
	if err := c.api.uses.store(c.ctx, c.api.Now()); err != nil {
		return items[keyView]{}, err
	}
	found, err := c.api.Service.Keys(c.ctx, oneMore(p))
	if err != nil {
		return items[keyView]{}, err
	}
	return listOf(keyList, p, found, keyViewOf,
		func(k mailroom.Key) mailroom.Cursor { return mailroom.Cursor{At: k.CreatedAt, ID: k.ID} }), nil
}

func (c *call) deleteKey() (nothing, error) {
	id := c.r.PathValue("id")
	if mailroom.CheckText(id) != nil {
		return nothing{}, domain.Refuse(domain.NotFound, "there is no key with this id")
	}
	err := c.api.Service.DeleteKey(c.ctx, id)
	c.api.keys.forget(func(k mailroom.Key) bool { return k.ID == id })
	return nothing{}, err
}
