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

Numbers as R63 name the rules of the product, which stand in its handbook.`

// group is a tag of the document.
type group struct{ name, does string }

// groups are the tags of the document, in the order in which a reader meets them.
var groups = []group{
	{"InMails", "What a sender does: judge, send, look at, tag, take back."},
	{"Inbox", "What a recipient does: read, open, reply, decline, report."},
	{"Account", "What a member may still send, and how near it is to a restriction."},
	{"Members", "Who can write and be written to: profiles, connections, blocks; what is held on a member."},
	{"Analytics", "Open and response rates."},
	{"Events", "What happened, by a feed to poll and by webhooks."},
	{"CRM", "How far the CRMs are behind, and what operators do about it."},
	{"Operators", "Keys, bans, restrictions, the audit, imports and the job queue."},
	{"Operations", "Health, metrics, profiles and this document."},
}

// document makes the OpenAPI 3.1 document of the endpoints.
func document(endpoints []endpoint, crms []mailroom.CRM) ([]byte, error) {
	c := &components{schemas: map[string]schema{}, responses: map[string]schema{}, crms: crms}
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
	c.schemas["Problem"]["properties"].(schema)["code"] = c.enum("ErrorCode", allCodes(endpoints))
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
		"openapi": "3.1.0",
		"info": schema{"title": "InMail", "version": "1", "summary": "Reach members whom one is not connected with",
			"description": documentIntro,
			"contact":     schema{"name": "The operators of this server"},
			"license":     schema{"name": "Proprietary", "identifier": "LicenseRef-Proprietary"}},
		"servers":  []any{schema{"url": "/", "description": "The server that gives this document"}},
		"tags":     tags(),
		"paths":    paths,
		"webhooks": c.webhooks(),
		"components": schema{
			"schemas":   c.schemas,
			"responses": c.responses,
			"securitySchemes": schema{
				"key": schema{"type": "http", "scheme": "bearer",
					"description": "An operator's or a member's key, as the role says that stands beside it: operator, an " +
						"operator's key; member, a member's, or an operator's with the header Inmail-Member."},
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

// tags describes the groups of calls.
func tags() (all []any) {
	for _, g := range groups {
		all = append(all, schema{"name": g.name, "description": g.does})
	}
	return all
}

// allCodes returns every code that a problem can have, sorted.
func allCodes(endpoints []endpoint) []string {
	codes := []domain.Code{methodNotAllowed, domain.NotFound}
	for i := range endpoints {
		codes = append(codes, endpoints[i].codes()...)
	}
	all := texts(codes)
	slices.Sort(all)
	return slices.Compact(all)
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

// security lists the keys with which the endpoint can be called, each with the role that it must have.
func (e *endpoint) security() []any {
	byKey := func(scheme, role string) schema { return schema{scheme: []string{role}} }
	switch e.access {
	case anyone:
		return []any{}
	case metricsKey:
		return []any{schema{}, schema{"metricsKey": []string{}}}
	case anyKey:
		return []any{byKey("key", "member"), byKey("key", "operator")}
	case memberOnly:
		return []any{byKey("key", "member")}
	case operatorOnly:
		return []any{byKey("key", "operator")}
	case operatorPage:
		return []any{byKey("operatorKey", "operator"), byKey("key", "operator")}
	}
	panic(fmt.Sprintf("httpapi: no security for the access %d", e.access))
}

func textSchema(example string) schema {
	return schema{"type": "string", "examples": []any{example}}
}

func idSchema() schema {
	return schema{"type": "string", "format": "uuid", "examples": []any{"019abf5e-8c00-7a31-9c55-0d6a3f6b7e21"}}
}

func exampleMember(id string) schema {
	s := memberIDSchema()
	s["examples"] = []any{id}
	return s
}

// pathParameters are the parameters in paths, by the part of the path before them and their name.
var pathParameters = map[string]parameter{
	"inmails/{id}":      {doc: "the InMail's id", schema: idSchema()},
	"replies/{reply}":   {doc: "the reply's id", schema: idSchema()},
	"failures/{inmail}": {doc: "the InMail's id", schema: idSchema()},
	"members/{id}":      {doc: "the member's id", schema: exampleMember("maria-lopez")},
	"blocks/{other}":    {doc: "id of the member who is blocked", schema: exampleMember("jo-berg")},
	"connections/{a}":   {doc: "id of one of the two members", schema: exampleMember("jo-berg")},
	"{a}/{b}":           {doc: "id of the other", schema: exampleMember("maria-lopez")},
	"banned/{kind}": {doc: "what value names", schema: schema{"type": "string", "enum": lists["ban_kind"],
		"examples": []any{"company"}}},
	"{kind}/{value}":    {doc: "the member's id, or the company's name", schema: textSchema("Nordhafen Logistik")},
	"audit/{id}":        {doc: "the decision's id in the audit, or the restriction's", schema: idSchema()},
	"restrictions/{id}": {doc: "the restriction's id", schema: idSchema()},
	"keys/{id}":         {doc: "the key's id in the list, not the key itself", schema: textSchema("019abf5e-8c00-7a31-9c55-0d6a3f6b7e21")},
	"webhooks/{id}":     {doc: "the end point's id", schema: textSchema("019abf5e-8c00-7a31-9c55-0d6a3f6b7e21")},
	"tags/{tag}":        {doc: "one of the two tags", schema: textSchema("hamburg fair")},
	"{tag}/{against}":   {doc: "the other, which it is compared with", schema: textSchema("newsletter")},
	"pprof/{profile}":   {doc: "which profile", schema: textSchema("heap")},
}

func (e *endpoint) parameters() []any {
	var ps []any
	parts := strings.Split(e.path, "/")
	for i, part := range parts {
		if !strings.HasPrefix(part, "{") {
			continue
		}
		p, known := pathParameters[parts[i-1]+"/"+part]
		if !known {
			panic(fmt.Sprintf("httpapi: pathParameters lacks the %s of %s", part, e.path))
		}
		ps = append(ps, schema{"name": strings.Trim(part, "{}"), "in": "path", "required": true, "schema": p.schema,
			"description": p.doc})
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
		rs[strconv.Itoa(status)] = c.problem(e, status, codes)
	}
	return rs
}

// problem returns the errors of one status. One or two codes are a response that endpoints share; more are
// the endpoint's own.
func (c *components) problem(e *endpoint, status int, codes []string) schema {
	name := pascal(e.name) + "Refused"
	if len(codes) <= 2 {
		name = pascal(strings.Join(codes, "_or_"))
	}
	ref := schema{"$ref": "#/components/responses/" + name}
	if c.responses[name] != nil {
		return ref
	}
	p := problemOf(&domain.Refusal{Code: domain.Code(codes[0]), Detail: "what was wrong, and what to do about it"})
	c.schemas[name+"Problem"] = schema{"allOf": []any{schema{"$ref": "#/components/schemas/Problem"},
		schema{"required": []string{"status", "code"}, "properties": schema{
			"status": schema{"type": "integer", "const": status},
			"code":   schema{"type": "string", "enum": codes}}}}}
	r := schema{"description": http.StatusText(status) + ": " + strings.Join(codes, ", "),
		"content": schema{"application/problem+json": schema{"example": p,
			"schema": schema{"$ref": "#/components/schemas/" + name + "Problem"}}}}
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
	c.responses[name] = r
	return ref
}
