package main

import (
	"cmp"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func crmShowCommand(o *options) *cobra.Command {
	ids := map[string]*string{}
	cmd := &cobra.Command{
		Use:   "show --lead ID",
		Short: "Show a Lead, Contact or Account as its page in Salesforce shows it",
		Long: `Show a Lead, Contact or Account as its page in Salesforce shows it: its fields, with the four that InMail keeps
there; its activities; and the related list of InMails, with who wrote, where each stands, when it lapses and
whether it was answered. The newest 50 of each are shown. Nothing is changed.`,
		Example: "  inmail crm show --lead 00Q5g00000AbCdEEAV\n  inmail crm show --contact 0035g00000AbCdEAAV",
		Args:    exactly(0),
	}
	for _, kind := range []string{"lead", "contact", "account"} {
		ids[kind] = cmd.Flags().String(kind, "", "`ID` of the "+strings.ToUpper(kind[:1])+kind[1:])
	}
	return o.asOperator(cmd, func(cmd *cobra.Command, c *remote, _ []string) error {
		query := url.Values{}
		for kind, id := range ids {
			if *id != "" {
				query.Add("kind", kind+"_id")
				query.Add("id", *id)
			}
		}
		if len(query["id"]) != 1 {
			return usageError{errors.New("name one record: --lead ID, --contact ID or --account ID")}
		}
		answer, err := c.get(cmd.Context(), "/v1/crm/page", query)
		if err != nil {
			return err
		}
		return printAnswer(o, cmd, answer, crmPage.text)
	})
}

// crmPage is a record of a CRM as its page shows it.
type crmPage struct {
	Object, Record, Name string
	Fields               []struct{ Label, Value string }
	Activities           []struct{ Day, Status, Subject, Text, Owner string }
	InMails              []struct {
		Number, Subject, Sender, Owner, Status, Answer, Link string
		SentAt                                               time.Time `json:"sent_at"`
		ExpiresAt                                            time.Time `json:"expires_at"`
		RepliedAt                                            time.Time `json:"replied_at"`
	}
}

func (p crmPage) text() string {
	fields := newTable()
	for _, f := range p.Fields {
		value := f.Value
		if at, err := time.Parse(time.RFC3339, value); err == nil {
			value = moment(at)
		}
		fields.row(f.Label, cmp.Or(value, "–"))
	}
	activities := newTable("DAY", "SUBJECT", "OWNER", "STATUS")
	var under [][]string // the lines under each row
	for _, a := range p.Activities {
		activities.row(a.Day, cut(a.Subject, 60), a.Owner, a.Status)
		under = append(under, strings.Split(a.Text, "\n"))
	}
	text := p.Object + " " + plain(p.Name) + " (" + p.Record + ")\n" + fields.String() +
		"\nActivities: " + count(len(p.Activities), "task") + "\n" + withLines(activities, under)
	inmails := newTable("INMAIL", "SUBJECT", "SENDER", "OWNER", "STATUS", "SENT", "EXPIRES", "REPLIED")
	under = nil
	for _, m := range p.InMails {
		inmails.row(m.Number, cut(m.Subject, 40), m.Sender, m.Owner, m.Status, cmp.Or(when(m.SentAt), "–"), cmp.Or(when(m.ExpiresAt), "–"),
			cmp.Or(when(m.RepliedAt), "–"))
		answer := ""
		if m.Answer != "" {
			answer = "answer: " + m.Answer
		}
		under = append(under, []string{answer, m.Link})
	}
	return text + "\nInMails: " + count(len(p.InMails), "record") + "\n" + withLines(inmails, under)
}

// withLines returns a table with lines under its rows. Empty lines are left out, and long ones cut.
func withLines(t *table, under [][]string) string {
	rows := strings.Split(strings.TrimSuffix(t.String(), "\n"), "\n")
	var out strings.Builder
	for i, row := range rows {
		out.WriteString(row + "\n")
		if i == 0 { // the head
			continue
		}
		for _, line := range under[i-1] {
			if line = plain(strings.TrimSpace(line)); line != "" {
				out.WriteString("    " + cut(line, 110) + "\n")
			}
		}
	}
	return out.String()
}
