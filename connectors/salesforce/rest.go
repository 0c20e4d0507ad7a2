package salesforce

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"

	"inmail/domain"
)

// objectRest is how long nothing is sent to an object after the org refused every row of it.
const objectRest = 15 * time.Minute

// objectRests are the objects to which nothing is sent for a while. Tasks may rest while records go on. A
// rest of the records is a pause of the whole sync, which the record keeps.
type objectRests struct {
	mu sync.Mutex
	by map[string]objectRested
}

// objectRested says until when an object rests, and the org's answer.
type objectRested struct {
	Until time.Time `json:"until"`
	Code  string    `json:"code"`
}

func objectRestKey(object string) string { return "resting:" + object }

// restObject begins the rest of an object, for all workers, and returns the fault that its rows get.
func (c *Connector) restObject(ctx context.Context, object string, f *Fault) *Fault {
	is := objectRested{Until: c.clock.Now().Add(objectRest), Code: f.Detail()}
	c.resting.mu.Lock()
	if c.resting.by == nil {
		c.resting.by = map[string]objectRested{}
	}
	c.resting.by[object] = is
	c.resting.mu.Unlock()
	blob, _ := json.Marshal(is) // texts and times cannot fail to encode
	if err := c.shared.Put(ctx, objectRestKey(object), blob, objectRest); err != nil {
		c.log.WarnContext(ctx, "store that an object rests", "error", err)
	}
	c.log.WarnContext(ctx, "the org refuses every row of an object, which rests", "object", object,
		"answer", is.Code, "until", is.Until)
	return is.fault(f.Status)
}

// restOf returns the fault of an object that rests, or nil.
func (c *Connector) restOf(ctx context.Context, object string) *Fault {
	now := c.clock.Now()
	c.resting.mu.Lock()
	is := c.resting.by[object]
	c.resting.mu.Unlock()
	if now.Before(is.Until) {
		return is.fault(0)
	}
	blob, err := c.shared.Get(ctx, objectRestKey(object))
	if err != nil || json.Unmarshal(blob, &is) != nil || !now.Before(is.Until) {
		return nil
	}
	return is.fault(0)
}

func (r objectRested) fault(status int) *Fault {
	f := &Fault{Class: domain.Configuration, Status: status, until: r.Until}
	for _, text := range strings.SplitAfter(r.Code, "), ") {
		code, names, _ := strings.Cut(strings.TrimSuffix(text, ", "), " (")
		e := orgError{Code: code}
		if names = strings.TrimSuffix(names, ")"); names != "" {
			e.Fields = strings.Split(names, ", ")
		}
		f.Errors = append(f.Errors, e)
	}
	return f
}

// forgetRests lets every object go on.
func (c *Connector) forgetRests(ctx context.Context) error {
	c.resting.mu.Lock()
	defer c.resting.mu.Unlock()
	c.resting.by = nil
	var errs []error
	for _, object := range besideObjects {
		errs = append(errs, c.shared.Put(ctx, objectRestKey(object), nil, 0))
	}
	return errors.Join(errs...)
}
