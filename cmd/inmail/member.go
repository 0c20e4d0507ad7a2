package main

import (
	"bytes"
	"encoding/json"
	"net/url"

	"github.com/spf13/cobra"
)

func memberCommand(o *options) *cobra.Command {
	return family(&cobra.Command{
		Use:     "member",
		Short:   "Give out what is held on a member",
		Example: "  inmail member export lena.hart > lena.hart.json",
		GroupID: operatorGroup,
	}, memberExportCommand(o))
}

func memberExportCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export ID",
		Short: "Print everything that is held on a member, as one JSON document",
		Long: `Print everything that is held on a member, as one JSON document: itself, its connections, blocks, keys without their
secrets, credits, strikes, restrictions and reports, and its InMails with texts, receipts and replies. Nothing is opened by it.`,
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
