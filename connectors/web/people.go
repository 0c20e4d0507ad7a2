package web

import (
	"errors"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// peoplePage is one member as operators see it.
type peoplePage struct {
	Asked      string
	NotFound   bool
	Found      []readerView // several that fit, when no id does
	Person     *personView
	About      string
	Facts      []factView
	Plans      []planView
	Credits    creditsView
	Holds      *restrictionView // the restriction in force
	Past       []restrictionView
	Restricted []restrictedView // everybody who is restricted now, when nobody is asked about
	More       string
}

type factView struct{ Name, Value string }

// planView is one plan that a member may have.
type planView struct {
	Name, Text string
	On         bool
}

// restrictionView is why somebody is restricted, and until when.
type restrictionView struct {
	ID    string
	Why   string // in a sentence
	From  moment
	Until moment
	Undo  bool // it can be undone
	Ended string
	By    string // whose key undid it
	Note  string // why it was undone, in the operator's words
}

// restrictedView is one line of those who are restricted now.
type restrictedView struct {
	Member domain.MemberID
	restrictionView
}

// heldShown is how many of them a page has.
const heldShown = 50

func (v *visit) showPeople() error {
	page := peoplePage{Asked: strings.TrimSpace(v.r.URL.Query().Get("member"))}
	if page.Asked == "" {
		return v.showHeld(page)
	}
	id := domain.MemberID(page.Asked)
	if id.Validate() != nil {
		return v.showFound(page)
	}
	m, credits, err := v.site.Service.Credits(v.ctx, id)
	if errors.Is(err, domain.NotFound) {
		return v.showFound(page)
	}
	if err != nil {
		return err
	}
	list, err := v.site.Service.Restrictions(v.ctx, id)
	if err != nil {
		return err
	}
	page.fill(m, credits, list, v.now())
	page.Plans = plansOf(v.site.Service.Plans(), m.Plan)
	return v.show(http.StatusOK, say("People"), page)
}

// showFound lists those whose name, headline or company begins as it was asked.
func (v *visit) showFound(page peoplePage) (err error) {
	if page.Found, err = v.found(page.Asked); err != nil {
		return err
	}
	page.NotFound = len(page.Found) == 0
	return v.show(http.StatusOK, say("People"), page)
}

// showHeld lists whom a restriction holds now, those first whom it holds the shortest.
func (v *visit) showHeld(page peoplePage) error {
	rows, err := v.site.Service.HoldingRestrictions(v.ctx, mailroom.Page{Limit: heldShown + 1, After: v.after()})
	if err != nil {
		return err
	}
	for i, r := range rows {
		if i == heldShown {
			page.More = "/works/people?" + cursorOf(rows[i-1].Until, rows[i-1].ID).Encode()
			break
		}
		page.Restricted = append(page.Restricted, restrictedView{r.Member, restrictionOf(r, v.now())})
	}
	return v.show(http.StatusOK, say("People"), page)
}

func (p *peoplePage) fill(m domain.Member, c domain.Credits, list []mailroom.DecidedRestriction, now time.Time) {
	person := personOf(mailroom.Person{ID: m.ID, Name: m.Name})
	p.Person, p.About, p.Credits = &person, m.Headline, creditsOf(c, now)
	p.Facts = []factView{{say("Member"), string(m.ID)}, {say("Company"), m.Company}, {say("Plan"), spaced(m.Plan)},
		{say("Team"), m.Team}, {say("Accepts InMails"), yesNo(m.AcceptsInMail)},
		{say("Profile visible"), yesNo(m.ProfileVisible && m.ProfileShared)}}
	for _, r := range list {
		view := restrictionOf(r, now)
		if view.Undo && p.Holds == nil {
			p.Holds = &view
			continue
		}
		p.Past = append(p.Past, view)
	}
}

func yesNo(yes bool) string {
	if yes {
		return say("yes")
	}
	return say("no")
}

func restrictionOf(r mailroom.DecidedRestriction, now time.Time) restrictionView {
	view := restrictionView{ID: r.ID, From: momentOf(r.StartedAt, now), Until: momentOf(r.Until, now),
		Why: say("%s %s; the limit is %s. Step %d of 3.", number(r.Value), triggerWord(r.Trigger), number(r.Limit), r.Step)}
	switch {
	case !r.UndoneAt.IsZero():
		if view.Ended = say("undone"); r.Undo != nil {
			view.By, view.Note = r.Undo.By, r.Undo.Reason
		}
	case r.Active(now):
		view.Undo = true
	default:
		view.Ended = say("over")
	}
	return view
}

// plansOf lists the plans by name, with the number of InMails of each.
func plansOf(all domain.Plans, has string) (plans []planView) {
	for _, name := range slices.Sorted(maps.Keys(all)) {
		plans = append(plans, planView{name, say("%s: %s a period", spaced(string(all[name].AccountType)), many(all[name].Allowance, say("InMail"), say("InMails"))), name == has})
	}
	return plans
}

// undoRestriction takes a restriction back. The page asks for a reason, which the audit keeps.
func (v *visit) undoRestriction() error {
	f := v.r.PostForm
	if strings.TrimSpace(f.Get("reason")) == "" {
		return refuse(domain.BadRequest, say("An undo has a reason, and none was given, so nothing was undone. Go back and write it in a few words."))
	}
	if err := v.site.Service.UndoRestriction(v.ctx, v.session.Viewer, f.Get("id"), f.Get("reason")); err != nil {
		return err
	}
	return v.goTo("/works/people?member=" + queryEscape(f.Get("member")) + "&done=restriction-undone")
}

// changePlan gives a member another plan; its credits follow from the next decision on (R07).
func (v *visit) changePlan() error {
	f := v.r.PostForm
	plan, ok := v.site.Service.Plans()[f.Get("plan")]
	if !ok {
		return refuse(domain.BadRequest, say("There is no such plan, so nothing was changed. Choose one of the list."))
	}
	id := domain.MemberID(f.Get("member"))
	if err := id.Validate(); err != nil {
		return err
	}
	_, err := v.site.Service.ChangeMember(v.ctx, id, func(m *domain.Member) error {
		m.Plan, m.AccountType = f.Get("plan"), plan.AccountType
		return nil
	})
	if err != nil {
		return err
	}
	return v.goTo("/works/people?member=" + queryEscape(string(id)) + "&done=plan")
}

// exportMember gives all data about a member as one file.
func (v *visit) exportMember() error {
	id := domain.MemberID(v.r.URL.Query().Get("member"))
	if err := id.Validate(); err != nil {
		return err
	}
	if v.site.Export == nil {
		return refuse(domain.NotFound, say("There is no export here."))
	}
	e, err := v.site.Service.Export(v.ctx, id)
	if err != nil {
		return err
	}
	document, err := v.site.Export(e)
	if err != nil {
		return err
	}
	h := v.w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": "member-" + string(id) + ".json"}))
	_, err = v.w.Write(document)
	return err
}

// erasePage is the second step of an erasure: it says what goes and what stays, and asks for the id.
type erasePage struct {
	Person personView
	Error  string
}

func (v *visit) askErasure() error {
	return v.showErasure(http.StatusOK, v.r.URL.Query().Get("member"), "")
}

func (v *visit) showErasure(status int, member, fault string) error {
	id := domain.MemberID(member)
	if err := id.Validate(); err != nil {
		return err
	}
	m, err := v.site.Service.Member(v.ctx, id)
	if err != nil {
		return err
	}
	return v.show(status, say("Erase"), erasePage{personOf(mailroom.Person{ID: m.ID, Name: m.Name}), fault})
}

func (v *visit) erase() error {
	member := v.r.PostForm.Get("member")
	if v.r.PostForm.Get("confirm") != member {
		return v.showErasure(http.StatusUnprocessableEntity, member,
			say("This is not the id of this member, so nothing was erased. Type it as it stands above."))
	}
	if err := v.site.Service.Erase(v.ctx, v.session.Viewer, domain.MemberID(member)); err != nil {
		return err
	}
	return v.goTo("/works/people?done=erased")
}
