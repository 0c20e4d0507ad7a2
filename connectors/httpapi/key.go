package httpapi

import (
	"context"
	"net/http"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// keyStore creates, lists and deletes keys.
type keyStore interface {
	CreateKey(ctx context.Context, role mailroom.Role, member domain.MemberID) (id, key string, err error)
	Keys(ctx context.Context, p mailroom.Page) ([]mailroom.Key, error)
	DeleteKey(ctx context.Context, id string) error
}

func (a *API) keyEndpoints() []endpoint {
	return []endpoint{
		takes(endpoint{method: "POST", path: "/v1/keys", name: "createKey", group: "Operators", access: operatorOnly,
			status: http.StatusCreated,
			does:   "Make a key", more: "It is shown once and kept as a hash. A member key acts as one member; an " +
				"operator key names none.",
			refuses: []domain.Code{domain.NotFound}}, (*call).createKey),
		gives(endpoint{method: "GET", path: "/v1/keys", name: "listKeys", group: "Operators", access: operatorOnly,
			status: http.StatusOK,
			does:   "List the keys, newest first", query: pageParameters()}, (*call).listKeys),
		gives(endpoint{method: "DELETE", path: "/v1/keys/{id}", name: "deleteKey", group: "Operators",
			access: operatorOnly, status: http.StatusNoContent,
			does:    "End a key, at once on this server and within seconds on others",
			refuses: []domain.Code{domain.NotFound}}, (*call).deleteKey),
	}
}

type keyBody struct {
	Role   string           `json:"role" list:"role" example:"member"`
	Member *domain.MemberID `json:"member,omitempty" doc:"of a member key: whom it acts as" example:"maria-lopez"`
}

type newKey struct {
	ID  string `json:"id" example:"019abf5e-8c00-7a31-9c55-0d6a3f6b7e21"`
	Key string `json:"key" doc:"shown this once" example:"inm_5f0c…"`
}

func (c *call) createKey(in *keyBody) (newKey, error) {
	var member domain.MemberID
	set(&member, in.Member)
	id, key, err := c.api.Service.CreateKey(c.ctx, mailroom.Role(in.Role), member)
	return newKey{ID: id, Key: key}, err
}

type keyView struct {
	ID        string          `json:"id" example:"019abf5e-8c00-7a31-9c55-0d6a3f6b7e21"`
	Role      string          `json:"role" list:"role" example:"member"`
	Member    domain.MemberID `json:"member,omitempty" example:"maria-lopez"`
	CreatedAt stamp           `json:"created_at"`
}

func keyViewOf(k mailroom.Key) keyView {
	return keyView{ID: k.ID, Role: string(k.Role), Member: k.Member, CreatedAt: stamp(k.CreatedAt)}
}

func (c *call) listKeys() (items[keyView], error) {
	p, err := keyList.page(c.query)
	if err != nil {
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
