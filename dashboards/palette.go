package dashboards

import (
	"maps"
	"slices"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// palette maps every value of a label with our codes to one colour, the same in every panel: a reader who
// knows that orange is "expired" can read all four boards. A value of Known that has no colour here gets one
// that no other value of its label has. Labels with other values (tag, route, cohort week) get Grafana's
// colour by name, which is stable too.
var palette = complete(map[string]map[string]string{
	"account_type": {
		"basic": "text", "premium_business": "blue", "sales_navigator_team": "green",
		"recruiter": "purple", "job_seeker": "orange",
	},
	"reason": {
		"restricted": "dark-red", "no_credits": "yellow", "self": "super-light-yellow",
		"unknown_sender": "light-yellow", "unknown_recipient": "dark-yellow", "connected": "light-blue",
		"profile_not_visible": "blue", "opted_out": "dark-blue", "blocked": "purple", "banned": "dark-purple",
		"declined": "light-purple", "recipient_busy": "super-light-purple",
		"awaiting_reply": "super-light-blue", "subject_required": "super-light-green",
		"subject_too_long": "light-green",
		"body_required":    "green", "body_too_long": "semi-dark-green", "link_not_allowed": "light-orange",
		"image_not_supported": "orange", "attachment_not_supported": "dark-orange", "spam_content": "red",
	},
	"trigger": {
		"volume_hour": "light-orange", "volume_day": "orange", "strikes": "red", "reports": "dark-red",
		"similar_day": "blue", "regular_gaps": "light-blue", "burst_minute": "purple",
	},
	"queue": {"sends": "blue", "crm": "green", "upkeep": "orange"},
	"state": {
		"active": "green", "pending": "blue", "scheduled": "light-blue", "retry": "orange",
		"archived": "red", "completed": "text",
	},
	"answer": {"1xx": "text", "2xx": "green", "3xx": "blue", "4xx": "yellow", "5xx": "red"},
})

// complete gives each value of Known that has no colour the next one that is free, shade by shade.
func complete(colours map[string]map[string]string) map[string]map[string]string {
	for label, given := range colours {
		var free []string
		for _, shade := range []string{"", "dark-", "light-", "super-light-", "semi-dark-"} {
			for _, hue := range []string{"green", "blue", "purple", "orange", "yellow", "red"} {
				if name := shade + hue; !slices.Contains(slices.Collect(maps.Values(given)), name) {
					free = append(free, name)
				}
			}
		}
		for _, value := range Known[label] {
			if given[value] == "" && len(free) > 0 {
				given[value], free = free[0], free[1:]
			}
		}
	}
	return colours
}

// names are the colours of series that a panel names itself.
var names = map[string]string{
	"Delivered": "dark-blue", "Opened": "blue", "Replied": "green", "Expired": "orange", "Retracted": "purple", "Declined": "yellow",
	"Unopened":   "super-light-blue", // counts of InMails; below, events per second
	"Deliveries": "dark-blue", "Openings": "blue", "Replies": "green", "Expiries": "orange", "Retractions": "purple", "Declines": "yellow", "Automatic replies": "light-yellow",
	"Previews": "light-blue", "Reports": "dark-red",
	"Complete": "green", "So far": "light-yellow",
	"Attempted": "text", "Decided": "green",
	"Refused share": "red", "Failed share": "red", "Reported share": "dark-red",
	"In 15 minutes": "dark-blue", "In an hour": "blue", "In 6 hours": "light-blue",
	"In a day": "super-light-blue", "In 3 days": "text",
	"p50": "light-blue", "p95": "blue", "p99": "dark-blue",
	"5 minutes": "light-orange", "1 hour": "orange", "6 hours": "dark-orange", "3 days": "dark-red",
	"By the API": "blue", "On the page": "green", "Signed in": "green", "Refused": "red", "4xx": "yellow", "5xx": "red",
	"Spam content": "red", "While restricted": "dark-red",
	"Oldest waiting": "orange", "Waiting": "blue", "Used": "purple",
}

// painter is the part of a panel builder that accepts overrides.
type painter[P any] interface {
	OverrideByName(name string, properties []dashboard.DynamicConfigValue) P
}

// paint sets the colours of series. want lists names of the table above, or labels of the palette, which
// stand for all of their values.
func paint[P painter[P]](panel P, want ...string) P {
	for _, name := range want {
		if values, ok := palette[name]; ok {
			for _, value := range slices.Sorted(maps.Keys(values)) {
				panel = panel.OverrideByName(value, colour(values[value]))
			}
			continue
		}
		panel = panel.OverrideByName(name, colour(names[name]))
	}
	return panel
}

func colour(name string) []dashboard.DynamicConfigValue {
	return []dashboard.DynamicConfigValue{{Id: "color", Value: map[string]string{"mode": "fixed", "fixedColor": name}}}
}
