package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"

	"inmail/config"
	"inmail/connectors/hubspot"
	"inmail/connectors/salesforce"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// connectors make the CRMs of this program, one line each. The first is the default where no CRM is named.
// Making a connector reads its settings and makes no call; without an address in them it is not configured.
var connectors = []func(*app) (mailroom.CRM, error){
	func(a *app) (mailroom.CRM, error) { return a.salesforce(a.settings.Salesforce) },
	func(a *app) (mailroom.CRM, error) { return a.hubspot(a.settings.HubSpot) },
}

// locals make the CRMs of the settings of a shell, for commands that need no server.
var locals = map[domain.CRM]func(config.Settings, *slog.Logger) (mailroom.CRM, error){
	salesforce.Name: func(s config.Settings, log *slog.Logger) (mailroom.CRM, error) {
		return salesforce.New(s.Salesforce, salesforce.Deps{Log: log, Clock: &clock{}})
	},
	hubspot.Name: func(s config.Settings, log *slog.Logger) (mailroom.CRM, error) {
		return hubspot.New(s.HubSpot, hubspot.Deps{Log: log, Clock: &clock{}})
	},
}

// crmTitle returns the name of a CRM as people know it.
func crmTitle(name string) string {
	if connect := locals[domain.CRM(name)]; connect != nil {
		crm, err := connect(config.Defaults(), slog.New(slog.DiscardHandler))
		if t, ok := crm.(mailroom.Titler); ok && err == nil {
			return t.Title()
		}
	}
	return cmp.Or(name, "the CRM")
}

// localCRM makes the connector of a CRM by name from the settings of a shell. An empty name means the only
// one that is configured there.
func localCRM(name string, s config.Settings) (mailroom.CRM, error) {
	var found []mailroom.CRM
	for _, each := range slices.Sorted(maps.Keys(locals)) {
		crm, err := locals[each](s, newLog(s.Program, os.Stderr))
		if err != nil {
			return nil, usageError{fmt.Errorf("settings: %w", err)}
		}
		if string(each) == name || name == "" && crm.Configured() {
			found = append(found, crm)
		}
	}
	switch {
	case len(found) == 0 && name != "":
		return nil, usageError{fmt.Errorf("--crm: %q is none of %s", name, slices.Sorted(maps.Keys(locals)))}
	case len(found) != 1:
		return nil, usageError{fmt.Errorf("--crm: %d CRMs are configured in this shell; name one of %s", len(found),
			slices.Sorted(maps.Keys(locals)))}
	case !found[0].Configured():
		return nil, fmt.Errorf("%s is not configured in this shell: set INMAIL_HUBSPOT_TOKEN, or INMAIL_SALESFORCE_URL and a login", name)
	}
	return found[0], nil
}

// connectCRMs makes all connectors from the settings.
func (a *app) connectCRMs() (crms []mailroom.CRM, err error) {
	for _, connect := range connectors {
		crm, err := connect(a)
		if err != nil { // a wrong setting, or a file that it names
			return nil, usageError{fmt.Errorf("settings: %w", err)}
		}
		crms = append(crms, crm)
	}
	return crms, nil
}

// crmNames returns the names of all CRMs, the default first.
func (a *app) crmNames() (names []domain.CRM) {
	for _, crm := range a.service.Connectors() {
		names = append(names, crm.Name())
	}
	return names
}

// startCRMs registers in the record the CRMs that are configured. When no Salesforce is, embedded mode
// starts a sandbox in this process and connects to it.
func (a *app) startCRMs(ctx context.Context) error {
	var own []mailroom.CRM
	if c := a.settings.Salesforce; c.URL == "" && (a.settings.Embedded() || a.ownSandbox) {
		c, err := a.startSandbox(c)
		if err != nil {
			return err
		}
		crm, err := a.salesforce(c)
		if err != nil {
			return usageError{fmt.Errorf("settings: %w", err)}
		}
		own = append(own, crm)
	}
	if err := a.service.ConnectCRMs(ctx, own...); err != nil {
		return err
	}
	for _, crm := range a.service.Connectors() {
		if crm.Configured() {
			return nil
		}
	}
	a.log.WarnContext(ctx, "no CRM is configured (INMAIL_SALESFORCE_URL, INMAIL_HUBSPOT_TOKEN): nothing is pushed")
	return nil
}

// pagesAddress returns where people reach the pages, for links in CRMs. In embedded mode that is where this
// process listens.
func (a *app) pagesAddress() string {
	address := a.settings.Web.Address()
	if address == "" && a.settings.Embedded() && a.settings.Web.Pages && !strings.HasSuffix(a.settings.HTTP.Listen, ":0") {
		address = a.settings.HTTP.Scheme() + "://" + a.settings.HTTP.Listen
	}
	return address
}

// salesforce makes the connector to the Salesforce org of c.
func (a *app) salesforce(c salesforce.Config) (mailroom.CRM, error) {
	return salesforce.New(c, salesforce.Deps{Observer: a.process.CRM(salesforce.Name, salesforce.Objects, salesforce.Resources), Log: a.log,
		Clock: a.record, Text: a.settings.Policy.CRMText, KeepDays: a.settings.Policy.CRMKeepDays, Address: a.pagesAddress(), Profiles: a.settings.Web.ProfileURL,
		Shared: a.queue.Shared()})
}

// hubspot makes the connector to the HubSpot portal of c.
func (a *app) hubspot(c hubspot.Config) (mailroom.CRM, error) {
	return hubspot.New(c, hubspot.Deps{Observer: a.process.CRM(hubspot.Name, hubspot.Objects, hubspot.Resources), Log: a.log,
		Clock: a.record, Text: a.settings.Policy.CRMText, KeepDays: a.settings.Policy.CRMKeepDays, Shared: a.queue.Shared()})
}
