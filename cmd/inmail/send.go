package main

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// newInMail is the body of a send: one whole InMail, since there are no drafts (R27).
type newInMail struct {
	To       string   `json:"to"`
	Subject  string   `json:"subject"`
	Body     string   `json:"body"`
	Tags     []string `json:"tags,omitempty"`
	Category string   `json:"category,omitempty"`
	CRM      *crmIDs  `json:"crm,omitempty"`
}

type crmIDs struct {
	LeadID    string `json:"lead_id,omitempty"`
	ContactID string `json:"contact_id,omitempty"`
	AccountID string `json:"account_id,omitempty"`
}

func sendCommand(o *options) *cobra.Command {
	var m newInMail
	var ids crmIDs
	var body bodyFlags
	var key string
	cmd := &cobra.Command{
		Use:   "send --to ID [--subject S] [-]",
		Short: "Send one InMail to one member",
		Long: `Send one InMail to one member. The text comes from --body, from the file of a letter, or with - from
the standard input; **bold**, *italics*, ~~strikethrough~~, lists and [links](https://…) are kept. It is queued
when every rule allows it. Advice is printed with its id and refuses nothing. A second send with the same --key
sends nothing.

` + letterHelp,
		Example: `  inmail send --member lena.hart --to noah.brandt --body-file letter.txt
  inmail send --member lena.hart --to ivy.chen --subject "Our talk" --body "Shall we talk on?"
  inmail advise letter.txt --member lena.hart --to basil.moor    # first see what would be refused`,
		Args: orStdin(0),
	}
	f := cmd.Flags()
	f.StringVar(&m.To, "to", "", "`ID` of the recipient, or the name of exactly one member")
	f.StringVar(&m.Subject, "subject", "", fmt.Sprintf("one line of at most %d characters", domain.MaxSubject))
	body.flags(cmd)
	f.StringArrayVar(&m.Tags, "tag", nil, "tag it; may be given up to 10 times")
	f.StringVar(&m.Category, "category", "", "rates are reported by it, for instance follow_up")
	f.StringVar(&ids.LeadID, "lead", "", "`ID` of the Lead in Salesforce to log it on")
	f.StringVar(&ids.ContactID, "contact", "", "`ID` of the Contact to log it on")
	f.StringVar(&ids.AccountID, "account", "", "`ID` of the Account to log it on")
	f.StringVar(&key, "key", "", "Idempotency-Key: the same key of the same sender is the same InMail")
	return o.asMember(cmd, func(cmd *cobra.Command, c *remote, args []string) (err error) {
		if m.To == "" || f.Changed("body") && !f.Changed("subject") {
			return usageError{errors.New("send needs --to, and with --body also --subject")}
		}
		text, file, err := body.read(cmd, args)
		if err != nil {
			return err
		}
		if m.Body = text; file {
			m.Subject, m.Body = letterOf(text, m.Subject, f.Changed("subject"))
		}
		to, err := c.recipientOf(cmd.Context(), m.To)
		if err != nil {
			return err
		}
		m.To = to.ID
		if ids != (crmIDs{}) {
			m.CRM = &ids
		}
		header := http.Header{}
		if f.Changed("key") {
			if !inHeader(key) {
				return usageError{fmt.Errorf("--key: 1 to %d printable ASCII characters", mailroom.MaxKey)}
			}
			header.Set("Idempotency-Key", key)
		}
		answer, err := c.ask(cmd.Context(), http.MethodPost, "/v1/inmails", m, header)
		if err != nil {
			return err
		}
		return printAnswer(o, cmd, answer, func(a queuedAnswer) string {
			status := a.Status + " " + a.ID
			if to.Name != "" {
				status += " to " + plain(to.Name) + " (" + plain(to.ID) + ")"
			}
			return status + "\n" + adviceText(a.Advice)
		})
	})
}

type queuedAnswer struct {
	ID     string
	Status string
	Advice []hint
}

// hint is a piece of advice or a refusal: a code for machines and a text for people.
type hint struct {
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// adviceText lists advice; empty for none.
func adviceText(hits []hint) string { return hintsText("advice", hits) }

func hintsText(title string, hits []hint) string {
	if len(hits) == 0 {
		return ""
	}
	text := title + ":\n"
	for _, h := range hits {
		text += "  " + plain(h.Code) + ": " + plain(h.Detail) + "\n"
	}
	return text
}

// bodyFlags are the flags that give a text.
type bodyFlags struct{ text, file string }

func (b *bodyFlags) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&b.text, "body", "", "the `text`")
	cmd.Flags().StringVar(&b.file, "body-file", "", "`file` of a letter; - is the standard input")
}

// read returns the text, which must be given in one way only, and whether it is that of a file. Line breaks
// at the end of a file are removed, since editors add them.
func (b *bodyFlags) read(cmd *cobra.Command, args []string) (text string, file bool, err error) {
	byText, byFile := cmd.Flags().Changed("body"), cmd.Flags().Changed("body-file")
	byInput := len(args) > 0 && args[len(args)-1] == "-"
	switch {
	case byText && !byFile && !byInput:
		return b.text, false, nil
	case byFile && !byText && !byInput:
		text, err = readText(cmd, b.file)
		return text, true, err
	case byInput && !byText && !byFile:
		text, err = readText(cmd, "-")
		return text, true, err
	}
	return "", false, usageError{errors.New("give the text in one way: --body, --body-file, or - for the standard input")}
}

// orStdin allows n arguments, and one more that is - (the standard input).
func orStdin(n int) cobra.PositionalArgs {
	return asUsage(func(cmd *cobra.Command, args []string) error {
		if len(args) == n+1 && args[n] == "-" {
			return nil
		}
		return cobra.ExactArgs(n)(cmd, args)
	})
}

// idAnswer is the id of what a call has made.
type idAnswer struct{ ID string }
