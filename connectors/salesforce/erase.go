package salesforce

import (
	"context"
)

// eraseTasks empties the texts of the Tasks of erased InMails that start from scratch.
func (c *Connector) eraseTasks(ctx context.Context, works []*work) {}
