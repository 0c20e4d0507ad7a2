package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// refusal is an error of HubSpot, of a whole call or of one row.
type refusal struct {
	Status   int                 `json:"-"`
	Category string              `json:"category"`
	Sub      string              `json:"subCategory,omitempty"`
	Message  string              `json:"message"`
	Context  map[string][]string `json:"context,omitempty"`
	Errors   []detail            `json:"errors,omitempty"`
	policy   string              // of a rate limit
	html     bool                // a page in place of an answer
}

// detail is one cause of a refusal.
type detail struct {
	Message string              `json:"message"`
	Code    string              `json:"code,omitempty"`
	In      string              `json:"in,omitempty"`
	Context map[string][]string `json:"context,omitempty"`
}

func (r *refusal) Error() string { return r.Category + ": " + r.Message }

// body returns the answer to a call that is refused.
func (r *refusal) body(correlation string) map[string]any {
	if r.policy != "" {
		return map[string]any{"status": "error", "message": "You have reached your " + r.policy + " limit.",
			"errorType": "RATE_LIMIT", "correlationId": correlation, "policyName": r.policy, "category": "RATE_LIMITS"}
	}
	b := map[string]any{"status": "error", "message": r.Message, "correlationId": correlation, "category": r.Category}
	if r.Sub != "" {
		b["subCategory"] = r.Sub
	}
	if r.Context != nil {
		b["context"] = r.Context
	}
	if r.Errors != nil {
		b["errors"] = r.Errors
	}
	return b
}

// row returns the error of one row in the answer to a batch.
func (r *refusal) row() map[string]any {
	b := map[string]any{"status": "error", "category": r.Category, "message": r.Message, "context": r.Context,
		"errors": r.Errors, "links": map[string]string{}}
	if r.Context == nil {
		b["context"] = map[string][]string{}
	}
	if r.Errors == nil {
		b["errors"] = []detail{}
	}
	return b
}

func rateLimit(policy string) *refusal {
	return &refusal{Status: http.StatusTooManyRequests, Category: "RATE_LIMITS", policy: policy}
}

func invalid(format string, args ...any) *refusal {
	return &refusal{Status: http.StatusBadRequest, Category: "VALIDATION_ERROR", Message: fmt.Sprintf(format, args...)}
}

// invalidValue refuses a value of a property.
func invalidValue(code, property, format string, args ...any) *refusal {
	text := fmt.Sprintf(format, args...)
	return &refusal{Status: http.StatusBadRequest, Category: "VALIDATION_ERROR",
		Message: "Property values were not valid: " + text,
		Errors:  []detail{{Message: text, Code: code, Context: map[string][]string{"propertyName": {property}}}}}
}

func missingObject(what string) *refusal {
	return &refusal{Status: http.StatusNotFound, Category: "OBJECT_NOT_FOUND", Message: what + " does not exist."}
}

// notFoundRow is the error of a batch for ids that do not exist.
func notFoundRow(ids ...string) *refusal {
	return &refusal{Category: "OBJECT_NOT_FOUND", Message: "Could not get some objects, they may be deleted or not exist.",
		Context: map[string][]string{"ids": ids}}
}

// batchAnswer is the answer to a batch: its results, in another order than the inputs, and the errors of
// its rows. Of the version 2026-09 the status does not show that there are errors.
func (s *Sandbox) batchAnswer(c *request, status int, results []any, errs []*refusal) (int, any) {
	s.random.Shuffle(len(results), func(i, j int) { results[i], results[j] = results[j], results[i] })
	now := s.now()
	b := map[string]any{"status": "COMPLETE", "results": results, "startedAt": stamp(now), "completedAt": stamp(now)}
	if results == nil {
		b["results"] = []any{}
	}
	if len(errs) > 0 {
		rows := make([]any, len(errs))
		for i, e := range errs {
			rows[i] = e.row()
		}
		b["errors"], b["numErrors"] = rows, len(errs)
		if c.version != "2026-09" {
			status = http.StatusMultiStatus
		}
	}
	return status, b
}

// stamp writes a time as HubSpot does.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func write(w http.ResponseWriter, status int, body any) []byte {
	if body == nil {
		w.WriteHeader(status)
		return nil
	}
	data, err := json.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return nil
	}
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(data)
	return data
}
