package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"inmail/domain/mailroom"
	"inmail/domain/spam"
)

// shownRefusals is how many of the recipients that cannot be reached are listed, shownDepartures how many
// lines of the timetable.
const (
	shownRefusals   = 20
	shownDepartures = 24
)

func preflightCommand(o *options) *cobra.Command {
	var letter, subject string
	cmd := &cobra.Command{
		Use:   "preflight FILE",
		Short: "Check whom a campaign would reach, when, and how many credits it takes",
		Long: fmt.Sprintf(`Check whom a campaign would reach, when, and how many credits it takes. FILE has the ids
of up to %d members, one on each line, or is CSV whose header has the columns id, or name and perhaps company:
a row without an id is looked up by its name, and those whom several members fit are listed; - is the standard
input. With --letter the text is judged too. Without it each recipient is taken to get a text of its own.

The recipients are judged as a sequence: as if all were sent now, one after another. Those who pass now are
counted first. The timetable says when the others pass that wait for credits, for the end of a restriction or for
the limits on behaviour: so many from a time on, one after another within %s. Nothing is stored, sent or spent.`,
			mailroom.MaxPreflight, spam.PaceSlack),
		Example: "  inmail preflight recipients.txt --member lena.hart --letter letter.txt",
		Args:    exactly(1),
	}
	cmd.Flags().StringVar(&letter, "letter", "", "`file` of the letter")
	cmd.Flags().StringVar(&subject, "subject", "", "the subject, in place of that of the letter")
	o.asMember(cmd, func(cmd *cobra.Command, c *remote, args []string) error {
		list, err := readRecipients(cmd, args[0])
		if err != nil {
			return err
		}
		if err := c.lookUp(cmd.Context(), list); err != nil {
			return err
		}
		to := make([]string, len(list))
		for i, one := range list {
			to[i] = one.id
		}
		body := map[string]any{"to": to}
		if letter != "" {
			m, err := readLetter(cmd, letter, subject)
			if err != nil {
				return err
			}
			body["subject"], body["body"] = m.Subject, m.Body
		}
		answer, err := c.post(cmd.Context(), "/v1/preflight", body)
		if err != nil {
			return err
		}
		if answer, err = withReasons(answer, list); err != nil {
			return err
		}
		return printAnswer(o, cmd, answer, func(a campaignAnswer) string { return a.text(list) })
	})
	return cmd
}

type campaignAnswer struct {
	Items []struct {
		To       string
		Place    int
		OK       bool
		At       time.Time
		Refusals []hint
		Advice   []hint
	}
	Totals struct {
		Recipients int
		Doubles    int
		OK         int
		OKNow      int `json:"ok_now"`
		Refused    map[string]int
		Credits    struct {
			Needed    int
			Available int
			Missing   int
			EnoughAt  time.Time `json:"enough_at"`
		}
		Timetable []struct {
			At         time.Time
			Recipients int
			Limit      string
		}
	}
}

// text lays the answer out; list is what was asked about.
func (a campaignAnswer) text(list []recipient) string {
	t := newTable()
	recipients := fmt.Sprint(a.Totals.Recipients)
	if a.Totals.Doubles > 0 {
		recipients += ", without " + count(a.Totals.Doubles, "double")
	}
	t.row("recipients", recipients)
	t.row("may be sent now", fmt.Sprint(a.Totals.OKNow))
	later := 0
	for _, d := range a.Totals.Timetable {
		later += d.Recipients
	}
	if later > 0 {
		t.row("later", fmt.Sprintf("%d, by the timetable", later))
	}
	if refused := countsText(a.Totals.Refused); refused != "" {
		t.row("refused", refused)
	}
	t.row("credits", a.credits())
	advice := map[string]int{}
	for _, item := range a.Items {
		for _, h := range item.Advice {
			advice[h.Code]++
		}
	}
	if counts := countsText(advice); counts != "" {
		t.row("advice", counts)
	}
	return t.String() + a.refusals(list) + a.timetable()
}

// refusals lists the recipients that cannot be reached, neither now nor by the timetable.
func (a campaignAnswer) refusals(list []recipient) string {
	t := newTable("LINE", "TO", "CODE", "DETAIL")
	n := 0
	for _, item := range a.Items {
		if item.OK || !item.At.IsZero() || len(item.Refusals) == 0 {
			continue
		}
		if n++; n <= shownRefusals && item.Place >= 1 && item.Place <= len(list) {
			t.row(fmt.Sprintf("%4d", list[item.Place-1].line), item.To, item.Refusals[0].Code, item.Refusals[0].Detail)
		}
	}
	if n == 0 {
		return ""
	}
	text := "\n" + t.String()
	if n > shownRefusals {
		text += fmt.Sprintf("and %d more; --json lists all\n", n-shownRefusals)
	}
	return text
}

// timetable lists when the others pass.
func (a campaignAnswer) timetable() string {
	departures := a.Totals.Timetable
	if len(departures) == 0 {
		return ""
	}
	t := newTable("FROM", "RECIPIENTS", "WAIT FOR")
	for i, d := range departures {
		if i == shownDepartures {
			break
		}
		t.row(moment(d.At), fmt.Sprintf("%10d", d.Recipients), strings.ReplaceAll(d.Limit, "no_credits", "credits"))
	}
	text := "\n" + t.String()
	if more := len(departures) - shownDepartures; more > 0 {
		text += fmt.Sprintf("and %d more lines, the last from %s on; --json lists all\n", more,
			moment(departures[len(departures)-1].At))
	}
	return text
}

// credits returns how many credits all recipients that can be reached take, and when there are enough.
func (a campaignAnswer) credits() string {
	c := a.Totals.Credits
	text := fmt.Sprintf("%d needed, %d available now", c.Needed, c.Available)
	switch {
	case c.Missing == 0:
		return text
	case c.EnoughAt.IsZero():
		return text + "; this plan never gives enough"
	}
	return fmt.Sprintf("%s; enough from %s on", text, moment(c.EnoughAt))
}
