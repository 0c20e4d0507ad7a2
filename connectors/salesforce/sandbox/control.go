package sandbox

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// maxControlBody bounds a body under /sandbox/.
const maxControlBody = 64 << 20

// control answers /sandbox/…: control paths that no Salesforce has, for tests and operators. Every answer
// has the header X-Sandbox.
func (s *Sandbox) control(w http.ResponseWriter, r *http.Request, path []string) {
	if key := s.options.ControlKey; key != "" {
		token, refused := bearer(r)
		if refused != nil || !same(token, key) {
			s.writeControl(w, http.StatusUnauthorized,
				map[string]string{"error": "the control key of this sandbox is needed"})
			return
		}
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxControlBody)
	name := strings.Join(path, "/")
	var one string
	switch {
	case len(path) == 2 && path[0] == "records":
		name, one = "records/{id}", path[1]
	case len(path) == 3 && (path[0] == "records" || path[0] == "leads"):
		name, one = path[0]+"/{id}/"+path[2], path[1]
	}
	handle, ok := s.controls()[r.Method+" "+name]
	if !ok {
		s.writeControl(w, http.StatusNotFound,
			map[string]string{"error": "no such control of this sandbox", "path": "/sandbox/" + name})
		return
	}
	answer, err := handle(r, one)
	if err != nil {
		s.writeControl(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	s.writeControl(w, http.StatusOK, answer)
}

func (s *Sandbox) writeControl(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Sandbox", "InMail Salesforce sandbox")
	w.WriteHeader(status)
	// The write fails only when the client has disconnected.
	_ = json.NewEncoder(w).Encode(answer)
}

// done is the answer of a control that returns nothing.
var done = map[string]bool{"done": true}

type control func(r *http.Request, id string) (any, error)

// controls are the methods and paths under /sandbox/.
func (s *Sandbox) controls() map[string]control {
	return map[string]control{
		"GET ": func(*http.Request, string) (any, error) {
			return map[string]any{"sandbox": "InMail Salesforce sandbox: not Salesforce", "organization": orgID,
				"versions": []int{int(s.oldest.Load()), newestVersion}}, nil
		},
		"GET records": func(r *http.Request, _ string) (any, error) {
			name := r.URL.Query().Get("type")
			if s.schema.object(name) == nil {
				return nil, fmt.Errorf("there is no object %q", name)
			}
			return map[string]any{"items": s.Records(name)}, nil
		},
		"POST records": s.seed,
		"GET records/{id}": func(_ *http.Request, id string) (any, error) {
			record, ok := s.Record(id)
			if !ok {
				return nil, fmt.Errorf("there is no record %s", id)
			}
			return record, nil
		},
		"PATCH records/{id}": func(r *http.Request, id string) (any, error) {
			in, err := decode[Fields](r)
			if err != nil {
				return nil, err
			}
			return done, s.Edit(id, in)
		},
		"DELETE records/{id}":        func(_ *http.Request, id string) (any, error) { return done, s.Delete(id) },
		"POST records/{id}/undelete": func(_ *http.Request, id string) (any, error) { return done, s.Undelete(id) },
		"POST records/{id}/purge":    func(_ *http.Request, id string) (any, error) { return done, s.Purge(id) },
		"POST leads/{id}/convert": func(r *http.Request, id string) (any, error) {
			in, err := decode[Conversion](r)
			if err != nil {
				return nil, err
			}
			return s.Convert(id, in)
		},
		"POST merge": func(r *http.Request, _ string) (any, error) {
			in, err := decode[struct {
				Winner string   `json:"winner"`
				Losers []string `json:"losers"`
			}](r)
			if err != nil {
				return nil, err
			}
			return done, s.Merge(in.Winner, in.Losers...)
		},
		"GET faults": func(*http.Request, string) (any, error) {
			return map[string]any{"items": s.faults.active(), "struck": s.Struck()}, nil
		},
		"POST faults": func(r *http.Request, _ string) (any, error) {
			in, err := decode[[]Fault](r)
			if err != nil {
				return nil, err
			}
			return done, s.Inject(in...)
		},
		"DELETE faults": func(*http.Request, string) (any, error) { s.ClearFaults(); return done, nil },
		"GET limits": func(*http.Request, string) (any, error) {
			used, limit := s.CallsToday()
			return map[string]int{"used": used, "limit": limit}, nil
		},
		"POST limits": s.changeLimits,
		"POST sessions": func(r *http.Request, _ string) (any, error) {
			in, err := decode[struct {
				Username string `json:"username"`
			}](r)
			if err != nil {
				return nil, err
			}
			token, err := s.OpenSession(in.Username)
			return map[string]string{"access_token": token, "instance_url": s.origin(r)}, err
		},
		"DELETE sessions": func(*http.Request, string) (any, error) { s.ExpireSessions(); return done, nil },
		"GET calls": func(*http.Request, string) (any, error) {
			return map[string]any{"requests": s.Calls(), "subrequests": s.Subrequests(), "under_way": s.UnderWay()}, nil
		},
		"GET history": s.showHistory,
		"PUT permission-set": func(r *http.Request, _ string) (any, error) {
			in, err := decode[struct {
				Assigned bool `json:"assigned"`
			}](r)
			if err != nil {
				return nil, err
			}
			s.AssignPermissionSet(in.Assigned)
			return done, nil
		},
		"PUT field":   s.changeField,
		"PUT sharing": s.changeSharing,
		"PUT deployments": func(r *http.Request, _ string) (any, error) {
			in, err := decode[struct {
				Type    string `json:"type"`
				Problem string `json:"problem"`
			}](r)
			if err != nil {
				return nil, err
			}
			return done, s.RefuseDeployments(in.Type, in.Problem)
		},
		"PUT soap-login": func(r *http.Request, _ string) (any, error) {
			in, err := decode[struct {
				Allowed bool `json:"allowed"`
			}](r)
			if err != nil {
				return nil, err
			}
			s.AllowSOAPLogin(in.Allowed)
			return done, nil
		},
		"PUT instance": func(r *http.Request, _ string) (any, error) {
			in, err := decode[struct {
				Origin string `json:"origin"`
			}](r)
			if err != nil {
				return nil, err
			}
			return done, s.MoveInstance(in.Origin)
		},
		"PUT versions": func(r *http.Request, _ string) (any, error) {
			in, err := decode[struct {
				Oldest int `json:"oldest"`
			}](r)
			if err != nil {
				return nil, err
			}
			return done, s.RetireVersions(in.Oldest)
		},
	}
}

// decode reads a JSON body strictly; an empty one is the zero value.
func decode[T any](r *http.Request) (T, error) {
	var in T
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	d.UseNumber()
	if err := d.Decode(&in); err != nil && err != io.EOF {
		return in, fmt.Errorf("the body cannot be read: %w", err)
	}
	return in, nil
}

// seed creates records: [{"type": "Lead", "fields": {…}}, …], all of them or none.
func (s *Sandbox) seed(r *http.Request, _ string) (any, error) {
	in, err := decode[[]struct {
		Type   string `json:"type"`
		Fields Fields `json:"fields"`
	}](r)
	if err != nil {
		return nil, err
	}
	ids := []string{}
	err = s.act(func(tx *txn) []*apiError {
		for i, item := range in {
			o := s.schema.object(item.Type)
			if o == nil {
				return one(&apiError{Code: "INVALID_TYPE",
					Message: fmt.Sprintf("record %d: there is no object %q", i, item.Type)})
			}
			values, err := rowOf(item.Fields)
			if err != nil {
				return one(&apiError{Code: "JSON_PARSER_ERROR", Message: fmt.Sprintf("record %d: %v", i, err)})
			}
			id, errs := tx.insert(o, values, readJSONValue)
			if errs != nil {
				return one(&apiError{Code: errs[0].Code, Message: fmt.Sprintf("record %d: %s", i, errs[0].Message)})
			}
			ids = append(ids, id)
		}
		return nil
	})
	return map[string]any{"ids": ids}, err
}

// changeLimits sets the daily limit or uses up calls: {"daily": 1000} or {"spend": 900}.
func (s *Sandbox) changeLimits(r *http.Request, _ string) (any, error) {
	in, err := decode[struct {
		Daily *int `json:"daily"`
		Spend int  `json:"spend"`
	}](r)
	if err != nil {
		return nil, err
	}
	if in.Daily != nil && *in.Daily < 0 || in.Spend < 0 {
		return nil, fmt.Errorf("daily and spend must be 0 or more")
	}
	if in.Daily != nil {
		s.SetDailyLimit(*in.Daily)
	}
	s.SpendCalls(in.Spend)
	used, limit := s.CallsToday()
	return map[string]int{"used": used, "limit": limit}, nil
}

// showHistory answers the history of everything, or of one object (?object=) or key (?key=).
func (s *Sandbox) showHistory(r *http.Request, _ string) (any, error) {
	object, key := r.URL.Query().Get("object"), r.URL.Query().Get("key")
	return map[string]any{"items": append([]Change{}, s.history(object, key)...)}, nil
}
