// Inmail is the program: the service that runs InMail, and the commands of its members, operators and
// scheduled jobs. It builds the parts and joins them, and decides nothing.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

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
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, newRoot())
	stop()
	os.Exit(code)
}

// run runs the command that the arguments name, says on its error output what went wrong, and returns the exit code.
func run(ctx context.Context, root *cobra.Command) int {
	err := root.ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintln(root.ErrOrStderr(), "inmail: "+err.Error())
	}
	return exitCode(err)
}

// usageError is a command that was called wrongly.
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
	crm        string            // which CRM inmail crm is about; empty: the first that is connected
	flags      map[string]string // settings that were given as flags
}

func newRoot() *cobra.Command {
	o := &options{flags: map[string]string{}}
	root := &cobra.Command{
		Use:   "inmail",
		Short: "Reach members whom you are not connected to, and keep Salesforce in step",
		Long: `Reach members whom you are not connected to, and keep Salesforce in step.

inmail serve runs the service. The commands of members and operators ask a running one, at --server or INMAIL_URL
(else where INMAIL_LISTEN lets one listen here: 127.0.0.1:8080), with the key of INMAIL_KEY or INMAIL_KEY_FILE; on the server's own machine they find its operator key,
which acts for the member of --member or INMAIL_MEMBER. Times in tables are local, in JSON UTC.

Exit codes: 0 done, 1 failed, 2 wrong use, of a setting too, 3 refused by a rule.`,
		Example:           "  inmail serve --sample\n  inmail report\n  inmail send --member lena.hart --to maria.lopez --subject \"Our talk at the fair\" --body-file letter.txt",
		PersistentPreRunE: checkFlags,

		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.PersistentFlags().StringVar(&o.configFile, "config", "", "settings in YAML; INMAIL_* variables and flags win over it")
	root.PersistentFlags().BoolVar(&o.json, "json", false, "print JSON")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddGroup(&cobra.Group{ID: memberGroup, Title: "A member's work:"}, &cobra.Group{ID: operatorGroup, Title: "An operator's work:"})
	return family(root, commands(o)...)
}

// The groups of commands in inmail --help; a command of none belongs to the program itself.
const (
	memberGroup   = "member"
	operatorGroup = "operator"
)

// family makes a command of its subcommands alone: called without one it prints its help.
func family(cmd *cobra.Command, sub ...*cobra.Command) *cobra.Command {
	cmd.AddCommand(sub...)
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usageError{fmt.Errorf("there is no command %q; %s --help lists them", args[0], cmd.CommandPath())}
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	return cmd
}

// exactly is cobra.ExactArgs with the exit code of wrong use.
func exactly(n int) cobra.PositionalArgs { return asUsage(cobra.ExactArgs(n)) }

func asUsage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError{fmt.Errorf("%w; usage: %s", err, cmd.UseLine())}
		}
		return nil
	}
}
