package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

type standingAnswer struct {
	Restricted *struct {
		Trigger string
		Until   time.Time
	}
	Triggers []struct {
		Trigger string
		Value   float64
		Limit   float64
		EasesAt time.Time `json:"eases_at"`
	}
}

func standingCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "standing",
		Short: "Show how near a member is to each limit against spam, and when it eases",
		Long: `Show how near a member is to each limit against spam, and when it eases. Who passes one is restricted for a time and
cannot send; reading, replying and retracting go on, and it lifts by itself.`,
		Example: "  inmail standing --member lena.hart",
		Args:    exactly(0),
	}
	return o.asMember(cmd, func(cmd *cobra.Command, c *remote, _ []string) error {
		answer, err := c.get(cmd.Context(), "/v1/standing", nil)
		if err != nil {
			return err
		}
		return tell(o, cmd, answer, standingAnswer.text)
	})
}

func (a standingAnswer) text() string {
	holds := "not restricted\n"
	if a.Restricted != nil {
		holds = fmt.Sprintf("restricted until %s by %s\n", moment(a.Restricted.Until), plain(a.Restricted.Trigger))
	}
	t := newTable("TRIGGER", "VALUE", "LIMIT", "", "EASES")
	for _, n := range a.Triggers {
		share := 0.0
		if n.Limit > 0 {
			share = n.Value / n.Limit
		}
		t.row(n.Trigger, fmt.Sprintf("%5g", n.Value), fmt.Sprintf("%5g", n.Limit), bar(share, 10), when(n.EasesAt))
	}
	return holds + "\n" + t.String()
}
