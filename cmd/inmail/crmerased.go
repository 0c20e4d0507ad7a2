package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

func crmErasedCommand(o *options) *cobra.Command {
	var member string
	cmd := &cobra.Command{
		Use:   "erased --prove MEMBER",
		Short: "Ask Salesforce what it still has of an erased member",
		Long: `Ask Salesforce what it still has of an erased member: the id on Leads, Contacts and InMails, and names, ids,
texts and parents in the InMails of erased members and in their Tasks, in the archive and the recycle bin too. The
record knows no more which InMails were the member's, so those of all erased members are compared. What is left is
listed with its place, its reason and what to do. Nothing is changed. The command exits with 1 unless nothing is
left.`,
		Example: "  inmail crm erased --prove maria",
		Args:    exactly(0),
	}
	cmd.Flags().StringVar(&member, "prove", "", "`ID` that the member had")
	return o.asOperator(cmd, func(cmd *cobra.Command, c *remote, _ []string) error {
		if member == "" {
			return usageError{errors.New("--prove: name the erased member: inmail crm erased --prove MEMBER")}
		}
		sum := proofAnswer{Left: []proofLeft{}}
		for after := ""; ; {
			body := map[string]string{"member": member}
			if after != "" {
				body["after"] = after
			}
			answer, err := c.post(cmd.Context(), "/v1/crm/erased", body)
			if err != nil {
				return err
			}
			var page proofAnswer
			if err := json.Unmarshal(answer, &page); err != nil {
				return fmt.Errorf("read the answer: %w", err)
			}
			sum.add(page)
			if page.Next == "" || page.Next == after {
				break
			}
			after = page.Next
		}
		if err := o.print(cmd.OutOrStdout(), sum, sum.text(member)); err != nil || sum.proved() {
			return err
		}
		return errors.New("it is not proved that everything is erased; what to do is said above")
	})
}

// proofAnswer is what Salesforce has of an erased member; of several pages, all of it.
type proofAnswer struct {
	CRM     string      `json:"crm"`
	Known   bool        `json:"known"`
	Waits   string      `json:"waits"`
	InMails int         `json:"inmails"`
	Left    []proofLeft `json:"left"`
	Next    string      `json:"next,omitempty"`
}

type proofLeft struct {
	Object string `json:"object"`
	Record string `json:"record"`
	Fields string `json:"fields"`
	Where  string `json:"where"`
	Why    string `json:"why"`
}

// add adds a page.
func (a *proofAnswer) add(page proofAnswer) {
	a.CRM, a.Known, a.Waits = page.CRM, page.Known, page.Waits
	a.InMails += page.InMails
	a.Left = append(a.Left, page.Left...)
}

func (a proofAnswer) proved() bool { return !a.Known && a.Waits == "" && len(a.Left) == 0 }

func (a proofAnswer) text(member string) string {
	text := ""
	if a.Known {
		text += member + " is a member here, and not erased: DELETE /v1/members/" + member + " erases it\n"
	}
	if a.Waits != "" {
		text += a.Waits + "\n"
	}
	asked := fmt.Sprintf("asked %s for the id on Leads, Contacts and InMails, and for %s of erased members with their Tasks,\n"+
		"archive and recycle bin included: ", a.CRM, count(a.InMails, "InMail"))
	if len(a.Left) == 0 {
		return text + asked + "nothing is left\n"
	}
	t := newTable("OBJECT", "RECORD", "WHERE", "FIELDS", "WHY")
	for _, l := range a.Left {
		t.row(l.Object, l.Record, l.Where, l.Fields, l.Why)
	}
	return text + asked + count(len(a.Left), "record") + " left\n\n" + t.String()
}
