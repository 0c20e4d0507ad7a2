package sandbox

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// The oldest version of the API that a new org answers, and the newest.
const (
	oldestVersion = 31
	newestVersion = 68
)

// Limits of one request (SALESFORCE.md 2.4).
const (
	maxURIAndHeaders = 16_384
	maxJSONBody      = 50 << 20
	maxCSVBody       = 100_000_000
)

// call is one API request on its way to a handler. A composite makes one for each subrequest.
type call struct {
	sandbox *Sandbox
	method  string
	version string   // 67.0
	path    []string // what follows the version, unescaped
	query   url.Values
	header  http.Header
	body    []byte
	csv     *spool // the body of a bulk upload, which is in a file
	parsed  any    // the parsed body of a subrequest
	who     caller
	at      time.Time
	tx      *txn // set inside a composite that is all or none
	rows    rowFault
}

// reply is the answer of a request or of a subrequest.
type reply struct {
	status   int
	header   http.Header // Location and the like; nil: none
	mimeType string      // empty: JSON
	body     []byte      // nil: no content
	rest     io.Reader   // the rest of the body; nil: none
}

func jsonReply(status int, body []byte) reply { return reply{status: status, body: body} }

// refuse answers with errors, as the org does: a list, with the status of the first.
func refuse(errs ...*apiError) reply {
	return jsonReply(errs[0].status(), appendErrors(nil, errs, "errorCode"))
}

func notFound() reply {
	return refuse(&apiError{Code: "NOT_FOUND", Message: "The requested resource does not exist"})
}

func methodNotAllowed(method string, allowed ...string) reply {
	r := refuse(&apiError{Code: "METHOD_NOT_ALLOWED",
		Message: fmt.Sprintf("HTTP Method '%s' not allowed. Allowed are %s", method, strings.Join(allowed, ","))})
	r.header = http.Header{"Allow": {strings.Join(allowed, ", ")}}
	return r
}

// segments splits an escaped path, dropping one trailing slash.
func segments(escaped string) ([]string, error) {
	parts := strings.Split(strings.Trim(escaped, "/"), "/")
	for i, p := range parts {
		text, err := url.PathUnescape(p)
		if err != nil {
			return nil, err
		}
		parts[i] = text
	}
	if len(parts) == 1 && parts[0] == "" {
		return nil, nil
	}
	return parts, nil
}

// serve answers everything that the org answers, and the control paths under /sandbox/.
func (s *Sandbox) serve(w http.ResponseWriter, r *http.Request) {
	path, err := segments(r.URL.EscapedPath())
	if err != nil {
		s.write(w, r, refuse(&apiError{Code: "NOT_FOUND", Message: "The path is not well formed"}))
		return
	}
	switch {
	case len(path) > 0 && path[0] == "sandbox":
		s.control(w, r, path[1:])
	case tooLong(r):
		s.write(w, r, page(http.StatusRequestHeaderFieldsTooLarge, "Request Header Fields Too Large"))
	case len(path) == 0:
		s.write(w, r, reply{status: http.StatusOK, mimeType: "text/plain", body: []byte(banner)})
	case len(r.RequestURI) > maxURIAndHeaders:
		s.write(w, r, page(http.StatusRequestURITooLong, "URI Too Long"))
	case len(path) >= 2 && path[0] == "services" && path[1] == "oauth2":
		s.oauth(w, r, path[2:])
	case len(path) == 3 && path[0] == "id":
		s.identity(w, r, path[1], path[2])
	case len(path) >= 3 && path[0] == "services" && path[1] == "Soap":
		s.soap(w, r, path[2:])
	case len(path) == 2 && path[0] == "services" && path[1] == "data":
		s.versions(w, r)
	case len(path) >= 3 && path[0] == "services" && path[1] == "data":
		s.rest(w, r, path[2], path[3:])
	default:
		s.write(w, r, notFound())
	}
}

// tooLong reports whether URI and headers together exceed the limit.
func tooLong(r *http.Request) bool {
	size := len(r.Method) + len(r.RequestURI) + len(r.Host)
	for name, values := range r.Header {
		for _, v := range values {
			size += len(name) + len(v) + 4
		}
	}
	return size > maxURIAndHeaders && len(r.RequestURI) <= maxURIAndHeaders
}

// rest answers /services/data/vXX.0/….
func (s *Sandbox) rest(w http.ResponseWriter, r *http.Request, version string, path []string) {
	number, refused := s.checkVersion(version)
	if refused != nil {
		s.write(w, r, refuse(refused))
		return
	}
	if a, ok := s.elsewhere(r); ok {
		s.write(w, r, a)
		return
	}
	resource := resourceOf(path)
	s.usage.count(resource)
	who, refused := s.authenticate(r)
	if refused != nil {
		s.write(w, r, refuse(refused))
		return
	}
	now := s.now()
	done, refused := s.usage.admit(now)
	if refused != nil {
		s.write(w, r, refuse(refused))
		return
	}
	defer done()
	hit := s.faults.pick(resource)
	if !hit.before(s, w, r) {
		return
	}
	body, upload, refused := readBody(r, path, s.store.folder)
	if refused != nil {
		s.finish(w, r, refuse(refused), hit)
		return
	}
	if len(path) >= 2 && path[0] == "jobs" && hit.bulkFails {
		s.jobs.failNext()
	}
	method := r.Method
	if method == http.MethodHead { // net/http omits the body
		method = http.MethodGet
	}
	c := &call{
		sandbox: s, method: method, version: number, path: path, query: r.URL.Query(), header: r.Header,
		body: body, csv: upload, who: who, at: now, rows: hit.rows,
	}
	s.finish(w, r, c.dispatch(), hit)
}

// checkVersion reads v67.0. A retired version is answered 410, an unknown one 404.
func (s *Sandbox) checkVersion(version string) (string, *apiError) {
	number, ok := strings.CutPrefix(version, "v")
	digits, isZero := strings.CutSuffix(number, ".0")
	n, err := strconv.Atoi(digits)
	if !ok || !isZero || err != nil || n > newestVersion || n < 1 || digits != strconv.Itoa(n) {
		return "", &apiError{Code: "NOT_FOUND", Message: "The requested resource does not exist"}
	}
	if n < int(s.oldest.Load()) {
		return "", &apiError{Code: "UNSUPPORTED_API_VERSION",
			Message: fmt.Sprintf("The requested API version %s is retired or unsupported", number)}
	}
	return number, nil
}

// resourceOf returns the resource of a call, from a closed list.
func resourceOf(path []string) string {
	at := func(i int) string {
		if i < len(path) {
			return path[i]
		}
		return ""
	}
	switch at(0) {
	case "":
		return "resources"
	case "query", "queryAll", "limits", "metadata":
		return at(0)
	case "sobjects":
		if at(1) == "" || at(2) == "describe" {
			return "describe"
		}
		return "sobjects"
	case "composite":
		switch at(1) {
		case "":
			return "composite"
		case "sobjects", "graph", "tree":
			return "composite/" + at(1)
		}
	case "jobs":
		if at(1) == "ingest" || at(1) == "query" {
			return "jobs/" + at(1)
		}
	}
	return "other"
}

// dispatch finds the handler of a call.
func (c *call) dispatch() reply {
	if len(c.path) == 0 {
		return c.resources()
	}
	rest := c.path[1:]
	switch c.path[0] {
	case "sobjects":
		return c.sobjects(rest)
	case "query", "queryAll":
		return c.queries(c.path[0] == "queryAll", rest)
	case "limits":
		if len(rest) == 0 {
			return c.limits()
		}
	case "recent", "tabs":
		if len(rest) == 0 && c.method == http.MethodGet {
			return c.listing(c.path[0])
		}
	case "composite":
		return c.composites(rest)
	case "jobs":
		return c.bulk(rest)
	case "metadata":
		return c.metadataREST(rest)
	}
	return notFound()
}

// composites finds the handler under /composite.
func (c *call) composites(path []string) reply {
	switch {
	case len(path) == 0:
		return c.composite()
	case path[0] == "sobjects":
		return c.collections(path[1:])
	case path[0] == "graph" && len(path) == 1:
		return c.graph()
	case path[0] == "tree" && len(path) == 2:
		return c.tree(path[1])
	}
	return notFound()
}

// readBody reads a request's body, gzipped or not, and checks Content-Type and Accept. The body of a bulk
// upload goes into a spool.
func readBody(r *http.Request, path []string, folder string) ([]byte, *spool, *apiError) {
	if accept := r.Header.Get("Accept"); strings.Contains(accept, "xml") && !strings.Contains(accept, "json") &&
		!strings.Contains(accept, "*") {
		return nil, nil, &apiError{Code: "NOT_ACCEPTABLE", Message: "This sandbox answers JSON and CSV only"}
	}
	csv := r.Method == http.MethodPut && len(path) == 4 && path[0] == "jobs" && path[3] == "batches"
	limit := int64(maxJSONBody)
	if csv {
		limit = maxCSVBody
	}
	var in io.Reader = r.Body
	if strings.EqualFold(r.Header.Get("Content-Encoding"), "gzip") {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, nil, &apiError{Code: "JSON_PARSER_ERROR", Message: "The body is not gzip"}
		}
		in = unzipped
	} else if r.Header.Get("Content-Encoding") != "" {
		return nil, nil, &apiError{Code: "UNSUPPORTED_MEDIA_TYPE", Message: "Content-Encoding is not supported"}
	}
	var body bytes.Buffer
	var upload *spool
	var n int64
	var err error
	if !csv {
		body.Grow(int(max(0, min(r.ContentLength, limit))))
		n, err = body.ReadFrom(io.LimitReader(in, limit+1))
	} else if upload, err = newSpool(folder); err == nil {
		n, err = io.Copy(upload, io.LimitReader(in, limit+1))
	}
	if err != nil {
		return nil, nil, &apiError{Code: "JSON_PARSER_ERROR", Message: "The body cannot be read"}
	}
	if n > limit {
		return nil, nil, &apiError{Code: "EXCEEDED_MAX_SIZE_REQUEST",
			Message: fmt.Sprintf("The request exceeds %d bytes", limit)}
	}
	if n == 0 {
		return nil, upload, nil
	}
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	want := "application/json"
	switch {
	case csv:
		want = "text/csv"
	case r.Method == http.MethodPost && len(path) == 2 && path[0] == "metadata" && path[1] == "deployRequest":
		if err == nil && kind == "multipart/form-data" {
			return body.Bytes(), nil, nil
		}
		want = "multipart/form-data"
	}
	charset := strings.ToLower(params["charset"])
	if err != nil || kind != want || charset != "" && charset != "utf-8" {
		return nil, nil, &apiError{Code: "UNSUPPORTED_MEDIA_TYPE",
			Message: "Content-Type must be " + want + " in UTF-8"}
	}
	return body.Bytes(), upload, nil
}

// object returns the JSON object of the body.
func (c *call) object() (row, *apiError) {
	v := c.parsed
	if v == nil {
		if len(c.body) == 0 {
			return nil, &apiError{Code: "JSON_PARSER_ERROR",
				Message: "The HTTP entity body is required, but this request has no entity body."}
		}
		var refused *apiError
		if v, refused = parseJSON(c.body); refused != nil {
			return nil, refused
		}
	}
	o, ok := v.(row)
	if !ok {
		return nil, &apiError{Code: "JSON_PARSER_ERROR", Message: "The HTTP entity body must be an object"}
	}
	return o, nil
}

// write runs a function in the call's transaction. Without one it opens a transaction, and commits it
// unless the function refuses.
func (c *call) write(do func(*txn) reply) reply {
	if c.tx != nil {
		return do(c.tx)
	}
	tx := c.sandbox.store.begin(c.sandbox.now, c.who)
	defer tx.rollback()
	tx.rows, tx.chunk = c.rows, 1
	r := do(tx)
	if r.status >= 300 && tx.err == nil {
		return r
	}
	if err := tx.commit(); err != nil {
		return c.failed(err)
	}
	return r
}

// reading runs a function on one snapshot of the org.
func (c *call) reading(do func(*view) reply) (r reply) {
	if c.tx != nil {
		return do(&c.tx.view)
	}
	if err := c.sandbox.store.snapshot(func(v *view) { r = do(v) }); err != nil {
		return c.failed(err)
	}
	return r
}

// failed logs a failure of the database and returns the answer to it.
func (c *call) failed(err error) reply {
	c.sandbox.options.Log.Error("sandbox database failed", "error", err)
	return refuse(&apiError{Code: "UNKNOWN_EXCEPTION", Message: "An unexpected error occurred."})
}

// minGzip is the size in bytes from which an answer is compressed for a client that accepts gzip.
const minGzip = 2048

// finish sends an answer of the REST API, after the fault of the request was applied to it.
func (s *Sandbox) finish(w http.ResponseWriter, r *http.Request, a reply, hit hit) {
	if hit.after(s, w, r, a) {
		s.write(w, r, a)
	}
}

// write sends an answer. Every answer but the list of versions has Sforce-Limit-Info.
func (s *Sandbox) write(w http.ResponseWriter, r *http.Request, a reply) {
	h := w.Header()
	for name, values := range a.header {
		h[name] = values
	}
	if strings.HasPrefix(r.URL.Path, "/services/data/v") {
		h.Set("Sforce-Limit-Info", s.usage.info(s.now()))
	}
	h.Set("Date", s.now().UTC().Format(http.TimeFormat))
	if a.body == nil {
		w.WriteHeader(a.status)
		return
	}
	if a.mimeType == "" {
		a.mimeType = "application/json"
	}
	h.Set("Content-Type", a.mimeType+";charset=UTF-8")
	var out io.Writer = w
	if (len(a.body) >= minGzip || a.rest != nil) && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed)
		defer z.Close()
		out = z
	} else if a.rest == nil {
		h.Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	w.WriteHeader(a.status)
	// Writing fails only when the client has disconnected, so nobody needs the error.
	if _, err := out.Write(a.body); err == nil && a.rest != nil {
		_, _ = io.Copy(out, a.rest)
	}
}

// versions lists the supported versions; it needs no session.
func (s *Sandbox) versions(w http.ResponseWriter, r *http.Request) {
	s.usage.count("versions")
	out := []byte{'['}
	oldest := int(s.oldest.Load())
	for n := oldest; n <= newestVersion; n++ {
		if n > oldest {
			out = append(out, ',')
		}
		out = fmt.Appendf(out, `{"label":%q,"url":"/services/data/v%d.0","version":"%d.0"}`, versionLabel(n), n, n)
	}
	s.write(w, r, jsonReply(http.StatusOK, append(out, ']')))
}

// versionLabel names a release: three a year, 31 was Summer '14.
func versionLabel(n int) string {
	seasons := []string{"Spring", "Summer", "Winter"}
	season, year := (n-30)%3, 14+(n-30)/3
	if season == 2 {
		year++
	}
	return fmt.Sprintf("%s '%d", seasons[season], year)
}

// resources lists the resources of the version.
func (c *call) resources() reply {
	out := []byte{'{'}
	for i, name := range []string{"composite", "jobs", "limits", "metadata", "query", "queryAll", "recent", "sobjects",
		"tabs"} {
		if i > 0 {
			out = append(out, ',')
		}
		out = fmt.Appendf(out, `"%s":"/services/data/v%s/%s"`, name, c.version, name)
	}
	return jsonReply(http.StatusOK, append(out, '}'))
}
