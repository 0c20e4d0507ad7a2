package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"inmail/config"
)

// load reads the settings: file, environment and flags. A wrong one is a usageError, since only the caller
// can correct it.
func (o *options) load() (config.Settings, error) {
	s, err := config.Load(config.Sources{File: o.configFile, Environment: os.Environ(), Flags: o.flags})
	if err != nil {
		return s, usageError{fmt.Errorf("settings: %w", err)}
	}
	return s, nil
}

// settingFlag adds a flag that overrides a setting.
func (o *options) settingFlag(cmd *cobra.Command, flag, setting, help string) {
	cmd.Flags().Func(flag, help, func(value string) error {
		o.flags[setting] = value
		return nil
	})
}

func serveCommand(o *options) *cobra.Command {
	var sample bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the API, the workers and the schedule in one process, or some of them",
		Long: `Run the API, the workers and the schedule in one process, or some of them.

With nothing configured the record is a SQLite file in the data folder, the queue and a Salesforce sandbox
are inside the process, and it listens on loopback only. --roles splits the parts over machines, which then
share one PostgreSQL and one Redis.`,
		Example: "  inmail serve --sample\n  inmail serve --roles api --listen 10.0.0.5:8080 --config inmail.yaml",
		Args:    exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := o.load()
			if err != nil {
				return err
			}
			return serve(cmd.Context(), s, sample, o.json, cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&sample, "sample", false, "load the sample data into an empty record and print a summary")
	o.settingFlag(cmd, "roles", "roles", "what this process runs: api,worker,scheduler")
	o.settingFlag(cmd, "listen", "listen", "address of the API (127.0.0.1:8080)")
	o.settingFlag(cmd, "data", "data", "data folder (./data)")
	return cmd
}

// serve runs the program until ctx ends, by SIGTERM or Ctrl-C. Then it accepts no more work, finishes what
// has begun within the grace time, and returns nil.
func serve(ctx context.Context, s config.Settings, sample, asJSON bool, out io.Writer) (err error) {
	if err := addressIsFree(s); err != nil {
		return err
	}
	log := newLog(s.Program, os.Stderr)
	a, err := build(ctx, s, log)
	if err != nil {
		return err
	}
	defer func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx),
			s.Queue.Grace+s.HTTP.ShutdownTimeout+10*time.Second)
		defer cancel()
		err = errors.Join(err, a.Stop(ending))
		log.Info("ended")
	}()
	if sample {
		if err := a.loadSample(ctx, out); err != nil {
			return fmt.Errorf("load the sample: %w", err)
		}
	}
	if err := a.Start(ctx); err != nil {
		return err
	}
	if err := a.printAddresses(out); err != nil {
		return err
	}
	if sample {
		if err := a.printSummary(ctx, out, asJSON); err != nil {
			return err
		}
	}
	if err := a.printLinks(ctx, out, sample, asJSON); err != nil {
		return err
	}
	select {
	case err := <-a.failed:
		return fmt.Errorf("the API ended: %w", err)
	case <-ctx.Done():
		log.Info("ending", "reason", context.Cause(ctx))
		return nil
	}
}

// addressIsFree checks that the API will be able to listen, before a data folder is made that would be left
// behind.
func addressIsFree(s config.Settings) error {
	if !s.Has(config.RoleAPI) {
		return nil
	}
	l, err := net.Listen("tcp", s.HTTP.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w; stop what listens there, or choose another (--listen, INMAIL_LISTEN)",
			s.HTTP.Listen, err)
	}
	return l.Close()
}

// printAddresses prints where the program answers, and the operator key if this start has made it.
func (a *app) printAddresses(out io.Writer) error {
	if a.apiAddress == "" {
		return nil
	}
	what := "serves"
	if !a.settings.Has(config.RoleAPI) {
		what = "serves its health and metrics"
	}
	_, err := fmt.Fprintf(out, "inmail %s %s at %s\n", version(), what, a.url())
	if a.sandboxAddress != "" && err == nil {
		_, err = fmt.Fprintf(out, "Salesforce sandbox (not Salesforce) at http://%s\n", a.sandboxAddress)
	}
	if a.newKey && err == nil {
		_, err = fmt.Fprintf(out, "operator key, shown this once (kept in %s): %s\n", a.settings.Record.Data,
			a.operatorKey)
	}
	return err
}

// url is where the API answers.
func (a *app) url() string { return a.settings.HTTP.Scheme() + "://" + a.apiAddress }

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
