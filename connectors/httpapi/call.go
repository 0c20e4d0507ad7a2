package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	otel "go.opentelemetry.io/otel/trace"

	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/domain/strictjson"
)

// maxBody is the longest JSON body, in bytes (API.md).
const maxBody = 1 << 20

// A call is one request with what is known of it: who asks, what was asked, and what log and metrics report.
// It is the ResponseWriter of its own request, so that it knows which status was sent.
type call struct {
	http.ResponseWriter
	api       *API
	r         *http.Request
	ctx       context.Context
	began     time.Time
	id        string        // X-Request-Id
	client    netip.Addr    // where it came from
	route     string        // the pattern of the path; "other" when no endpoint has it
	method    string        // "other" when it is not one of HTTP's usual methods
	challenge string        // the WWW-Authenticate header of a 401
	status    int           // 0: nothing was answered yet
	span      otel.Span     // of this request
	newID     domain.ID     // of the InMail that this request may make, when its trace begins with it
	fault     error         // is logged and not shown to the caller
	cutShort  *importReport // the result of an import that ended early; nil: there was none

	key    mailroom.Key
	viewer mailroom.Viewer
	query  url.Values
	large  bool // it has the place of large answers
}

// enterLarge waits for the place of large answers, which one call has at a time until its answer is written
// into memory, so that making several leaves processors to other calls. It returns an error when the call
// ends first.
func (c *call) enterLarge() error {
	select {
	case c.api.large <- struct{}{}:
		c.large = true
		return nil
	case <-c.ctx.Done():
		return fmt.Errorf("wait for other large answers: %w", c.ctx.Err())
	}
}

// leaveLarge gives the place of large answers back, where the call has it.
func (c *call) leaveLarge() {
	if c.large {
		c.large = false
		<-c.api.large
	}
}

// WriteHeader keeps the first status, which is the one that is sent.
func (c *call) WriteHeader(status int) {
	if c.status == 0 {
		c.status = status
	}
	c.ResponseWriter.WriteHeader(status)
}

// Write keeps the status 200 when no other was set, as net/http does.
func (c *call) Write(b []byte) (int, error) {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	return c.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (c *call) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// refuse answers with an error. When the client has hung up, log and metrics show status 499 and no fault.
func (c *call) refuse(err error) {
	refusal, fault := refusalOf(err)
	c.fault = fault
	c.writeProblem(refusal)
	c.drain()
	if errors.Is(err, context.Canceled) && c.r.Context().Err() != nil {
		c.status, c.fault = statusClientGone, nil
	}
}

// maxDrained is how much of a refused request's body is read, in bytes.
const maxDrained = 8 << 20

// drain reads what is left of the body of a refused request. Many clients read the answer only when they have
// sent the whole body; if the connection were closed before, they would not get the answer. A client that
// sent the header Expect waits for permission to send its body, so nothing is read from it.
func (c *call) drain() {
	if c.r.ContentLength != 0 && c.r.Header.Get("Expect") == "" {
		_, _ = io.CopyN(io.Discard, c.r.Body, maxDrained)
	}
}

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// keepBuffer is the largest buffer that is kept for the next request.
const keepBuffer = 64 << 10

func borrow() *bytes.Buffer { return buffers.Get().(*bytes.Buffer) }

func giveBack(b *bytes.Buffer) {
	if b.Cap() <= keepBuffer {
		b.Reset()
		buffers.Put(b)
	}
}

// answer writes v as JSON; a 204 has no body.
func (c *call) answer(status int, v any) error {
	if status == http.StatusNoContent {
		c.WriteHeader(status)
		return nil
	}
	b := borrow()
	defer giveBack(b)
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	c.leaveLarge() // a client that reads slowly does not hold it
	h := c.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	c.WriteHeader(status)
	c.Write(b.Bytes())
	return nil
}

// readQuery reads the query. Only the parameters of the endpoint may stand in it, each once. Endpoints
// without an API key, and the queue's page, read their queries themselves.
func (c *call) readQuery(e *endpoint) error {
	if c.r.URL.RawQuery == "" || e.access == anyone || e.access == metricsKey || e.access == operatorPage {
		return nil
	}
	known := e.query
	q, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return domain.Refuse(domain.BadRequest, "the query is not well formed")
	}
	for name, values := range q {
		if !slices.ContainsFunc(known, func(p parameter) bool { return p.name == name }) {
			return domain.Refuse(domain.BadRequest, "unknown query parameter; known are: %s", parameterNames(known))
		}
		if len(values) > 1 {
			return domain.Refuse(domain.BadRequest, "%s: given twice", name)
		}
		if err := mailroom.CheckText(values[0]); err != nil {
			return strictjson.Under(name, err)
		}
	}
	c.query = q
	return nil
}

// readBody reads a JSON body into v, a pointer to the type that b was made for. The body is read once and
// checked while it is read. An empty body is refused, unless the endpoint needs none.
func (c *call) readBody(e *endpoint, b *strictjson.Shape, v any) error {
	if c.r.ContentLength == 0 {
		return noBody(e, b)
	}
	if err := c.checkMediaType(e, "application/json"); err != nil {
		return err
	}
	if c.r.ContentLength > maxBody {
		return bodyTooLarge()
	}
	in := borrow()
	defer giveBack(in)
	if n := int(c.r.ContentLength); n > 0 {
		in.Grow(n + bytes.MinRead)
	}
	if _, err := in.ReadFrom(http.MaxBytesReader(c.ResponseWriter, c.r.Body, maxBody)); err != nil {
		var tooLong *http.MaxBytesError
		if errors.As(err, &tooLong) {
			return bodyTooLarge()
		}
		return domain.Refuse(domain.BadRequest, "the body did not arrive whole")
	}
	if in.Len() == 0 {
		return noBody(e, b)
	}
	return b.Read("body", in.Bytes(), v)
}

func noBody(e *endpoint, b *strictjson.Shape) error {
	if e.bodyOptional || b.Names() == "none" {
		return nil
	}
	return domain.Refuse(domain.BadRequest, "this call needs a JSON body with: %s", b.Names())
}

func bodyTooLarge() error {
	return &domain.Refusal{Code: tooLarge, Limit: maxBody, Detail: "the body is larger than 1 MiB; send less at once"}
}

// checkMediaType refuses a body of another type than want; a body without a type is taken as
// want. A multipart body on an endpoint that takes a message would carry an attachment, which is
// refused with its own code (R26).
func (c *call) checkMediaType(e *endpoint, want string) error {
	if enc := c.r.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return domain.Refuse(unsupportedMediaType, "compressed bodies are not read; send it plain")
	}
	given := c.r.Header.Get("Content-Type")
	if given == "" || given == want {
		return nil
	}
	media, params, err := mime.ParseMediaType(given)
	if e != nil && e.message && strings.HasPrefix(media, "multipart/") {
		return domain.Refuse(domain.AttachmentUnsupported,
			"InMails carry no attachments; send application/json, and a link to the file in the text")
	}
	charset := params["charset"]
	if err != nil || media != want || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return domain.Refuse(unsupportedMediaType, "this call takes %s in UTF-8", want)
	}
	return nil
}

// memberIn reads a member id from the path.
func (c *call) memberIn(name string) (domain.MemberID, error) {
	id := domain.MemberID(c.r.PathValue(name))
	return id, strictjson.Under(name, id.Validate())
}

// inmail reads the id of an InMail from the path. A text that is no UUID names no InMail: not_found.
func (c *call) inmail() (domain.ID, error) {
	id, ok := domain.ParseID(c.r.PathValue("id"))
	if !ok {
		return "", domain.Refuse(domain.NotFound, "there is no such InMail")
	}
	return id, nil
}

// idempotencyKey reads the header Idempotency-Key: 1 to MaxKey printable ASCII characters (R28); ""
// when there is no such header.
func (c *call) idempotencyKey() (string, error) {
	keys := c.r.Header.Values("Idempotency-Key")
	if len(keys) == 0 {
		return "", nil
	}
	key := keys[0]
	printable := !strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' || r == utf8.RuneError })
	if len(keys) > 1 || len(key) < 1 || len(key) > mailroom.MaxKey || !printable {
		return "", &domain.Refusal{Code: domain.BadRequest, Got: len(key), Limit: mailroom.MaxKey,
			Detail: fmt.Sprintf("Idempotency-Key: one of 1 to %d printable ASCII characters", mailroom.MaxKey)}
	}
	return key, nil
}
