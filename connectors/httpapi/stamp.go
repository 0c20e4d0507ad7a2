package httpapi

import "time"

// A stamp is a time in the form of the contract: RFC 3339, UTC, milliseconds.
type stamp time.Time

const stampLayout = "2006-01-02T15:04:05.000Z"

// MarshalJSON writes 2026-11-23T09:00:00.000Z.
func (s stamp) MarshalJSON() ([]byte, error) {
	b := make([]byte, 0, len(stampLayout)+2)
	b = append(b, '"')
	b = time.Time(s).UTC().AppendFormat(b, stampLayout)
	return append(b, '"'), nil
}

func (stamp) schema(*components) schema {
	return schema{"type": "string", "format": "date-time", "pattern": `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`,
		"description": "RFC 3339, UTC, milliseconds", "examples": []any{"2026-11-23T09:00:00.000Z"}}
}

// stampOrNull is nil for the zero time, which stands for "not yet".
func stampOrNull(t time.Time) *stamp {
	if t.IsZero() {
		return nil
	}
	s := stamp(t)
	return &s
}
