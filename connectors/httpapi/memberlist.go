package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/domain/strictjson"
)

// memberFinder finds members by words.
type memberFinder interface {
	FindMembers(ctx context.Context, v mailroom.Viewer, q mailroom.MemberQuery,
		p mailroom.Page) ([]*domain.Member, error)
}

func findMembersEndpoint() endpoint {
	return gives(endpoint{
		method: "GET", path: "/v1/members", name: "findMembers", held: true, group: "Members", access: anyKey, status: http.StatusOK,
		does: "Find members by the words of their name, headline and company, listed by name",
		more: "For each word of `q` a word of the member begins so; case and accents do not count. An operator " +
			"gets all members; a member, and an operator who acts for one, gets the public part of visible " +
			"profiles (R01, R14).",
		query: append([]parameter{
			{name: "q", doc: fmt.Sprintf("words, or how they begin: %d characters or more", domain.MinQuery),
				schema: schema{"type": "string", "minLength": domain.MinQuery, "examples": []any{"maria lop"}}},
			{name: "company", doc: "words of the company alone",
				schema: schema{"type": "string", "minLength": domain.MinQuery, "examples": []any{"nordhafen"}}},
			{name: "restricted", doc: "true: only those who are restricted now (R42); for operators",
				schema: schema{"type": "boolean"}},
		}, pageParameters()...),
		refuses: []domain.Code{domain.Forbidden},
	}, (*call).findMembers)
}

func (c *call) findMembers() (items[either[memberView, publicMember]], error) {
	type answer = items[either[memberView, publicMember]]
	p, err := memberList.page(c.query)
	if err != nil {
		return answer{}, err
	}
	q := mailroom.MemberQuery{Text: c.query.Get("q"), Company: c.query.Get("company")}
	for name, text := range map[string]string{"q": q.Text, "company": q.Company} {
		if _, err := domain.QueryWords(text); c.query.Has(name) && err != nil {
			return answer{}, strictjson.Under(name, err)
		}
	}
	if c.query.Has("restricted") {
		if q.Restricted, err = strconv.ParseBool(c.query.Get("restricted")); err != nil {
			return answer{}, domain.Refuse(domain.BadRequest, "restricted: true or false")
		}
	}
	found, err := c.api.Service.FindMembers(c.ctx, c.viewer, q, oneMore(p))
	if err != nil {
		return answer{}, err
	}
	return listOf(memberList, p, found, func(m *domain.Member) either[memberView, publicMember] {
		return c.memberFor(*m)
	}, mailroom.NameCursorOf), nil
}
