package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// The codes that only the HTTP side gives (API.md); all others come from the domain.
const (
	unauthorized         domain.Code = "unauthorized"
	methodNotAllowed     domain.Code = "method_not_allowed"
	tooLarge             domain.Code = "too_large"
	unsupportedMediaType domain.Code = "unsupported_media_type"
	rateLimited          domain.Code = "rate_limited"
	preconditionFailed   domain.Code = "precondition_failed"
	unavailable          domain.Code = "unavailable"
	internal             domain.Code = "internal"
)

// statusClientGone is the status in log and metrics when the client hung up and got no answer.
const statusClientGone = 499

// statusOf is the one place where a code becomes an HTTP status (H4). A code that is not named here is the
// refusal of a rule, 422.
func statusOf(c domain.Code) int {
	switch c {
	case domain.BadRequest:
		return http.StatusBadRequest
	case unauthorized:
		return http.StatusUnauthorized
	case domain.Forbidden:
		return http.StatusForbidden
	case domain.NotFound:
		return http.StatusNotFound
	case methodNotAllowed:
		return http.StatusMethodNotAllowed
	case domain.Conflict, domain.TooLate, domain.AlreadyOpened, domain.IdempotencyConflict:
		return http.StatusConflict
	case domain.ExpiredCode, domain.RetractedCode:
		return http.StatusGone
	case tooLarge:
		return http.StatusRequestEntityTooLarge
	case unsupportedMediaType:
		return http.StatusUnsupportedMediaType
	case preconditionFailed:
		return http.StatusPreconditionFailed
	case rateLimited:
		return http.StatusTooManyRequests
	case internal:
		return http.StatusInternalServerError
	case unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusUnprocessableEntity
}

// problem is an error as RFC 9457 writes it, with our code and the numbers that the caller needs.
type problem struct {
	Type   string `json:"type" doc:"names the kind of problem" example:"urn:inmail:body_too_long"`
	Title  string `json:"title" doc:"the HTTP status in words" example:"Unprocessable Entity"`
	Status int    `json:"status" example:"422"`
	Detail string `json:"detail" doc:"what was wrong and what to do, for people; never quotes what was sent" example:"the body has 3001 characters and may have 3000; shorten it by 1"`
	Code   string `json:"code" doc:"for programs" example:"body_too_long"`
	Until  *stamp `json:"until,omitempty" doc:"restricted: when it ends (R42)"`
	Got    *int   `json:"got,omitempty" doc:"the value that was found, where a limit was passed" example:"3001"`
	Limit  *int   `json:"limit,omitempty" doc:"the limit that it passed" example:"3000"`

	Import *importReport `json:"import,omitempty" doc:"what became of an import that ended early"`
}

// problemOf turns a refusal into the answer.
func problemOf(r *domain.Refusal) problem {
	status := statusOf(r.Code)
	p := problem{Type: "urn:inmail:" + string(r.Code), Title: http.StatusText(status), Status: status,
		Detail: r.Detail, Code: string(r.Code), Until: stampOrNull(r.Until)}
	if r.Limit != 0 || r.Got != 0 {
		p.Got, p.Limit = &r.Got, &r.Limit
	}
	return p
}

// refusalOf turns any error of a handler into a refusal. fault is nil when the error was a refusal; else it
// is the error, which is logged and of which the caller gets nothing.
func refusalOf(err error) (r *domain.Refusal, fault error) {
	if errors.As(err, &r) {
		return r, nil
	}
	var code domain.Code
	switch {
	case errors.As(err, &code):
		return domain.Refuse(code, "%s", code), nil
	case errors.Is(err, mailroom.ErrUnavailable):
		return domain.Refuse(unavailable, "the record %s; try again later", mailroom.CauseOf(err)), err
	case errors.Is(err, mailroom.ErrQueueUnavailable):
		return domain.Refuse(unavailable, "the queue %s; try again later", mailroom.CauseOf(err)), err
	case errors.Is(err, mailroom.ErrConflict):
		return domain.Refuse(unavailable,
			"this was changed by somebody else at the same moment, and nothing was done; try again"), err
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return domain.Refuse(unavailable, "the answer took too long and was given up; try again"), err
	}
	return domain.Refuse(internal, "a fault of the server; it was noted"), err
}

// retryAfter is how long a 503 asks clients to wait (header Retry-After, in seconds).
const retryAfter = 2 * time.Second

// writeProblem answers with a refusal.
func (c *call) writeProblem(r *domain.Refusal) {
	p := problemOf(r)
	p.Import = c.cutShort
	h := c.Header()
	switch r.Code {
	case unavailable:
		h.Set("Retry-After", strconv.Itoa(int(retryAfter.Seconds())))
	case unauthorized:
		h.Set("WWW-Authenticate", c.challenge)
	}
	b, _ := json.Marshal(p) // texts, numbers and a time: these marshal always
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	c.WriteHeader(p.Status)
	c.Write(b)
}
