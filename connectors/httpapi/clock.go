package httpapi

import (
	"context"
	"net/http"
	"time"

	"inmail/domain"
)

// Advance sets the clock of every decision and stamp forward by d, 0 or more, and returns its new time.
type Advance func(ctx context.Context, d time.Duration) (now time.Time, err error)

// clockEndpoints is empty without time travel: then /v1/clock is 404 (API.md).
func (a *API) clockEndpoints() []endpoint {
	if a.Advance == nil {
		return nil
	}
	return []endpoint{takes(endpoint{
		method: "POST", path: "/v1/clock", name: "advanceClock", group: "Operators", access: operatorOnly,
		status: http.StatusOK,
		does:   "Set the clock forward, until the process ends",
		more: "It runs on from there; jobs keep their real-time pace. Exists only where time travel was " +
			"switched on.",
	}, (*call).advance)}
}

type clockBody struct {
	Advance duration `json:"advance" doc:"a Go duration from 0s on" example:"168h"`
}

type clockAnswer struct {
	Now stamp `json:"now"`
}

func (c *call) advance(in *clockBody) (clockAnswer, error) {
	now, err := c.api.Advance(c.ctx, in.Advance.length())
	return clockAnswer{stamp(now)}, err
}

// duration is a Go duration from 0s on, as text.
type duration string

// Validate refuses a text that is no duration, and a negative one.
func (d duration) Validate() error {
	if v, err := time.ParseDuration(string(d)); err != nil || v < 0 {
		return domain.Refuse(domain.BadRequest, "a duration from 0s on, for instance 168h or 90m")
	}
	return nil
}

// length returns the duration; 0 for a text that Validate refuses.
func (d duration) length() time.Duration {
	v, err := time.ParseDuration(string(d))
	if err != nil {
		return 0
	}
	return v
}

func (duration) schema(*components) schema {
	return schema{"type": "string", "pattern": `^\+?(0|((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)$`}
}
