package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/domain/rates"
)

func reportCommand(o *options) *cobra.Command {
	var by, from, to, compare string
	cmd := &cobra.Command{
		Use:   "report [--compare TAG TAG]",
		Short: "Show open and response rates by week and by tag, with their 95 % intervals",
		Long: fmt.Sprintf(`Show open and response rates by week and by tag, or by one cut, with their 95 %%
intervals. A week's open rate is final %d days after its Monday, its response rate when its window for replies
is over. Until then the row shows counts, "so far", instead of a rate. Other cuts are over their complete weeks;
a + marks rows that also have InMails of younger weeks.

By length and by advice a second table says how the rates of each row differ from those of all other InMails, and
--compare how those of two tags do. Both compare week by week, over complete weeks, and hold however often you look:
until the InMails are enough they say that they cannot tell.`, rates.OpenCompleteDays),
		Example: "  inmail report\n  inmail report --by length --from 2026-09-01 --to 2026-11-30\n" +
			"  inmail report --by advice --json\n  inmail report --compare fintech logistics",
		Args: asUsage(func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("compare") {
				return cobra.NoArgs(cmd, args)
			}
			if by != "" {
				return errors.New("--compare is about tags; leave --by out")
			}
			if len(args) != 1 {
				return errors.New("--compare takes two tags")
			}
			return nil
		}),
	}
	f := cmd.Flags()
	f.StringVar(&by, "by", "", "one `cut`: "+domain.OneOf(mailroom.Cuts())+" (week and tag)")
	f.StringVar(&compare, "compare", "", "compare this `tag` with the one that follows")
	f.StringVar(&from, "from", "", "from the week of this `date` or time on")
	f.StringVar(&to, "to", "", "to the week of this `date` or time")
	o.asMember(cmd, func(cmd *cobra.Command, c *remote, args []string) error {
		c.forMember = false // the rates are of all members
		if len(args) > 0 {
			answer, err := c.get(cmd.Context(), "/v1/analytics/tags/"+url.PathEscape(compare)+"/"+url.PathEscape(args[0]),
				withoutEmpty(url.Values{"from": {from}, "to": {to}}))
			if err != nil {
				return err
			}
			return printAnswer(o, cmd, answer, comparisonAnswer.text)
		}
		cuts := []string{by}
		if by == "" {
			cuts = []string{"week", "tag"}
		}
		answers := map[string]json.RawMessage{}
		for _, cut := range cuts {
			answer, err := c.get(cmd.Context(), "/v1/analytics",
				withoutEmpty(url.Values{"by": {cut}, "from": {from}, "to": {to}}))
			if err != nil {
				return err
			}
			answers[cut] = answer
		}
		if by != "" {
			return printAnswer(o, cmd, answers[by], ratesAnswer.text)
		}
		if o.json {
			return o.print(cmd.OutOrStdout(), answers, "")
		}
		for _, cut := range cuts {
			if err := printAnswer(o, cmd, answers[cut], ratesAnswer.text); err != nil {
				return err
			}
		}
		return nil
	})
	cmd.GroupID = operatorGroup
	return cmd
}

type ratesAnswer struct {
	Definition         string
	ResponseDefinition string `json:"response_definition"`
	ResponseWindowDays int    `json:"response_window_days"`
	By                 string
	Rows               []rateRow
}

type rateRow struct {
	Key              string
	Delivered        int
	Opened           int
	Replied          int
	Declined         int
	InTime           int      `json:"replied_in_time"`
	Open             *float64 `json:"open_rate"`
	OpenLow          float64  `json:"open_rate_low"`
	OpenHigh         float64  `json:"open_rate_high"`
	OpenOf           int      `json:"open_of"`
	Response         *float64 `json:"response_rate"`
	ResponseLow      float64  `json:"response_rate_low"`
	ResponseHigh     float64  `json:"response_rate_high"`
	ResponseOf       int      `json:"response_of"`
	Complete         bool
	ResponseComplete bool `json:"response_complete"`

	OpenDifference     *difference `json:"open_difference"`
	ResponseDifference *difference `json:"response_difference"`
}

// difference is how much higher a rate is here than there.
type difference struct {
	Value, Low, High float64
	Verdict          rates.Verdict
	Of               [2]int
}

// cells returns the cells of a difference: its value and interval in points of a hundred, and what it says.
func (d *difference) cells() []string {
	if d == nil {
		return []string{"", "", "no complete week with both"}
	}
	says := fmt.Sprintf("cannot tell with this many (%d and %d)", d.Of[0], d.Of[1])
	if d.Verdict != rates.CannotTell {
		says = fmt.Sprintf("%s (%d and %d)", d.Verdict, d.Of[0], d.Of[1])
	}
	return []string{fmt.Sprintf("%+5.1f", 100*d.Value), fmt.Sprintf("%+.0f to %+.0f", 100*d.Low, 100*d.High), says}
}

type comparisonAnswer struct {
	Definition         string
	ResponseDefinition string `json:"response_definition"`
	ResponseWindowDays int    `json:"response_window_days"`
	Tags               [2]string
	Open               *difference `json:"open_difference"`
	Response           *difference `json:"response_difference"`
}

func (a comparisonAnswer) text() string {
	t := newTable(a.Tags[0]+" against "+a.Tags[1], "POINTS", "95 %", "")
	t.row(append([]string{"opened"}, a.Open.cells()...)...)
	t.row(append([]string{"responded"}, a.Response.cells()...)...)
	return fmt.Sprintf("%s\nresponded: a first reply within %d days (%s, %s); the intervals hold however often you look\n",
		t.String(), a.ResponseWindowDays, plain(a.Definition), plain(a.ResponseDefinition))
}

// toOthers returns the table of the differences of each row to all other InMails; empty in cuts without them.
func (a ratesAnswer) toOthers() string {
	if a.By != "length" && a.By != "advice" {
		return ""
	}
	t := newTable("AGAINST ALL OTHERS", "OPENED", "95 %", "", "RESPONDED", "95 %", "")
	for _, r := range a.Rows {
		t.row(append(append([]string{r.Key}, r.OpenDifference.cells()...), r.ResponseDifference.cells()...)...)
	}
	return "\n" + t.String() + "\nin points of a hundred; the intervals hold however often you look\n"
}

// younger marks a rate that leaves out the younger weeks of its row.
const younger = " +"

// barWidth is the width of a rate's bar in characters: one for each tenth.
const barWidth = 10

func (a ratesAnswer) text() string {
	if len(a.Rows) == 0 {
		return "by " + a.By + ": nothing was delivered\n\n"
	}
	t := newTable(strings.ToUpper(strings.ReplaceAll(a.By, "_", " ")), "DELIVERED",
		"OPENED", "", "95 %", "RESPONDED", "", "95 %", "DECLINED")
	for _, r := range a.Rows {
		open := rateCells(r.Open, r.OpenLow, r.OpenHigh, r.OpenOf, r.Opened, r.Delivered, r.Complete)
		response := rateCells(r.Response, r.ResponseLow, r.ResponseHigh, r.ResponseOf, r.InTime, r.Delivered,
			r.ResponseComplete)
		cells := append(append([]string{r.Key, fmt.Sprintf("%9d", r.Delivered)}, open[:]...), response[:]...)
		t.row(append(cells, fmt.Sprintf("%8d", r.Declined))...)
	}
	if a.By == "week" {
		a.total(t)
	}
	text := t.String()
	if strings.Contains(text, younger) {
		text += "\n +  over the complete weeks; younger ones are not in the rate yet"
	}
	return fmt.Sprintf("%s\nresponded: a first reply within %d days (%s, %s)\n%s\n", text, a.ResponseWindowDays,
		plain(a.Definition), plain(a.ResponseDefinition), a.toOthers())
}

// rateCells returns the cells of a rate, its bar and its interval; for a rate that is not final (nil) the
// counts.
func rateCells(rate *float64, low, high float64, of, hits, delivered int, complete bool) [3]string {
	if rate == nil {
		return [3]string{fmt.Sprintf("so far %d of %d", hits, delivered), "", "incomplete"}
	}
	mark := ""
	if !complete {
		mark = younger
	}
	return [3]string{fmt.Sprintf("%5.1f %% of %d%s", 100**rate, of, mark), bar(*rate, barWidth),
		fmt.Sprintf("%2.0f–%.0f %%", 100*low, 100*high)}
}

// total adds the row of all complete weeks, by the one definition of the rates (R59).
func (a ratesAnswer) total(t *table) {
	var opened, openOf, inTime, responseOf, delivered, declined int
	for _, r := range a.Rows {
		delivered, declined = delivered+r.Delivered, declined+r.Declined
		if r.Complete {
			opened, openOf = opened+r.Opened, openOf+r.OpenOf
		}
		if r.ResponseComplete {
			inTime, responseOf = inTime+r.InTime, responseOf+r.ResponseOf
		}
	}
	open := totalCells(rates.Of(opened, openOf), openOf, openOf == delivered)
	response := totalCells(rates.Of(inTime, responseOf), responseOf, responseOf == delivered)
	cells := append(append([]string{"all", fmt.Sprintf("%9d", delivered)}, open[:]...), response[:]...)
	t.row(append(cells, fmt.Sprintf("%8d", declined))...)
}

func totalCells(r *rates.Rate, of int, complete bool) [3]string {
	if r == nil {
		return [3]string{"", "", "incomplete"}
	}
	return rateCells(&r.Value, r.Low, r.High, of, 0, 0, complete)
}
