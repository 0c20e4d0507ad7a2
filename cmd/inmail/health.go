package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

func healthCommand(o *options) *cobra.Command {
	var live bool
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask a server whether it can work; exit code 0 when it can",
		Long: `Ask a server whether it can work, as /readyz does; exit code 0 when it can.

A part that is down and without which it goes on is named, and the exit code is 0. With --live it is asked only
whether it runs: a record that is held or away is no failure then. Neither needs a key.`,
		Example: "  inmail health\n  until inmail health --live; do sleep 1; done",
		Args:    exactly(0),
		GroupID: operatorGroup,
	}
	cmd.Flags().BoolVar(&live, "live", false, "only whether it runs, as /livez does")
	return o.asOperator(cmd, func(cmd *cobra.Command, c *remote, _ []string) error {
		path := "/readyz"
		if live {
			path = "/livez"
		}
		answer, err := c.get(cmd.Context(), path, nil)
		if err != nil {
			return err
		}
		return printAnswer(o, cmd, answer, healthAnswer.text)
	})
}

// healthAnswer is the answer of /readyz and /livez.
type healthAnswer struct {
	Status string            `json:"status"`
	Causes map[string]string `json:"causes"`
}

func (h healthAnswer) text() string {
	var down []string
	for _, part := range slices.Sorted(maps.Keys(h.Causes)) {
		down = append(down, fmt.Sprintf("%s: %s", part, h.Causes[part]))
	}
	if len(down) == 0 {
		return plain(h.Status) + "\n"
	}
	return plain(h.Status+": "+strings.Join(down, "; ")) + "\n"
}
