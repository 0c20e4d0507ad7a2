package httpapi

import (
	"context"
	"net/http"

	"inmail/domain/mailroom"
)

// resumer lets a held record go on (R61).
type resumer interface {
	Resume(ctx context.Context, v mailroom.Viewer, queued mailroom.Queued) (mailroom.Resumed, error)
}

func (a *API) resumeEndpoints() []endpoint {
	return []endpoint{takes(endpoint{
		method: "POST", path: "/v1/record/resume", name: "resumeRecord", group: "Operators", access: operatorOnly,
		status: http.StatusOK, bodyOptional: true,
		does: "Let a record go on that is held, as it is a copy or was restored from a backup (R61)",
		more: "While it is held, GET calls answer, and all that would change something is 503. What is queued in it " +
			"becomes failed, reason restored: its original may have sent it. queued=send sends it: only where nobody " +
			"worked on the original since.",
	}, (*call).resume)}
}

type resumeBody struct {
	Queued mailroom.Queued `json:"queued,omitempty" enum:"fail,send" doc:"what becomes of the InMails that are queued; left out: fail" example:"fail"`
}

type resumeAnswer struct {
	WasHeld bool `json:"was_held" doc:"false: nothing was changed" example:"true"`
	Failed  int  `json:"failed" doc:"queued InMails that failed" example:"12"`
	Queued  int  `json:"queued" doc:"queued InMails that are sent now" example:"0"`
}

func (c *call) resume(in *resumeBody) (resumeAnswer, error) {
	done, err := c.api.Service.Resume(c.ctx, c.viewer, in.Queued)
	return resumeAnswer(done), err
}
