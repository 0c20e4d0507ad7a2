package sandbox

import (
	"net/http"
	"strings"
	"time"
)

// replicationWindow is how far back the org answers what has changed.
const replicationWindow = 30 * 24 * time.Hour

// replicate answers GET /sobjects/T/updated and /sobjects/T/deleted: the records that were made or changed,
// or deleted, from start to end. Seconds of both are ignored, as by the org.
func (c *call) replicate(o *object, deleted bool) reply {
	if c.method != http.MethodGet {
		return methodNotAllowed(c.method, "GET", "HEAD")
	}
	start, startOK := c.minute("start")
	end, endOK := c.minute("end")
	switch {
	case !startOK || !endOK:
		return refuse(&apiError{Code: "MISSING_ARGUMENT", Message: "start and end are needed, as 2026-11-23T09:00:00Z"})
	case !end.After(start):
		return refuse(&apiError{Code: "INVALID_REPLICATION_DATE", Message: "startDate before endDate by a minute or more"})
	case c.at.Sub(start) > replicationWindow:
		return refuse(&apiError{Code: "INVALID_REPLICATION_DATE", Message: "startDate is more than 30 days ago"})
	}
	return c.reading(func(v *view) reply {
		t, where := v.tables[o], " WHERE gone IS NULL"
		if deleted {
			where = ` WHERE "IsDeleted" = 1`
		}
		ids, records := []string{}, []map[string]string{}
		v.query(t, func(r *record) bool {
			at, _ := r.values[posModstamp].(time.Time)
			if c.who.shared(v, toRead, r) {
				ids = append(ids, r.id())
				records = append(records, map[string]string{"id": r.id(), "deletedDate": at.Format(dateTimeLayout)})
			}
			return true
		}, t.all+where+` AND "SystemModstamp" >= ? AND "SystemModstamp" < ? ORDER BY n`, start.Unix(), end.Unix())
		covered := end
		if now := c.at.UTC().Truncate(time.Minute); covered.After(now) {
			covered = now
		}
		if !deleted {
			return jsonBody(http.StatusOK, map[string]any{"ids": ids, "latestDateCovered": covered.Format(dateTimeLayout)})
		}
		return jsonBody(http.StatusOK, map[string]any{"deletedRecords": records,
			"earliestDateAvailable": c.at.Add(-replicationWindow).UTC().Format(dateTimeLayout),
			"latestDateCovered":     covered.Format(dateTimeLayout)})
	})
}

// minute reads a time of the address, without its seconds.
func (c *call) minute(name string) (time.Time, bool) {
	// A client that does not escape the plus of a zone sends a space.
	text := strings.ReplaceAll(c.query.Get(name), " ", "+")
	t, ok := parseDateTime(text)
	return t.Truncate(time.Minute), ok
}

// listing answers GET /tabs and GET /recent. Nobody looks at records in this org, so that none is recent.
func (c *call) listing(name string) reply {
	list := []map[string]any{}
	if name == "tabs" {
		for _, o := range c.sandbox.schema.objects {
			if o.tab && c.who.sees(o) {
				list = append(list, map[string]any{"label": o.plural, "name": "standard-" + o.name, "sobjectName": o.name,
					"custom": o.custom(), "url": "/" + o.prefix + "/o", "iconUrl": nil, "miniIconUrl": nil, "icons": []any{},
					"colors": []any{}, "timezone": ""})
			}
		}
	}
	return jsonBody(http.StatusOK, list)
}

// describeMore answers GET /sobjects/T/describe/layouts, …/compactLayouts and …/approvalLayouts.
func (c *call) describeMore(o *object, what string) reply {
	if c.method != http.MethodGet {
		return methodNotAllowed(c.method, "GET", "HEAD")
	}
	address := "/services/data/v" + c.version + "/sobjects/" + o.name + "/describe/"
	switch what {
	case "layouts":
		l := c.sandbox.layouts.of(o)
		if l == nil {
			return notFound()
		}
		return jsonBody(http.StatusOK, map[string]any{"layouts": []any{l.describe(c, o)},
			"recordTypeMappings": []any{map[string]any{"active": true, "available": true,
				"defaultRecordTypeMapping": true, "developerName": "Master", "layoutId": l.id, "master": true, "name": "Master",
				"recordTypeId": masterRecordType, "urls": map[string]string{"layout": address + "layouts/" + masterRecordType}}},
			"recordTypeSelectorRequired": []bool{false}})
	case "compactLayouts":
		if o.nameAt == nil {
			return notFound()
		}
		return jsonBody(http.StatusOK, map[string]any{"compactLayouts": []any{compactLayout(o)},
			"defaultCompactLayoutId": nil, "recordTypeCompactLayoutMappings": []any{map[string]any{"available": true,
				"compactLayoutId": nil, "compactLayoutName": "SYSTEM", "recordTypeId": masterRecordType,
				"recordTypeName": "Master", "urls": map[string]any{}}},
			"urls": map[string]string{"primary": address + "compactLayouts/primary"}})
	case "approvalLayouts":
		return jsonBody(http.StatusOK, map[string]any{"approvalLayouts": []any{}})
	}
	return notFound()
}

// masterRecordType is the id of the record type that every object has.
const masterRecordType = "012000000000000AAA"

// compactLayout is the system's own compact layout: the name of the record.
func compactLayout(o *object) map[string]any {
	return map[string]any{"actions": []any{}, "fieldItems": []any{map[string]any{"editableForNew": true,
		"editableForUpdate": true, "label": o.nameAt.label, "layoutComponents": []any{map[string]any{"displayLines": 1,
			"tabOrder": 0, "type": "Field", "value": o.nameAt.name}}, "placeholder": false, "required": o.nameAt.required}},
		"id": nil, "imageItems": []any{}, "label": "System Default", "name": "SYSTEM", "objectType": o.name}
}

// layoutPath is the file of a layout in a zip. The name is escaped already where it needs to be.
func layoutPath(name string) string { return "layouts/" + name + ".layout" }
