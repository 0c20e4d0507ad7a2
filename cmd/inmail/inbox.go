package main

import (
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"inmail/domain"
)

// person is a member as other members see it.
type person struct {
	ID   string
	Name string
}

// String returns the name and the id; an erased member has neither (R60).
func (p person) String() string {
	if p.ID == "" {
		return "(erased)"
	}
	return fmt.Sprintf("%s (%s)", p.Name, p.ID)
}

type inboxAnswer struct {
	Items []struct {
		ID        string
		Kind      string
		InMailID  string `json:"inmail_id"`
		From      person
		Subject   string
		Preview   string
		Unread    bool
		SentAt    time.Time `json:"sent_at"`
		ExpiresAt time.Time `json:"expires_at"`
	}
	NextCursor  *string `json:"next_cursor"`
	UnreadCount int     `json:"unread_count"`
}

func inboxCommand(o *options) *cobra.Command {
	var p paging
	var status string
	cmd := &cobra.Command{
		Use:   "inbox",
		Short: "List a member's inbox, newest first",
		Long: `List a member's inbox, newest first. A star marks unread entries. The id is the one for inmail open
and inmail reply: it is the InMail's id also on the line of a reply. Listing opens nothing.`,
		Example: "  inmail inbox --member patient.park\n  inmail inbox --member patient.park --status sent --all",
		Args:    exactly(0),
	}
	p.flags(cmd)
	statusFlag(cmd, &status)
	return o.asMember(cmd, func(cmd *cobra.Command, c *remote, _ []string) error {
		answer, err := c.list(cmd.Context(), "/v1/inbox", url.Values{"status": {status}}, p)
		if err != nil {
			return err
		}
		return printAnswer(o, cmd, answer, inboxAnswer.text)
	})
}

func statusFlag(cmd *cobra.Command, status *string) {
	cmd.Flags().StringVar(status, "status", "", "only of this status, one of "+domain.OneOf(domain.Statuses()))
}

func (a inboxAnswer) text() string {
	if len(a.Items) == 0 {
		return "nothing here\n" + moreOf(a.NextCursor)
	}
	t := ofInMails("", "ID", "FROM", "SENT", "EXPIRES", "SUBJECT", "PREVIEW")
	for _, i := range a.Items {
		id, subject, mark := i.ID, i.Subject, ""
		if i.Kind == "reply" {
			id, subject = i.InMailID, "Re: "+i.Subject
		}
		if i.Unread {
			mark = "*"
		}
		t.row(mark, id, i.From.Name, when(i.SentAt), when(i.ExpiresAt), cut(subject, 44), cut(i.Preview, 60))
	}
	return fmt.Sprintf("%s\n%d unread\n%s", t, a.UnreadCount, moreOf(a.NextCursor))
}
