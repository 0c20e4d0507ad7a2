package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"inmail/domain"
	"inmail/domain/mailroom"
)

const documentIntro = `One member reaches another whom it is not connected with, by member id alone.

JSON in and out, UTF-8, times RFC 3339 in UTC with milliseconds. Unknown fields and query parameters, names given twice, null,
the character NUL and wrong UTF-8 are refused. Bodies have at most 1 MiB (imports: 64 KiB a line). Lists are
paged by ` + "`limit` and `cursor`" + `.

Errors are application/problem+json (RFC 9457) with a ` + "`code`" + ` for programs. They come in this order: the key (401), too many
requests (429), the role (403), body and fields (400, 413, 415), the thing (404), whose it is (403), its state (409, 410), the
rules (422). A path that is not listed is 404, a method that is not listed 405 with Allow.

R01 to R62 are the rules of the product.`

// document makes the OpenAPI 3.1 document of the endpoints.
func document(endpoints []endpoint, crms []mailroom.CRM) ([]byte, error) {
	c := &components{schemas: map[string]schema{}, crms: crms}
	// Types that are taken are described first: a type that is both taken and given gets the strict schema.
	c.strict = true
	bodies := map[reflect.Type]schema{}
	for _, e := range endpoints {
		if e.takes != nil {
			bodies[e.takes] = c.of(e.takes, "")
		}
	}
	c.strict = false
	c.of(reflect.TypeFor[problem](), "")
	paths := schema{}
	for _, e := range endpoints {
		if e.undocumented {
			continue
		}
		item, _ := paths[e.path].(schema)
		if item == nil {
			item = schema{}
			paths[e.path] = item
		}
		item[strings.ToLower(e.method)] = e.operation(c, bodies)
	}
	b, err := json.Marshal(schema{
		"openapi":  "3.1.0",
		"info":     schema{"title": "InMail", "version": "1", "description": documentIntro},
		"servers":  []any{schema{"url": "/"}},
		"paths":    paths,
		"webhooks": c.webhooks(),
		"components": schema{
			"schemas": c.schemas,
			"securitySchemes": schema{
				"key": schema{"type": "http", "scheme": "bearer",
					"description": "An operator's or a member's key."},
				"metricsKey": schema{"type": "http", "scheme": "bearer",
					"description": "The key of the metrics, where one is set."},
				"operatorKey": schema{"type": "http", "scheme": "basic",
					"description": "An operator's key as the password, under any name; for browsers."},
			},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("make the OpenAPI document: %w", err)
	}
	return b, nil
}

func (a *API) serveDocument(w http.ResponseWriter, _ *http.Request) {
	text, err := a.document()
	if err != nil {
		w.(*call).refuse(err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.Write(text)
}

// operation describes one endpoint.
func (e *endpoint) operation(c *components, bodies map[reflect.Type]schema) schema {
	op := schema{"operationId": e.name, "tags": []string{e.group}, "summary": e.does, "responses": e.responses(c),
		"security": e.security()}
	if e.more != "" {
		op["description"] = e.more
	}
	if ps := e.parameters(); len(ps) > 0 {
		op["parameters"] = ps
	}
	switch {
	case e.takes != nil:
		body := bodies[e.takes]
		op["requestBody"] = schema{"required": !e.bodyOptional,
			"content": schema{"application/json": schema{"schema": body, "example": c.example(body)}}}
	case e.takesMedia != "":
		op["requestBody"] = schema{"required": true,
			"content": schema{e.takesMedia: schema{"schema": schema{"type": "string"},
				"example": `{"member":{"id":"maria-lopez","name":"Maria López"}}` + "\n"}}}
	}
	return op
}

func (e *endpoint) security() []any {
	switch e.access {
	case anyone:
		return []any{}
	case metricsKey:
		return []any{schema{}, schema{"metricsKey": []string{}}}
	case operatorPage:
		return []any{schema{"operatorKey": []string{}}, schema{"key": []string{}}}
	}
	return []any{schema{"key": []string{}}}
}

// pathSchemas are the schemas of path parameters by name; any other parameter is any text.
var pathSchemas = map[string]func() schema{"a": memberIDSchema, "b": memberIDSchema, "other": memberIDSchema,
	"reply": func() schema { return schema{"type": "string", "format": "uuid"} },
	"kind":  func() schema { return schema{"type": "string", "enum": []string{"member", "company"}} }}

func (e *endpoint) parameters() []any {
	var ps []any
	for _, part := range strings.Split(e.path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			name = strings.TrimSuffix(name, "}")
			s := schema{"type": "string"}
			if known := pathSchemas[name]; known != nil {
				s = known()
			}
			if strings.HasPrefix(e.path, "/v1/members/") && name == "id" {
				s = memberIDSchema()
			}
			ps = append(ps, schema{"name": name, "in": "path", "required": true, "schema": s})
		}
	}
	for _, q := range e.query {
		ps = append(ps, schema{"name": q.name, "in": "query", "description": q.doc, "schema": q.schema,
			"required": q.required})
	}
	for _, h := range e.headers {
		ps = append(ps, schema{"name": h.name, "in": "header", "description": h.doc, "schema": h.schema})
	}
	if e.access == anyKey || e.access == memberOnly {
		ps = append(ps, schema{"name": memberHeader, "in": "header",
			"description": "For operators: the member to act for. A member key may not send it.",
			"schema":      memberIDSchema()})
	}
	return ps
}

// codes returns every code that the endpoint can refuse with, sorted.
func (e *endpoint) codes() []domain.Code {
	codes := slices.Clone(e.refuses)
	switch e.access {
	case anyone:
	case metricsKey:
		codes = append(codes, unauthorized)
	default:
		codes = append(codes, unauthorized, rateLimited, domain.Forbidden, domain.BadRequest, internal, unavailable)
	}
	if e.takes != nil || e.gives == nil && e.status == http.StatusNoContent ||
		e.gives != nil && e.method != http.MethodGet && e.takesMedia == "" {
		codes = append(codes, tooLarge, unsupportedMediaType)
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}

// responses describes every status that the endpoint can answer with.
func (e *endpoint) responses(c *components) schema {
	answer := schema{"description": e.does}
	switch media := e.media; {
	case e.gives != nil:
		s := c.of(e.gives, "")
		answer["content"] = schema{"application/json": schema{"schema": s, "example": c.example(s)}}
	case media == "application/json":
		answer["content"] = schema{media: schema{"schema": schema{"type": "object"}}}
	case media != "":
		answer["content"] = schema{media: schema{"schema": schema{"type": "string"}}}
	}
	rs := schema{strconv.Itoa(e.status): answer}
	byStatus := map[int][]string{}
	for _, code := range e.codes() {
		byStatus[statusOf(code)] = append(byStatus[statusOf(code)], string(code))
	}
	for status, codes := range byStatus {
		rs[strconv.Itoa(status)] = problemResponse(status, codes)
	}
	return rs
}

// problemResponse describes the errors of one status.
func problemResponse(status int, codes []string) schema {
	p := problemOf(&domain.Refusal{Code: domain.Code(codes[0]), Detail: "what was wrong, and what to do about it"})
	s := schema{"allOf": []any{schema{"$ref": "#/components/schemas/Problem"},
		schema{"properties": schema{"status": schema{"const": status}, "code": schema{"enum": codes}}}}}
	r := schema{"description": http.StatusText(status) + ": " + strings.Join(codes, ", "),
		"content": schema{"application/problem+json": schema{"schema": s, "example": p}}}
	headers := schema{}
	switch status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		headers["Retry-After"] = schema{"description": "seconds to wait",
			"schema": schema{"type": "integer", "minimum": 1}}
	case http.StatusUnauthorized:
		headers["WWW-Authenticate"] = schema{"description": "how to show a key", "schema": schema{"type": "string"}}
	}
	if len(headers) > 0 {
		r["headers"] = headers
	}
	return r
}
