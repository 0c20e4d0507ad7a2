package main

import (
	"bytes"
	"encoding/json"
	"net/url"

	"github.com/spf13/cobra"
)

func memberCommand(o *options) *cobra.Command {
	return commandGroup(&cobra.Command{
		Use:     "member",
		Short:   "Find members, and export the data of one",
		Example: "  inmail member find petra park\n  inmail member export lena.hart > lena.hart.json",
		GroupID: operatorGroup,
	}, memberFindCommand(o), memberExportCommand(o))
}

func memberExportCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export ID",
		Short: "Print all data of a member as one JSON document",
		Long: `Print all data of a member as one JSON document: the profile, connections, blocks, keys without their
secrets, credits, strikes, restrictions and reports, and the InMails with texts, receipts and replies. It opens
nothing.`,
		Example: "  inmail member export lena.hart > lena.hart.json",
		Args:    exactly(1),
	}
	return o.asOperator(cmd, func(cmd *cobra.Command, c *remote, args []string) error {
		answer, err := c.get(cmd.Context(), "/v1/members/"+url.PathEscape(args[0])+"/export", nil)
		if err != nil {
			return err
		}
		var laidOut bytes.Buffer
		if err := json.Indent(&laidOut, bytes.TrimSpace(answer), "", "  "); err != nil {
			return err
		}
		laidOut.WriteByte('\n')
		_, err = laidOut.WriteTo(cmd.OutOrStdout())
		return err
	})
}
