// Inmail is the program: the service, and the commands of members and operators. It builds the parts and
// connects them; the rules are decided in the domain.
package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"syscall"
	_ "time/tzdata" // time zones, where the machine has none

	"github.com/spf13/cobra"
	_ "golang.org/x/crypto/x509roots/fallback" // root certificates, where the machine has none

	"inmail/domain"
)

// The exit codes of every command (API.md).
const (
	exitDone    = 0
	exitFailed  = 1
	exitUsage   = 2
	exitRefused = 3
)

func main() {
	tableWidth = widthOf(os.Stdout)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, newRoot())
	stop()
	os.Exit(code)
}

// run executes the command that the arguments name, prints an error to its error output, and returns the exit
// code.
func run(ctx context.Context, root *cobra.Command) int {
	err := root.ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintln(root.ErrOrStderr(), "inmail: "+err.Error())
	}
	return exitCode(err)
}

// usageError wraps the error of a command that was called wrongly: it exits with exitUsage.
type usageError struct{ error }

func (u usageError) Unwrap() error { return u.error }

func exitCode(err error) int {
	var refusal *domain.Refusal
	var usage usageError
	var answer *problem
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &answer):
		return answer.exitCode()
	case errors.As(err, &refusal):
		return exitRefused
	}
	return exitFailed
}

// options are the flags that every command has.
type options struct {
	configFile string
	json       bool
	crm        string            // the CRM that inmail crm works on; empty: the first that is connected
	flags      map[string]string // settings that were given as flags, by their name in the settings file
}

func newRoot() *cobra.Command {
	o := &options{flags: map[string]string{}}
	root := &cobra.Command{
		Use:   "inmail",
		Short: "Reach members whom you are not connected to, and keep Salesforce in step",
		Long: `Reach members whom you are not connected to, and keep Salesforce in step.

inmail serve runs the service. The commands of members and operators call a running one, at --server or
INMAIL_URL, with the key of INMAIL_KEY or INMAIL_KEY_FILE. On the server's own machine they find it and its
operator key in its data folder (./data, --data, INMAIL_DATA), or at INMAIL_LISTEN, 127.0.0.1:8080 by default;
the operator key acts for the member of --member or INMAIL_MEMBER. Times in tables are local, in JSON UTC. On
a terminal tables fit its width (COLUMNS); elsewhere they are whole.

Exit codes: 0 done, 1 failed, 2 wrong use or a wrong setting, 3 refused by a rule.`,
		Example: "  inmail serve --sample\n  inmail report\n" +
			"  inmail send --member lena.hart --to careful.cole --subject \"Our talk\" --body-file letter.txt",
		PersistentPreRunE: checkFlags,
		Version:           version(),

		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.PersistentFlags().StringVar(&o.configFile, "config", "",
		"settings in YAML; INMAIL_* variables and flags override it")
	root.PersistentFlags().BoolVar(&o.json, "json", false, "print JSON")
	root.SetVersionTemplate(versionText())
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddGroup(&cobra.Group{ID: memberGroup, Title: "A member's work:"},
		&cobra.Group{ID: operatorGroup, Title: "An operator's work:"})
	commandGroup(root, append(commands(o), manCommand())...)
	completeValues(root, words(slices.Sorted(maps.Keys(locals))))
	return root
}

// The groups of commands in inmail --help. Commands of the program itself, such as serve, are in no group.
const (
	memberGroup   = "member"
	operatorGroup = "operator"
)

// commandGroup adds sub to cmd, which does nothing by itself: called without a subcommand it prints its help.
func commandGroup(cmd *cobra.Command, sub ...*cobra.Command) *cobra.Command {
	cmd.AddCommand(sub...)
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usageError{fmt.Errorf("there is no command %q%s; %s --help lists them", args[0], meant(cmd, args[0]), cmd.CommandPath())}
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	return cmd
}

// exactly requires n arguments, like cobra.ExactArgs; another number exits with exitUsage.
func exactly(n int) cobra.PositionalArgs { return asUsage(cobra.ExactArgs(n)) }

// asUsage makes the errors of an argument check exit with exitUsage, and adds the usage line to them.
func asUsage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError{fmt.Errorf("%w; usage: %s", err, cmd.UseLine())}
		}
		return nil
	}
}
