package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func openCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "open ID",
		Short: "Open an InMail, or show one that you sent, with its conversation",
		Long: `As the recipient: open an InMail and read it with its conversation. As the sender, or with an
operator key on behalf of no member: show its status, receipts and conversation, which opens nothing.`,
		Example: "  inmail open 019abf5e-8c00-7a31-9c55-0d6a3f6b7e21 --member patient.park",
		Args:    exactly(1),
	}
	return o.asMember(cmd, func(cmd *cobra.Command, c *remote, args []string) error {
		ctx := cmd.Context()
		path, err := c.inmailPath(ctx, args[0])
		if err != nil {
			return err
		}
		view, err := c.get(ctx, path, nil) // opens nothing; only the recipient's view has a kind
		if err != nil {
			return err
		}
		var entry struct{ Kind string }
		if err := json.Unmarshal(view, &entry); err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		if entry.Kind == "" {
			return o.showSent(cmd, c, path, view)
		}
		opened, err := c.post(ctx, path+"/open", nil)
		if err != nil {
			return err
		}
		return printAnswer(o, cmd, opened, openedInMail.text)
	})
}

type openedInMail struct {
	ID       string
	Subject  string
	Body     string
	From     person
	OpenedAt time.Time `json:"opened_at"`
	Replies  []reply
}

type reply struct {
	From      person
	Body      string
	Automatic bool
	At        time.Time
}

func (m openedInMail) text() string {
	t := newTable()
	t.row("From", m.From.String())
	t.row("Subject", m.Subject)
	t.row("Opened", moment(m.OpenedAt))
	text := t.String() + "\n" + prose(m.Body) + "\n" + conversation(m.Replies)
	if len(m.Replies) == maxPage {
		text += "\nmore replies may follow; they are listed by GET " + pathOf(m.ID) + "/replies\n"
	}
	return text
}

// conversation returns the text of replies, oldest first.
func conversation(replies []reply) string {
	text := ""
	for _, r := range replies {
		mark := ""
		if r.Automatic {
			mark = ", automatic reply"
		}
		text += "\n" + plain(r.From.String()) + ", " + moment(r.At) + mark + "\n" + prose(r.Body) + "\n"
	}
	return text
}

// showSent prints an InMail for its sender: status, receipts and conversation.
func (o *options) showSent(cmd *cobra.Command, c *remote, path string, view json.RawMessage) error {
	replies, err := c.repliesOf(cmd.Context(), path)
	if err != nil {
		return err
	}
	whole := map[string]json.RawMessage{}
	if err := json.Unmarshal(view, &whole); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	whole["replies"] = replies
	answer, err := jsonOf(whole)
	if err != nil {
		return err
	}
	return printAnswer(o, cmd, answer, shownInMail.text)
}

// repliesOf reads all replies of a conversation.
func (c *remote) repliesOf(ctx context.Context, path string) (json.RawMessage, error) {
	answer, err := c.list(ctx, path+"/replies", nil, paging{all: true})
	if err != nil {
		return nil, err
	}
	var list struct{ Items json.RawMessage }
	if err := json.Unmarshal(answer, &list); err != nil {
		return nil, fmt.Errorf("read the replies: %w", err)
	}
	return list.Items, nil
}

type shownInMail struct {
	sentView
	Replies []reply
}

func (m shownInMail) text() string {
	t := newTable()
	line := func(name, value string) {
		if value != "" {
			t.row(name, value)
		}
	}
	if m.From != nil {
		line("From", m.From.String())
	}
	line("To", m.To.String())
	line("Subject", m.Subject)
	line("Status", m.state())
	line("Reason", m.DeclineReason)
	line("Tags", strings.Join(m.Tags, ", "))
	line("Category", m.Category)
	line("Salesforce", m.salesforce())
	if m.Status == "sent" {
		line("Expires", moment(m.ExpiresAt))
	}
	receipts := newTable("", "RECEIPT", "AT", "REASON")
	for _, r := range m.Receipts {
		receipts.row(fmt.Sprint(r.Seq), r.Status, when(r.At), r.Reason)
	}
	return t.String() + "\n" + receipts.String() + conversation(m.Replies)
}

// salesforce returns where in Salesforce the InMail is logged (R55); empty: nowhere.
func (v sentView) salesforce() string {
	var parts []string
	for _, p := range []struct{ name, id string }{
		{"Lead", v.CRM.LeadID}, {"Contact", v.CRM.ContactID}, {"Account", v.CRM.AccountID}, {"record", v.CRM.RecordID},
	} {
		if p.id != "" {
			parts = append(parts, p.name+" "+p.id)
		}
	}
	if v.CRM.Match != "" {
		parts = append([]string{v.CRM.Match}, parts...)
	}
	return strings.Join(parts, ", ")
}
