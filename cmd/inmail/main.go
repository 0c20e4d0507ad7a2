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
	defer stop()
	root := newRoot()
	err := root.ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "inmail: "+err.Error())
	}
	os.Exit(exitCode(err))
}

// usageError is a command that was called wrongly.
type usageError struct{ error }

func (u usageError) Unwrap() error { return u.error }

func exitCode(err error) int {
	var refusal *domain.Refusal
	var usage usageError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &refusal):
		return exitRefused
	}
	return exitFailed
}

// options are the flags that every command has.
type options struct {
	configFile string
	json       bool
	flags      map[string]string // settings that were given as flags
}

func newRoot() *cobra.Command {
	o := &options{flags: map[string]string{}}
	root := &cobra.Command{
		Use:           "inmail",
		Short:         "Reach members whom you are not connected to, and keep Salesforce in step",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("there is no command %q; inmail --help lists them", args[0])}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.PersistentFlags().StringVar(&o.configFile, "config", "", "settings in YAML; INMAIL_* variables and flags win over it")
	root.PersistentFlags().BoolVar(&o.json, "json", false, "print JSON")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(commands(o)...)
	return root
}

// exactly is cobra.ExactArgs with the exit code of wrong use.
func exactly(n int) cobra.PositionalArgs { return asUsage(cobra.ExactArgs(n)) }

func asUsage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError{fmt.Errorf("%w; usage: inmail %s", err, cmd.Use)}
		}
		return nil
	}
}
