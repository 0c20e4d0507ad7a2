package httpapi

import (
	"net/http"
	"reflect"
	"strings"

	"inmail/domain"
	"inmail/domain/strictjson"
)

// An endpoint is one row of the contract: its request, who may call it, what it takes and gives, and how it
// can refuse. Routes, checks and the OpenAPI document are all made from it.
type endpoint struct {
	method, path string
	name         string // operationId
	group        string // tag in the document
	does         string // in one line
	more         string // what else is to be known
	access       access
	query        []parameter
	headers      []parameter
	bodyOptional bool          // an empty body counts as {}
	message      bool          // takes a message, which may have no attachments (R26)
	streams      bool          // has no request timeout
	held         bool          // gives out what is held on members, so an operator's call is noted (R70)
	undocumented bool          // not in the document, where another endpoint stands for it
	status       int           // of success
	media        string        // of the answer; empty: application/json
	takesMedia   string        // of the body; empty: application/json
	takes        reflect.Type  // nil: no body
	gives        reflect.Type  // nil: no JSON
	refuses      []domain.Code // beside those that follow from access, query and body

	serve func(*call) error
}

// parameter is a query parameter, or a header.
type parameter struct {
	name     string
	doc      string
	schema   schema
	required bool
}

func parameterNames(ps []parameter) string {
	names := make([]string, len(ps))
	for i, p := range ps {
		names[i] = p.name
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// nothing is what a call without a body takes and one that answers 204 gives.
type nothing struct{}

// takes makes an endpoint whose body is a B and whose answer is an A. The body is read before anything is
// looked up, so a fault of the body (400, 413, 415) is reported before a thing that is not there (404).
func takes[B, A any](e endpoint, handle func(*call, *B) (A, error)) endpoint {
	body := strictjson.ShapeOf(reflect.TypeFor[B]())
	e.takes = reflect.TypeFor[B]()
	return answers[A](e, func(c *call) (answer A, err error) {
		in := new(B)
		if err := c.readBody(&e, body, in); err != nil {
			return answer, err
		}
		return handle(c, in)
	})
}

var emptyBody = strictjson.ShapeOf(reflect.TypeFor[nothing]())

// gives makes an endpoint without a body whose answer is an A. A client may send an empty object as the body
// and nothing else; the body of a GET is not read.
func gives[A any](e endpoint, handle func(*call) (A, error)) endpoint {
	if e.method == http.MethodGet {
		return answers(e, handle)
	}
	return answers(e, func(c *call) (answer A, err error) {
		if err := c.readBody(&e, emptyBody, new(nothing)); err != nil {
			return answer, err
		}
		return handle(c)
	})
}

func answers[A any](e endpoint, handle func(*call) (A, error)) endpoint {
	if e.status != http.StatusNoContent {
		e.gives = reflect.TypeFor[A]()
	}
	e.serve = func(c *call) error {
		answer, err := handle(c)
		if err != nil {
			return err
		}
		return c.answer(e.status, answer)
	}
	return e
}

// passes makes an endpoint that another handler answers.
func passes(e endpoint, h http.Handler) endpoint {
	e.serve = func(c *call) error {
		h.ServeHTTP(c, c.r)
		return nil
	}
	return e
}

// resource is a path with its methods.
type resource struct {
	pattern string
	methods map[string]*endpoint
	allow   string
}

// ServeHTTP answers a request for this path; a method that it does not have is 405.
func (s *resource) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	c := w.(*call)
	c.route = s.pattern
	e := s.methods[c.r.Method]
	if e == nil && c.r.Method == http.MethodHead {
		e = s.methods[http.MethodGet]
	}
	if e == nil {
		c.Header().Set("Allow", s.allow)
		c.refuse(domain.Refuse(methodNotAllowed, "this path has %s", s.allow))
		return
	}
	c.serve(e)
}
