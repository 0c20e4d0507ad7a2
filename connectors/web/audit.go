package web

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// auditPage is the list of decisions, newest first.
type auditPage struct {
	Sender string
	Kinds  []filterView
	Kind   string // all, acts or decided
	Items  []auditItem
	More   string
	Error  string
}

type auditItem struct {
	At                moment
	What              string
	Times             string // how many it stands for, and until when; empty: one
	Sender, Recipient string
	Refusals          []string
	Note              string // the limit that was passed, or the operator's own words
	By                string
	InMail            domain.ID
}

// auditShown is how many decisions a page has.
const auditShown = 50

// auditWords say what each kind of decision is.
var auditWords = map[string]string{
	mailroom.DecidedSend:       mark("refused a send"),
	mailroom.DecidedDelivery:   mark("refused at delivery"),
	mailroom.DecidedRestrict:   mark("restricted"),
	mailroom.DecidedUndo:       mark("undid a restriction"),
	mailroom.DecidedBan:        mark("banned"),
	mailroom.DecidedUnban:      mark("took off the banned list"),
	mailroom.DecidedErase:      mark("erased"),
	mailroom.DecidedResume:     mark("ended the hold"),
	mailroom.DecidedAct:        mark("acted"),
	mailroom.DecidedWebhookOff: mark("switched an end point off"),
}

// auditKinds are what the list can be narrowed to, by the word in the address; decisions come first.
var auditKinds = []struct{ name, kind, words string }{
	{"", mailroom.Decided, mark("Decisions")}, {"acts", mailroom.DecidedAct, mark("Acts of operators")}, {"all", "", mark("Everything")},
}

func (v *visit) showAudit() error {
	page := auditPage{Sender: strings.TrimSpace(v.r.URL.Query().Get("sender"))}
	sender := domain.MemberID(page.Sender)
	if err := sender.Validate(); page.Sender != "" && err != nil {
		page.Error = refusalWords(domainRefusal(err), v.now())
		return v.show(http.StatusUnprocessableEntity, say("Audit"), page)
	}
	filter := mailroom.AuditFilter{Sender: sender, Kind: mailroom.Decided}
	page.Kind = v.r.URL.Query().Get("kind")
	for _, kind := range auditKinds {
		if kind.name == page.Kind {
			filter.Kind = kind.kind
		}
		q := url.Values{}
		if page.Sender != "" {
			q.Set("sender", page.Sender)
		}
		if kind.name != "" {
			q.Set("kind", kind.name)
		}
		page.Kinds = append(page.Kinds, filterView{Path: strings.TrimSuffix("/works/audit?"+q.Encode(), "?"), Text: look(kind.words), On: kind.name == page.Kind})
	}
	entries, err := v.site.Service.Audit(v.ctx, filter, mailroom.Page{Limit: auditShown + 1, After: v.after()})
	if err != nil {
		return err
	}
	for i, e := range entries {
		if i == auditShown {
			q := cursorOf(entries[i-1].At, entries[i-1].ID)
			if page.Sender != "" {
				q.Set("sender", page.Sender)
			}
			if page.Kind != "" {
				q.Set("kind", page.Kind)
			}
			page.More = "/works/audit?" + q.Encode()
			break
		}
		item := auditItem{At: momentOf(e.At, v.now()), What: look(auditWords[e.Kind]), Sender: string(e.Sender),
			Recipient: string(e.Recipient), By: e.By, InMail: e.InMail, Note: noteOf(e)}
		if e.Count > 1 {
			item.Times = say("%s times until %s", number(float64(e.Count)), e.LastAt.UTC().Format("15:04:05 UTC"))
		}
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

// noteOf says by which limit somebody was restricted, and why a restriction was undone.
func noteOf(e mailroom.AuditEntry) string {
	var detail struct {
		Trigger json.RawMessage
		Reason  string
	}
	if json.Unmarshal(e.Detail, &detail) != nil {
		return ""
	}
	var t struct {
		Name         string
		Value, Limit float64
	}
	if e.Kind == mailroom.DecidedRestrict && json.Unmarshal(detail.Trigger, &t) == nil {
		return say("%s %s; the limit is %s.", number(t.Value), triggerWord(t.Name), number(t.Limit))
	}
	return detail.Reason
}
