package salesforce

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"
)

// zones are the time zones in which days of the org are written: that of the User who stands for a sender,
// else that of the setting, else that of the org. Weeks of the figures stay in UTC (R57).
type zones struct {
	mu    sync.Mutex
	asked time.Time // when the org was asked last; zero: never
	org   *time.Location
	users map[string]*time.Location
}

// zonesKept is how long the org's zones are taken as they were.
const zonesKept = 24 * time.Hour

// of returns the zone of a User, or of who has none. setting is the name of the setting's zone.
func (z *zones) of(user, setting string) *time.Location {
	z.mu.Lock()
	defer z.mu.Unlock()
	if at := z.users[user]; at != nil {
		return at
	}
	if setting != "" {
		if at, err := time.LoadLocation(setting); err == nil {
			return at
		}
	}
	if z.org != nil {
		return z.org
	}
	return time.UTC
}

func (z *zones) forget() {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.asked = time.Time{}
}

// due says that the org is to be asked now, and notes that it is.
func (z *zones) due(now time.Time) bool {
	z.mu.Lock()
	defer z.mu.Unlock()
	if !z.asked.IsZero() && now.Sub(z.asked) < zonesKept {
		return false
	}
	z.asked = now
	return true
}

// learnZones asks the org once a day for its zone, unless a setting names one, and for those of the Users who
// own Tasks. What it does not answer counts as UTC.
func (c *Connector) learnZones(ctx context.Context) {
	if c.config.TimeZone != "" && len(c.owners) == 0 || !c.zones.due(c.clock.Now()) {
		return
	}
	var org *time.Location
	users := map[string]*time.Location{}
	read := func(store func(id string, at *time.Location)) func([]byte) error {
		return func(record []byte) error {
			var r struct {
				ID   string `json:"Id"`
				Zone string `json:"TimeZoneSidKey"`
			}
			if err := json.Unmarshal(record, &r); err != nil {
				return err
			}
			if at, err := time.LoadLocation(r.Zone); err == nil && r.Zone != "" {
				store(r.ID, at)
			}
			return nil
		}
	}
	var queries []*query
	if c.config.TimeZone == "" {
		queries = append(queries, &query{n: 1, soql: func([]int) string { return "SELECT Id, TimeZoneSidKey FROM Organization LIMIT 1" },
			read: read(func(_ string, at *time.Location) { org = at })})
	}
	if len(c.owners) > 0 {
		ids := slices.Compact(slices.Sorted(maps.Values(c.owners)))
		queries = append(queries, &query{n: len(ids), soql: func(part []int) string {
			return "SELECT Id, TimeZoneSidKey FROM User WHERE Id IN " + in(pick(ids, part))
		}, read: read(func(id string, at *time.Location) { users[id] = at })})
	}
	if err := c.ask(ctx, queries...); err != nil {
		c.log.WarnContext(ctx, "the org does not say its time zone: days of Tasks are of UTC, or of salesforce.time_zone",
			"answer", asFault(err).Detail())
	}
	c.zones.mu.Lock()
	defer c.zones.mu.Unlock()
	if org != nil {
		c.zones.org = org
	}
	if len(users) > 0 {
		c.zones.users = users
	}
}
