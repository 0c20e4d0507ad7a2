package httpapi

import (
	"context"
	"net/http"
	"strings"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// actService notes what operators do (R70).
type actService interface {
	NoteAct(ctx context.Context, act mailroom.Act) error
}

// noteAct notes the call of an operator in the audit before it is served, when it changes something, acts for
// a member or gives out what is held on one (R70). A change that cannot be noted is refused. Reading goes on
// where the record takes no writes; the log has the act then.
func (c *call) noteAct(e *endpoint) error {
	changes := !c.changesNothing()
	if !c.viewer.ByOperator || !changes && c.viewer.Member == "" && !e.held {
		return nil
	}
	act := mailroom.Act{By: c.viewer, Call: c.r.Method + " " + e.path, Member: c.viewer.Member, Reads: !changes}
	switch id := c.r.PathValue("id"); {
	case strings.HasPrefix(e.path, "/v1/members/{id}"):
		act.Member, act.Makes = valid(id), c.r.Method == http.MethodPut && e.path == "/v1/members/{id}"
	case strings.HasPrefix(e.path, "/v1/inmails/{id}"):
		act.InMail, _ = domain.ParseID(id)
	case e.path == "/v1/audit":
		act.Member = valid(c.query.Get("sender"))
	case e.path == "/v1/restrictions":
		act.Member = valid(c.query.Get("member"))
	case e.access == operatorPage && onlyIDs(c.r.URL.Path):
		act.Call = c.r.Method + " " + c.r.URL.Path
	}
	err := c.api.Service.NoteAct(c.ctx, act)
	if err == nil || changes {
		return err
	}
	c.api.Log.WarnContext(c.ctx, "an operator's read could not be noted in the audit", "call", act.Call,
		"key", c.key.ID, "client", c.client.String(), "request_id", c.id)
	return nil
}

// valid returns a member id, or none for a text that cannot be one.
func valid(id string) domain.MemberID {
	if m := domain.MemberID(id); m.Validate() == nil {
		return m
	}
	return ""
}

// onlyIDs is true for a path of our own words and ids, which holds no text of anybody.
func onlyIDs(path string) bool {
	return len(path) <= 300 && strings.Trim(path, "/abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:") == ""
}
