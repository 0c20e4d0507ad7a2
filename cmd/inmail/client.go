package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// The bounds of asking a server. It makes one try: who asked decides whether to ask again.
const (
	dialTimeout = 5 * time.Second
	askTimeout  = time.Minute     // for one call; the server gives itself half of that
	stallLimit  = 2 * time.Minute // of an import in which nothing moves
	maxAnswer   = 64 << 20        // bytes
)

// defaultServer is where inmail serve listens when nothing is set.
const defaultServer = "http://127.0.0.1:8080"

// ownServer is where a server with this listening address answers on its own machine; empty when none is set.
func ownServer(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return ""
	}
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// remote is a running server, asked by the contract of API.md.
type remote struct {
	server    string        // http://127.0.0.1:8080, without a slash at its end
	key       string        // empty: none was found
	keySource string        // where the key was found
	crm       string        // which CRM the calls of /v1/crm/ are about; empty: the first that is connected
	member    string        // whom an operator key acts for; empty: nobody
	forMember bool          // the command is a member's, so an operator key needs one
	patience  time.Duration // for one call
	stall     time.Duration // for an upload in which nothing moves
	http      *http.Client
}

// asked is what a command does with a server.
type asked func(cmd *cobra.Command, c *remote, args []string) error

// asMember makes cmd ask a server as a member, or with an operator key for the one that --member names.
func (o *options) asMember(cmd *cobra.Command, run asked) *cobra.Command {
	cmd.GroupID = memberGroup
	return o.asks(cmd, true, run)
}

// asOperator makes cmd ask a server with an operator key, for nobody.
func (o *options) asOperator(cmd *cobra.Command, run asked) *cobra.Command {
	return o.asks(cmd, false, run)
}

func (o *options) asks(cmd *cobra.Command, forMember bool, run asked) *cobra.Command {
	var server, member string
	cmd.Flags().StringVar(&server, "server", "", "`URL` of the server (INMAIL_URL, INMAIL_LISTEN, "+defaultServer+")")
	o.settingFlag(cmd, "data", "data", "data `folder` of a server on this machine, for its operator.key (./data)")
	if forMember {
		cmd.Flags().StringVar(&member, "member", "", "with an operator key: `ID` of the member to act for (INMAIL_MEMBER)")
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := o.newRemote(server)
		if err != nil {
			return err
		}
		if c.forMember, c.member = forMember, member; forMember && !cmd.Flags().Changed("member") {
			c.member = os.Getenv("INMAIL_MEMBER")
		}
		if err := domain.MemberID(c.member).Validate(); c.member != "" && err != nil {
			return usageError{fmt.Errorf("--member, INMAIL_MEMBER: %w", err)}
		}
		err = run(cmd, c, args)
		var answer *problem
		if o.json && errors.As(err, &answer) {
			err = errors.Join(err, o.say(cmd.OutOrStdout(), answer.raw, ""))
		}
		return err
	}
	return cmd
}

func (o *options) newRemote(server string) (*remote, error) {
	server = strings.TrimRight(cmp.Or(server, os.Getenv("INMAIL_URL"), ownServer(os.Getenv("INMAIL_LISTEN")), defaultServer), "/")
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, usageError{errors.New("--server, INMAIL_URL: not the address of a server; write it as " + defaultServer)}
	}
	c := &remote{server: server, crm: o.crm, patience: askTimeout, stall: stallLimit, http: &http.Client{
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: dialTimeout}).DialContext,
			TLSHandshakeTimeout:   2 * dialTimeout,
			ExpectContinueTimeout: dialTimeout,
			ForceAttemptHTTP2:     true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // a key goes to no other host
	}}
	if c.key, c.keySource, err = o.findKey(u.Hostname()); err == nil && !inHeader(c.key) {
		err = usageError{errors.New(c.keySource + ": holds more than a key, or none")}
	}
	return c, err
}

// inHeader says whether s can stand in a header of ours: printable ASCII.
func inHeader(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// findKey looks for a key in this order: INMAIL_KEY, INMAIL_KEY_FILE, and for a server on this machine its own
// operator key: INMAIL_OPERATOR_KEY, INMAIL_OPERATOR_KEY_FILE, operator.key in the data folder. None is no fault yet: the
// server says what it asks for.
func (o *options) findKey(host string) (key, source string, err error) {
	variables := []string{"INMAIL_KEY"}
	if loopback(host) {
		variables = append(variables, "INMAIL_OPERATOR_KEY")
	}
	for _, variable := range variables {
		if key := strings.TrimSpace(os.Getenv(variable)); key != "" {
			return key, variable, nil
		}
		if path := os.Getenv(variable + "_FILE"); path != "" {
			content, err := os.ReadFile(path)
			if err != nil {
				return "", "", fmt.Errorf("%s_FILE: %w", variable, err)
			}
			return strings.TrimSpace(string(content)), variable + "_FILE", nil
		}
	}
	if !loopback(host) {
		return "", "", nil
	}
	folder, err := o.dataFolder()
	if err != nil {
		return "", "", err
	}
	path := filepath.Join(folder, "operator.key")
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", "", nil
	}
	if err != nil {
		return "", "", fmt.Errorf("read the operator key: %w; set INMAIL_KEY or INMAIL_KEY_FILE", err)
	}
	return strings.TrimSpace(string(content)), path, nil
}

// dataFolder is where a server on this machine keeps its operator.key. The settings as a whole are read only when
// --config may name the folder: a client needs none of the others.
func (o *options) dataFolder() (string, error) {
	if o.configFile == "" {
		return cmp.Or(o.flags["data"], os.Getenv("INMAIL_DATA"), "data"), nil
	}
	s, err := o.load()
	return s.Record.Data, err
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// A problem is an error that the server answered (RFC 9457). errors.As finds the refusal in it, errors.Is its code.
type problem struct {
	status  int
	raw     json.RawMessage // as it was answered
	refusal *domain.Refusal
	hint    string // what to do about it on the command line; empty: the detail says it
}

// Error gives code and detail, as the server worded them, and the hint.
func (p *problem) Error() string {
	if p.hint == "" {
		return p.refusal.Error()
	}
	return p.refusal.Error() + "; " + p.hint
}

// Unwrap lets errors.As find the refusal.
func (p *problem) Unwrap() error { return p.refusal }

// exitCode follows the status: a rule decided (409, 410, 422), the command asked for what cannot be (400, 413, 415),
// or it failed: no key, not allowed, not there, too often, a fault of the server.
func (p *problem) exitCode() int {
	switch p.status {
	case http.StatusConflict, http.StatusGone, http.StatusUnprocessableEntity:
		return exitRefused
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType:
		return exitUsage
	}
	return exitFailed
}

// get asks for path with a query.
func (c *remote) get(ctx context.Context, path string, query url.Values) (json.RawMessage, error) {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return c.ask(ctx, http.MethodGet, path, nil, nil)
}

// post sends body as JSON.
func (c *remote) post(ctx context.Context, path string, body any) (json.RawMessage, error) {
	return c.ask(ctx, http.MethodPost, path, body, nil)
}

// ask makes one call and returns its answer as it came.
func (c *remote) ask(ctx context.Context, method, path string, body any, header http.Header) (json.RawMessage, error) {
	if c.crm != "" && strings.HasPrefix(path, "/v1/crm/") {
		path, query, _ := strings.Cut(path, "?")
		return c.askAbout(ctx, method, path+"?"+strings.Trim(query+"&crm="+url.QueryEscape(c.crm), "&"), body, header)
	}
	return c.askAbout(ctx, method, path, body, header)
}

// askAbout makes one call of a whole path.
func (c *remote) askAbout(ctx context.Context, method, path string, body any, header http.Header) (json.RawMessage, error) {
	var in io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("write the request: %w", err)
		}
		in = bytes.NewReader(encoded)
	}
	limited, cancel := context.WithTimeoutCause(ctx, c.patience, fmt.Errorf("no answer within %s", c.patience))
	defer cancel()
	req, err := http.NewRequestWithContext(limited, method, c.server+path, in)
	if err != nil {
		return nil, fmt.Errorf("write the request: %w", err)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return c.do(ctx, req)
}

// upload sends a long body as it is read, and gives up when nothing moves any more.
func (c *remote) upload(ctx context.Context, path, media string, body io.Reader) (json.RawMessage, error) {
	moving, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(c.stall, func() { cancel(fmt.Errorf("nothing has moved for %s", c.stall)) })
	defer watch.Stop()
	req, err := http.NewRequestWithContext(moving, http.MethodPost, c.server+path, watched{body, watch, c.stall})
	if err != nil {
		return nil, fmt.Errorf("write the request: %w", err)
	}
	req.Header.Set("Content-Type", media)
	req.Header.Set("Expect", "100-continue") // what is refused by its key is not sent first
	return c.do(ctx, req)
}

// watched puts a limit off with each read.
type watched struct {
	io.Reader
	watch *time.Timer
	limit time.Duration
}

func (w watched) Read(b []byte) (int, error) {
	w.watch.Reset(w.limit)
	return w.Reader.Read(b)
}

// do sends a request whose own context is bounded; ctx is the command's.
func (c *remote) do(ctx context.Context, req *http.Request) (json.RawMessage, error) {
	req.Header.Set("Accept", "application/json, application/problem+json")
	req.Header.Set("User-Agent", "inmail/"+version())
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	if c.member != "" {
		req.Header.Set("Inmail-Member", c.member)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.noAnswer(ctx, req, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, c.noAnswer(ctx, req, err)
	}
	if len(answer) > maxAnswer {
		return nil, fmt.Errorf("the answer of %s is longer than %d MiB; ask for less (--limit)", c.server, maxAnswer>>20)
	}
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case resp.StatusCode == http.StatusNoContent:
		return nil, nil
	case media == "application/problem+json":
		return nil, c.refused(resp.StatusCode, answer)
	case resp.StatusCode/100 != 2 || media != "application/json" || !json.Valid(answer):
		return nil, fmt.Errorf("%s does not answer like an inmail server (%s, %s); correct --server or INMAIL_URL",
			c.server, resp.Status, cmp.Or(plain(media), "no content type"))
	}
	return answer, nil
}

// noAnswer says in one line why no answer came, and what to do.
func (c *remote) noAnswer(ctx context.Context, req *http.Request, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("stopped before %s had answered: %w", c.server, context.Cause(ctx))
	}
	if cause := context.Cause(req.Context()); cause != nil {
		return fmt.Errorf("the server at %s: %w; look at its log, then try again", c.server, cause)
	}
	var told *url.Error
	if errors.As(err, &told) {
		err = told.Err // without the address a second time
	}
	return fmt.Errorf("no server answers at %s: %w; start one (inmail serve), or name another (--server, INMAIL_URL)", c.server, err)
}

// refused reads a problem and adds what the command line knows of it.
func (c *remote) refused(status int, answer []byte) error {
	var told struct {
		Code       string
		Detail     string
		Until      time.Time
		Got, Limit int
	}
	if err := json.Unmarshal(answer, &told); err != nil || told.Code == "" {
		return fmt.Errorf("%s does not answer like an inmail server (%d, a problem without a code); correct --server or INMAIL_URL", c.server, status)
	}
	p := &problem{status: status, raw: answer, refusal: &domain.Refusal{Code: domain.Code(plain(told.Code)), Detail: plain(told.Detail),
		Until: told.Until, Got: told.Got, Limit: told.Limit}}
	switch {
	case status == http.StatusUnauthorized && c.key == "":
		p.hint = "set INMAIL_KEY or INMAIL_KEY_FILE, or on the server's machine name its data folder (--data, INMAIL_DATA)"
	case status == http.StatusUnauthorized:
		p.hint = "it came from " + c.keySource
	case status == http.StatusForbidden && c.member != "":
		p.hint = "the member came from --member or INMAIL_MEMBER"
	case status == http.StatusBadRequest && c.forMember && c.member == "":
		p.hint = "with an operator key --member or INMAIL_MEMBER names it"
	}
	return p
}

// paging is how much of a list a command shows.
type paging struct {
	limit  int
	cursor string
	all    bool
}

func (p *paging) flags(cmd *cobra.Command) {
	cmd.Flags().IntVar(&p.limit, "limit", 0, fmt.Sprintf("how many to show, 1 to %d (50)", maxPage))
	cmd.Flags().StringVar(&p.cursor, "cursor", "", "go on `where` a list ended")
	cmd.Flags().BoolVar(&p.all, "all", false, "show all of the list")
}

// maxPage is the longest page of a list (API.md).
const maxPage = mailroom.MaxPage

// list reads one page of a list or, with all, every one from the cursor on as if it were one page.
func (c *remote) list(ctx context.Context, path string, query url.Values, p paging) (json.RawMessage, error) {
	query = without(query)
	if p.limit == 0 && p.all {
		p.limit = maxPage
	}
	if p.limit != 0 {
		query.Set("limit", fmt.Sprint(p.limit))
	}
	if p.cursor != "" {
		query.Set("cursor", p.cursor)
	}
	first, err := c.get(ctx, path, query)
	if err != nil || !p.all {
		return first, err
	}
	whole := map[string]json.RawMessage{} // keeps what stands beside the items
	if err := json.Unmarshal(first, &whole); err != nil {
		return nil, fmt.Errorf("read the list: %w", err)
	}
	items := []json.RawMessage{}
	for page := first; ; {
		var part struct {
			Items []json.RawMessage `json:"items"`
			Next  *string           `json:"next_cursor"`
		}
		if err := json.Unmarshal(page, &part); err != nil {
			return nil, fmt.Errorf("read the list: %w", err)
		}
		items = append(items, part.Items...)
		if part.Next == nil {
			break
		}
		query.Set("cursor", *part.Next)
		if page, err = c.get(ctx, path, query); err != nil {
			return nil, err
		}
	}
	if whole["items"], err = json.Marshal(items); err != nil {
		return nil, fmt.Errorf("join the list: %w", err)
	}
	whole["next_cursor"] = json.RawMessage("null")
	return json.Marshal(whole)
}

// without returns a copy of query without the filters that were not given.
func without(query url.Values) url.Values {
	given := url.Values{}
	for name, values := range query {
		if values[0] != "" {
			given[name] = values
		}
	}
	return given
}

// tell prints an answer: as it came with --json, else as text makes it.
func printAnswer[A any](o *options, cmd *cobra.Command, answer json.RawMessage, text func(A) string) error {
	if o.json {
		return o.say(cmd.OutOrStdout(), answer, "")
	}
	var a A
	if err := json.Unmarshal(answer, &a); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return o.say(cmd.OutOrStdout(), nil, text(a))
}

// jsonOf is an equivalent object for what no single call answers.
func jsonOf(v any) (json.RawMessage, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("write the answer: %w", err)
	}
	return b, nil
}
