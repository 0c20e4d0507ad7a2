package web

import (
	"cmp"
	"crypto/rand"
	"errors"
	"html/template"
	"net/http"
	"strings"
	"time"

	"inmail/domain"
	"inmail/domain/advice"
	"inmail/domain/mailroom"
	"inmail/domain/richtext"
)

// newView is the page to write on. Nothing of it is stored before it is sent (R27).
type newView struct {
	To, Subject, Body, Tags string
	FollowUp                bool
	Attached                bool   // a file was dropped on it (R26)
	Key                     string // the idempotency key of this letter, so that a second click sends nothing twice
	Error, Code             string // why the last try was refused
	Check                   checkView
	Campaign                *campaignLetters // nil: it is a letter on its own
}

// checkView is what stands beside the letter while it is written: whom it reaches, how it will look, and what
// would make an answer more likely.
type checkView struct {
	Reader   *readerView  // nil: nobody is named yet
	Found    []readerView // members who may be meant, when the name is no id
	Refusals []refusedView
	Advice   []adviceView
	Checked  bool // the text was judged
	Preview  inboxItem
	Body     template.HTML
	Length   int
	Limit    int
	Over     bool
	Near     bool // within a tenth of the limit
	Credits  creditsView
}

// readerView is the public part of the member to whom a letter goes.
type readerView struct {
	Person personView
	About  string
	OK     bool
}

type refusedView struct{ Code, Text string }

// adviceView is one piece of advice: what it is called, and the words of the letter that it is about.
type adviceView struct{ Code, Name, Text string }

// followUp is the category of a letter after a meeting (R52).
const followUp = "follow_up"

func (v *visit) showNew() error {
	q := v.r.URL.Query()
	view := newView{To: q.Get("to"), Key: rand.Text()}
	return v.showLetterForm(http.StatusOK, view)
}

// formOf reads the letter that was typed.
func (v *visit) formOf() newView {
	f := v.r.PostForm
	to := cmp.Or(f.Get("pick"), f.Get("to")) // pick is one of those that were found
	return newView{Campaign: v.campaignOf(), To: strings.TrimSpace(to), Subject: f.Get("subject"), Body: lines(f.Get("body")),
		Tags: f.Get("tags"), FollowUp: f.Get("category") == followUp,
		Attached: f.Get("attached") != "", Key: cmp.Or(f.Get("key"), rand.Text())}
}

// send is the letter as the use cases take it.
func (n newView) send(from domain.MemberID) mailroom.Send {
	s := mailroom.Send{From: from, To: domain.MemberID(n.To), Subject: n.Subject, Body: n.Body, Tags: tagsIn(n.Tags),
		Attachments: n.Attached, Key: "page-" + n.Key}
	if n.FollowUp {
		s.Category = followUp
	}
	return s
}

// tagsIn reads tags that are separated by commas.
func tagsIn(text string) []string {
	var tags []string
	for t := range strings.SplitSeq(text, ",") {
		if t = strings.TrimSpace(t); t != "" {
			tags = append(tags, t)
		}
	}
	return tags
}

// checkNew judges the letter as it stands; without script it is the button beside Send.
func (v *visit) checkNew() error { return v.showLetterForm(http.StatusOK, v.formOf()) }

func (v *visit) send() error {
	form := v.formOf()
	accepted, err := v.site.Sender.Accept(v.ctx, form.send(v.me()))
	err = cmp.Or(err, accepted.Err)
	if r := refusalOf(err); r != nil {
		form.Error, form.Code = refusalWords(r, v.now()), string(r.Code)
		return v.showLetterForm(http.StatusUnprocessableEntity, form)
	}
	if err != nil {
		return err
	}
	if form.Campaign != nil {
		form.Campaign.Last = form.To
		return v.nextLetter(*form.Campaign)
	}
	return v.goTo("/sent/" + string(accepted.ID) + "?done=sent")
}

func (v *visit) showLetterForm(status int, form newView) error {
	check, err := v.check(form)
	if err != nil {
		return err
	}
	form.Check = check
	return v.show(status, say("Write"), form)
}

// check judges the letter as it stands, as the API's preflight does.
func (v *visit) check(form newView) (checkView, error) {
	me, credits, err := v.site.Service.Credits(v.ctx, v.me())
	if err != nil {
		return checkView{}, err
	}
	view := checkOf(form, me, v.now())
	view.Credits = creditsOf(credits, v.now())
	if form.To == "" {
		return view, nil
	}
	reader, err := v.reader(domain.MemberID(form.To))
	if err != nil {
		return view, err
	}
	if reader == nil {
		if view.Found, err = v.found(form.To); err != nil || len(view.Found) > 0 {
			return view, err
		}
		view.Refusals = []refusedView{{string(domain.UnknownRecipient),
			refusalWords(domain.Refuse(domain.UnknownRecipient, ""), v.now())}}
		return view, nil
	}
	view.Reader = reader
	letter := form.send(v.me())
	text := &letter
	if !view.Checked {
		text = nil // nothing is written yet: only the recipient is judged
	}
	campaign, err := v.site.Service.Preflight(v.ctx, v.me(), []domain.MemberID{letter.To}, text)
	if r := refusalOf(err); r != nil {
		view.Refusals = []refusedView{{string(r.Code), refusalWords(r, v.now())}}
		return view, nil
	}
	if err != nil {
		return view, err
	}
	view.judged(campaign.Checks[0], v.now())
	return view, nil
}

// reader returns the public part of a member; nil when there is none.
func (v *visit) reader(id domain.MemberID) (*readerView, error) {
	if id.Validate() != nil {
		return nil, nil
	}
	m, err := v.site.Service.Member(v.ctx, id)
	if errors.Is(err, domain.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &readerView{Person: personOf(mailroom.Person{ID: m.ID, Name: m.Name}), About: m.Headline}, nil
}

// foundShown is how many members a search shows.
const foundShown = 8

// found lists members whose name, headline or company begins so; a text that is too short to search by finds
// nobody.
func (v *visit) found(text string) ([]readerView, error) {
	members, err := v.site.Service.FindMembers(v.ctx, v.session.Viewer, mailroom.MemberQuery{Text: text},
		mailroom.Page{Limit: foundShown})
	if domainRefusal(err) != nil {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []readerView
	for _, m := range members {
		all = append(all, readerView{Person: personOf(mailroom.Person{ID: m.ID, Name: m.Name}), About: richtext.Line(m.Headline)})
	}
	return all, nil
}

// checkOf is what the text alone shows: its length and how the recipient will see it.
func checkOf(form newView, me domain.Member, now time.Time) checkView {
	text := domain.ReadText(form.Subject, form.Body, false)
	length := text.Body.Length()
	return checkView{Checked: form.Attached || strings.TrimSpace(form.Subject+form.Body) != "", Length: length, Limit: domain.MaxBody,
		Over: length > domain.MaxBody, Near: length > domain.MaxBody*9/10, Body: letterHTML(text.Body.HTML()),
		Preview: inboxItem{From: personOf(mailroom.Person{ID: me.ID, Name: me.Name}), Subject: text.Subject,
			Preview: text.Preview(), Unread: true, At: momentOf(now, now)}}
}

// judged adds the verdict of a preflight. What is not written yet is not refused before it is sent, and a
// letter without words gets no advice.
func (c *checkView) judged(check mailroom.Check, now time.Time) {
	for _, r := range check.Refusals {
		if r.Code == domain.SubjectRequired || r.Code == domain.BodyRequired {
			continue
		}
		c.Refusals = append(c.Refusals, refusedView{string(r.Code), refusalWords(r, now)})
	}
	c.Reader.OK = len(c.Refusals) == 0
	if c.Length == 0 {
		return
	}
	for _, hit := range check.Advice {
		c.Advice = append(c.Advice, adviceOf(hit))
	}
}

func adviceOf(hit advice.Hit) adviceView {
	name, ok := adviceWords[hit.Code]
	if name = look(name); !ok {
		name = spaced(hit.Code)
	}
	return adviceView{Code: hit.Code, Name: name, Text: sentence(hit.Detail)}
}

// creditsView is what is left to send.
type creditsView struct {
	Plan, Sentence          string
	Remaining, Allowance    int
	Used, Carried, InFlight int
	Ends                    moment
	EndsOn                  string
	Some                    bool // the plan has credits at all
}

func creditsOf(c domain.Credits, now time.Time) creditsView {
	view := creditsView{Remaining: c.Remaining, Allowance: c.Allowance, Used: c.Used, Carried: c.Carried,
		InFlight: c.InFlight, Ends: momentOf(c.PeriodEnd, now), EndsOn: dayAndTime(c.PeriodEnd, now),
		Some: c.Allowance+c.Carried > 0}
	switch {
	case !view.Some:
		view.Sentence = say("Your plan has no InMails. Ask an operator for a plan that has some.")
	case c.Remaining == 0:
		view.Sentence = say("Your credits are used up until %s.", view.EndsOn)
	case c.Remaining == 1:
		view.Sentence = say("One InMail left until %s.", view.EndsOn)
	default:
		view.Sentence = say("%d InMails left until %s.", c.Remaining, view.EndsOn)
	}
	return view
}
