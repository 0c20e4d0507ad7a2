package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"inmail/connectors/webhook"
)

func webhookCommand(o *options) *cobra.Command {
	return commandGroup(&cobra.Command{
		Use:   "webhook",
		Short: "Make, test and look after the end points that get events",
		Example: "  inmail webhook add https://hooks.example.com/inmail --events 'inmail.*'\n" +
			"  inmail webhook test ID\n  inmail webhook listen",
		GroupID: operatorGroup,
	}, webhookAddCommand(o), webhookListCommand(o), webhookTestCommand(o), webhookDeliveriesCommand(o),
		webhookReplayCommand(o), webhookRotateCommand(o), webhookEnableCommand(o), webhookRemoveCommand(o),
		webhookListenCommand(o))
}

func webhookPath(id string, verb ...string) string {
	return "/v1/webhooks/" + strings.Join(append([]string{url.PathEscape(id)}, verb...), "/")
}

func webhookAddCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "add URL",
		Short: "Make an end point, and print its secret this once",
		Long: `Make an end point, and print its secret this once. It gets the events from now on, each signed by the secret
as Standard Webhooks says.`,
		Example: "  inmail webhook add https://hooks.example.com/inmail --events 'inmail.*,member.restricted' --name warehouse",
		Args:    exactly(1),
	}
	var events []string
	var name, text string
	cmd.Flags().StringSliceVar(&events, "events", []string{"*"}, "`KINDS` of event, with commas between; inmail.* and * are groups")
	cmd.Flags().StringVar(&name, "name", "", "`NAME` of the end point, for people")
	cmd.Flags().StringVar(&text, "text", "", "`TEXTS` that it gets, at most as the policy webhook_text says: none, preview, full")
	return o.asOperator(cmd, func(cmd *cobra.Command, c *remote, args []string) error {
		body := map[string]any{"url": args[0], "events": events}
		if name != "" {
			body["name"] = name
		}
		if text != "" {
			body["text"] = text
		}
		answer, err := c.post(cmd.Context(), "/v1/webhooks", body)
		if err != nil {
			return err
		}
		return printAnswer(o, cmd, answer, newWebhookAnswer.text)
	})
}

type newWebhookAnswer struct{ ID, Secret string }

func (a newWebhookAnswer) text() string {
	return fmt.Sprintf("%s\nThis is the secret; it is shown this once. The end point's id is %s.\n", a.Secret, a.ID)
}

func webhookListCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the end points: what they get, whether they take it, and why not",
		Example: "  inmail webhook list",
		Args:    exactly(0),
	}
	return o.asOperator(cmd, func(cmd *cobra.Command, c *remote, _ []string) error {
		answer, err := c.get(cmd.Context(), "/v1/webhooks", nil)
		if err != nil {
			return err
		}
		return printAnswer(o, cmd, answer, webhooksAnswer.text)
	})
}

// webhookTry is the last try of an end point or of a delivery.
type webhookTry struct {
	At      time.Time
	Status  int
	Problem string
}

func (t *webhookTry) text() string {
	switch {
	case t == nil:
		return ""
	case t.Status > 0:
		return strconv.Itoa(t.Status)
	}
	return t.Problem
}

type webhooksAnswer struct {
	Items []struct {
		ID        string
		URL       string
		Name      string
		Events    []string
		State     string
		OffReason string      `json:"off_reason"`
		RetryAt   time.Time   `json:"retry_at"`
		Oldest    time.Time   `json:"oldest_undelivered_at"`
		Last      *webhookTry `json:"last"`
	}
}

func (a webhooksAnswer) text() string {
	if len(a.Items) == 0 {
		return "no end points\n"
	}
	t := newTable("ID", "NAME", "URL", "EVENTS", "STATE", "LAST", "WAITS SINCE", "NEXT TRY")
	for _, w := range a.Items {
		t.row(w.ID, w.Name, w.URL, strings.Join(w.Events, ","), joined(w.State, w.OffReason), w.Last.text(), when(w.Oldest),
			when(w.RetryAt))
	}
	return t.String()
}

func webhookTestCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "test ID",
		Short:   "Send the event webhook.test to an end point, also to one that is off, and say how it ended",
		Example: "  inmail webhook test 019abf5e-8c00-7a31-9c55-0d6a3f6b7e21",
		Args:    exactly(1),
	}
	return o.asOperator(cmd, func(cmd *cobra.Command, c *remote, args []string) error {
		answer, err := c.post(cmd.Context(), webhookPath(args[0], "test"), nil)
		if err != nil {
			return err
		}
		var test struct{ Event string }
		if err := json.Unmarshal(answer, &test); err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		tried, err := c.awaitDelivery(cmd.Context(), args[0], test.Event)
		if err != nil {
			return err
		}
		out, err := jsonOf(tried)
		if err != nil {
			return err
		}
		if err := o.print(cmd.OutOrStdout(), out, fmt.Sprintf("%s: %s %s\n", tried.Event, tried.State, tried.Last.text())); err != nil {
			return err
		}
		if tried.State != "delivered" {
			return errors.New("the end point did not take the test")
		}
		return nil
	})
}

// testPatience is how long a test may take: a task of the queue, and one try.
const testPatience = 40 * time.Second

// awaitDelivery waits until a delivery has ended.
func (c *remote) awaitDelivery(ctx context.Context, id, event string) (found deliveryItem, err error) {
	for until := time.Now().Add(testPatience); time.Now().Before(until); {
		answer, err := c.get(ctx, webhookPath(id, "deliveries"), url.Values{"limit": {"20"}})
		if err != nil {
			return found, err
		}
		var list deliveriesAnswer
		if err := json.Unmarshal(answer, &list); err != nil {
			return found, fmt.Errorf("read the answer: %w", err)
		}
		for _, d := range list.Items {
			if d.Event == event && d.State != "waiting" {
				return d, nil
			}
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return found, ctx.Err()
		}
	}
	return found, errors.New("no worker has tried it yet; inmail webhook deliveries says when one did")
}

func webhookDeliveriesCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "deliveries ID",
		Short:   "List the deliveries to an end point, newest first",
		Example: "  inmail webhook deliveries 019abf5e-8c00-7a31-9c55-0d6a3f6b7e21 --limit 20",
		Args:    exactly(1),
	}
	var p paging
	p.flags(cmd)
	return o.asOperator(cmd, func(cmd *cobra.Command, c *remote, args []string) error {
		answer, err := c.list(cmd.Context(), webhookPath(args[0], "deliveries"), url.Values{}, p)
		if err != nil {
			return err
		}
		return printAnswer(o, cmd, answer, deliveriesAnswer.text)
	})
}

type deliveryItem struct {
	Event  string      `json:"event"`
	Type   string      `json:"type"`
	At     time.Time   `json:"at"`
	InMail string      `json:"inmail,omitempty"`
	State  string      `json:"state"`
	Tries  int         `json:"tries"`
	Last   *webhookTry `json:"last"`
	NextAt *time.Time  `json:"next_at"`
}

type deliveriesAnswer struct {
	Items      []deliveryItem
	NextCursor *string `json:"next_cursor"`
}

func (a deliveriesAnswer) text() string {
	if len(a.Items) == 0 {
		return "no deliveries\n" + moreOf(a.NextCursor)
	}
	t := newTable("EVENT", "TYPE", "AT", "INMAIL", "STATE", "TRIES", "LAST", "NEXT TRY")
	for _, d := range a.Items {
		next := ""
		if d.NextAt != nil {
			next = when(*d.NextAt)
		}
		t.row(d.Event, d.Type, when(d.At), d.InMail, d.State, strconv.Itoa(d.Tries), d.Last.text(), next)
	}
	return t.String() + moreOf(a.NextCursor)
}

func webhookReplayCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "replay ID",
		Short:   "Send the events since a time once more",
		Example: "  inmail webhook replay 019abf5e-8c00-7a31-9c55-0d6a3f6b7e21 --from 2026-11-23T09:00:00Z",
		Args:    exactly(1),
	}
	var from string
	cmd.Flags().StringVar(&from, "from", "", "`TIME` since when, RFC 3339")
	return o.asOperator(cmd, func(cmd *cobra.Command, c *remote, args []string) error {
		if from == "" {
			return usageError{errors.New("--from: name a time, such as 2026-11-23T09:00:00Z")}
		}
		answer, err := c.post(cmd.Context(), webhookPath(args[0], "replay"), map[string]any{"from": from})
		if err != nil {
			return err
		}
		return o.print(cmd.OutOrStdout(), answer, "the events since "+from+" are sent once more\n")
	})
}

func webhookRotateCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "rotate ID",
		Short:   "Give an end point a new secret; the one before signs along for a day",
		Example: "  inmail webhook rotate 019abf5e-8c00-7a31-9c55-0d6a3f6b7e21",
		Args:    exactly(1),
	}
	return o.asOperator(cmd, func(cmd *cobra.Command, c *remote, args []string) error {
		answer, err := c.post(cmd.Context(), webhookPath(args[0], "rotate"), nil)
		if err != nil {
			return err
		}
		return printAnswer(o, cmd, answer, func(a struct {
			Secret string
			Until  time.Time `json:"earlier_secret_until"`
		}) string {
			return fmt.Sprintf("%s\nThis is the secret; it is shown this once. The one before signs along until %s.\n", a.Secret, when(a.Until))
		})
	})
}

func webhookEnableCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "enable ID",
		Short:   "Switch an end point on; what waits is sent at once",
		Example: "  inmail webhook enable 019abf5e-8c00-7a31-9c55-0d6a3f6b7e21",
		Args:    exactly(1),
	}
	return o.asOperator(cmd, func(cmd *cobra.Command, c *remote, args []string) error {
		_, err := c.post(cmd.Context(), webhookPath(args[0], "enable"), nil)
		return cmp.Or(err, o.print(cmd.OutOrStdout(), nil, "on\n"))
	})
}

func webhookRemoveCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "remove ID",
		Short:   "Delete an end point with what waits for it",
		Example: "  inmail webhook remove 019abf5e-8c00-7a31-9c55-0d6a3f6b7e21",
		Args:    exactly(1),
	}
	return o.asOperator(cmd, func(cmd *cobra.Command, c *remote, args []string) error {
		_, err := c.ask(cmd.Context(), http.MethodDelete, webhookPath(args[0]), nil, nil)
		return cmp.Or(err, o.print(cmd.OutOrStdout(), nil, "removed\n"))
	})
}

func webhookListenCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "listen",
		Short: "Print the events of a running server as they come, each verified",
		Long: `Print the events of a running server as they come, one JSON object a line, each verified by the secret of an
end point that this command makes, and deletes when it ends (Ctrl-C). It listens on this machine, so the server must
run here too, and allow it: INMAIL_WEBHOOK_ALLOW_PRIVATE=1.`,
		Example: "  inmail webhook listen --events inmail.replied",
		Args:    exactly(0),
	}
	var events []string
	var count int
	cmd.Flags().StringSliceVar(&events, "events", []string{"*"}, "`KINDS` of event, with commas between")
	cmd.Flags().IntVar(&count, "count", 0, "end after `N` events; 0: never")
	return o.asOperator(cmd, func(cmd *cobra.Command, c *remote, _ []string) error {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		defer listener.Close()
		answer, err := c.post(cmd.Context(), "/v1/webhooks", map[string]any{
			"url": "http://" + listener.Addr().String() + "/", "events": events, "name": "inmail webhook listen"})
		if err != nil {
			return err
		}
		var made newWebhookAnswer
		if err := json.Unmarshal(answer, &made); err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		defer func() { // also after Ctrl-C
			ctx, cancel := context.WithTimeout(context.WithoutCancel(cmd.Context()), dialTimeout)
			defer cancel()
			_, _ = c.ask(ctx, http.MethodDelete, webhookPath(made.ID), nil, nil)
		}()
		fmt.Fprintf(cmd.ErrOrStderr(), "listens as the end point %s; Ctrl-C ends it\n", made.ID)
		return listen(cmd.Context(), listener, made.Secret, count, cmd.OutOrStdout())
	})
}

// maxEvent is the longest event in bytes that listen reads.
const maxEvent = 1 << 20

// listen prints the events that come to a listener until ctx ends, or until it has printed count. One that is
// not signed by the secret is refused with 401; one that came before is taken and not printed again.
func listen(ctx context.Context, l net.Listener, text string, count int, out io.Writer) error {
	secret, err := webhook.ReadSecret(text)
	if err != nil {
		return err
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	events := make(chan []byte)
	visited := map[string]bool{}
	server := &http.Server{ReadHeaderTimeout: dialTimeout, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxEvent))
		if err != nil || webhook.Verify(r.Header, secret, time.Now(), body) != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		line, _ := json.Marshal(map[string]json.RawMessage{"id": json.RawMessage(strconv.Quote(r.Header.Get("webhook-id"))), "event": body})
		select {
		case events <- line:
			w.WriteHeader(http.StatusNoContent)
		case <-ctx.Done():
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), dialTimeout)
		defer cancel()
		end()
		_ = server.Shutdown(closing)
	}()
	go func() { _ = server.Serve(l) }()
	for printed := 0; count == 0 || printed < count; {
		select {
		case line := <-events:
			var e struct{ ID string }
			if json.Unmarshal(line, &e) != nil || visited[e.ID] {
				continue
			}
			visited[e.ID] = true
			if _, err := fmt.Fprintf(out, "%s\n", line); err != nil {
				return fmt.Errorf("print an event: %w", err)
			}
			printed++
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}
