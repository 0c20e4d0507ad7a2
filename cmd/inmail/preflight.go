package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"inmail/domain/mailroom"
)

// shownRefusals are how many of those who cannot be reached are listed by name.
const shownRefusals = 20

func preflightCommand(o *options) *cobra.Command {
	var letter string
	cmd := &cobra.Command{
		Use:   "preflight FILE",
		Short: "Tell whom a campaign would reach, what it would take and when that would be there",
		Long: fmt.Sprintf(`Tell whom a campaign would reach, what it would take and when that would be there. FILE holds the ids of up to %d members,
one a line; - is the standard input. With --letter the text is judged too: its first line is the subject. Each recipient is
judged as if it alone were sent to now, by every rule. Nothing is stored, sent or spent.`, mailroom.MaxPreflight),
		Example: "  inmail preflight recipients.txt --member lena.hart --letter letter.txt",
		Args:    exactly(1),
	}
	cmd.Flags().StringVar(&letter, "letter", "", "`file` with the letter")
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

// readRecipients reads ids of members, one a line.
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
		text += fmt.Sprintf("and %d more; --json tells all\n", n-shownRefusals)
	}
	return text
}

// credits says what reaching everybody takes who can be reached.
func (a campaignAnswer) credits() string {
	c := a.Totals.Credits
	text := fmt.Sprintf("%d needed, %d there now", c.Needed, c.Available)
	switch {
	case c.Missing == 0:
		return text
	case c.EnoughAt.IsZero():
		return text + "; with this plan they never come"
	}
	return fmt.Sprintf("%s; there will have been enough from %s on", text, moment(c.EnoughAt))
}
