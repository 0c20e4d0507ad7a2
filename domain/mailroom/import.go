package mailroom

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"
	"unicode/utf8"

	"inmail/domain"
)

// MaxImportLine is the longest line of an import, in bytes (API.md).
const MaxImportLine = 64 << 10

// importBatch is how many lines share a transaction.
const importBatch = 500

// ImportReport says what became of an import: bad lines are reported, the good ones kept.
type ImportReport struct {
	Lines    int
	Accepted int
	Rejected []Rejected // at most MaxRejected, by line
}

// MaxRejected is how many bad lines a report names; the numbers count all.
const MaxRejected = 10_000

// Rejected is one bad line, counted from 1.
type Rejected struct {
	Line   int
	Code   domain.Code
	Detail string
}

// importLine is what one line may hold: exactly one of the four.
type importLine struct {
	Member     *importMember `json:"member"`
	Connection []string      `json:"connection"`
	Block      []string      `json:"block"`
	InMail     *importInMail `json:"inmail"`
}

type importMember struct {
	ID             domain.MemberID    `json:"id"`
	Name           string             `json:"name"`
	Headline       string             `json:"headline"`
	PhotoURL       string             `json:"photo_url"`
	Company        string             `json:"company"`
	Email          string             `json:"email"`
	ProfileShared  *bool              `json:"profile_shared"`
	ProfileVisible *bool              `json:"profile_visible"`
	AcceptsInMail  *bool              `json:"accepts_inmail"`
	AccountType    domain.AccountType `json:"account_type"`
	Plan           string             `json:"plan"`
	AnchorDay      int                `json:"anchor_day"`
	Team           string             `json:"team"`
	Skills         []string           `json:"skills"`
}

type importInMail struct {
	From        domain.MemberID `json:"from"`
	To          domain.MemberID `json:"to"`
	Subject     *string         `json:"subject"`
	Body        *string         `json:"body"`
	Tags        []string        `json:"tags"`
	Category    string          `json:"category"`
	Key         string          `json:"key"`
	Attachment  json.RawMessage `json:"attachment"`
	Attachments json.RawMessage `json:"attachments"`
	CRM         NamedCRMIDs     `json:"crm"`
}

func (m *importMember) member() domain.Member {
	d := domain.NewMember(m.ID, m.Name)
	d.Headline, d.PhotoURL, d.Company, d.Email = m.Headline, m.PhotoURL, m.Company, domain.Email(m.Email)
	d.Plan, d.AnchorDay, d.Team, d.Skills = m.Plan, m.AnchorDay, m.Team, m.Skills
	if m.AccountType != "" {
		d.AccountType = m.AccountType
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

func (m *importInMail) send() Send {
	s := Send{From: m.From, To: m.To, Tags: m.Tags, Category: m.Category, Key: m.Key,
		Attachments: m.Attachment != nil || m.Attachments != nil,
		CRM:         m.CRM.IDs}
	if m.Subject != nil {
		s.Subject = *m.Subject
	}
	if m.Body != nil {
		s.Body = *m.Body
	}
	return s
}

// Import reads NDJSON: members, connections, blocks and InMails, one a line, each InMail through every check (R19, R21).
// Lines of one kind that follow each other share transactions. progress, when not nil, hears the lines done so far.
// An error is a fault that ended the import; the report says what was kept until then.
func (svc *Service) Import(ctx context.Context, in io.Reader, progress func(lines int)) (ImportReport, error) {
	im := &importer{svc: svc, ctx: ctx}
	lines := bufio.NewReaderSize(in, MaxImportLine+1)
	for {
		line, tooLong, err := readLine(lines)
		if err != nil && !errors.Is(err, io.EOF) {
			return im.report, fmt.Errorf("read line %d: %w", im.report.Lines+1, err)
		}
		if len(line) > 0 || tooLong {
			if fault := im.line(line, tooLong); fault != nil {
				return im.report, fault
			}
		} else if err == nil {
			im.report.Lines++ // an empty line is a line
		}
		if progress != nil && im.report.Lines%importBatch == 0 {
			progress(im.report.Lines)
		}
		if err != nil {
			break
		}
	}
	err := im.flush()
	sort.SliceStable(im.report.Rejected, func(i, j int) bool { return im.report.Rejected[i].Line < im.report.Rejected[j].Line })
	return im.report, err
}

// readLine returns one line without its end; one that is too long is read over.
func readLine(in *bufio.Reader) (line []byte, tooLong bool, err error) {
	line, err = in.ReadSlice('\n')
	for errors.Is(err, bufio.ErrBufferFull) {
		tooLong = true
		_, err = in.ReadSlice('\n')
	}
	if tooLong {
		return nil, true, err
	}
	return bytes.TrimRight(line, "\r\n"), len(bytes.TrimRight(line, "\r\n")) > MaxImportLine, err
}

// importer gathers lines of one kind into a batch.
type importer struct {
	svc     *Service
	ctx     context.Context
	report  ImportReport
	kind    string
	numbers []int
	members []domain.Member
	pairs   []Pair
	sends   []Send
}

// line reads one line; its faults are reported, not returned.
func (im *importer) line(line []byte, tooLong bool) error {
	im.report.Lines++
	number := im.report.Lines
	if tooLong {
		im.reject(number, &domain.Refusal{Code: "too_large", Limit: MaxImportLine, Detail: "the line is longer than 65536 bytes"})
		return nil
	}
	if len(bytes.TrimSpace(line)) == 0 {
		return nil
	}
	l, err := parseLine(line)
	if err != nil {
		im.reject(number, err)
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
		im.pairs = append(im.pairs, Pair{domain.MemberID(l.Connection[0]), domain.MemberID(l.Connection[1])})
	case "block":
		im.pairs = append(im.pairs, Pair{domain.MemberID(l.Block[0]), domain.MemberID(l.Block[1])})
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
	var errs []error
	var err error
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
			im.reject(im.numbers[i], err)
			continue
		}
		im.report.Accepted++
	}
	im.numbers, im.members, im.pairs, im.sends = im.numbers[:0], nil, nil, nil
	return nil
}

func (im *importer) reject(line int, err error) {
	var refusal *domain.Refusal
	if !errors.As(err, &refusal) {
		refusal = domain.Refuse(domain.BadRequest, "the line cannot be read")
	}
	if len(im.report.Rejected) < MaxRejected {
		im.report.Rejected = append(im.report.Rejected, Rejected{Line: line, Code: refusal.Code, Detail: refusal.Detail})
	}
}

func (l *importLine) kind() string {
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

// parseLine reads one line strictly: valid UTF-8, known fields, exactly one kind.
func parseLine(line []byte) (*importLine, error) {
	if !utf8.Valid(line) {
		return nil, refuse(domain.BadRequest, "the line is not valid UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	var l importLine
	if err := dec.Decode(&l); err != nil {
		return nil, refuse(domain.BadRequest, "the line is not one of the four objects: %s", jsonFault(err))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, refuse(domain.BadRequest, "the line holds more than one object")
	}
	n := 0
	for _, has := range []bool{l.Member != nil, l.Connection != nil, l.Block != nil, l.InMail != nil} {
		if has {
			n++
		}
	}
	switch {
	case n != 1:
		return nil, refuse(domain.BadRequest, "a line holds exactly one of member, connection, block, inmail")
	case l.Connection != nil && len(l.Connection) != 2, l.Block != nil && len(l.Block) != 2:
		return nil, refuse(domain.BadRequest, "a connection and a block name two members")
	case l.InMail != nil && (l.InMail.Subject == nil || l.InMail.Body == nil):
		return nil, refuse(domain.BadRequest, "an inmail has from, to, subject and body")
	}
	return &l, nil
}

// jsonFault says what is wrong with JSON without quoting what was in it (R27): a field name is ours to
// say only where it is not the caller's text.
func jsonFault(err error) string {
	var syntax *json.SyntaxError
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Sprintf("syntax error at byte %d", syntax.Offset)
	case errors.As(err, &wrong):
		return fmt.Sprintf("wrong type for %s at byte %d", wrong.Field, wrong.Offset)
	case strings.Contains(err.Error(), "unknown field"):
		return "unknown field"
	}
	return "not readable"
}
