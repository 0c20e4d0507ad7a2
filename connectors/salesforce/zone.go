package salesforce

import (
	"encoding/json"
	"sync"
	"time"
)

// zone is the time zone in which days of the org are written for a sender without a User: that of the
// setting, else that of the org, which is asked once a day. Weeks of the figures stay in UTC (R57).
type zone struct {
	mu    sync.Mutex
	asked time.Time // when the org was asked last; zero: never
	org   *time.Location
}

// zoneKept is how long the org's zone is taken as it was.
const zoneKept = 24 * time.Hour

// of returns the zone. setting is the name of the setting's zone.
func (z *zone) of(setting string) *time.Location {
	if setting != "" {
		if at, err := time.LoadLocation(setting); err == nil {
			return at
		}
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.org != nil {
		return z.org
	}
	return time.UTC
}

func (z *zone) forget() {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.asked = time.Time{}
}

// due says that the org is to be asked now, and notes that it is.
func (z *zone) due(now time.Time) bool {
	z.mu.Lock()
	defer z.mu.Unlock()
	if !z.asked.IsZero() && now.Sub(z.asked) < zoneKept {
		return false
	}
	z.asked = now
	return true
}

// zoneQueries returns the query for the org's zone when it is due. What the org does not answer counts as
// UTC.
func (c *Connector) zoneQueries() []*query {
	if !c.config.Tasks || c.config.TimeZone != "" || !c.zone.due(c.clock.Now()) {
		return nil
	}
	return []*query{{n: 1, soql: func([]int) string { return "SELECT TimeZoneSidKey FROM Organization LIMIT 1" },
		read: func(record []byte) error {
			at, err := zoneOf(record)
			if at != nil {
				c.zone.mu.Lock()
				defer c.zone.mu.Unlock()
				c.zone.org = at
			}
			return err
		},
		failed: func(f *Fault) {
			c.log.Warn("the org does not say its time zone: days of Tasks are of UTC", "answer", f.Detail())
		}}}
}

// zoneOf returns the zone that a record names; nil when it names none.
func zoneOf(record []byte) (*time.Location, error) {
	var r struct {
		Zone string `json:"TimeZoneSidKey"`
	}
	if err := json.Unmarshal(record, &r); err != nil || r.Zone == "" {
		return nil, err
	}
	at, err := time.LoadLocation(r.Zone)
	if err != nil { // a zone that this machine does not know
		return nil, nil
	}
	return at, nil
}
