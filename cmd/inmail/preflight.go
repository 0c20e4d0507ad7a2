package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"inmail/domain/mailroom"
)

// shownRefusals is how many of the recipients that cannot be reached are listed.
const shownRefusals = 20

func preflightCommand(o *options) *cobra.Command {
	var letter string
	cmd := &cobra.Command{
		Use:   "preflight FILE",
		Short: "Check whom a campaign would reach, how many credits it takes and when there are enough",
		Long: fmt.Sprintf(`Check whom a campaign would reach, how many credits it takes and when there are enough.
FILE has the ids of up to %d members, one on each line; - is the standard input. With --letter the text is
judged too: its first line is the subject. Every rule judges each recipient as if it were the only one, now.
Nothing is stored, sent or spent.`, mailroom.MaxPreflight),
		Example: "  inmail preflight recipients.txt --member lena.hart --letter letter.txt",
		Args:    exactly(1),
	}
	cmd.Flags().StringVar(&letter, "letter", "", "`file` of the letter")
	o.asMember(cmd, func(cmd *cobra.Command, c *remote, args []string) error {
		to, err := readRecipients(cmd, args[0])
		if err != nil {
			return err
		}
		body := map[string]any{"to": to}
		if letter != "" {
			m, err := readLetter(cmd, letter, "")
			if err != nil {
				return err
			}
			body["subject"], body["body"] = m.Subject, m.Body
		}
		answer, err := c.post(cmd.Context(), "/v1/preflight", body)
		if err != nil {
			return err
		}
		return printAnswer(o, cmd, answer, campaignAnswer.text)
	})
	return cmd
}

// readRecipients reads ids of members, one on each line; empty lines are ignored.
func readRecipients(cmd *cobra.Command, path string) ([]string, error) {
	list, err := readText(cmd, path)
	if err != nil {
		return nil, err
	}
	to := []string{}
	for line := range strings.SplitSeq(list, "\n") {
		if id := strings.TrimSpace(line); id != "" {
			to = append(to, id)
		}
	}
	return to, nil
}

type campaignAnswer struct {
	Items []struct {
		To       string
		OK       bool
		Refusals []hint
		Advice   []hint
	}
	Totals struct {
		Recipients int
		OK         int
		Refused    map[string]int
		Credits    struct {
			Needed    int
			Available int
			Missing   int
			EnoughAt  time.Time `json:"enough_at"`
		}
	}
}

func (a campaignAnswer) text() string {
	t := newTable()
	t.row("recipients", fmt.Sprint(a.Totals.Recipients))
	t.row("may be sent now", fmt.Sprint(a.Totals.OK))
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
	text := t.String()
	refused := newTable("TO", "CODE", "DETAIL")
	n := 0
	for _, item := range a.Items {
		if !item.OK && len(item.Refusals) > 0 {
			if n++; n <= shownRefusals {
				refused.row(item.To, item.Refusals[0].Code, item.Refusals[0].Detail)
			}
		}
	}
	if n > 0 {
		text += "\n" + refused.String()
	}
	if n > shownRefusals {
		text += fmt.Sprintf("and %d more; --json lists all\n", n-shownRefusals)
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
