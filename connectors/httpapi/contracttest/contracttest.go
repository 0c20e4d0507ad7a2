// Package contracttest checks requests and answers against the OpenAPI document of their server. A suite that
// sends all its requests through it proves that every answer is as documented and, by Uncovered, that every
// documented status occurred.
package contracttest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

type object = map[string]any

// Document is an OpenAPI 3.1 document with compiled schemas. It is as strict about answers as about requests:
// an undocumented field is an error in both. It is safe for concurrent use.
type Document struct {
	doc        object
	operations []Operation
	compiler   *jsonschema.Compiler

	mu       sync.Mutex
	covered  map[string]bool               // by "METHOD path status": an answer with it was checked
	compiled map[string]*jsonschema.Schema // by JSON pointer
}

// Operation is one method of one path.
type Operation struct {
	Method, Path string
	pattern      *regexp.Regexp
	op           object
}

// Answer is the response to a request.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// documentURL is the name under which the compiler of schemas knows the document.
const documentURL = "file:///openapi.json"

// Read parses a document.
func Read(document []byte) (*Document, error) {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return nil, fmt.Errorf("read the OpenAPI document: %w", err)
	}
	doc, _ := v.(object)
	d := &Document{doc: doc, covered: map[string]bool{}, compiled: map[string]*jsonschema.Schema{},
		compiler: jsonschema.NewCompiler()}
	if len(child(doc, "paths")) == 0 {
		return nil, fmt.Errorf("read the OpenAPI document: it has no paths")
	}
	closeObjects(doc)
	d.compiler.DefaultDraft(jsonschema.Draft2020)
	d.compiler.AssertFormat()
	if err := d.compiler.AddResource(documentURL, doc); err != nil {
		return nil, fmt.Errorf("read the OpenAPI document: %w", err)
	}
	for path := range child(doc, "paths") {
		for method := range child(doc, "paths", path) {
			d.operations = append(d.operations, Operation{Method: strings.ToUpper(method), Path: path,
				pattern: patternOf(path), op: child(doc, "paths", path, method)})
		}
	}
	// A path without parameters comes before one with, so that find returns it first.
	order := func(o Operation) string { return strings.ReplaceAll(o.Path, "{", "~") + o.Method }
	slices.SortFunc(d.operations, func(a, b Operation) int { return strings.Compare(order(a), order(b)) })
	return d, nil
}

var parameter = regexp.MustCompile(`\\\{[a-z]+\\\}`)

func patternOf(path string) *regexp.Regexp {
	return regexp.MustCompile(`^` + parameter.ReplaceAllString(regexp.QuoteMeta(path), `([^/]+)`) + `$`)
}

// closeObjects sets additionalProperties to false in every object schema that lists its properties.
func closeObjects(v any) {
	switch x := v.(type) {
	case object:
		_, has := x["properties"].(object)
		if _, open := x["additionalProperties"]; has && !open && x["type"] == "object" {
			x["additionalProperties"] = false
		}
		for _, part := range x {
			closeObjects(part)
		}
	case []any:
		for _, part := range x {
			closeObjects(part)
		}
	}
}

// child returns the object at the path of names below o; nil if there is none.
func child(o object, names ...string) object {
	for _, name := range names {
		o, _ = o[name].(object)
	}
	return o
}

// Operations returns all operations.
func (d *Document) Operations() []Operation { return d.operations }

// Example returns the example of the request body of a media type; nil if there is none.
func (o Operation) Example(media string) any {
	return child(o.op, "requestBody", "content", media)["example"]
}

// ID returns the operationId.
func (o Operation) ID() string { s, _ := o.op["operationId"].(string); return s }

// at returns the path in the document of the operation, and of more below it.
func (o Operation) at(more ...string) []string {
	return append([]string{"paths", o.Path, strings.ToLower(o.Method)}, more...)
}

// response returns the response of an operation with a status, and its path in the document. A reference is
// followed; nil: there is none.
func (d *Document) response(o Operation, status string) (response object, at []string) {
	at = o.at("responses", status)
	response = child(d.doc, at...)
	if ref, ok := response["$ref"].(string); ok {
		at = strings.Split(strings.TrimPrefix(ref, "#/"), "/")
		response = child(d.doc, at...)
	}
	return response, at
}

// Check checks a request with the body in and its answer. Status, media type, body and headers of the answer
// must be documented, and so must be an accepted request. A request for an undocumented operation must get
// 404 or 405.
func (d *Document) Check(r *http.Request, in []byte, a Answer) error {
	o, parts, found := d.find(r)
	if !found {
		return d.checkUndocumented(a)
	}
	status := fmt.Sprint(a.Status)
	response, at := d.response(o, status)
	if response == nil {
		return fmt.Errorf("%s %s answered %s, which is not documented: %s", o.Method, o.Path, status, a.Body)
	}
	d.mu.Lock()
	d.covered[o.Method+" "+o.Path+" "+status] = true
	d.mu.Unlock()
	for name := range child(response, "headers") {
		if a.Header.Get(name) == "" {
			return fmt.Errorf("%s %s answered %s without the header %s", o.Method, o.Path, status, name)
		}
	}
	if err := d.checkBody(response, at, a, r.Method == http.MethodHead); err != nil {
		return fmt.Errorf("%s %s answered %s: %w", o.Method, o.Path, status, err)
	}
	if a.Status >= 300 {
		return nil
	}
	if err := d.checkParameters(o, parts, r); err != nil {
		return fmt.Errorf("%s %s accepted %w", o.Method, o.Path, err)
	}
	if err := d.checkRequest(o, in); err != nil {
		return fmt.Errorf("%s %s accepted %w", o.Method, o.Path, err)
	}
	return nil
}

// find returns the operation of a request and the values of its path parameters.
func (d *Document) find(r *http.Request) (Operation, []string, bool) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	for _, o := range d.operations {
		if m := o.pattern.FindStringSubmatch(r.URL.EscapedPath()); m != nil && o.Method == method {
			return o, m[1:], true
		}
	}
	return Operation{}, nil, false
}

// checkUndocumented checks the answer to a request for an undocumented operation.
func (d *Document) checkUndocumented(a Answer) error {
	if a.Status != http.StatusNotFound && a.Status != http.StatusMethodNotAllowed {
		return fmt.Errorf("answered %d, and is not in the document", a.Status)
	}
	if media := a.Header.Get("Content-Type"); media != "application/problem+json" {
		return fmt.Errorf("answered %d as %q", a.Status, media)
	}
	return d.valid(a.Body, "components", "schemas", "Problem")
}

func (d *Document) checkBody(response object, at []string, a Answer, head bool) error {
	content := child(response, "content")
	if len(content) == 0 {
		if len(a.Body) > 0 {
			return fmt.Errorf("a body that is not documented: %s", a.Body)
		}
		return nil
	}
	media, _, _ := strings.Cut(a.Header.Get("Content-Type"), ";")
	if child(content, media) == nil {
		return fmt.Errorf("content type %q is not documented", media)
	}
	if head || !strings.HasSuffix(media, "json") {
		return nil
	}
	return d.valid(a.Body, append(slices.Clone(at), "content", media, "schema")...)
}

func (d *Document) checkParameters(o Operation, parts []string, r *http.Request) error {
	query := r.URL.Query()
	parameters, _ := o.op["parameters"].([]any)
	for i, p := range parameters {
		p := p.(object)
		name := p["name"].(string)
		var values []string
		switch p["in"] {
		case "path":
			value, err := url.PathUnescape(parts[0])
			if err != nil {
				return err
			}
			values, parts = []string{value}, parts[1:]
		case "query":
			values = query[name]
			query.Del(name)
		case "header":
			values = r.Header.Values(name)
		}
		if p["required"] == true && len(values) == 0 {
			return fmt.Errorf("a request without %s", name)
		}
		s, err := d.schema(o.at("parameters", fmt.Sprint(i), "schema")...)
		if err != nil {
			return err
		}
		for _, v := range values {
			if err := s.Validate(typed(child(p, "schema"), v)); err != nil {
				return fmt.Errorf("the parameter %s: %w", name, err)
			}
		}
	}
	if strings.HasPrefix(o.Path, "/v1/") && len(query) > 0 {
		return fmt.Errorf("query parameters that are not documented: %v", query)
	}
	return nil
}

// typed converts a parameter to the type of its schema.
func typed(s object, v string) any {
	if s["type"] == "integer" {
		return json.Number(v)
	}
	return v
}

func (d *Document) checkRequest(o Operation, in []byte) error {
	body := child(o.op, "requestBody")
	if len(in) == 0 {
		if body["required"] == true {
			return fmt.Errorf("a request without a body")
		}
		return nil
	}
	if child(body, "content", "application/json") == nil {
		return nil
	}
	if err := d.valid(in, o.at("requestBody", "content", "application/json", "schema")...); err != nil {
		return fmt.Errorf("a body that the document forbids: %w", err)
	}
	return nil
}

// schema returns the compiled schema at a path in the document.
func (d *Document) schema(at ...string) (*jsonschema.Schema, error) {
	pointer := ""
	for _, name := range at {
		pointer += "/" + strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.compiled[pointer]; s != nil {
		return s, nil
	}
	s, err := d.compiler.Compile(documentURL + "#" + (&url.URL{Path: pointer}).EscapedPath())
	if err != nil {
		return nil, fmt.Errorf("the schema at %s: %w", pointer, err)
	}
	d.compiled[pointer] = s
	return s, nil
}

// valid validates a JSON text by the schema at a path in the document.
func (d *Document) valid(text []byte, at ...string) error {
	s, err := d.schema(at...)
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	if err := s.Validate(v); err != nil {
		return fmt.Errorf("%w\nin %s", err, text)
	}
	return nil
}

// CheckExamples validates every JSON example of the document by its schema, and returns their number.
func (d *Document) CheckExamples() (int, error) {
	n := 0
	for _, o := range d.operations {
		places := [][]string{o.at("requestBody", "content")}
		for status := range child(o.op, "responses") {
			_, at := d.response(o, status)
			places = append(places, append(slices.Clone(at), "content"))
		}
		for _, at := range places {
			for media := range child(d.doc, at...) {
				example, has := child(d.doc, append(slices.Clone(at), media)...)["example"]
				if !has || media == "application/x-ndjson" {
					continue
				}
				s, err := d.schema(append(slices.Clone(at), media, "schema")...)
				if err != nil {
					return n, err
				}
				if err := s.Validate(example); err != nil {
					return n, fmt.Errorf("example at %v: %w", at, err)
				}
				n++
			}
		}
	}
	return n, nil
}

// Uncovered returns the documented statuses that no checked answer had, as "METHOD path status".
func (d *Document) Uncovered() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var missing []string
	for _, o := range d.operations {
		for status := range child(o.op, "responses") {
			if line := o.Method + " " + o.Path + " " + status; !d.covered[line] {
				missing = append(missing, line)
			}
		}
	}
	slices.Sort(missing)
	return missing
}

// Transport forwards requests and checks them with their answers; it calls Fault for each violation of the
// document. It is for clients in tests of the complete program.
type Transport struct {
	Document *Document
	Next     http.RoundTripper // nil: http.DefaultTransport
	Fault    func(error)
}

// RoundTrip implements http.RoundTripper.
func (t Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	var in []byte
	if r.Body != nil {
		var err error
		if in, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r.Body.Close()
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(in))
	}
	next := t.Next
	if next == nil {
		next = http.DefaultTransport
	}
	resp, err := next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	if err := t.Document.Check(r, in, Answer{Status: resp.StatusCode, Header: resp.Header, Body: body}); err != nil {
		t.Fault(err)
	}
	return resp, nil
}
