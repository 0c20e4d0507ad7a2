package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"inmail/domain/spam"
)

type standingAnswer struct {
	Restricted *struct {
		Trigger string
		Until   time.Time
	}
	Triggers []struct {
		Trigger  string
		Value    float64
		Limit    float64
		Headroom float64
		EasesAt  time.Time `json:"eases_at"`
	}
	Warnings []struct{ Detail string }
}

// triggerTexts describe what each limit counts.
var triggerTexts = map[string]string{
	spam.VolumeHour: "sends in an hour",
	spam.VolumeDay:  fmt.Sprintf("sends in %g hours", spam.DayWindow.Hours()),
	spam.Strikes: fmt.Sprintf("messages refused as spam in %g days; the last of them restricts",
		spam.RecordWindow.Hours()/24),
	spam.Reports: fmt.Sprintf("recipients who reported you in %g days; the last of them restricts",
		spam.RecordWindow.Hours()/24),
	spam.SimilarDay:  fmt.Sprintf("bodies almost the same in %g hours", spam.SimilarWindow.Hours()),
	spam.RegularGaps: "gaps between sends in a row within a second of each other; the last of them restricts",
	spam.BurstMinute: "sends in a minute",
}

func standingCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "standing",
		Short: "Show how near a member is to each limit against spam, and when it eases",
		Long: `Show how near a member is to each limit against spam, how many more are allowed, and when the limit
eases: when more are allowed again or, if some still are, when the value next falls. A member who passes a limit is
restricted for a time and cannot send, but can read, reply and retract. The restriction ends by itself.`,
		Example: "  inmail standing --member lena.hart",
		Args:    exactly(0),
	}
	return o.asMember(cmd, func(cmd *cobra.Command, c *remote, _ []string) error {
		answer, err := c.get(cmd.Context(), "/v1/standing", nil)
		if err != nil {
			return err
		}
		return printAnswer(o, cmd, answer, standingAnswer.text)
	})
}

func (a standingAnswer) text() string {
	restriction := "not restricted\n"
	if a.Restricted != nil {
		restriction = fmt.Sprintf("restricted until %s by %s\n", moment(a.Restricted.Until),
			plain(a.Restricted.Trigger))
	}
	t := newTable("TRIGGER", "VALUE", "LIMIT", "", "LEFT", "EASES", "COUNTS")
	for _, n := range a.Triggers {
		share := 0.0
		if n.Limit > 0 {
			share = n.Value / n.Limit
		}
		t.row(n.Trigger, fmt.Sprintf("%5g", n.Value), fmt.Sprintf("%5g", n.Limit), bar(share, 10),
			fmt.Sprintf("%4g", n.Headroom), when(n.EasesAt), triggerTexts[n.Trigger])
	}
	text := restriction + "\n" + t.String()
	for _, w := range a.Warnings {
		text += "\nwarning: " + plain(w.Detail) + "\n"
	}
	return text
}
