package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"inmail/domain"
)

func declineCommand(o *options) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "decline ID",
		Short: "Decline an InMail that you received",
		Long: fmt.Sprintf(`Decline an InMail that you received and have not answered. Declining opens it and is
final: neither side adds anything to it, and for a time the sender cannot send you another InMail. The reason
has %d characters at most; the sender and operators read it.`, domain.MaxDeclineReason),
		Example: "  inmail decline 019abf5e-8c00-7a31-9c55-0d6a3f6b7e21 --member patient.park " +
			"--reason \"We have chosen a supplier already.\"",
		Args: exactly(1),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "the `text` that the sender reads")
	return o.asMember(cmd, func(cmd *cobra.Command, c *remote, args []string) error {
		body := map[string]string{}
		if reason != "" {
			body["reason"] = reason
		}
		path, err := c.inmailPath(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		answer, err := c.post(cmd.Context(), path+"/decline", body)
		if err != nil {
			return err
		}
		return printAnswer(o, cmd, answer, func(a struct{ Status string }) string { return a.Status + "\n" })
	})
}
