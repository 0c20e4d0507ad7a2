package sandbox

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// Limits of a composite (SALESFORCE.md 2.2).
const (
	maxSubrequests = 25
	maxHeavy       = 5 // at most so many of them are queries or collections
)

// subrequest is one step of a composite.
type subrequest struct {
	method, url, ref string
	body             any
	header           http.Header
}

// answered is the answer of a subrequest, to which later ones may refer.
type answered struct {
	body any
	ok   bool
}

var refName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)

// composite answers POST /composite: one API call for all of its subrequests.
func (c *call) composite() reply {
	if c.method != http.MethodPost {
		return methodNotAllowed(c.method, "POST")
	}
	body, refused := c.object()
	if refused != nil {
		return refuse(refused)
	}
	subs, allOrNone, refused := readComposite(body, false)
	if refused != nil {
		return refuse(refused)
	}
	heavy := 0
	for _, s := range subs {
		if c.sandbox.isHeavy(s.url) {
			heavy++
		}
	}
	if heavy > maxHeavy {
		return refuse(&apiError{Code: "LIMIT_EXCEEDED",
			Message: fmt.Sprintf("a composite may have at most %d queries and collections, this one has %d", maxHeavy,
				heavy)})
	}
	if !allOrNone {
		replies, _ := c.steps(subs, false)
		return compositeReply(subs, replies)
	}
	return c.write(func(tx *txn) reply {
		mark := tx.mark()
		within := *c
		within.tx = tx
		replies, failed := within.steps(subs, true)
		if failed {
			tx.rollbackTo(mark)
		}
		return compositeReply(subs, replies)
	})
}

// readComposite reads a list of subrequests, of a composite or of one graph. A graph has an id and is
// always all or none.
func readComposite(body row, inGraph bool) (subs []subrequest, allOrNone bool, refused *apiError) {
	most := maxSubrequests
	if inGraph {
		most = maxNodes
	}
	invalid := func(format string, args ...any) ([]subrequest, bool, *apiError) {
		return nil, false, &apiError{Code: "JSON_PARSER_ERROR", Message: fmt.Sprintf(format, args...)}
	}
	var list []any
	for _, a := range body {
		ok := false
		switch a.name {
		case "allOrNone":
			allOrNone, ok = a.value.(bool)
			ok = ok && !inGraph
		case "collateSubrequests":
			_, ok = a.value.(bool)
			ok = ok && !inGraph
		case "graphId":
			_, ok = a.value.(string)
			ok = ok && inGraph
		case "compositeRequest":
			list, ok = a.value.([]any)
		}
		if !ok {
			return invalid("Unrecognized or malformed field %q", a.name)
		}
	}
	if len(list) == 0 {
		return invalid("compositeRequest is missing or empty")
	}
	if len(list) > most {
		return nil, false, &apiError{Code: "LIMIT_EXCEEDED",
			Message: fmt.Sprintf("a composite may have at most %d subrequests, this one has %d", most, len(list))}
	}
	visited := map[string]bool{}
	for _, item := range list {
		members, ok := item.(row)
		if !ok {
			return invalid("a subrequest must be an object")
		}
		s, refused := readSubrequest(members)
		if refused != nil {
			return nil, false, refused
		}
		if visited[s.ref] {
			return invalid("referenceId %q is not unique", s.ref)
		}
		visited[s.ref] = true
		subs = append(subs, s)
	}
	return subs, allOrNone, nil
}

func readSubrequest(members row) (subrequest, *apiError) {
	s := subrequest{header: http.Header{}}
	for _, a := range members {
		text, isText := a.value.(string)
		ok := isText
		switch a.name {
		case "method":
			s.method = text
		case "url":
			s.url = text
		case "referenceId":
			s.ref = text
		case "body":
			s.body, ok = a.value, true
		case "httpHeaders":
			var headers row
			headers, ok = a.value.(row)
			for _, h := range headers {
				value, isValue := h.value.(string)
				name := http.CanonicalHeaderKey(h.name)
				if !isValue || name == "Accept" || name == "Authorization" || name == "Content-Type" {
					return s, &apiError{Code: "JSON_PARSER_ERROR", Message: "httpHeaders may not contain " + h.name}
				}
				s.header.Set(name, value)
			}
		default:
			ok = false
		}
		if !ok {
			return s, &apiError{Code: "JSON_PARSER_ERROR",
				Message: fmt.Sprintf("Unrecognized or malformed field %q", a.name)}
		}
	}
	switch {
	case !refName.MatchString(s.ref):
		return s, &apiError{Code: "JSON_PARSER_ERROR",
			Message: fmt.Sprintf("referenceId %q must start with a letter and consist of letters, digits and "+
				"underscores", s.ref)}
	case s.url == "" || s.method == "":
		return s, &apiError{Code: "JSON_PARSER_ERROR", Message: "method and url are required in " + s.ref}
	}
	return s, nil
}

// subPath splits a subrequest's address into version, path and query.
func (s *Sandbox) subPath(address string) (version string, path []string, query url.Values, ok bool) {
	before, after, _ := strings.Cut(address, "?")
	parts, err := segments(before)
	if err != nil || !strings.HasPrefix(before, "/services/data/") || len(parts) < 4 {
		return "", nil, nil, false
	}
	number, refused := s.checkVersion(parts[2])
	if refused != nil {
		return "", nil, nil, false
	}
	query, err = url.ParseQuery(after)
	return number, parts[3:], query, err == nil
}

// isHeavy reports whether a subrequest is a query or a collection, of which there may be five.
func (s *Sandbox) isHeavy(address string) bool {
	_, path, _, ok := s.subPath(address)
	if !ok {
		return false
	}
	return path[0] == "query" || path[0] == "queryAll" ||
		len(path) > 1 && path[0] == "composite" && path[1] == "sobjects"
}

// allowed reports whether a resource may be a subrequest.
func allowed(path []string) bool {
	switch path[0] {
	case "sobjects", "query", "queryAll", "limits":
		return true
	case "composite":
		return len(path) > 1 && (path[1] == "sobjects" || path[1] == "tree")
	}
	return false
}

var halted = &apiError{Code: "PROCESSING_HALTED",
	Message: "The transaction was rolled back since another operation in the same transaction failed."}

// steps runs subrequests in order. With atomic a failure halts the rest; the caller rolls back.
func (c *call) steps(subs []subrequest, atomic bool) (replies []reply, failed bool) {
	replies = make([]reply, len(subs))
	known := map[string]answered{}
	referred := bytes.Contains(c.body, []byte("@{"))
	at := 0
	for i, s := range subs {
		replies[i] = c.step(s, known)
		ok := replies[i].status < 300
		known[s.ref] = answered{ok: ok}
		if ok && referred && len(replies[i].body) > 0 {
			parsed, _ := parseJSON(replies[i].body)
			known[s.ref] = answered{parsed, true}
		}
		if !ok && atomic {
			failed, at = true, i
			break
		}
	}
	if failed {
		for i := range replies {
			if i != at {
				replies[i] = refuse(halted)
			}
		}
	}
	return replies, failed
}

// step resolves the references of one subrequest and runs it.
func (c *call) step(s subrequest, known map[string]answered) reply {
	address, refused := resolveText(s.url, known)
	if refused != nil {
		return refuse(refused)
	}
	body, refused := resolve(s.body, known)
	if refused != nil {
		return refuse(refused)
	}
	version, path, query, ok := c.sandbox.subPath(address)
	if !ok || !allowed(path) {
		return notFound()
	}
	within := *c
	within.method, within.version, within.path, within.query = s.method, version, path, query
	within.header, within.body, within.parsed = s.header, nil, nil
	if s.method != http.MethodGet && s.method != http.MethodDelete {
		within.parsed = body
	}
	within.rows.within = resourceOf(path)
	c.sandbox.usage.countSub(within.rows.within)
	return within.dispatch()
}

var reference = regexp.MustCompile(`@\{([^}]*)\}`)

// resolveText replaces the references in a text by their values.
func resolveText(text string, known map[string]answered) (string, *apiError) {
	var refused *apiError
	out := reference.ReplaceAllStringFunc(text, func(match string) string {
		v, e := lookupReference(match[2:len(match)-1], known)
		if e != nil && refused == nil {
			refused = e
		}
		switch v := v.(type) {
		case string:
			return v
		case nil:
			return ""
		default:
			return string(appendValue(nil, v))
		}
	})
	return out, refused
}

// resolve replaces the references in all texts of a body by their values.
func resolve(v any, known map[string]answered) (any, *apiError) {
	switch v := v.(type) {
	case string:
		if !strings.Contains(v, "@{") {
			return v, nil
		}
		return resolveText(v, known)
	case row:
		out := make(row, len(v))
		for i, a := range v {
			inner, refused := resolve(a.value, known)
			if refused != nil {
				return nil, refused
			}
			out[i] = assignment{a.name, inner}
		}
		return out, nil
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			inner, refused := resolve(item, known)
			if refused != nil {
				return nil, refused
			}
			out[i] = inner
		}
		return out, nil
	}
	return v, nil
}

var refStep = regexp.MustCompile(`^([A-Za-z0-9_]+)((?:\[[0-9]+\])*)$`)

// lookupReference returns the value of a reference such as ref.id, ref.records[0].Id or ref[0].id.
func lookupReference(text string, known map[string]answered) (any, *apiError) {
	unknown := &apiError{Code: "PROCESSING_HALTED",
		Message: fmt.Sprintf("Invalid reference specified. No value for %s found", text)}
	var v any
	for i, part := range strings.Split(text, ".") {
		m := refStep.FindStringSubmatch(part)
		if m == nil {
			return nil, unknown
		}
		if i == 0 {
			a, there := known[m[1]]
			if !there || !a.ok {
				return nil, unknown
			}
			v = a.body
		} else {
			members, ok := v.(row)
			if !ok {
				return nil, unknown
			}
			if v, ok = members.lookup(m[1]); !ok {
				return nil, unknown
			}
		}
		for index := range strings.SplitSeq(strings.ReplaceAll(m[2], "[", ""), "]") {
			if index == "" {
				continue
			}
			n, _ := strconv.Atoi(index)
			list, ok := v.([]any)
			if !ok || n >= len(list) {
				return nil, unknown
			}
			v = list[n]
		}
	}
	switch v.(type) {
	case row, []any:
		return nil, unknown
	}
	return v, nil
}

// appendSubreplies writes the list of answers, each under the name of its subrequest.
func appendSubreplies(out []byte, subs []subrequest, replies []reply) []byte {
	out = append(out, '[')
	for i, r := range replies {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, `{"body":`...)
		if r.body == nil {
			out = append(out, "null"...)
		} else {
			out = append(out, r.body...)
		}
		out = append(out, `,"httpHeaders":{`...)
		if location := r.header.Get("Location"); location != "" {
			out = append(out, `"Location":`...)
			out = appendString(out, location)
		}
		out = fmt.Appendf(out, `},"httpStatusCode":%d,"referenceId":"%s"}`, r.status, subs[i].ref)
	}
	return append(out, ']')
}

func compositeReply(subs []subrequest, replies []reply) reply {
	return jsonReply(http.StatusOK, append(appendSubreplies([]byte(`{"compositeResponse":`), subs, replies), '}'))
}

// appendValue writes a parsed JSON value.
func appendValue(out []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(out, "null"...)
	case string:
		return appendString(out, v)
	case row:
		out = append(out, '{')
		for i, a := range v {
			if i > 0 {
				out = append(out, ',')
			}
			out = append(appendString(out, a.name), ':')
			out = appendValue(out, a.value)
		}
		return append(out, '}')
	case []any:
		out = append(out, '[')
		for i, item := range v {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendValue(out, item)
		}
		return append(out, ']')
	}
	return fmt.Append(out, v)
}
