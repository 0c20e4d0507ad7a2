package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
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

// The limits of a call to a server. A call is tried once; the user decides whether to try again.
const (
	dialTimeout = 5 * time.Second
	askTimeout  = time.Minute     // for one call; the server's own limit is half of it
	stallLimit  = 2 * time.Minute // of an upload that makes no progress
	maxAnswer   = 64 << 20        // bytes of one answer
)

// defaultData is the data folder when nothing is set.
const defaultData = "data"

// defaultServer is the address of inmail serve when nothing is set.
const defaultServer = "http://127.0.0.1:8080"

// ownServer returns the URL at which a server with this listening address answers on its own machine; empty
// when it is no address.
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

// remote is a client of a running server, by the contract of API.md.
type remote struct {
	server    string        // for instance http://127.0.0.1:8080, without a slash at its end
	key       string        // empty: no key was found
	keySource string        // the variable or file of the key, for messages
	crm       string        // the CRM of calls to /v1/crm/; empty: the first that is connected
	member    string        // the member that an operator key acts for; empty: none
	forMember bool          // the command is a member's, so an operator key needs a member
	patience  time.Duration // the time limit of one call
	stall     time.Duration // the time limit of an upload or a run that makes no progress
	http      *http.Client
}

// remoteCommand is the part of a command that asks a server; c knows its address and key.
type remoteCommand func(cmd *cobra.Command, c *remote, args []string) error

// asMember makes cmd call a server as a member, or with an operator key on behalf of the member that --member
// names.
func (o *options) asMember(cmd *cobra.Command, run remoteCommand) *cobra.Command {
	cmd.GroupID = memberGroup
	return o.withRemote(cmd, true, run)
}

// asOperator makes cmd call a server with an operator key, on behalf of no member.
func (o *options) asOperator(cmd *cobra.Command, run remoteCommand) *cobra.Command {
	return o.withRemote(cmd, false, run)
}

// withRemote adds the flags of a client to cmd, and makes run its work.
func (o *options) withRemote(cmd *cobra.Command, forMember bool, run remoteCommand) *cobra.Command {
	var server, member string
	cmd.Flags().StringVar(&server, "server", "", "`URL` of the server (INMAIL_URL, INMAIL_LISTEN, as noted in the data folder, "+defaultServer+")")
	o.settingFlag(cmd, "data", "data", "data `folder` of a server on this machine, for its address and operator.key (./data)")
	if forMember {
		cmd.Flags().StringVar(&member, "member", "",
			"with an operator key: `ID` of the member to act for (INMAIL_MEMBER)")
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
			err = errors.Join(err, o.print(cmd.OutOrStdout(), answer.raw, ""))
		}
		return err
	}
	return cmd
}

// noted returns the address that a server has noted in its data folder on this machine; empty: none has.
func (o *options) noted() string {
	folder, err := o.dataFolder()
	if err != nil {
		return "" // findKey returns this error
	}
	address, err := os.ReadFile(filepath.Join(folder, addressFile))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(address))
}

// newRemote makes a client of the server at an address; an empty one is taken from INMAIL_URL, INMAIL_LISTEN,
// the data folder or the default. On its own machine a server with a certificate is asked by https.
func (o *options) newRemote(server string) (*remote, error) {
	var pinned *tls.Config
	if server = cmp.Or(server, os.Getenv("INMAIL_URL")); server == "" {
		server = cmp.Or(ownServer(os.Getenv("INMAIL_LISTEN")), o.noted(), defaultServer)
		if chain := os.Getenv("INMAIL_TLS_CERT"); chain != "" {
			_, address, _ := strings.Cut(server, "://")
			server, pinned = "https://"+address, pinnedTo(chain)
		}
	}
	server = strings.TrimRight(server, "/")
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" ||
		u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, usageError{errors.New("--server, INMAIL_URL: not the address of a server; write it as " +
			defaultServer)}
	}
	c := &remote{server: server, crm: o.crm, patience: askTimeout, stall: stallLimit, http: &http.Client{
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: dialTimeout}).DialContext,
			TLSHandshakeTimeout:   2 * dialTimeout,
			TLSClientConfig:       pinned,
			ExpectContinueTimeout: dialTimeout,
			ForceAttemptHTTP2:     true,
		},
		// A redirect is not followed: the key goes to no other host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if c.key, c.keySource, err = o.findKey(u.Hostname()); err == nil && !inHeader(c.key) {
		err = usageError{errors.New(c.keySource + ": holds more than a key, or none")}
	}
	return c, err
}

// pinnedTo returns how to reach a server on this machine that serves https by the certificate in a file: by
// an address that is not in the certificate, and by no other certificate than that.
func pinnedTo(file string) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12,
		InsecureSkipVerify: true, // VerifyConnection asks for more
		VerifyConnection: func(state tls.ConnectionState) error {
			content, err := os.ReadFile(file)
			if err != nil {
				return fmt.Errorf("INMAIL_TLS_CERT: %w", err)
			}
			leaf, _ := pem.Decode(content)
			if leaf == nil || !bytes.Equal(leaf.Bytes, state.PeerCertificates[0].Raw) {
				return errors.New("it shows another certificate than that of INMAIL_TLS_CERT")
			}
			return nil
		}}
}

// inHeader reports whether s is allowed in a header of ours: printable ASCII.
func inHeader(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// findKey looks for a key in this order: INMAIL_KEY, INMAIL_KEY_FILE, and for a server on this machine its
// own operator key: INMAIL_OPERATOR_KEY, INMAIL_OPERATOR_KEY_FILE, operator.key in the data folder. No key is
// not an error here: the server decides whether it needs one.
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

// dataFolder returns the folder in which a server on this machine keeps its operator.key. All settings are
// read only with --config, which may name the folder; a client needs no other setting.
func (o *options) dataFolder() (string, error) {
	if o.configFile == "" {
		return cmp.Or(o.flags["data"], os.Getenv("INMAIL_DATA"), defaultData), nil
	}
	s, err := o.load()
	return s.Record.Data, err
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// problem is an error that the server answered (RFC 9457). errors.As finds the refusal in it, errors.Is its
// code.
type problem struct {
	status  int
	raw     json.RawMessage // the answer as it came
	refusal *domain.Refusal
	hint    string // what to do about it on the command line; empty: nothing beyond the detail
}

// Error returns the code and detail, in the server's words, and the hint.
func (p *problem) Error() string {
	if p.hint == "" {
		return p.refusal.Error()
	}
	return p.refusal.Error() + "; " + p.hint
}

// Unwrap returns the refusal.
func (p *problem) Unwrap() error { return p.refusal }

// exitCode returns exitRefused when a rule decided (409, 410, 422), exitUsage when the request was wrong
// (400, 413, 415), and exitFailed otherwise: no key, not allowed, not found, too many requests, or a fault of
// the server.
func (p *problem) exitCode() int {
	switch p.status {
	case http.StatusConflict, http.StatusGone, http.StatusUnprocessableEntity:
		return exitRefused
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType:
		return exitUsage
	}
	return exitFailed
}

// get calls GET on path with a query; nil: none.
func (c *remote) get(ctx context.Context, path string, query url.Values) (json.RawMessage, error) {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return c.ask(ctx, http.MethodGet, path, nil, nil)
}

// post calls POST on path with body as JSON; nil: no body.
func (c *remote) post(ctx context.Context, path string, body any) (json.RawMessage, error) {
	return c.ask(ctx, http.MethodPost, path, body, nil)
}

// ask makes one call and returns its answer as it came. It adds the CRM of --crm to calls of /v1/crm/.
func (c *remote) ask(ctx context.Context, method, path string, body any, header http.Header) (json.RawMessage, error) {
	if c.crm != "" && strings.HasPrefix(path, "/v1/crm/") {
		path, query, _ := strings.Cut(path, "?")
		return c.call(ctx, method, path+"?"+strings.Trim(query+"&crm="+url.QueryEscape(c.crm), "&"), body, header)
	}
	return c.call(ctx, method, path, body, header)
}

// call makes one call to a path with its query.
func (c *remote) call(ctx context.Context, method, path string, body any, header http.Header) (json.RawMessage, error) {
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

// upload sends a long body as it is read, and gives up when nothing has been read for c.stall.
func (c *remote) upload(ctx context.Context, path, media string, body io.Reader) (json.RawMessage, error) {
	moving, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(c.stall, func() { cancel(fmt.Errorf("nothing has moved for %s", c.stall)) })
	defer watch.Stop()
	req, err := http.NewRequestWithContext(moving, http.MethodPost, c.server+path, stallReader{body, watch, c.stall})
	if err != nil {
		return nil, fmt.Errorf("write the request: %w", err)
	}
	req.Header.Set("Content-Type", media)
	req.Header.Set("Expect", "100-continue") // a body is not sent when the key is refused
	return c.do(ctx, req)
}

// stallReader restarts the timer watch with each read.
type stallReader struct {
	io.Reader
	watch *time.Timer
	limit time.Duration
}

func (w stallReader) Read(b []byte) (int, error) {
	w.watch.Reset(w.limit)
	return w.Reader.Read(b)
}

// do sends a request and reads its answer. The context of req has the time limit; ctx is the command's own.
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
		return nil, c.transportError(ctx, req, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, c.transportError(ctx, req, err)
	}
	if len(answer) > maxAnswer {
		return nil, fmt.Errorf("the answer of %s is longer than %d MiB; ask for less (--limit)", c.server,
			maxAnswer>>20)
	}
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case resp.StatusCode == http.StatusNoContent:
		return nil, nil
	case media == "application/problem+json":
		return nil, c.problemOf(resp.StatusCode, answer)
	case resp.StatusCode/100 != 2 || media != "application/json" || !json.Valid(answer):
		return nil, fmt.Errorf("%s does not answer like an inmail server (%s, %s); correct --server or INMAIL_URL",
			c.server, resp.Status, cmp.Or(plain(media), "no content type"))
	}
	return answer, nil
}

// transportError returns in one line why no answer came, and what to do.
func (c *remote) transportError(ctx context.Context, req *http.Request, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("stopped before %s had answered: %w", c.server, context.Cause(ctx))
	}
	if cause := context.Cause(req.Context()); cause != nil {
		return fmt.Errorf("the server at %s: %w; look at its log, then try again", c.server, cause)
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err // without the address a second time
	}
	return fmt.Errorf("no server answers at %s: %w; start one (inmail serve), or name another (--server, INMAIL_URL)",
		c.server, err)
}

// problemOf reads a problem and adds a hint for the command line.
func (c *remote) problemOf(status int, answer []byte) error {
	var body struct {
		Code       string
		Detail     string
		Until      time.Time
		Got, Limit int
	}
	if err := json.Unmarshal(answer, &body); err != nil || body.Code == "" {
		return fmt.Errorf("%s does not answer like an inmail server (%d, a problem without a code); "+
			"correct --server or INMAIL_URL", c.server, status)
	}
	p := &problem{status: status, raw: answer,
		refusal: &domain.Refusal{Code: domain.Code(plain(body.Code)), Detail: plain(body.Detail),
			Until: body.Until, Got: body.Got, Limit: body.Limit}}
	switch {
	case status == http.StatusUnauthorized && c.key == "":
		p.hint = "set INMAIL_KEY or INMAIL_KEY_FILE, " +
			"or on the server's machine name its data folder (--data, INMAIL_DATA)"
	case status == http.StatusUnauthorized:
		p.hint = "it came from " + c.keySource
	case status == http.StatusForbidden && c.member != "":
		p.hint = "the member came from --member or INMAIL_MEMBER"
	case status == http.StatusBadRequest && c.forMember && c.member == "":
		p.hint = "with an operator key --member or INMAIL_MEMBER names it"
	}
	return p
}

// paging are the flags for the part of a list that a command shows.
type paging struct {
	limit  int    // items of a page; 0: the server's default of 50
	cursor string // where to continue; empty: at the beginning
	all    bool   // all pages
}

func (p *paging) flags(cmd *cobra.Command) {
	cmd.Flags().IntVar(&p.limit, "limit", 0, fmt.Sprintf("how many to show, 1 to %d (50)", maxPage))
	cmd.Flags().StringVar(&p.cursor, "cursor", "", "continue `where` a list ended")
	cmd.Flags().BoolVar(&p.all, "all", false, "show all of the list")
}

// maxPage is the longest page of a list (API.md).
const maxPage = mailroom.MaxPage

// list reads one page of a list or, with p.all, joins all pages from the cursor on into one.
func (c *remote) list(ctx context.Context, path string, query url.Values, p paging) (json.RawMessage, error) {
	query = withoutEmpty(query)
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
	whole := map[string]json.RawMessage{} // keeps the fields beside the items
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

// withoutEmpty returns a copy of query without the parameters whose value is empty.
func withoutEmpty(query url.Values) url.Values {
	given := url.Values{}
	for name, values := range query {
		if values[0] != "" {
			given[name] = values
		}
	}
	return given
}

// printAnswer prints an answer: as it came with --json, else as the text that text makes of it.
func printAnswer[A any](o *options, cmd *cobra.Command, answer json.RawMessage, text func(A) string) error {
	if o.json {
		return o.print(cmd.OutOrStdout(), answer, "")
	}
	var a A
	if err := json.Unmarshal(answer, &a); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return o.print(cmd.OutOrStdout(), nil, text(a))
}

// jsonOf encodes an answer that the command itself has made.
func jsonOf(v any) (json.RawMessage, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("write the answer: %w", err)
	}
	return b, nil
}
