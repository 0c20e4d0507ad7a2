package salesforce

import (
	"context"
)

// Record is what reconcile and backfill need of the record.
type Record interface{}

// Reconcile walks the org by key.
func (c *Connector) Reconcile(ctx context.Context) error { return nil }

// Backfill brings everything to the org in bulk.
func (c *Connector) Backfill(ctx context.Context) error { return nil }
