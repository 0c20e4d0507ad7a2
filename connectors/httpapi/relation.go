package httpapi

import (
	"context"
	"net/http"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// relations changes connections and blocks between two members.
type relations interface {
	Connect(ctx context.Context, pairs []mailroom.Pair) ([]error, error)
	Disconnect(ctx context.Context, pairs []mailroom.Pair) ([]error, error)
	Block(ctx context.Context, pairs []mailroom.Pair) ([]error, error)
	Unblock(ctx context.Context, pairs []mailroom.Pair) ([]error, error)
}

func (a *API) relationEndpoints() []endpoint {
	const connection, block = "/v1/connections/{a}/{b}", "/v1/members/{id}/blocks/{other}"
	notThere := []domain.Code{domain.NotFound}
	return []endpoint{
		gives(endpoint{method: "PUT", path: connection, name: "connect", group: "Members", access: operatorOnly,
			status: http.StatusNoContent,
			does:   "Make two members 1st-degree connections, both ways (R12)",
			more: "InMails between the two are refused from now on: connections write to each other directly. What " +
				"was delivered stays.", refuses: notThere},
			pair("a", "b", a.Service.Connect)),
		gives(endpoint{method: "DELETE", path: connection, name: "disconnect", group: "Members", access: operatorOnly,
			status: http.StatusNoContent,
			does:   "End a connection",
			more: "From then on the two reach each other by InMail again. To end a connection that " +
				"is not there changes nothing.", refuses: notThere}, pair("a", "b", a.Service.Disconnect)),
		gives(endpoint{method: "PUT", path: block, name: "block", group: "Members", access: anyKey,
			status: http.StatusNoContent,
			does:   "Block a member, by the one who blocks or an operator (R16)",
			more: "Later InMails and replies between the two are refused, without a hint to the one who is blocked. " +
				"To block somebody twice changes nothing.",
			refuses: []domain.Code{domain.NotFound, domain.Forbidden}}, own(pair("id", "other", a.Service.Block))),
		gives(endpoint{method: "DELETE", path: block, name: "unblock", group: "Members", access: anyKey,
			status: http.StatusNoContent,
			does:   "Take a block back",
			more: "Later InMails and replies between the two pass again. To take back a block that " +
				"is not there changes nothing.", refuses: []domain.Code{domain.NotFound, domain.Forbidden}},
			own(pair("id", "other", a.Service.Unblock))),
	}
}

// pair makes a handler that calls do for the two members in the path.
func pair(from, to string, do func(context.Context, []mailroom.Pair) ([]error, error)) func(*call) (nothing, error) {
	return func(c *call) (nothing, error) {
		a, err := c.memberIn(from)
		if err != nil {
			return nothing{}, err
		}
		b, err := c.memberIn(to)
		if err != nil {
			return nothing{}, err
		}
		errs, err := do(c.ctx, []mailroom.Pair{{From: a, To: b}})
		if err == nil {
			err = errs[0]
		}
		return nothing{}, err
	}
}

// own lets a member act for itself alone, and an operator for anybody. An unknown member in the path is
// reported (404) before one that is not the caller's (403).
func own(do func(*call) (nothing, error)) func(*call) (nothing, error) {
	return func(c *call) (nothing, error) {
		id, err := c.memberIn("id")
		if err != nil {
			return nothing{}, err
		}
		if c.viewer.Operator || c.viewer.Member == id {
			return do(c)
		}
		if _, err := c.memberIn("other"); err != nil {
			return nothing{}, err
		}
		if _, err := c.api.Service.Member(c.ctx, id); err != nil {
			return nothing{}, err
		}
		return nothing{}, domain.Refuse(domain.Forbidden, "a member blocks for itself alone")
	}
}
