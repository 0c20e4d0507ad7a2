// Week does what people and programs do with InMail in a week, by the client that oapi-codegen makes of the
// API's document, and prints what became of it as JSON. TestGeneratedClients runs it: week URL OPERATOR-KEY
// PREFIX LATER, where PREFIX begins the ids of the members that it makes, and LATER is a duration after which
// every InMail has expired.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/oapi-codegen/runtime/types"

	"inmail/clients/inmail"
)

func main() {
	if err := run(context.Background(), os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// outcome is what became of the week; the other client prints the same.
type outcome struct {
	Refused     string         `json:"refused"`
	Unknown     string         `json:"unknown"`
	Preflight   []bool         `json:"preflight"`
	Statuses    map[string]int `json:"statuses"`
	Expired     string         `json:"expired"`
	Inbox       int            `json:"inbox"`
	Reply       string         `json:"reply"`
	Undone      bool           `json:"undone"`
	SecondTime  string         `json:"second_time"`
	Delivered   int            `json:"delivered"`
	Opened      int            `json:"opened"`
	Replied     int            `json:"replied"`
	Retracted   int            `json:"retracted"`
	Events      map[string]int `json:"events"`
	EventsAbout int            `json:"events_about"`
}

// client returns a client that sends a key.
func client(url, key string) (*inmail.ClientWithResponses, error) {
	return inmail.NewClientWithResponses(url, inmail.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+key)
		return nil
	}))
}

// want checks the status of an answer and returns its body; nil bodies are of another status.
func want[T any](body *T, answer *http.Response, text []byte, err error) (T, error) {
	if err != nil {
		return *new(T), err
	}
	if body == nil {
		return *new(T), fmt.Errorf("%s %s answered %s: %s", answer.Request.Method, answer.Request.URL, answer.Status, text)
	}
	return *body, nil
}

func run(ctx context.Context, url, operatorKey, prefix, later string) error {
	operator, err := client(url, operatorKey)
	if err != nil {
		return err
	}
	var got outcome
	business := inmail.AccountTypePremiumBusiness
	clients := map[string]*inmail.ClientWithResponses{}
	for _, name := range []string{"ada", "ben", "cleo", "dana", "emil"} {
		id := prefix + name
		r, err := operator.PutMemberWithResponse(ctx, id, nil, inmail.MemberBody{Name: name, AccountType: &business})
		if _, err := want(r.JSON200, r.HTTPResponse, r.Body, err); err != nil {
			return err
		}
		k, err := operator.CreateKeyWithResponse(ctx, inmail.KeyBody{Role: inmail.KeyRoleMember, Member: &id})
		key, err := want(k.JSON201, k.HTTPResponse, k.Body, err)
		if err != nil {
			return err
		}
		if clients[name], err = client(url, key.Key); err != nil {
			return err
		}
	}
	ada := clients["ada"]
	tags := []string{prefix + "fair"}
	letter := func(to string) inmail.SendBody {
		return inmail.SendBody{To: prefix + to, Subject: "Our talk at the fair, " + to,
			Body: "Hello " + to + ", would Tuesday suit you for a short call about what we saw at the fair?", Tags: &tags}
	}

	// Errors have a type of their own for each status.
	refused, err := ada.SendInMailWithResponse(ctx, nil, letter("nobody"))
	problem, err := want(refused.ApplicationproblemJSON422, refused.HTTPResponse, refused.Body, err)
	if err != nil {
		return err
	}
	if problem.Code == inmail.SendInMailRefusedProblemCodeUnknownRecipient {
		got.Refused = string(problem.Code)
	}
	stranger, err := client(url, "inm_nobody_knows_this_key")
	if err != nil {
		return err
	}
	inbox, err := stranger.ListInboxWithResponse(ctx, nil)
	unknown, err := want(inbox.ApplicationproblemJSON401, inbox.HTTPResponse, inbox.Body, err)
	if err != nil {
		return err
	}
	got.Unknown = string(unknown.Code)

	// A preflight takes one recipient or many, and answers in one of two shapes.
	var many inmail.Recipients
	if err := many.FromManyRecipients([]string{prefix + "ben", prefix + "nobody"}); err != nil {
		return err
	}
	judged, err := ada.PreflightWithResponse(ctx, nil, inmail.PreflightBody{To: many})
	answer, err := want(judged.JSON200, judged.HTTPResponse, judged.Body, err)
	if err != nil {
		return err
	}
	verdicts, err := answer.AsVerdicts()
	if err != nil {
		return err
	}
	for _, v := range verdicts.Items {
		got.Preflight = append(got.Preflight, v.Ok)
	}

	ids := map[string]types.UUID{}
	for _, to := range []string{"ben", "cleo", "dana", "emil"} {
		key := prefix + to
		r, err := ada.SendInMailWithResponse(ctx, &inmail.SendInMailParams{IdempotencyKey: &key}, letter(to))
		sent, err := want(r.JSON202, r.HTTPResponse, r.Body, err)
		if err != nil {
			return err
		}
		ids[to] = sent.Id
	}
	for _, id := range ids {
		if err := delivered(ctx, ada, id); err != nil {
			return err
		}
	}

	ben := clients["ben"]
	inbox, err = ben.ListInboxWithResponse(ctx, nil)
	entries, err := want(inbox.JSON200, inbox.HTTPResponse, inbox.Body, err)
	if err != nil {
		return err
	}
	got.Inbox = len(entries.Items)
	opened, err := ben.OpenInMailWithResponse(ctx, entries.Items[0].Id, nil)
	if _, err := want(opened.JSON200, opened.HTTPResponse, opened.Body, err); err != nil {
		return err
	}
	reply, err := ben.ReplyWithResponse(ctx, ids["ben"], nil, inmail.ReplyBody{Body: "Tuesday at ten suits me."})
	if _, err := want(reply.JSON201, reply.HTTPResponse, reply.Body, err); err != nil {
		return err
	}
	replies, err := ada.ListRepliesWithResponse(ctx, ids["ben"], nil)
	conversation, err := want(replies.JSON200, replies.HTTPResponse, replies.Body, err)
	if err != nil {
		return err
	}
	got.Reply = conversation.Items[0].Body

	for _, status := range []int{http.StatusNoContent, http.StatusConflict} {
		r, err := clients["cleo"].ReportInMailWithResponse(ctx, ids["cleo"], nil, inmail.ReportBody{Reason: "not for me"})
		if err != nil || r.StatusCode() != status {
			return fmt.Errorf("the report answered %v: %s, %w", r.StatusCode(), r.Body, err)
		}
		if r.ApplicationproblemJSON409 != nil {
			got.SecondTime = string(r.ApplicationproblemJSON409.Code)
		}
	}

	first, err := ada.RetractInMailWithResponse(ctx, ids["dana"], nil, inmail.RetractBody{})
	step, err := want(first.JSON200, first.HTTPResponse, first.Body, err)
	if err != nil {
		return err
	}
	offer, err := step.AsRetractOffer()
	if err != nil {
		return err
	}
	second, err := ada.RetractInMailWithResponse(ctx, ids["dana"], nil, inmail.RetractBody{Confirm: &offer.Confirm})
	if step, err = want(second.JSON200, second.HTTPResponse, second.Body, err); err != nil {
		return err
	}
	retracted, err := step.AsRetracted()
	if err != nil {
		return err
	}
	got.Undone = retracted.Undone

	// The week passes.
	clock, err := operator.AdvanceClockWithResponse(ctx, inmail.ClockBody{Advance: later})
	if _, err := want(clock.JSON200, clock.HTTPResponse, clock.Body, err); err != nil {
		return err
	}
	gone, err := clients["emil"].OpenInMailWithResponse(ctx, ids["emil"], nil)
	expired, err := want(gone.ApplicationproblemJSON410, gone.HTTPResponse, gone.Body, err)
	if err != nil {
		return err
	}
	got.Expired = string(expired.Code)

	sentList, err := ada.ListSentWithResponse(ctx, &inmail.ListSentParams{Tag: &tags[0]})
	sent, err := want(sentList.JSON200, sentList.HTTPResponse, sentList.Body, err)
	if err != nil {
		return err
	}
	got.Statuses = map[string]int{}
	for _, s := range sent.Items {
		got.Statuses[string(s.Status)]++
	}
	by := inmail.GetAnalyticsParamsByTag
	report, err := ada.GetAnalyticsWithResponse(ctx, &inmail.GetAnalyticsParams{By: &by})
	rates, err := want(report.JSON200, report.HTTPResponse, report.Body, err)
	if err != nil {
		return err
	}
	for _, row := range rates.Rows {
		got.Delivered += row.Delivered
		got.Opened += row.Opened
		got.Replied += row.Replied
		got.Retracted += row.Retracted
	}
	if err := got.readEvents(ctx, ada); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(got)
}

// delivered waits until an InMail is delivered.
func delivered(ctx context.Context, c *inmail.ClientWithResponses, id types.UUID) error {
	for {
		r, err := c.ViewInMailWithResponse(ctx, id, nil)
		shown, err := want(r.JSON200, r.HTTPResponse, r.Body, err)
		if err != nil {
			return err
		}
		view, err := shown.AsSentView()
		if err != nil {
			return err
		}
		switch view.Status {
		case inmail.StatusSent:
			return nil
		case inmail.StatusQueued:
			time.Sleep(20 * time.Millisecond)
		default:
			return fmt.Errorf("%s is %s", id, view.Status)
		}
	}
}

// readEvents counts the events of the feed.
func (got *outcome) readEvents(ctx context.Context, c *inmail.ClientWithResponses) error {
	got.Events = map[string]int{}
	params := inmail.ListEventsParams{}
	for {
		r, err := c.ListEventsWithResponse(ctx, &params)
		page, err := want(r.JSON200, r.HTTPResponse, r.Body, err)
		if err != nil {
			return err
		}
		for _, e := range page.Items {
			data, err := e.Data.AsEventInMail()
			if err != nil {
				return err
			}
			if e.Type == inmail.EventKindInmailSent || e.Type == inmail.EventKindInmailReplied || e.Type == inmail.EventKindInmailRetracted {
				got.Events[string(e.Type)]++
				if data.Id != (types.UUID{}) {
					got.EventsAbout++
				}
			}
		}
		if !page.More {
			return nil
		}
		params.After = page.After
	}
}
