package web

import (
	"net/http"
	"strings"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// auditPage is the list of decisions, newest first.
type auditPage struct {
	Sender string
	Items  []auditItem
	More   string
	Error  string
}

type auditItem struct {
	At                moment
	What              string
	Sender, Recipient string
	Refusals          []string
	By                string
	InMail            domain.ID
}

// auditShown is how many decisions a page has.
const auditShown = 50

// auditWords say what each kind of decision is.
var auditWords = map[string]string{
	mailroom.DecidedSend:     "refused a send",
	mailroom.DecidedDelivery: "refused at delivery",
	mailroom.DecidedRestrict: "restricted",
	mailroom.DecidedUndo:     "undid a restriction",
	mailroom.DecidedBan:      "banned",
	mailroom.DecidedUnban:    "took off the banned list",
	mailroom.DecidedErase:    "erased",
	mailroom.DecidedResume:   "ended the hold",
	mailroom.DecidedAct:      "acted",
}

func (v *visit) showAudit() error {
	page := auditPage{Sender: strings.TrimSpace(v.r.URL.Query().Get("sender"))}
	sender := domain.MemberID(page.Sender)
	if err := sender.Validate(); page.Sender != "" && err != nil {
		page.Error = refusalWords(domainRefusal(err), v.now())
		return v.show(http.StatusUnprocessableEntity, say("Audit"), page)
	}
	entries, err := v.site.Service.Audit(v.ctx, mailroom.AuditFilter{Sender: sender}, mailroom.Page{Limit: auditShown + 1, After: v.after()})
	if err != nil {
		return err
	}
	for i, e := range entries {
		if i == auditShown {
			q := cursorOf(entries[i-1].At, entries[i-1].ID)
			if page.Sender != "" {
				q.Set("sender", page.Sender)
			}
			page.More = "/works/audit?" + q.Encode()
			break
		}
		item := auditItem{At: momentOf(e.At, v.now()), What: auditWords[e.Kind], Sender: string(e.Sender),
			Recipient: string(e.Recipient), By: e.By, InMail: e.InMail}
		if item.What == "" {
			item.What = spaced(e.Kind)
		}
		if call, found := mailroom.CallOf(e); found {
			item.What += ": " + call
		}
		for _, code := range e.Refusals {
			item.Refusals = append(item.Refusals, spaced(string(code)))
		}
		page.Items = append(page.Items, item)
	}
	return v.show(http.StatusOK, say("Audit"), page)
}
