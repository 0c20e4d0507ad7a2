package salesforce

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

// refuseLong answers 431 to each query of a Composite call whose address is longer than limit.
type refuseLong struct {
	next    http.RoundTripper
	limit   int
	refused int
}

func (l *refuseLong) RoundTrip(req *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(req.URL.Path, "/composite") {
		return l.next.RoundTrip(req)
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	var in struct {
		Steps []struct {
			URL string `json:"url"`
			Ref string `json:"referenceId"`
		} `json:"compositeRequest"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	long := map[string]bool{}
	for _, s := range in.Steps {
		long[s.Ref] = len(s.URL) > l.limit
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	resp, err := l.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var out map[string][]map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		return nil, err
	}
	for _, step := range out["compositeResponse"] {
		if long[step["referenceId"].(string)] {
			l.refused++
			step["httpStatusCode"], step["body"] = http.StatusRequestHeaderFieldsTooLarge, nil
		}
	}
	answer, err := json.Marshal(out)
	if err != nil {
		return nil, err
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(answer)), int64(len(answer))
	return resp, nil
}
