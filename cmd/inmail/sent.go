package main

import (
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// sentView is an InMail as its sender sees it.
type sentView struct {
	ID            string
	From          *person // nil: the caller is the sender
	To            person
	Subject       string
	Status        string
	Reason        string
	Undone        *bool
	DeclineReason string `json:"decline_reason"`
	Receipts      []struct {
		Seq    int
		Status string
		At     time.Time
		Reason string
	}
	Tags     []string
	Category string
	CRM      struct {
		LeadID    string `json:"lead_id"`
		ContactID string `json:"contact_id"`
		AccountID string `json:"account_id"`
		Match     string
		RecordID  string `json:"record_id"`
	}
	AcceptedAt time.Time `json:"accepted_at"`
	SentAt     time.Time `json:"sent_at"`
	ExpiresAt  time.Time `json:"expires_at"`
}

// state returns the status with the reason of a refusal, or whether a retracted InMail was read.
func (v sentView) state() string {
	switch {
	case v.Reason != "":
		return v.Status + ": " + v.Reason
	case v.Undone != nil && *v.Undone:
		return v.Status + ", unread"
	case v.Undone != nil:
		return v.Status + ", was read"
	}
	return v.Status
}

type sentAnswer struct {
	Items      []sentView
	NextCursor *string `json:"next_cursor"`
}

func sentCommand(o *options) *cobra.Command {
	var p paging
	var status, tag, before string
	cmd := &cobra.Command{
		Use:   "sent",
		Short: "List what a member sent, newest first",
		Example: "  inmail sent --member lena.hart --tag \"q4 pipeline\"\n" +
			"  inmail sent --member lena.hart --expires-before 2026-11-30    # unopened, and soon expired",
		Args: exactly(0),
	}
	p.flags(cmd)
	statusFlag(cmd, &status)
	cmd.Flags().StringVar(&tag, "tag", "", "only with this tag")
	cmd.Flags().StringVar(&before, "expires-before", "",
		"only unopened ones that expire before this time or `date`, unless --status says otherwise")
	return o.asMember(cmd, func(cmd *cobra.Command, c *remote, _ []string) error {
		if before != "" && status == "" {
			status = "sent" // InMails of other statuses do not expire
		}
		answer, err := c.list(cmd.Context(), "/v1/sent",
			url.Values{"status": {status}, "tag": {tag}, "expires_before": {before}}, p)
		if err != nil {
			return err
		}
		return printAnswer(o, cmd, answer, sentAnswer.text)
	})
}

func (a sentAnswer) text() string {
	if len(a.Items) == 0 {
		return "nothing here\n" + moreOf(a.NextCursor)
	}
	t := ofInMails("ID", "TO", "STATUS", "SENT", "EXPIRES", "TAGS", "SUBJECT")
	for _, v := range a.Items {
		expires := ""
		if v.Status == "sent" { // an opened InMail never expires (R32)
			expires = when(v.ExpiresAt)
		}
		t.row(v.ID, v.To.Name, v.state(), when(v.SentAt), expires, strings.Join(v.Tags, ", "), cut(v.Subject, 60))
	}
	return t.String() + moreOf(a.NextCursor)
}
