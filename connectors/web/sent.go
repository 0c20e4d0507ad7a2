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

	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/domain/richtext"
)

// sentPage is how many InMails a page of the sent list has.
const sentPage = 40

// sentView is what a member sent.
type sentView struct {
	Items   []sentItem
	Filters []filterView
	Tag     string // only with this tag; empty: any
	More    string
	Credits creditsView
	Narrow  bool // a filter is on
	Newest  bool // only the newest were counted
}

// filterView is one of the choices above a list or a table.
type filterView struct {
	Path, Text string
	On         bool
	N          int  // how many it holds
	Counted    bool // N is known
}

type sentItem struct {
	Path    string
	To      personView
	Subject string
	State   stateView
	Lapses  string
	Soon    bool
	Elapsed int // percent of the time in which it can be opened (R32); -1: it does not run
	Tags    []string
	At      moment
	CRMs    []crmLinkView // what each CRM has of it, by name
}

// stateView is a state as a sign and a word, with the code for the title.
type stateView struct{ Code, Word string }

func stateOf(s domain.Status) stateView { return stateView{string(s), statusWord(s)} }

func sentItemOf(view mailroom.View, names crms, now time.Time) sentItem {
	m := view.InMail
	item := sentItem{Path: "/sent/" + string(m.ID), To: personOf(view.To), Subject: cmp.Or(m.Subject, say("(text removed)")),
		State: stateOf(view.Status), Tags: m.Tags, At: momentOf(cmp.Or(m.SentAt, m.AcceptedAt), now), Elapsed: -1}
	if view.Status == domain.Sent {
		item.Lapses, item.Soon = lapse(m.ExpiresAt, now)
		item.Elapsed = min(max(int(now.Sub(m.SentAt)/(domain.Window/100)), 0), 100)
	}
	item.CRMs = crmsOf(view.Links, m.Version, names)
	return item
}

// crms says of each CRM what people call it and where it shows an InMail.
type crms interface {
	CRMTitle(name domain.CRM) string
	RecordURL(link domain.Link) string
}

// crmsOf says in a word what each CRM has of an InMail.
func crmsOf(links map[domain.CRM]domain.Link, version int64, names crms) (all []crmLinkView) {
	for _, l := range links {
		view := crmLinkView{Name: names.CRMTitle(l.CRM), URL: names.RecordURL(l)}
		switch {
		case l.Dead:
			view.Fault, view.Text = true, say("not in %s", view.Name)
		case l.PushedVersion < version:
			view.Text = say("on its way to %s", view.Name)
		case heldBack(l):
			view.Text = say("held back from %s", view.Name)
		default:
			view.Text = say("in %s", view.Name)
		}
		all = append(all, view)
	}
	slices.SortFunc(all, func(a, b crmLinkView) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// shownStates are the states that the sent list can be narrowed to.
var shownStates = []domain.Status{domain.Sent, domain.Opened, domain.Replied, domain.Declined, domain.Expired,
	domain.Retracted, domain.Refused}

func (v *visit) showSent() error {
	q := v.r.URL.Query()
	f := mailroom.Filter{Status: domain.Status(q.Get("status"))}
	if f.Status != "" && !slices.Contains(domain.Statuses(), f.Status) {
		f.Status = ""
	}
	if tags, err := domain.NormalTags(tagsIn(q.Get("tag"))); err == nil && len(tags) == 1 {
		f.Tag = tags[0]
	}
	found, err := v.site.Service.Sent(v.ctx, v.me(), f, mailroom.Page{Limit: sentPage + 1, After: v.after()})
	if err != nil {
		return err
	}
	_, credits, err := v.site.Service.Credits(v.ctx, v.me())
	if err != nil {
		return err
	}
	counts, err := v.site.Service.CountSent(v.ctx, v.me(), f.Tag)
	if err != nil {
		return err
	}
	view := sentOf(found, f, v.site.Service, v.now())
	view.count(counts)
	view.Credits = creditsOf(credits, v.now())
	return v.show(http.StatusOK, say("Sent"), view)
}

// sentOf makes the list from one InMail more than a page has: when it is there, there is a next page.
func sentOf(found []mailroom.View, f mailroom.Filter, names crms, now time.Time) sentView {
	view := sentView{Filters: filters(f), Tag: f.Tag, Narrow: f != mailroom.Filter{}}
	for i, s := range found {
		if i == sentPage {
			last := found[i-1].InMail
			q := cursorOf(last.AcceptedAt, string(last.ID))
			setFilter(q, f)
			view.More = "/sent?" + q.Encode()
			break
		}
		view.Items = append(view.Items, sentItemOf(s, names, now))
	}
	return view
}

func setFilter(q url.Values, f mailroom.Filter) {
	if f.Status != "" {
		q.Set("status", string(f.Status))
	}
	if f.Tag != "" {
		q.Set("tag", f.Tag)
	}
}

func filters(f mailroom.Filter) []filterView {
	all := []filterView{{Path: pathOf(mailroom.Filter{Tag: f.Tag}), Text: say("All"), On: f.Status == ""}}
	for _, s := range shownStates {
		word := statusWord(s)
		all = append(all, filterView{Path: pathOf(mailroom.Filter{Status: s, Tag: f.Tag}),
			Text: strings.ToUpper(word[:1]) + word[1:], On: f.Status == s})
	}
	return all
}

// count puts beside each choice how many it holds, of the newest that are counted.
func (s *sentView) count(counts map[domain.Status]int) {
	all := 0
	for _, n := range counts {
		all += n
	}
	s.Newest = all == mailroom.SentCounted
	for i := range s.Filters {
		f := &s.Filters[i]
		f.Counted, f.N = true, all
		if i > 0 {
			f.N = counts[shownStates[i-1]]
		}
	}
}

func pathOf(f mailroom.Filter) string {
	q := url.Values{}
	setFilter(q, f)
	if len(q) == 0 {
		return "/sent"
	}
	return "/sent?" + q.Encode()
}

// letterView is one InMail as its sender sees it.
type letterView struct {
	sentItem
	ID           domain.ID
	Receipts     []receiptView
	Reason       string // why it was refused or failed
	TagText      string
	CanRetract   bool
	Conversation *conversationView // nil: nobody has answered
	Body         template.HTML     // as it was sent
	Declined     string            // the recipient's own words on declining; empty: none
	Error        string
}

type receiptView struct {
	Code, Text, Reason string
	At                 moment
}

// crmLinkView is what a CRM has of an InMail.
type crmLinkView struct {
	Name, Text string
	URL        string // of the record there; empty: it has no page
	Fault      bool
}

func letterOf(view mailroom.View, names crms, now time.Time) letterView {
	m := view.InMail
	letter := letterView{sentItem: sentItemOf(view, names, now), ID: m.ID, TagText: strings.Join(m.Tags, ", ")}
	for _, r := range view.Receipts {
		shown := receiptView{Code: string(r.Status), Text: look(receiptWords[r.Status]), At: momentOf(r.At, now)}
		if shown.Text == "" {
			shown.Text = sentence(statusWord(r.Status))
		}
		if r.Reason != "" {
			shown.Reason = reasonWords(r.Reason)
		}
		letter.Receipts = append(letter.Receipts, shown)
	}
	if view.Reason != "" {
		letter.Reason = reasonWords(view.Reason)
	}
	letter.CanRetract = !m.SentAt.IsZero() && now.Before(m.ExpiresAt) &&
		slices.Contains([]domain.Status{domain.Sent, domain.Opened, domain.Replied, domain.Declined}, view.Status)
	letter.Declined, letter.Body = richtext.Line(m.DeclineReason), letterHTML(view.BodyHTML)
	letter.CRMs = nil
	for _, l := range view.Links {
		letter.CRMs = append(letter.CRMs, crmLinkOf(l, m.Version, names))
	}
	slices.SortFunc(letter.CRMs, func(a, b crmLinkView) int { return strings.Compare(a.Name, b.Name) })
	return letter
}

func crmLinkOf(l domain.Link, version int64, names crms) crmLinkView {
	view := crmLinkView{Name: names.CRMTitle(l.CRM), URL: names.RecordURL(l)}
	switch {
	case l.Dead:
		view.Fault, view.Text = true, say("not there: %s; an operator can push it again", spaced(string(l.Class)))
	case l.PushedVersion < version:
		view.Text = say("on its way")
	case heldBack(l) && l.Match == domain.Ambiguous:
		view.Text = say("not there yet: several fit the recipient")
	case heldBack(l):
		view.Text = say("not there yet: the recipient was not found")
	default:
		view.Text = matchWords(l.Match)
	}
	return view
}

// heldBack reports whether a CRM has no record of an InMail because it does not know the recipient (R67).
func heldBack(l domain.Link) bool {
	return l.RecordID == "" && (l.Match == domain.Unmatched || l.Match == domain.Ambiguous)
}

// matchWords say on whose record of the CRM an InMail is shown (R55).
func matchWords(m domain.Match) string {
	switch m {
	case domain.Unmatched:
		return say("there, on nobody's record: the recipient was not found")
	case domain.Ambiguous:
		return say("there, on nobody's record: several fit the recipient")
	case "":
		return say("there")
	}
	return say("there, on the recipient's record (%s)", strings.ToLower(spaced(string(m))))
}

// reasonWords say why an InMail was refused at delivery, from its code alone.
func reasonWords(c domain.Code) string {
	switch c {
	case domain.RecipientUnavailable:
		return say("This person could not be reached any more.")
	case domain.NoCredits:
		return say("Your credits were used up when it was to be delivered.")
	case domain.Restricted:
		return say("Sending was paused for you when it was to be delivered.")
	case domain.TooOld:
		return say("It waited too long to be delivered, and nothing was spent. Write it again.")
	}
	return sentence(spaced(string(c)))
}

// maxConversation is how many replies a page shows.
const maxConversation = mailroom.MaxRepliesWithOpen

func (v *visit) letter() (letterView, error) {
	found, err := v.site.Service.View(v.ctx, v.session.Viewer, v.id())
	if err != nil {
		return letterView{}, err
	}
	if found.Entry != nil {
		return letterView{}, errRecipients
	}
	letter := letterOf(found, v.site.Service, v.now())
	replies, err := v.site.Service.Replies(v.ctx, v.session.Viewer, v.id(), mailroom.Page{Limit: maxConversation})
	if err != nil || len(replies) == 0 {
		return letter, err
	}
	letter.Conversation = &conversationView{ID: letter.ID, With: letter.To, Messages: messagesOf(replies, v.me(), v.now()),
		CanReply: !found.InMail.RepliedAt.IsZero(), Limit: domain.MaxBody, Action: "/sent/" + string(letter.ID)}
	for i := range letter.Conversation.Messages {
		if m := &letter.Conversation.Messages[i]; !m.Mine {
			m.Mark = "/sent/" + string(letter.ID) + "/automatic"
		}
	}
	return letter, nil
}

// errRecipients says that an InMail is the recipient's to read under /inbox.
var errRecipients = errors.New("it is shown to its recipient elsewhere")

func (v *visit) showLetter() error {
	letter, err := v.letter()
	if errors.Is(err, errRecipients) {
		return v.goTo("/inbox/" + string(v.id()))
	}
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, letter.Subject, letter)
}

func (v *visit) replyAsSender() error {
	body := lines(v.r.PostForm.Get("body"))
	_, err := v.site.Service.Reply(v.ctx, v.session.Viewer, v.id(), body)
	if r := refusalOf(err); r != nil {
		letter, err := v.letter()
		if err != nil {
			return err
		}
		if letter.Conversation == nil {
			return r
		}
		letter.Conversation.Reply, letter.Conversation.Error = body, refusalWords(r, v.now())
		return v.show(http.StatusUnprocessableEntity, letter.Subject, letter)
	}
	if err != nil {
		return err
	}
	return v.goTo("/sent/" + string(v.id()) + "?done=replied#last")
}

// markAutomatic says that a reply is an automatic one, or that it is not (R64).
func (v *visit) markAutomatic() error {
	f := v.r.PostForm
	err := v.site.Service.MarkAutomatic(v.ctx, v.session.Viewer, v.id(), domain.ID(f.Get("reply")), f.Get("automatic") != "")
	if err != nil {
		return err
	}
	return v.goTo("/sent/" + string(v.id()) + "?done=marked")
}

func (v *visit) tag() error {
	_, err := v.site.Service.Tag(v.ctx, v.session.Viewer, v.id(), tagsIn(v.r.PostForm.Get("tags")))
	if r := refusalOf(err); r != nil {
		letter, err := v.letter()
		if err != nil {
			return err
		}
		letter.Error, letter.TagText = refusalWords(r, v.now()), v.r.PostForm.Get("tags")
		return v.show(http.StatusUnprocessableEntity, letter.Subject, letter)
	}
	if err != nil {
		return err
	}
	return v.goTo("/sent/" + string(v.id()) + "?done=tagged")
}

// retractView is the second step of taking an InMail back: it says what would be undone, and asks.
type retractView struct {
	Letter  letterView
	Token   string
	Undone  bool // nobody has read it so far
	Expires moment
}

func (v *visit) askRetraction() error {
	letter, err := v.letter()
	if errors.Is(err, errRecipients) {
		return refuse(domain.Forbidden, say("Only the sender of an InMail can take it back."))
	}
	if err != nil {
		return err
	}
	token, expires, undone, err := v.site.Service.AskRetraction(v.ctx, v.session.Viewer, v.id())
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, say("Take back"), retractView{letter, token, undone, momentOf(expires, v.now())})
}

func (v *visit) confirmRetraction() error {
	undone, err := v.site.Service.ConfirmRetraction(v.ctx, v.session.Viewer, v.id(), v.r.PostForm.Get("confirm"))
	if err != nil {
		return err
	}
	did := "retracted"
	if undone {
		did = "undone"
	}
	return v.goTo("/sent/" + string(v.id()) + "?done=" + did)
}
