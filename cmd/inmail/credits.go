package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

type creditsAnswer struct {
	AccountType string `json:"account_type"`
	Plan        string
	Allowance   int
	Carried     int
	Used        int
	InFlight    int `json:"in_flight"`
	Remaining   int
	PeriodStart time.Time `json:"period_start"`
	PeriodEnd   time.Time `json:"period_end"`
}

func creditsCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "credits",
		Short:   "Show what a member may still send in this period",
		Example: "  inmail credits --member lena.hart",
		Args:    exactly(0),
	}
	return o.asMember(cmd, func(cmd *cobra.Command, c *remote, _ []string) error {
		answer, err := c.get(cmd.Context(), "/v1/credits", nil)
		if err != nil {
			return err
		}
		return printAnswer(o, cmd, answer, creditsAnswer.text)
	})
}

func (a creditsAnswer) text() string {
	t := newTable()
	left := fmt.Sprint(a.Remaining)
	if a.InFlight > 0 {
		left += fmt.Sprintf(", of which %d on the way", a.InFlight)
	}
	t.row("remaining", left)
	total := fmt.Sprint(a.Allowance)
	if a.Carried > 0 {
		total += fmt.Sprintf(" and %d carried over", a.Carried)
	}
	t.row("used", fmt.Sprintf("%d of %s", a.Used, total))
	t.row("plan", a.Plan)
	t.row("period", moment(a.PeriodStart)+" to "+moment(a.PeriodEnd))
	return t.String()
}
