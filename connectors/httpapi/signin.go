package httpapi

import (
	"context"
	"net/http"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// signIn makes the one-time links with which people sign in to the pages.
type signIn interface {
	MakeSignInLink(ctx context.Context, key mailroom.Key, member domain.MemberID) (token string, endsAt time.Time, err error)
}

func (a *API) signInEndpoints() []endpoint {
	if a.Pages == nil {
		return nil
	}
	return []endpoint{gives(endpoint{
		method: "POST", path: "/v1/sign-in-links", name: "makeSignInLink", group: "Account", access: anyKey,
		status: http.StatusCreated,
		does:   "Make a link that signs somebody in to the pages, once",
		more: "For the member of the key, for the one that an operator acts for, or for the operator. The session " +
			"ends with the key.",
		refuses: []domain.Code{domain.NotFound},
	}, (*call).makeSignInLink)}
}

type signInLink struct {
	Path      string `json:"path" doc:"on this server" example:"/sign-in/5f0c…"`
	ExpiresAt stamp  `json:"expires_at" doc:"the link may be followed once before"`
}

func (c *call) makeSignInLink() (signInLink, error) {
	token, ends, err := c.api.Service.MakeSignInLink(c.ctx, c.key, c.viewer.Member)
	return signInLink{Path: "/sign-in/" + token, ExpiresAt: stamp(ends)}, err
}
