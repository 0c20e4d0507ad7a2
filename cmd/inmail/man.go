package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// manCommand writes the manual pages of all commands.
func manCommand() *cobra.Command {
	return &cobra.Command{
		Use: "man FOLDER", Short: "Write a manual page of each command into a folder", Args: exactly(1),
		Example: "  inmail man ~/.local/share/man/man1\n  man inmail-send",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("write the manual pages: %w", err)
			}
			header := &doc.GenManHeader{Section: "1", Source: "inmail " + version(), Manual: "InMail"}
			if err := doc.GenManTree(cmd.Root(), header, args[0]); err != nil {
				return fmt.Errorf("write the manual pages: %w", err)
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "manual pages are in %s; man inmail begins them where that is in MANPATH\n", args[0])
			return err
		},
	}
}

// completeValues lets a shell complete the values of flags that have a closed list.
func completeValues(cmd *cobra.Command, crms []string) {
	for name, values := range map[string][]string{
		"status": words(domain.Statuses()), "class": words(domain.FailureClasses()), "by": mailroom.Cuts(), "crm": crms,
		"account-type": words(domain.AccountTypes()),
	} {
		if cmd.Flags().Lookup(name) != nil || cmd.PersistentFlags().Lookup(name) != nil {
			// The error says that the flag has a completion already.
			_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
		}
	}
	for _, sub := range cmd.Commands() {
		completeValues(sub, crms)
	}
}

func words[S ~string](values []S) []string {
	all := make([]string, len(values))
	for i, v := range values {
		all[i] = string(v)
	}
	return all
}

// meant returns a question about the command that a misspelt word may be; empty when none is near.
func meant(cmd *cobra.Command, word string) string {
	if cmd.SuggestionsMinimumDistance <= 0 {
		cmd.SuggestionsMinimumDistance = 2
	}
	near := cmd.SuggestionsFor(word)
	if len(near) == 0 {
		return ""
	}
	slices.Sort(near)
	return "; did you mean " + strings.Join(near, " or ") + "?"
}
