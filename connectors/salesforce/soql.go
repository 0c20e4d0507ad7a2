package salesforce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"inmail/domain"
)

// These constants bound queries. A query that goes alone is part of an address, which with the headers may
// have 16,384 bytes. A query inside a Composite call is part of the body, where only the length of the SOQL
// counts: 100,000 characters (help article 000386264 names this way; SALESFORCE.md 2.4).
const (
	maxAddress   = 12_000 // bytes of an escaped query that goes alone; it leaves room for a long token
	maxSOQL      = 80_000 // characters of a query inside a Composite call; an org may refuse it
	maxHeavy     = 5      // queries and collections in a Composite call (SALESFORCE.md 2.2)
	maxPages     = 50     // pages of one query, which are 100,000 records
	maxSubsplits = 6      // how often a query that is too large is halved
)

// quote writes a text as a SOQL string.
func quote(text string) string {
	var out strings.Builder
	out.WriteByte('\'')
	for _, r := range text {
		switch r {
		case '\\', '\'':
			out.WriteByte('\\')
			out.WriteRune(r)
		case '\n':
			out.WriteString(`\n`)
		case '\r':
			out.WriteString(`\r`)
		case '\t':
			out.WriteString(`\t`)
		default:
			out.WriteRune(r)
		}
	}
	out.WriteByte('\'')
	return out.String()
}

// in writes texts as the list that follows IN in SOQL.
func in(values []string) string {
	var out strings.Builder
	out.WriteByte('(')
	for i, v := range values {
		if i > 0 {
			out.WriteByte(',')
		}
		out.WriteString(quote(v))
	}
	out.WriteByte(')')
	return out.String()
}

// escapeQuery escapes SOQL for an address. Characters that are legal in a query stay unescaped, because each
// byte counts.
func escapeQuery(soql string) string {
	const hex = "0123456789ABCDEF"
	out := make([]byte, 0, len(soql)+len(soql)/8)
	for i := range len(soql) {
		c := soql[i]
		switch {
		case letter(c) || '0' <= c && c <= '9' || strings.IndexByte("-._~'(),:@*!", c) >= 0:
			out = append(out, c)
		case c == ' ':
			out = append(out, '+')
		default:
			out = append(out, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(out)
}

// query is a SOQL query about n items. It is split into several queries when it would be too long.
type query struct {
	deleted bool                      // uses queryAll, which answers deleted records too
	soql    func(part []int) string   // the query for some of the n items
	n       int                       // how many items it is about
	read    func(record []byte) error // takes each record, as JSON
	failed  func(*Fault)              // takes the org's refusal of the query; nil: ask returns it
}

// page is the org's answer to a query.
type page struct {
	Done    bool              `json:"done"`
	Next    string            `json:"nextRecordsUrl"`
	Records []json.RawMessage `json:"records"`
}

// part is a query about some of its items, or a further page of it.
type part struct {
	query    *query
	items    []int
	halvings int // how often the part was halved
	next     string
}

func (p part) address(root string) string {
	if p.next != "" {
		return p.next
	}
	resource := "query"
	if p.query.deleted {
		resource = "queryAll"
	}
	return root + resource + "?q=" + escapeQuery(p.query.soql(p.items))
}

// ask runs queries in as few calls as possible. Five go in a Composite call, and a single one goes as a plain
// query.
func (c *Connector) ask(ctx context.Context, queries ...*query) error {
	var parts []part
	for _, q := range queries {
		parts = append(parts, q.fit(q.all(), int(c.longest.Load()))...)
	}
	for rounds := 0; len(parts) > 0; rounds++ {
		if rounds > maxPages*len(queries)+maxSubsplits {
			return &Fault{Class: domain.Locked, cause: errors.New("a query has no end")}
		}
		n := min(maxHeavy, len(parts))
		rest, err := c.askSome(ctx, parts[:n])
		if err != nil {
			return err
		}
		parts = append(rest, parts[n:]...)
	}
	return nil
}

func (q *query) all() []int { return indexes(q.n) }

// fit splits a query into parts whose SOQL has at most longest characters.
func (q *query) fit(items []int, longest int) []part {
	if len(items) == 0 {
		return nil
	}
	if len(items) > 1 && len(q.soql(items)) > longest {
		return append(q.fit(items[:len(items)/2], longest), q.fit(items[len(items)/2:], longest)...)
	}
	return []part{{query: q, items: items}}
}

// askSome runs up to five parts in one call and returns the parts that are still to be asked: further pages
// and halves.
func (c *Connector) askSome(ctx context.Context, parts []part) (rest []part, err error) {
	if len(parts) == 1 {
		if address := parts[0].address(c.root()); len(address) <= maxAddress {
			a, err := c.do(ctx, call{method: http.MethodGet, path: strings.TrimPrefix(address, c.root())})
			if err != nil {
				return c.refusedPart(parts[0], err)
			}
			return parts[0].take(a.body)
		}
	}
	subs := make([]subrequest, len(parts))
	for i, p := range parts {
		subs[i] = subrequest{Method: http.MethodGet, URL: p.address(c.root()), Ref: fmt.Sprintf("q%d", i)}
	}
	answers, err := c.composite(ctx, subs)
	if err != nil {
		return nil, err
	}
	for i, a := range answers {
		var more []part
		if a.fault != nil {
			more, err = c.refusedPart(parts[i], a.fault)
		} else {
			more, err = parts[i].take(a.body)
		}
		if err != nil {
			return nil, err
		}
		rest = append(rest, more...)
	}
	return rest, nil
}

// refusedPart returns what is left of a part that the org refused. A query that takes its refusal itself
// fails no other one, unless nothing else would get an answer either.
func (c *Connector) refusedPart(p part, err error) ([]part, error) {
	more, err := c.halves(p, err)
	if err == nil || p.query.failed == nil {
		return more, err
	}
	switch f := asFault(err); f.Class {
	case domain.Unreachable, domain.LimitReached, domain.SessionEnded, domain.LoginFailed:
		return nil, err
	default:
		p.query.failed(f)
		return nil, nil
	}
}

// halves splits a query that was too large, and returns any other fault. Later queries are shorter from the
// start.
func (c *Connector) halves(p part, err error) ([]part, error) {
	f := asFault(err)
	if !f.Split || len(p.items) < 2 || p.halvings >= maxSubsplits || p.next != "" {
		return nil, err
	}
	half := len(p.items) / 2
	c.longest.Store(int64(max(len(p.query.soql(p.items))/2, maxAddress)))
	return []part{
		{query: p.query, items: p.items[:half], halvings: p.halvings + 1},
		{query: p.query, items: p.items[half:], halvings: p.halvings + 1},
	}, nil
}

// take reads a page and returns a part for the next page, if there is one.
func (p part) take(body []byte) ([]part, error) {
	var got page
	if err := json.Unmarshal(body, &got); err != nil {
		return nil, unanswered(http.StatusOK, errors.New("a page of a query cannot be read"))
	}
	for _, r := range got.Records {
		if err := p.query.read(r); err != nil {
			return nil, unanswered(http.StatusOK, errors.New("a record of a query cannot be read"))
		}
	}
	if got.Done {
		return nil, nil
	}
	// More records exist but cannot be read. A part of them must not pass for the whole answer.
	if !strings.HasPrefix(got.Next, "/services/data/") {
		return nil, unanswered(http.StatusOK, errors.New("a page of a query does not say where it goes on"))
	}
	return []part{{query: p.query, items: p.items, halvings: p.halvings, next: got.Next}}, nil
}
