package mailroom

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"sort"

	"inmail/domain"
	"inmail/domain/strictjson"
)

// MaxImportLine is the longest line of an import, in bytes (API.md).
const MaxImportLine = 64 << 10

// importBatch is how many lines share a transaction.
const importBatch = 500

// ImportReport says what became of an import: invalid lines are reported, good ones stored. Lines counts the
// decided lines, so an import that ended early continues with line Lines + 1.
type ImportReport struct {
	Lines         int // decided lines, empty ones included
	Accepted      int
	RejectedCount int        // all invalid lines
	Rejected      []Rejected // the first MaxRejected invalid lines, by number
}

// MaxRejected is how many invalid lines a report names; RejectedCount counts all.
const MaxRejected = 10_000

// Rejected is one invalid line, counted from 1.
type Rejected struct {
	Line   int
	Code   domain.Code
	Detail string
}

// ImportLine is one line of an import: exactly one of the four fields is set. It is read as strictly as the
// bodies of the API, by the same reader; the API's tests compare the fields and bounds of both.
type ImportLine struct {
	Member     *ImportMember `json:"member,omitempty"`
	Connection *importPair   `json:"connection,omitempty"`
	Block      *importPair   `json:"block,omitempty"`
	InMail     *ImportInMail `json:"inmail,omitempty"`
}

// ImportMember is a member as PUT /v1/members/{id} takes it, with its id.
type ImportMember struct {
	ID             domain.MemberID `json:"id"`
	Name           string          `json:"name"`
	Headline       string          `json:"headline,omitempty"`
	PhotoURL       string          `json:"photo_url,omitempty"`
	Company        string          `json:"company,omitempty"`
	Email          string          `json:"email,omitempty"`
	ProfileShared  *bool           `json:"profile_shared,omitempty"`
	ProfileVisible *bool           `json:"profile_visible,omitempty"`
	AcceptsInMail  *bool           `json:"accepts_inmail,omitempty"`
	AccountType    accountType     `json:"account_type,omitempty"`
	Plan           string          `json:"plan,omitempty"`
	AnchorDay      int             `json:"anchor_day,omitempty" min:"1" max:"31"`
	Team           string          `json:"team,omitempty"`
	Skills         []string        `json:"skills,omitempty" max:"100"`
	MaxWeek        int             `json:"max_week,omitempty" min:"0" max:"1000"`
}

// ImportInMail is an InMail as POST /v1/inmails takes it, with its sender and its Idempotency-Key (R28).
type ImportInMail struct {
	From        domain.MemberID     `json:"from"`
	To          domain.MemberID     `json:"to"`
	Subject     string              `json:"subject"`
	Body        string              `json:"body"`
	Tags        []string            `json:"tags,omitempty"`
	Category    string              `json:"category,omitempty"`
	Key         givenKey            `json:"key,omitempty"`
	CRM         *NamedCRMIDs        `json:"crm,omitempty"`
	Attachment  strictjson.Anything `json:"attachment,omitempty"`
	Attachments strictjson.Anything `json:"attachments,omitempty"`
}

// accountType is an account type as an import names it.
type accountType string

// Values lists the account types.
func (accountType) Values() []string {
	var names []string
	for _, t := range domain.AccountTypes() {
		names = append(names, string(t))
	}
	return names
}

// givenKey is an Idempotency-Key that was given. An empty one is refused: it would let an import send twice.
type givenKey string

// Validate refuses what no Idempotency-Key may be (R28).
func (k givenKey) Validate() error {
	if k == "" {
		return badKey("")
	}
	return checkKey(string(k))
}

// importPair is a list of two members.
type importPair Pair

// ReadJSON reads a list of two ids.
func (p *importPair) ReadJSON(r *strictjson.Reader) error {
	n := 0
	err := r.List(func(i int) error {
		if n++; n > 2 {
			return twoMembers()
		}
		text, err := r.Text()
		if err != nil {
			return err
		}
		id := domain.MemberID(text)
		if i == 0 {
			p.From = id
		} else {
			p.To = id
		}
		return id.Validate()
	})
	if err == nil && n != 2 {
		return twoMembers()
	}
	return err
}

func twoMembers() error { return refuse(domain.BadRequest, "exactly two members") }

func (m *ImportMember) member() domain.Member {
	d := domain.NewMember(m.ID, m.Name)
	d.Headline, d.PhotoURL, d.Company, d.Email = m.Headline, m.PhotoURL, m.Company, domain.Email(m.Email)
	d.Plan, d.AnchorDay, d.Team, d.Skills, d.MaxWeek = m.Plan, m.AnchorDay, m.Team, m.Skills, m.MaxWeek
	if m.AccountType != "" {
		d.AccountType = domain.AccountType(m.AccountType)
	}
	for _, f := range []struct {
		to   *bool
		from *bool
	}{{&d.ProfileShared, m.ProfileShared}, {&d.ProfileVisible, m.ProfileVisible}, {&d.AcceptsInMail, m.AcceptsInMail}} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	return d
}

func (m *ImportInMail) send() Send {
	s := Send{From: m.From, To: m.To, Subject: m.Subject, Body: m.Body, Tags: m.Tags, Category: m.Category,
		Key: string(m.Key), Attachments: bool(m.Attachment || m.Attachments)}
	if m.CRM != nil {
		s.CRM = m.CRM.IDs
	}
	return s
}

// byteOrderMark may precede the first line, and is not part of it.
const byteOrderMark = "\xef\xbb\xbf"

// Import reads NDJSON: one member, connection, block or InMail on each line. Each InMail passes every check
// (R19, R21). Successive lines of one kind share transactions. progress, when not nil, is called with the
// number of lines done. An error is a fault that ended the import; the report covers what was decided before.
// When the stream breaks, all lines that were read whole are decided first, even when the client has
// disconnected.
func (svc *Service) Import(ctx context.Context, in io.Reader, progress func(lines int)) (ImportReport, error) {
	im := &importer{svc: svc, ctx: ctx}
	lines := bufio.NewReaderSize(in, MaxImportLine+len("\r\n"))
	if mark, _ := lines.Peek(len(byteOrderMark)); string(mark) == byteOrderMark {
		_, _ = lines.Discard(len(mark)) // Peek has buffered it
	}
	for {
		line, tooLong, err := readLine(lines)
		if err != nil && !errors.Is(err, io.EOF) {
			return im.broken(err)
		}
		if len(line) > 0 || tooLong {
			if fault := im.line(line, tooLong); fault != nil {
				return im.cut(), fault
			}
		} else if err == nil {
			im.report.Lines++ // empty lines count
		}
		if progress != nil && im.report.Lines%importBatch == 0 {
			progress(im.report.Lines)
		}
		if err != nil {
			break
		}
	}
	if err := im.flush(); err != nil {
		return im.cut(), err
	}
	return im.sorted(), nil
}

// readLine returns one line without its line break, which does not count for MaxImportLine. A line that is
// too long is skipped.
func readLine(in *bufio.Reader) (line []byte, tooLong bool, err error) {
	line, err = in.ReadSlice('\n')
	for errors.Is(err, bufio.ErrBufferFull) {
		tooLong = true
		_, err = in.ReadSlice('\n')
	}
	if tooLong {
		return nil, true, err
	}
	line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
	return line, len(line) > MaxImportLine, err
}

// importer collects lines of one kind in a batch.
type importer struct {
	svc     *Service
	ctx     context.Context
	report  ImportReport
	kind    string
	numbers []int // the numbers of the lines in the batch
	behind  int   // refused lines after the first line of the batch
	members []domain.Member
	pairs   []Pair
	sends   []Send
}

// line reads one line. Faults of the line are reported, not returned.
func (im *importer) line(line []byte, tooLong bool) error {
	im.report.Lines++
	number := im.report.Lines
	if tooLong {
		im.unreadable(number, &domain.Refusal{Code: "too_large", Limit: MaxImportLine,
			Detail: fmt.Sprintf("the line is longer than %d bytes", MaxImportLine)})
		return nil
	}
	if len(bytes.Trim(line, " \t\r")) == 0 {
		return nil
	}
	l, err := parseLine(line)
	if err != nil {
		im.unreadable(number, err)
		return nil
	}
	kind := l.kind()
	if kind != im.kind || len(im.numbers) >= importBatch {
		if err := im.flush(); err != nil {
			return err
		}
	}
	im.kind = kind
	im.numbers = append(im.numbers, number)
	switch kind {
	case "member":
		im.members = append(im.members, l.Member.member())
	case "connection":
		im.pairs = append(im.pairs, Pair(*l.Connection))
	case "block":
		im.pairs = append(im.pairs, Pair(*l.Block))
	case "inmail":
		im.sends = append(im.sends, l.InMail.send())
	}
	return nil
}

// flush stores the batch and reports its refusals.
func (im *importer) flush() error {
	if len(im.numbers) == 0 {
		return nil
	}
	leave, err := im.svc.large.enter(im.ctx, len(im.numbers))
	if err != nil {
		return fmt.Errorf("import lines %d to %d: %w", im.numbers[0], im.numbers[len(im.numbers)-1], err)
	}
	defer leave()
	var errs []error
	switch im.kind {
	case "member":
		errs, err = im.svc.PutMembers(im.ctx, im.members)
	case "connection":
		errs, err = im.svc.Connect(im.ctx, im.pairs)
	case "block":
		errs, err = im.svc.Block(im.ctx, im.pairs)
	case "inmail":
		var answers []Accepted
		answers, err = im.svc.Accept(im.ctx, im.sends)
		for _, a := range answers {
			errs = append(errs, a.Err)
		}
	}
	if err != nil {
		return fmt.Errorf("import lines %d to %d: %w", im.numbers[0], im.numbers[len(im.numbers)-1], err)
	}
	for i, err := range errs {
		if err != nil {
			im.reject(im.numbers[i], err, MaxRejected+importBatch)
			continue
		}
		im.report.Accepted++
	}
	im.numbers, im.members, im.pairs, im.sends, im.behind = im.numbers[:0], nil, nil, nil, 0
	if len(im.report.Rejected) > MaxRejected { // these lines come before some that were rejected earlier
		im.report.Rejected = im.sorted().Rejected[:MaxRejected]
	}
	return nil
}

// broken decides the lines that were read whole before the stream broke, even when the client has
// disconnected.
func (im *importer) broken(err error) (ImportReport, error) {
	next := im.report.Lines + 1
	im.ctx = context.WithoutCancel(im.ctx)
	if fault := im.flush(); fault != nil {
		return im.cut(), fault
	}
	return im.sorted(), fmt.Errorf("read line %d: %w", next, err)
}

// cut removes the lines after the first undecided one from the report, because the import continues with that
// one.
func (im *importer) cut() ImportReport {
	report := im.sorted()
	if len(im.numbers) == 0 {
		return report
	}
	report.Lines = im.numbers[0] - 1
	decided := sort.Search(len(report.Rejected), func(i int) bool { return report.Rejected[i].Line > report.Lines })
	report.RejectedCount -= im.behind
	report.Rejected = report.Rejected[:decided]
	return report
}

// sorted returns the report with its invalid lines in order.
func (im *importer) sorted() ImportReport {
	rejected := im.report.Rejected
	sort.SliceStable(rejected, func(i, j int) bool { return rejected[i].Line < rejected[j].Line })
	return im.report
}

// unreadable reports a line that is refused when it is read, perhaps before a batch of earlier lines is
// decided.
func (im *importer) unreadable(line int, err error) {
	if len(im.numbers) > 0 {
		im.behind++
	}
	im.reject(line, err, MaxRejected)
}

// reject counts an invalid line, and lists it while the list is shorter than limit.
func (im *importer) reject(line int, err error, limit int) {
	var refusal *domain.Refusal
	if !errors.As(err, &refusal) {
		refusal = domain.Refuse(domain.BadRequest, "the line cannot be read")
	}
	im.report.RejectedCount++
	if len(im.report.Rejected) < limit {
		rejected := Rejected{Line: line, Code: refusal.Code, Detail: refusal.Detail}
		im.report.Rejected = append(im.report.Rejected, rejected)
	}
}

func (l *ImportLine) kind() string {
	switch {
	case l.Member != nil:
		return "member"
	case l.Connection != nil:
		return "connection"
	case l.Block != nil:
		return "block"
	}
	return "inmail"
}

var lineShape = strictjson.ShapeOf(reflect.TypeFor[ImportLine]())

// parseLine reads one line as the API reads a body, and refuses a line without exactly one kind.
func parseLine(line []byte) (*ImportLine, error) {
	var l ImportLine
	if err := lineShape.Read("line", line, &l); err != nil {
		return nil, err
	}
	n := 0
	for _, has := range []bool{l.Member != nil, l.Connection != nil, l.Block != nil, l.InMail != nil} {
		if has {
			n++
		}
	}
	if n != 1 {
		return nil, refuse(domain.BadRequest, "a line holds exactly one of %s", lineShape.Names())
	}
	return &l, nil
}
