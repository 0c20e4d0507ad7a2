package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"inmail/domain/mailroom"
)

func crmSetupCommand(o *options) *cobra.Command {
	var apply bool
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "Show what a CRM needs for the sync, and make it",
		Long: `Show what the CRM of the settings of this shell needs for the sync, such as groups and properties in HubSpot, and
with --apply make what is missing there. It needs no server, writes no record and removes nothing; it may be
repeated. It exits with 1 when something is missing or cannot be made.`,
		Example: "  inmail crm setup --crm hubspot\n  inmail crm setup --crm hubspot --apply",
		Args:    exactly(0),
	}
	cmd.Flags().BoolVar(&apply, "apply", false, "make what is missing; left out: only show it")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s, err := o.load()
		if err != nil {
			return err
		}
		crm, err := localCRM(o.crm, s)
		if err != nil {
			return err
		}
		installer, ok := crm.(mailroom.Installer)
		if !ok {
			return usageError{fmt.Errorf("--crm: %s is not set up by this command; see the connector's README", crm.Name())}
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), checkLimit)
		defer cancel()
		steps, failed := installer.Setup(ctx, apply)
		report := setupReport{CRM: string(crm.Name()), Applied: apply, Steps: steps}
		for _, step := range steps {
			if step.State == mailroom.StepMissing || step.State == mailroom.StepFailed {
				report.Open++
			}
		}
		if err := o.print(cmd.OutOrStdout(), report, report.text()); err != nil {
			return err
		}
		switch {
		case failed != nil:
			return failed
		case report.Open > 0 && !apply:
			return fmt.Errorf("%s missing; --apply makes what can be made", count(report.Open, "thing"))
		case report.Open > 0:
			return fmt.Errorf("%s could not be made; the table shows the remedies", count(report.Open, "thing"))
		}
		return nil
	}
	return cmd
}

// setupReport is the result of a set-up.
type setupReport struct {
	CRM     string               `json:"crm"`
	Applied bool                 `json:"applied"`
	Open    int                  `json:"open"` // steps that are missing or failed
	Steps   []mailroom.SetupStep `json:"steps"`
}

func (r setupReport) text() string {
	t := newTable("", "WHAT", "FOUND", "REMEDY")
	for _, s := range r.Steps {
		t.row(s.State, s.What, s.Detail, s.Remedy)
	}
	return t.String()
}
