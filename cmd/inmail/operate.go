package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"inmail/connectors/record"
)

func migrateCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use: "migrate", Short: "Bring the record's schema up to date", Args: exactly(0),
		Example: "  INMAIL_DATABASE_URL=postgres://inmail@db.internal/inmail inmail migrate",
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := o.load()
			if err != nil {
				return err
			}
			if err := record.Migrate(cmd.Context(), s.Record, &clock{}); err != nil {
				return err
			}
			return o.print(cmd.OutOrStdout(), map[string]string{"status": "up to date"}, "the schema is up to date\n")
		},
	}
	o.settingFlag(cmd, "data", "data", "data folder (./data)")
	return cmd
}

func configCommand(o *options) *cobra.Command {
	check := &cobra.Command{
		Use: "check", Short: "Check the settings and print what is in force, secrets masked", Args: exactly(0),
		Example: "  inmail config check --config inmail.yaml",
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := o.load()
			if err != nil {
				return err
			}
			shown := s.Show()
			if o.json {
				return o.print(cmd.OutOrStdout(),
					map[string]any{"settings": shown, "unknown": append([]string{}, s.Unknown...),
						"warnings": append([]string{}, s.Warnings()...)}, "")
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
			fmt.Fprintln(table, "SETTING\tVALUE\tVARIABLE")
			for _, line := range shown {
				fmt.Fprintf(table, "%s\t%s\t%s\n", line.Name, line.Value, line.Variable)
			}
			for _, name := range s.Unknown {
				fmt.Fprintf(table, "there is no such setting: %s\t\t\n", name)
			}
			if err := table.Flush(); err != nil {
				return err
			}
			for _, w := range s.Warnings() {
				fmt.Fprintln(cmd.OutOrStdout(), "warning: "+w)
			}
			return nil
		},
	}
	return commandGroup(&cobra.Command{Use: "config", Short: "Look at the settings",
		Example: "  inmail config check"}, check)
}

// print writes value as JSON with --json, else text.
func (o *options) print(out io.Writer, value any, text string) error {
	if !o.json {
		_, err := io.WriteString(out, text)
		return err
	}
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(value)
}
