// Package contracttest holds requests and their answers against the OpenAPI document that a server gives of itself. A
// suite that sends everything through it proves two things: that no answer is other than documented and, by Unseen,
// that no line of the document is without an answer that was seen.
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

// Document is an OpenAPI 3.1 document, ready to be held against requests and answers. It is as strict about what is
// answered as about what is taken: a field that it does not name is an error. It is safe for concurrent use.
type Document struct {
	doc        object
	operations []Operation
	compiler   *jsonschema.Compiler

	mu    sync.Mutex
	seen  map[string]bool
	ready map[string]*jsonschema.Schema
}

// Operation is one method of one path.
type Operation struct {
	Method, Path string
	pattern      *regexp.Regexp
	op           object
}

// Answer is what came back to a request.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// place is where the compiler believes the document to lie.
const place = "file:///openapi.json"

// Read reads a document as a server gives it.
func Read(document []byte) (*Document, error) {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return nil, fmt.Errorf("read the OpenAPI document: %w", err)
	}
	doc, _ := v.(object)
	d := &Document{doc: doc, seen: map[string]bool{}, ready: map[string]*jsonschema.Schema{}, compiler: jsonschema.NewCompiler()}
	if len(child(doc, "paths")) == 0 {
		return nil, fmt.Errorf("read the OpenAPI document: it has no paths")
	}
	closeObjects(doc)
	d.compiler.DefaultDraft(jsonschema.Draft2020)
	d.compiler.AssertFormat()
	if err := d.compiler.AddResource(place, doc); err != nil {
		return nil, fmt.Errorf("read the OpenAPI document: %w", err)
	}
	for path := range child(doc, "paths") {
		for method := range child(doc, "paths", path) {
			d.operations = append(d.operations, Operation{strings.ToUpper(method), path, patternOf(path), child(doc, "paths", path, method)})
		}
	}
	// A path without parameters goes before one with.
	slices.SortFunc(d.operations, func(a, b Operation) int {
		return strings.Compare(strings.ReplaceAll(a.Path, "{", "~")+a.Method, strings.ReplaceAll(b.Path, "{", "~")+b.Method)
	})
	return d, nil
}

var parameter = regexp.MustCompile(`\\\{[a-z]+\\\}`)

func patternOf(path string) *regexp.Regexp {
	return regexp.MustCompile(`^` + parameter.ReplaceAllString(regexp.QuoteMeta(path), `([^/]+)`) + `$`)
}

// closeObjects refuses unknown properties wherever an object says which it has.
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

// child steps down by names; it is empty where there is nothing.
func child(o object, names ...string) object {
	for _, name := range names {
		o, _ = o[name].(object)
	}
	return o
}

// Operations returns all operations.
func (d *Document) Operations() []Operation { return d.operations }

// Example returns the example of the body that an operation takes as a media type; nil when it takes none.
func (o Operation) Example(media string) any {
	return child(o.op, "requestBody", "content", media)["example"]
}

// ID is the operationId.
func (o Operation) ID() string { s, _ := o.op["operationId"].(string); return s }

// at is where the operation stands in the document.
func (o Operation) at(more ...string) []string {
	return append([]string{"paths", o.Path, strings.ToLower(o.Method)}, more...)
}

// Check holds one request, whose body was in, and its answer against the document: the status, the media type, the body
// and the headers of the answer; and of what was accepted, that the document allows it. What is not in the document must
// have been answered with 404 or 405.
func (d *Document) Check(r *http.Request, in []byte, a Answer) error {
	o, parts, found := d.find(r)
	if !found {
		return d.checkStranger(a)
	}
	status := fmt.Sprint(a.Status)
	response := child(o.op, "responses", status)
	if response == nil {
		return fmt.Errorf("%s %s answered %s, which is not documented: %s", o.Method, o.Path, status, a.Body)
	}
	d.mu.Lock()
	d.seen[o.Method+" "+o.Path+" "+status] = true
	d.mu.Unlock()
	for name := range child(response, "headers") {
		if a.Header.Get(name) == "" {
			return fmt.Errorf("%s %s answered %s without the header %s", o.Method, o.Path, status, name)
		}
	}
	if err := d.checkBody(o, response, a, r.Method == http.MethodHead); err != nil {
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

// find returns the operation that a request is for, and the parts of its path that stand for parameters.
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

func (d *Document) checkStranger(a Answer) error {
	if a.Status != http.StatusNotFound && a.Status != http.StatusMethodNotAllowed {
		return fmt.Errorf("answered %d, and is not in the document", a.Status)
	}
	if media := a.Header.Get("Content-Type"); media != "application/problem+json" {
		return fmt.Errorf("answered %d as %q", a.Status, media)
	}
	return d.valid(a.Body, "components", "schemas", "Problem")
}

func (d *Document) checkBody(o Operation, response object, a Answer, head bool) error {
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
	return d.valid(a.Body, o.at("responses", fmt.Sprint(a.Status), "content", media, "schema")...)
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

// typed reads a parameter as its schema means it.
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

// schema compiles the schema at a place in the document.
func (d *Document) schema(at ...string) (*jsonschema.Schema, error) {
	pointer := ""
	for _, name := range at {
		pointer += "/" + strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.ready[pointer]; s != nil {
		return s, nil
	}
	s, err := d.compiler.Compile(place + "#" + (&url.URL{Path: pointer}).EscapedPath())
	if err != nil {
		return nil, fmt.Errorf("the schema at %s: %w", pointer, err)
	}
	d.ready[pointer] = s
	return s, nil
}

// valid holds a JSON text against the schema at a place.
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

// CheckExamples holds every JSON example of the document against its schema, and returns how many there are.
func (d *Document) CheckExamples() (int, error) {
	n := 0
	for _, o := range d.operations {
		places := [][]string{o.at("requestBody", "content")}
		for status := range child(o.op, "responses") {
			places = append(places, o.at("responses", status, "content"))
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

// Unseen lists what the document names and no checked answer has shown, as METHOD path status.
func (d *Document) Unseen() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var missing []string
	for _, o := range d.operations {
		for status := range child(o.op, "responses") {
			if line := o.Method + " " + o.Path + " " + status; !d.seen[line] {
				missing = append(missing, line)
			}
		}
	}
	slices.Sort(missing)
	return missing
}

// Transport sends requests on and tells Fault what in them or their answers the document does not allow. It is for the
// clients of whole programs.
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
