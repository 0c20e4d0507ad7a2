package hubspot

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"inmail/domain"
	"inmail/domain/crmcall"
)

// maxAnswer is how many bytes of an answer are read. A longer one counts as unreadable. A hundred records
// with all their properties are far smaller.
const maxAnswer = 32 << 20

// These are the kinds of calls, by which they are counted.
const (
	account      = "account"
	properties   = "properties"
	reading      = "read"
	creating     = "create"
	updating     = "update"
	associations = "associations"
	owners       = "owners"
	searching    = "search"
	listing      = "list"
)

// Resources are the kinds of calls, and Objects are the objects to which rows are pushed. Both lists are
// closed, because they become label values of metrics.
var (
	Resources = []string{account, properties, reading, creating, updating, associations, owners, searching, listing}
	Objects   = []string{communications, contacts}
)

// path returns the path of a family of the API in the configured version.
func (c *Connector) path(family string, rest ...string) string {
	root := "/crm/" + family
	if family == "account-info" {
		root = "/" + family
	}
	return root + "/" + c.config.APIVersion + "/" + strings.Join(rest, "/")
}

// call makes one call and reads its answer into out; nil: it is not read. Every error is a *Fault. A call
// that is refused for a while parks the sync.
func (c *Connector) call(ctx context.Context, kind, method, path string, in, out any) error {
	err := c.try(ctx, kind, method, path, in, out)
	for p := (*crmcall.Parked)(nil); errors.As(err, &p) && crmcall.InBackground(ctx) && p.Until.Sub(c.clock.Now()) <= maxPause; p = nil {
		// A run over the whole record keeps the pace of the short limit.
		if c.wait(ctx, max(p.Until.Sub(c.clock.Now()), time.Millisecond)) != nil {
			break
		}
		err = c.try(ctx, kind, method, path, in, out)
	}
	if f := (*Fault)(nil); errors.As(err, &f) && f.Class == domain.LimitReached && f.Status != 0 {
		now := c.clock.Now()
		f.until = now.Add(f.Rest)
		if f.Daily {
			f.until = c.budget.midnight(now)
		}
		c.budget.park(ctx, f.Class, f.until)
	}
	return err
}

// maxPause is how long a run over the whole record waits in its place for the short limit.
const maxPause = 15 * time.Second

// try makes a call once.
func (c *Connector) try(ctx context.Context, kind, method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return &Fault{Class: domain.BadData, Code: "UNWRITABLE", cause: err}
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(c.config.URL, "/")+path, body)
	if err != nil {
		return setting("INVALID_ADDRESS")
	}
	req.Header.Set("Authorization", "Bearer "+c.config.Token)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "InMail")
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	started := time.Now()
	resp, err := c.budget.RoundTrip(req)
	if p := (*crmcall.Parked)(nil); errors.As(err, &p) {
		return asFault(err) // the request did not leave the process, so it counts as no call
	}
	defer func() { c.observer.Called(kind, time.Since(started)) }()
	if err != nil {
		return unanswered(0, fmt.Errorf("%s %s: %w", method, kind, err))
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil || len(answer) > maxAnswer:
		return unanswered(resp.StatusCode, errors.New("the answer cannot be read"))
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		f := newFault(resp.StatusCode, resp.Header, answer)
		var e errorBody
		_ = json.Unmarshal(answer, &e) // of a page there is no such id
		c.log.WarnContext(ctx, "HubSpot refused a call", "kind", kind, "answer", f.Detail(), "class", f.Class,
			"correlation", correlation(e.Correlation))
		return f
	case out != nil:
		if err := json.Unmarshal(answer, out); err != nil {
			return unanswered(resp.StatusCode, errors.New("the answer is no JSON of HubSpot"))
		}
	}
	return nil
}

// correlation returns an id by which HubSpot's support finds a call, when it has the form of one.
func correlation(id string) string {
	for _, r := range id {
		if (r < '0' || r > '9') && (r < 'a' || r > 'f') && r != '-' {
			return ""
		}
	}
	return id[:min(len(id), 40)]
}

// batch is the answer to a batch. Whether rows failed is read from errors, never from the status: the
// versions differ in it.
type batch struct {
	Results []result    `json:"results"`
	Errors  []errorBody `json:"errors"`
}

// result is a record as HubSpot answers. A property without a value is absent or null.
type result struct {
	ID         string             `json:"id"`
	Properties map[string]*string `json:"properties"`
	Archived   bool               `json:"archived"`
}

func (r result) text(name string) string {
	if v := r.Properties[name]; v != nil {
		return *v
	}
	return ""
}

// maxBatch is how many inputs a batch has.
const maxBatch = 100

type key struct {
	ID string `json:"id"`
}

type readInput struct {
	Properties            []string `json:"properties"`
	PropertiesWithHistory []string `json:"propertiesWithHistory"`
	IDProperty            string   `json:"idProperty,omitempty"`
	Inputs                []key    `json:"inputs"`
}

// read returns the records of an object by their ids, or by the values of a unique property. What does not
// exist is left out, and so is an address that HubSpot takes for none: it spoils its batch, which is
// halved.
func (c *Connector) read(ctx context.Context, object, property string, ids []string, names ...string) ([]result, error) {
	found, _, err := c.readMissing(ctx, object, property, ids, names...)
	return found, err
}

// readMissing is read that also returns which ids HubSpot says do not exist.
func (c *Connector) readMissing(ctx context.Context, object, property string, ids []string,
	names ...string) (all []result, missing map[string]bool, err error) {
	missing = map[string]bool{}
	var parts [][]string
	for part := range slices.Chunk(ids, maxBatch) {
		parts = append(parts, part)
	}
	for len(parts) > 0 {
		part := parts[0]
		parts = parts[1:]
		in := readInput{Properties: names, PropertiesWithHistory: []string{}, IDProperty: property}
		for _, id := range part {
			in.Inputs = append(in.Inputs, key{id})
		}
		var b batch
		err := c.call(ctx, reading, http.MethodPost, c.path("objects", object, "batch", "read"), in, &b)
		if f := (*Fault)(nil); errors.As(err, &f) && property == "email" && f.Class == domain.BadData {
			if half := len(part) / 2; half > 0 {
				parts = append(parts, part[:half], part[half:])
			}
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		for _, e := range b.Errors {
			if e.Category != "OBJECT_NOT_FOUND" {
				return nil, nil, rowFault(e)
			}
			for _, id := range e.Context["ids"] {
				missing[id] = true
			}
		}
		all = append(all, b.Results...)
	}
	return all, missing, nil
}

// maxAlone is how many records are read alone because an answer does not say which of them it is about.
const maxAlone = 20

// readMerged reads contacts or companies by ids of which some may have been merged into others, and returns
// the records by the ids that were asked for. A merged id answers with another id: which, its own list of
// merged ids says, and otherwise a read of that id alone.
func (c *Connector) readMerged(ctx context.Context, object string, ms *moves, ids []string, names ...string) (map[string]result, error) {
	found, missing, err := c.readMissing(ctx, object, "", ids, append(names, mergedProperty)...)
	if err != nil {
		return nil, err
	}
	byID := map[string]result{}
	for _, r := range found {
		for _, id := range ms.idsOf(r) {
			byID[id] = r
		}
	}
	alone := 0
	for _, id := range ids {
		if _, ok := byID[id]; ok || missing[id] || alone >= maxAlone {
			continue
		}
		alone++
		one, err := c.read(ctx, object, "", []string{id}, append(names, mergedProperty)...)
		if err != nil {
			return nil, err
		}
		if len(one) == 1 {
			ms.learn(id, one[0].ID)
			byID[id] = one[0]
		}
	}
	return byID, nil
}
