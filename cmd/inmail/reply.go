package main

import (
	"net/http"

	"github.com/spf13/cobra"
)

func replyCommand(o *options) *cobra.Command {
	var body bodyFlags
	var automatic bool
	cmd := &cobra.Command{
		Use:   "reply ID [-]",
		Short: "Reply to an InMail; it is free of charge",
		Long: `Reply to an InMail; it is free of charge. The first reply is the recipient's and opens the InMail;
after it both sides may reply. An automatic reply changes nothing of the InMail: --automatic says that it is
one, and common notices of absence are found to be. The text comes from --body, from the file of a letter,
or with - from the standard input; a first line “Subject: …” of a letter is left out, since a reply has none.`,
		Example: "  inmail reply 019abf5e-8c00-7a31-9c55-0d6a3f6b7e21 --member patient.park " +
			"--body \"Tuesday at ten suits me.\"",
		Args: orStdin(1),
	}
	body.flags(cmd)
	cmd.Flags().BoolVar(&automatic, "automatic", false, "say that it is an automatic reply, such as a notice of absence")
	return o.asMember(cmd, func(cmd *cobra.Command, c *remote, args []string) error {
		text, file, err := body.read(cmd, args[1:])
		if err != nil {
			return err
		}
		if file {
			_, text = letterOf(text, "", true)
		}
		message := map[string]any{"body": text}
		if automatic {
			message["automatic"] = true
		}
		path, err := c.inmailPath(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		answer, err := c.ask(cmd.Context(), http.MethodPost, path+"/replies", message, nil)
		if err != nil {
			return err
		}
		return printAnswer(o, cmd, answer, func(a idAnswer) string { return "replied " + a.ID + "\n" })
	})
}
