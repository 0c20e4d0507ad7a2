package main

import (
	"context"
	"fmt"

	"inmail/connectors/salesforce"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// connectors are the CRMs that this program knows, a line each. The first is the one that is meant where none is named. A connector
// is made of its settings and calls nobody; without an address in them it is not configured.
var connectors = []func(*app) (mailroom.CRM, error){
	func(a *app) (mailroom.CRM, error) { return a.salesforce(a.settings.Salesforce) },
}

// connectCRMs makes the connectors of the settings.
func (a *app) connectCRMs() (crms []mailroom.CRM, err error) {
	for _, connect := range connectors {
		crm, err := connect(a)
		if err != nil { // it reads settings and the files that they name
			return nil, usageError{fmt.Errorf("settings: %w", err)}
		}
		crms = append(crms, crm)
	}
	return crms, nil
}

// crmNames are the names of the CRMs that this program knows.
func (a *app) crmNames() (names []domain.CRM) {
	for _, crm := range a.service.Connectors() {
		names = append(names, crm.Name())
	}
	return names
}

// startCRMs notes in the record which CRMs this process reaches. Embedded mode reaches a Salesforce sandbox in this process, where no
// Salesforce is configured.
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
	a.log.WarnContext(ctx, "no CRM is configured (INMAIL_SALESFORCE_URL): nothing is pushed")
	return nil
}

// salesforce makes the connector to the org of a config.
func (a *app) salesforce(c salesforce.Config) (mailroom.CRM, error) {
	return salesforce.New(c, salesforce.Deps{Observer: a.process.CRM(salesforce.Name, salesforce.Objects, salesforce.Resources), Log: a.log,
		Clock: a.record, Text: a.settings.Policy.CRMText, Shared: a.queue.Shared()})
}
