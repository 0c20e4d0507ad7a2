package webtest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// Refusal is a letter that is refused with one code, and what the page says of it: what is wrong, the limit,
// the value, and what to do.
type Refusal struct {
	From, To      domain.MemberID
	Subject, Body string
	Attached      bool   // a file was dropped on it
	Words         string // a regular expression
}

// SignedOut is the code that no page can be refused with: a session ends with its member, so who is no
// member is led to the sign-in.
const SignedOut = domain.UnknownSender

const (
	subject = "Your talk on planning"
	body    = "Hi, what you said about planning stayed with me. Would you have a minute this week?"
)

// unavailable is all that a sender learns of the hidden reasons (R18).
const unavailable = `^This person cannot be reached by InMail\. Try somebody else, or another way\.$`

// Refusals returns a letter for each code. PrepareRefusals makes the members that they need.
func Refusals() map[domain.Code]Refusal {
	all := map[domain.Code]Refusal{
		domain.Restricted:        {From: "eager", Words: `^Sending is paused for you until .+ UTC\. It resumes by itself; .+ Why: 11 sent within a minute, and the limit is 10\.$`},
		domain.NoCredits:         {From: "broke", Words: `^5 of 5 InMails of this period are used and 0 are on their way; the next period begins .+\. Wait until then, or ask`},
		domain.Self:              {To: "writer", Words: `^An InMail goes to somebody else; choose another recipient\.$`},
		domain.UnknownRecipient:  {To: "nobody.here", Words: `^There is no member with this name\. Check the spelling\.$`},
		domain.Connected:         {To: "friend", Words: `^You are connected already, .+ Write a regular message instead\.$`},
		domain.ProfileNotVisible: {To: "unlisted", Words: `^This profile is not visible to you, so it cannot be reached by InMail\. Try`},
		domain.OptedOut:          {To: "closed", Words: unavailable},
		domain.Blocked:           {To: "blocker", Words: unavailable},
		domain.Banned:            {To: "banned", Words: unavailable},
		domain.DeclinedCode:      {To: "decliner", Words: unavailable},
		domain.RecipientBusy:     {To: "busy", Words: unavailable},
		domain.AwaitingReply:     {To: "waiting", Words: `^Your earlier InMail to this person is still open\. Wait until it is answered, lapses, or is taken back\.$`},
		domain.SubjectRequired:   {Subject: " ", Words: fmt.Sprintf(`^An InMail has a subject; write one line of 1 to %d characters\.$`, domain.MaxSubject)},
		domain.SubjectTooLong: {Subject: strings.Repeat("x", domain.MaxSubject+3),
			Words: fmt.Sprintf(`^The subject has %d characters and may have %d; shorten it by 3\.$`, domain.MaxSubject+3, domain.MaxSubject)},
		domain.BodyRequired: {Body: " ", Words: fmt.Sprintf(`^An InMail has a body; write 1 to %d characters\.$`, domain.MaxBody)},
		domain.BodyTooLong: {Body: strings.Repeat("word ", domain.MaxBody/5) + "end",
			Words: fmt.Sprintf(`^The body has %d characters and may have %d; shorten it by 3\.$`, domain.MaxBody+3, domain.MaxBody)},
		domain.LinkNotAllowed:        {Body: "See [this](ftp://files.example/a).", Words: `^Links go to http, https or mailto; change or remove the others\.$`},
		domain.ImageNotSupported:     {Body: "See ![this](https://pictures.example/a.png).", Words: `^InMails carry no images; send a link to the picture instead\.$`},
		domain.AttachmentUnsupported: {Attached: true, Words: `^InMails carry no attachments; send a link instead\.$`},
		domain.SpamContent: {Subject: "You have WON a prize", Words: `^The message reads like spam: .+ Rewrite it in your own words and send it again\.$`,
			Body: "Congratulations, you have won a cash prize! Act now, limited time offer, 100% risk free: make money fast, click here to claim your free gift."},
	}
	for code, r := range all {
		r.From, r.To, r.Subject, r.Body = or(r.From, "writer"), or(r.To, "anybody"), or(r.Subject, subject), or(r.Body, body)
		all[code] = r
	}
	return all
}

func or[S ~string](given, otherwise S) S {
	if given == "" {
		return otherwise
	}
	return given
}

// PrepareRefusals makes the members of Refusals and what was between them before.
func PrepareRefusals(ctx context.Context, svc *mailroom.Service) error {
	member := func(id domain.MemberID, plan string, change func(*domain.Member)) domain.Member {
		m := domain.NewMember(id, strings.ToUpper(string(id[:1]))+string(id[1:])+" Example")
		m.Plan, m.AccountType = plan, domain.ShippedPlans()[plan].AccountType
		if change != nil {
			change(&m)
		}
		return m
	}
	const none = "basic_0"
	members := []domain.Member{
		member("writer", "recruiter_50", nil), member("eager", "recruiter_50", nil), member("broke", "job_seeker_5", nil),
		member("anybody", none, nil), member("friend", none, nil), member("blocker", none, nil), member("decliner", none, nil), member("waiting", none, nil),
		member("unlisted", none, func(m *domain.Member) { m.ProfileVisible = false }),
		member("closed", none, func(m *domain.Member) { m.AcceptsInMail = false }),
		member("banned", none, func(m *domain.Member) { m.Company = "Quiet Ltd" }),
		member("busy", none, func(m *domain.Member) { m.MaxWeek = 1 }),
	}
	var sends []mailroom.Send
	send := func(from, to domain.MemberID) {
		n := len(sends)
		sends = append(sends, mailroom.Send{From: from, To: to, Subject: fmt.Sprintf("Letter %d", n), Body: fmt.Sprint(strings.Repeat("words ", n), body)})
	}
	for i := range 10 { // the eleventh of who is eager is one too many
		id := domain.MemberID(fmt.Sprintf("many%d", i))
		members = append(members, member(id, none, nil))
		if send("eager", id); i < 5 {
			send("broke", id)
		}
	}
	send("writer", "decliner")
	send("writer", "waiting")
	send("broke", "busy") // refused: it has no credits left
	send("writer", "busy")
	errs, err := svc.PutMembers(ctx, members)
	if err := errors.Join(append(errs, err)...); err != nil {
		return err
	}
	connected, err1 := svc.Connect(ctx, []mailroom.Pair{{From: "writer", To: "friend"}})
	blocked, err2 := svc.Block(ctx, []mailroom.Pair{{From: "blocker", To: "writer"}})
	banned := svc.Ban(ctx, mailroom.Viewer{Operator: true, KeyID: "test"}, domain.Ban{Kind: domain.BanCompany, Value: "Quiet Ltd", Reason: "legal hold"})
	if err := errors.Join(append(append(connected, blocked...), err1, err2, banned)...); err != nil {
		return err
	}
	var ids []domain.ID
	for _, s := range sends {
		answers, err := svc.Accept(ctx, []mailroom.Send{s})
		if err != nil {
			return err
		}
		if answers[0].Err == nil {
			ids = append(ids, answers[0].ID)
		}
	}
	if _, err := svc.Deliver(ctx, ids); err != nil {
		return err
	}
	inbox, err := svc.Inbox(ctx, "decliner", mailroom.Filter{}, mailroom.Page{Limit: 1})
	if err != nil || len(inbox.Items) != 1 {
		return fmt.Errorf("the inbox of who declines has %d InMails: %w", len(inbox.Items), err)
	}
	return svc.Decline(ctx, mailroom.Viewer{Member: "decliner"}, inbox.Items[0].InMail, "")
}
