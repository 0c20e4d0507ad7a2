package sandbox

import (
	"fmt"
	"net/http"
	"strings"
)

// Limits of a composite graph (SALESFORCE.md 2.2).
const (
	maxGraphs       = 75
	maxNodes        = 500
	maxDepth        = 15
	maxKinds        = 15 // distinct combinations of version, method and object
	maxFailedGraphs = 14 // after so many failures the remaining graphs are not tried
	graphSince      = "50.0"
)

// graphBody is one graph of a request.
type graphBody struct {
	id   string
	subs []subrequest
}

// graph answers POST /composite/graph. Each graph is stored completely or not at all.
func (c *call) graph() reply {
	switch {
	case c.version < graphSince:
		return notFound()
	case c.method != http.MethodPost:
		return methodNotAllowed(c.method, "POST")
	}
	body, refused := c.object()
	if refused != nil {
		return refuse(refused)
	}
	graphs, refused := c.readGraphs(body)
	if refused != nil {
		return refuse(refused)
	}
	out := []byte(`{"graphs":[`)
	failures := 0
	for i, g := range graphs {
		if i > 0 {
			out = append(out, ',')
		}
		replies, failed := c.runGraph(g, failures >= maxFailedGraphs)
		if failed {
			failures++
		}
		out = append(out, `{"graphId":`...)
		out = appendString(out, g.id)
		out = append(out, `,"graphResponse":{"compositeResponse":`...)
		out = appendSubreplies(out, g.subs, replies)
		out = fmt.Appendf(out, `},"isSuccessful":%t}`, !failed)
	}
	return jsonReply(http.StatusOK, append(out, `]}`...))
}

// runGraph stores one graph, or answers that processing has halted.
func (c *call) runGraph(g graphBody, halt bool) (replies []reply, failed bool) {
	if halt {
		for range g.subs {
			replies = append(replies, refuse(&apiError{Code: "PROCESSING_HALTED",
				Message: "Processing halted: too many graphs of this request have failed."}))
		}
		return replies, true
	}
	if c.tx != nil { // a graph cannot be a subrequest
		return nil, true
	}
	answer := c.write(func(tx *txn) reply {
		within := *c
		within.tx = tx
		replies, failed = within.steps(g.subs, true)
		if failed {
			return reply{status: http.StatusBadRequest} // rolls back
		}
		return reply{status: http.StatusOK}
	})
	if answer.body != nil { // the database could not be written
		for i := range replies {
			replies[i] = answer
		}
		failed = true
	}
	return replies, failed
}

func (c *call) readGraphs(body row) ([]graphBody, *apiError) {
	invalid := func(format string, args ...any) ([]graphBody, *apiError) {
		return nil, &apiError{Code: "JSON_PARSER_ERROR", Message: fmt.Sprintf(format, args...)}
	}
	list, _ := body.lookup("graphs")
	items, ok := list.([]any)
	if !ok || len(body) != 1 || len(items) == 0 {
		return invalid("graphs must be a list that is not empty, and the only member of the body")
	}
	if len(items) > maxGraphs {
		return nil, &apiError{Code: "LIMIT_EXCEEDED",
			Message: fmt.Sprintf("a request may have at most %d graphs, this one has %d", maxGraphs, len(items))}
	}
	var graphs []graphBody
	nodes := 0
	visited := map[string]bool{}
	for _, item := range items {
		members, ok := item.(row)
		if !ok {
			return invalid("a graph must be an object")
		}
		id, _ := members.lookup("graphId")
		name, _ := id.(string)
		if name == "" || visited[name] {
			return invalid("graphId is missing or not unique")
		}
		visited[name] = true
		subs, refused := c.readGraph(members)
		if refused != nil {
			return nil, refused
		}
		if nodes += len(subs); nodes > maxNodes {
			return nil, &apiError{Code: "LIMIT_EXCEEDED",
				Message: fmt.Sprintf("a request may have at most %d nodes", maxNodes)}
		}
		graphs = append(graphs, graphBody{name, subs})
	}
	return graphs, nil
}

// readGraph reads one graph and checks the limits of a graph.
func (c *call) readGraph(members row) ([]subrequest, *apiError) {
	subs, _, refused := readComposite(members, true)
	if refused != nil {
		return nil, refused
	}
	kinds := map[string]bool{}
	depth := map[string]int{}
	for _, s := range subs {
		version, path, _, ok := c.sandbox.subPath(reference.ReplaceAllString(s.url, "ref"))
		if !ok || path[0] != "sobjects" || len(path) < 2 {
			return nil, &apiError{Code: "JSON_PARSER_ERROR", Message: "a graph takes sobjects resources only: " + s.ref}
		}
		kinds[version+" "+s.method+" "+strings.ToLower(path[1])] = true
		depth[s.ref] = 1
		for _, m := range reference.FindAllStringSubmatch(s.url+string(appendValue(nil, s.body)), -1) {
			parent, _, _ := strings.Cut(m[1], ".")
			depth[s.ref] = max(depth[s.ref], depth[parent]+1)
		}
		if depth[s.ref] > maxDepth {
			return nil, &apiError{Code: "LIMIT_EXCEEDED",
				Message: fmt.Sprintf("a graph may be at most %d deep", maxDepth)}
		}
	}
	if len(kinds) > maxKinds {
		return nil, &apiError{Code: "LIMIT_EXCEEDED",
			Message: fmt.Sprintf("a graph may have at most %d different nodes", maxKinds)}
	}
	return subs, nil
}
