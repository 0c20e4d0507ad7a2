package salesforce

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
)

// subrequest is one step of a Composite call.
type subrequest struct {
	Method string            `json:"method"`
	URL    string            `json:"url"`
	Ref    string            `json:"referenceId"`
	Header map[string]string `json:"httpHeaders,omitempty"`
	Body   any               `json:"body,omitempty"`
}

// subanswer is the answer to a step: either a body, or a Fault.
type subanswer struct {
	body  json.RawMessage
	fault *Fault
}

// composite makes one API call of several steps and returns answers[i] for subs[i]. The steps do not depend
// on each other, so a step that fails does not affect the others.
func (c *Connector) composite(ctx context.Context, subs []subrequest) ([]subanswer, error) {
	body, err := encodeJSON(map[string]any{"allOrNone": false, "compositeRequest": subs})
	if err != nil {
		return nil, unanswered(0, errors.New("a Composite call cannot be written"))
	}
	a, err := c.do(ctx, call{method: http.MethodPost, path: "composite", body: body})
	if err != nil {
		return nil, err
	}
	var got struct {
		Steps []struct {
			Body   json.RawMessage `json:"body"`
			Status int             `json:"httpStatusCode"`
			Ref    string          `json:"referenceId"`
		} `json:"compositeResponse"`
	}
	if err := json.Unmarshal(a.body, &got); err != nil {
		return nil, unanswered(a.status, errors.New("the answer to a Composite call cannot be read"))
	}
	byRef := map[string]int{}
	for i, s := range subs {
		byRef[s.Ref] = i
	}
	answers := make([]subanswer, len(subs))
	for i := range answers { // the org may have executed a step that its answer omits
		answers[i].fault = unanswered(a.status, errors.New("a step of a Composite call has no answer"))
	}
	for _, step := range got.Steps {
		i, ok := byRef[step.Ref]
		if !ok {
			continue
		}
		if step.Status < 200 || step.Status > 299 {
			answers[i] = subanswer{fault: newFault(step.Status, parseErrors(step.Body), ofCall)}
			continue
		}
		answers[i] = subanswer{body: step.Body}
	}
	return answers, nil
}

// encodeJSON writes JSON without escaping <, > and &, because the escapes would only make it longer.
func encodeJSON(v any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(out.Bytes(), "\n"), nil
}
