package web

import (
	"cmp"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/domain/richtext"
)

// inboxPage is how many entries a page of the inbox has.
const inboxPage = 40

// personView is a person on a page: the name and its initials. Photos are not loaded, since they lie on other
// hosts.
type personView struct {
	ID       domain.MemberID
	Name     string
	Initials string
	Erased   bool
}

func personOf(p mailroom.Person) personView {
	if p.ID == domain.Erased {
		return personView{ID: p.ID, Name: say("Former member"), Initials: "–", Erased: true}
	}
	return personView{ID: p.ID, Name: richtext.Line(p.Name), Initials: initials(p.Name)}
}

// initials returns the first letters of the first and the last word of a name.
func initials(name string) string {
	words := strings.FieldsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || r == '-' })
	var letters []rune
	for _, w := range words {
		for _, r := range w {
			if unicode.IsLetter(r) {
				letters = append(letters, unicode.ToUpper(r))
				break
			}
		}
	}
	switch len(letters) {
	case 0:
		return "•"
	case 1:
		return string(letters[:1])
	}
	return string([]rune{letters[0], letters[len(letters)-1]})
}

// inboxView is the inbox with, beside or below it, what is open.
type inboxView struct {
	Items  []inboxItem
	Unread int
	More   string // the address of the next page; empty: there is none
	Open   *conversationView
}

type inboxItem struct {
	Path    string
	From    personView
	Subject string
	Preview string
	Unread  bool
	Reply   bool
	Here    bool // it is what is open
	At      moment
	Lapses  string
	Soon    bool
}

func inboxOf(page mailroom.InboxPage, open domain.ID, now time.Time) inboxView {
	view := inboxView{Unread: page.Unread}
	for _, i := range page.Items {
		item := inboxItem{Path: "/inbox/" + string(i.InMail), From: personOf(i.From), Subject: richtext.Line(i.Subject),
			Preview: i.Preview, Unread: i.Unread, Reply: i.Kind == mailroom.KindReply, Here: i.InMail == open,
			At: momentOf(i.SentAt, now)}
		if item.Subject == "" {
			item.Subject = say("(text removed)")
		}
		item.Lapses, item.Soon = lapse(i.ExpiresAt, now)
		view.Items = append(view.Items, item)
	}
	if n := len(page.Items); page.More && n > 0 {
		last := page.Items[n-1]
		view.More = "/inbox?" + cursorOf(last.SentAt, string(last.ID)).Encode()
	}
	return view
}

// cursorOf is the place behind the last item of a page, as an address names it.
func cursorOf(at time.Time, id string) url.Values {
	return url.Values{"at": {at.UTC().Format(time.RFC3339Nano)}, "id": {id}}
}

// after reads the place that cursorOf wrote; one that is not readable is the beginning.
func (v *visit) after() mailroom.Cursor {
	q := v.r.URL.Query()
	at, err := time.Parse(time.RFC3339Nano, q.Get("at"))
	if err != nil || mailroom.CheckText(q.Get("id")) != nil {
		return mailroom.Cursor{}
	}
	return mailroom.Cursor{At: at, ID: q.Get("id")}
}

func (v *visit) inboxView(open domain.ID) (inboxView, error) {
	page, err := v.site.Service.Inbox(v.ctx, v.me(), mailroom.Filter{}, mailroom.Page{Limit: inboxPage, After: v.after()})
	if err != nil {
		return inboxView{}, err
	}
	return inboxOf(page, open, v.now()), nil
}

func (v *visit) showInbox() error {
	view, err := v.inboxView("")
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, say("Inbox"), view)
}

// conversationView is an InMail with its replies, as one of its two sides reads it.
type conversationView struct {
	ID       domain.ID
	With     personView
	About    string // headline and company
	Subject  string
	Messages []messageView
	CanReply bool
	CanBlock bool
	Declines bool // it may be declined (R63)
	Declined bool
	Reply    string
	Error    string // why the reply was refused
	Limit    int    // characters of a reply
	Action   string // where the reply goes
}

type messageView struct {
	From      personView
	Mine      bool
	At        moment
	Body      template.HTML // of richtext, which writes safe HTML alone
	Automatic bool          // it changed nothing of the InMail (R64)
	Mark      string        // where its sender may say that it is automatic, or is not; empty: nowhere
	ID        domain.ID
}

// openedOf is the conversation as the recipient reads it.
func openedOf(m mailroom.OpenedInMail, sentAt time.Time, me domain.MemberID, now time.Time) conversationView {
	view := conversationView{ID: m.ID, With: personOf(m.From), Subject: m.Subject, CanReply: true,
		Limit: domain.MaxBody, Action: "/inbox/" + string(m.ID)}
	view.CanBlock, view.Declines = !view.With.Erased, true
	at := cmp.Or(sentAt, m.OpenedAt)
	view.Messages = append([]messageView{{From: view.With, At: momentOf(at, now), Body: letterHTML(m.BodyHTML)}},
		messagesOf(m.Replies, me, now)...)
	return view
}

// answered leaves out what is not possible any more: an answered InMail is not declined, and nothing is added
// to a declined one (R63).
func (c *conversationView) answered(s domain.Status) {
	c.Declined = s == domain.Declined
	c.CanReply = c.CanReply && !c.Declined
	c.Declines = c.Declines && s != domain.Declined && s != domain.Replied
}

func messagesOf(replies []mailroom.ReplyView, me domain.MemberID, now time.Time) []messageView {
	var all []messageView
	for _, r := range replies {
		all = append(all, messageView{From: personOf(r.From), Mine: r.From.ID == me, At: momentOf(r.At, now),
			Body: letterHTML(r.BodyHTML), Automatic: r.Automatic, ID: r.ID})
	}
	return all
}

func (v *visit) conversation() (conversationView, error) {
	var view conversationView
	if strings.Contains(v.r.Header.Get("Sec-Purpose"), "prefetch") {
		return view, refuse(domain.BadRequest, say("An InMail is opened by its reader, and not in advance."))
	}
	entry, err := v.site.Service.View(v.ctx, v.session.Viewer, v.id())
	if err != nil {
		return view, err
	}
	if entry.Entry == nil {
		return view, errSenders
	}
	m, err := v.site.Service.Open(v.ctx, v.session.Viewer, v.id())
	if err != nil {
		return view, err
	}
	view = openedOf(m, entry.Entry.SentAt, v.me(), v.now())
	view.answered(entry.Entry.Status)
	if !view.With.Erased {
		if from, err := v.site.Service.Member(v.ctx, view.With.ID); err == nil {
			view.About = from.Headline
		} else if !errors.Is(err, domain.NotFound) {
			return view, err
		}
	}
	return view, nil
}

// errSenders says that an InMail is the sender's to read under /sent.
var errSenders = errors.New("it is shown to its sender elsewhere")

// showConversation opens an InMail for its recipient (R31). The list beside it is renewed by the same
// address: that opens nothing, and goes on when the InMail was taken back.
func (v *visit) showConversation() error {
	if v.r.Header.Get("Inmail-Part") == "list" {
		view, err := v.inboxView(v.id())
		if err != nil {
			return err
		}
		return v.show(http.StatusOK, say("Inbox"), view)
	}
	open, err := v.conversation()
	if errors.Is(err, errSenders) { // a reply in the sender's own inbox
		return v.goTo("/sent/" + string(v.id()))
	}
	if err != nil {
		return err
	}
	return v.showOpen(http.StatusOK, open)
}

func (v *visit) showOpen(status int, open conversationView) error {
	view, err := v.inboxView(open.ID)
	if err != nil {
		return err
	}
	view.Open = &open
	return v.show(status, cmp.Or(open.Subject, say("Conversation")), view)
}

func (v *visit) reply() error {
	body := lines(v.r.PostForm.Get("body"))
	_, err := v.site.Service.Reply(v.ctx, v.session.Viewer, v.id(), body)
	if r := refusalOf(err); r != nil && !slices.Contains(gone, r.Code) {
		open, err := v.conversation()
		if err != nil {
			return err
		}
		open.Reply, open.Error = body, refusalWords(r, v.now())
		return v.showOpen(http.StatusUnprocessableEntity, open)
	}
	if err != nil {
		return err
	}
	return v.goTo("/inbox/" + string(v.id()) + "?done=replied#last")
}

// gone are the refusals after which there is nothing left to answer.
var gone = []domain.Code{domain.ExpiredCode, domain.RetractedCode}

// lines returns what was typed into a form with the line breaks that people mean: browsers send CR LF.
func lines(text string) string { return strings.ReplaceAll(text, "\r\n", "\n") }

// decline says "No thanks", with an optional word for the sender.
func (v *visit) decline() error {
	err := v.site.Service.Decline(v.ctx, v.session.Viewer, v.id(), v.r.PostForm.Get("reason"))
	if err != nil {
		return err
	}
	return v.goTo("/inbox/" + string(v.id()) + "?done=declined")
}

func (v *visit) report() error {
	err := v.site.Service.Report(v.ctx, v.session.Viewer, v.id(), strings.TrimSpace(lines(v.r.PostForm.Get("reason"))))
	if err != nil {
		return err
	}
	return v.goTo("/inbox/" + string(v.id()) + "?done=reported")
}

// block blocks the sender of an InMail that this member has got.
func (v *visit) block() error {
	entry, err := v.site.Service.View(v.ctx, v.session.Viewer, v.id())
	if err != nil {
		return err
	}
	if entry.Entry == nil {
		return refuse(domain.Forbidden, say("Only the recipient of an InMail can block its sender here."))
	}
	errs, err := v.site.Service.Block(v.ctx, []mailroom.Pair{{From: v.me(), To: entry.Entry.From.ID}})
	if err := cmp.Or(err, errors.Join(errs...)); err != nil {
		return err
	}
	return v.goTo("/inbox/" + string(v.id()) + "?done=blocked")
}
