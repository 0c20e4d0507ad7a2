package web

import (
	"net/http"
	"strings"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// noteAct notes in the audit what an operator asks for on a page, before it is done, by the same rule as
// the API (R70): what changes something, acts for a member or shows what is held on one. A page that renews
// itself is noted once, when it is opened.
func (v *visit) noteAct() error {
	by := v.session.Viewer
	changes := v.r.Method == http.MethodPost && !v.onlyLooks()
	if !by.ByOperator || !changes && (v.r.Header.Get("Inmail-Part") != "" || by.Member == "" && !v.showsMembers()) {
		return nil
	}
	act := mailroom.Act{By: by, Call: v.route.pattern, Member: by.Member, Reads: !changes}
	whom := v.r.FormValue("member")
	if v.r.URL.Path == "/works/audit" {
		whom = v.r.FormValue("sender")
	}
	if id := domain.MemberID(whom); by.Member == "" && id.Validate() == nil {
		act.Member = id
	}
	act.InMail, _ = domain.ParseID(v.r.PathValue("id"))
	err := v.site.Service.NoteAct(v.ctx, act)
	if err == nil || changes {
		return err
	}
	// Reading goes on where the record takes no writes; the log has the act then.
	v.site.Log.WarnContext(v.ctx, "an operator's read could not be noted in the audit", "call", act.Call, "key", by.KeyID)
	return nil
}

// showsMembers is true for the operator's pages that show what is held on members.
func (v *visit) showsMembers() bool {
	return strings.HasPrefix(v.r.URL.Path, "/works/people") || v.r.URL.Path == "/works/audit"
}
