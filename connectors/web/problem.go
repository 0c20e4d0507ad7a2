package web

import (
	"context"
	"errors"
	"net/http"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// problemOf turns any error of a handler into a page: what went wrong, and what to do.
func problemOf(err error, now time.Time) (status int, p problem) {
	var r *domain.Refusal
	if errors.As(err, &r) {
		return refusedPage(r, now)
	}
	p = problem{Back: "/"}
	switch {
	case errors.Is(err, mailroom.ErrUnavailable):
		p.Heading = say("Not just now")
		p.Text = say("The record %s. Nothing was lost; try again in a moment.", mailroom.CauseOf(err))
		return http.StatusServiceUnavailable, p
	case errors.Is(err, mailroom.ErrConflict):
		p.Heading = say("Changed meanwhile")
		p.Text = say("Somebody else changed this at the same moment, and nothing was done. Try again.")
		return http.StatusServiceUnavailable, p
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		p.Heading = say("That took too long")
		p.Text = say("The answer took too long and was given up. Try again in a moment.")
		return http.StatusServiceUnavailable, p
	}
	p.Heading = say("A fault of ours")
	p.Text = say("Something went wrong on our side, and it was noted. Try again; if it stays, ask an operator.")
	return http.StatusInternalServerError, p
}

func refusedPage(r *domain.Refusal, now time.Time) (int, problem) {
	p := problem{Code: string(r.Code), Text: refusalWords(r, now), Back: "/"}
	switch r.Code {
	case domain.NotFound:
		p.Heading = say("Nothing here")
		return http.StatusNotFound, p
	case domain.Forbidden:
		p.Heading = say("Not for you")
		return http.StatusForbidden, p
	case domain.ExpiredCode:
		p.Heading = say("Too late")
		p.Text = say("This InMail lapsed: nobody opened it within %d days.", windowDays())
		return http.StatusGone, p
	case domain.RetractedCode:
		p.Heading = say("Taken back")
		p.Text = say("The sender has taken this InMail back.")
		return http.StatusGone, p
	case domain.Conflict, domain.TooLate, domain.AlreadyOpened, domain.IdempotencyConflict:
		p.Heading = say("Not possible any more")
		return http.StatusConflict, p
	case domain.BadRequest:
		p.Heading = say("That did not work")
		return http.StatusBadRequest, p
	}
	p.Heading = say("Refused")
	return http.StatusUnprocessableEntity, p
}

// refuse returns a refusal of the pages themselves, with a sentence of say.
func refuse(code domain.Code, sentence string) error { return domain.Refuse(code, "%s", sentence) }
