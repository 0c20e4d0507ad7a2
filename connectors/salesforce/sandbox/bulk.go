package sandbox

import "time"

// Limits of Bulk API 2.0 (SALESFORCE.md 2.3).
const (
	maxBatchesPerDay   = 15_000
	maxQueryJobsPerDay = 10_000
)

// jobs are the bulk jobs of the org.
type jobs struct{}

func (*jobs) batchesToday(time.Time) int { return 0 }
func (*jobs) queriesToday(time.Time) int { return 0 }
func (*jobs) failNext()                  {}
func (c *call) bulk([]string) reply      { return notFound() }
