package httpapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// importer reads NDJSON into the record.
type importer interface {
	Import(ctx context.Context, in io.Reader, progress func(lines int)) (mailroom.ImportReport, error)
}

const ndjson = "application/x-ndjson"

func (a *API) importEndpoints() []endpoint {
	return []endpoint{answers(endpoint{
		method: "POST", path: "/v1/import", name: "importLines", group: "Operators", access: operatorOnly,
		status: http.StatusOK, streams: true, takesMedia: ndjson,
		does: "Import members, connections, blocks and InMails",
		more: "Lines of at most 64 KiB: {\"member\":{\"id\",…}}, {\"connection\":[\"a\",\"b\"]}, " +
			"{\"block\":[\"who\",\"whom\"]} or {\"inmail\":{\"from\",\"to\",…,\"key\":\"…\"}}. The body may be of " +
			"any length; it is read as it comes. Bad lines are reported, counted from 1, and the good ones kept; " +
			"each InMail passes every check (R19, R21). A byte order mark before the first line is taken off. " +
			"Where the body breaks off, the lines that were read whole are decided all the same, and the problem's " +
			"`import` says how far it came.",
		refuses: []domain.Code{unsupportedMediaType},
	}, (*call).importLines)}
}

type importReport struct {
	Lines         int            `json:"lines" doc:"that were decided, empty ones too" example:"3"`
	Accepted      int            `json:"accepted" example:"2"`
	RejectedCount int            `json:"rejected_count" doc:"all of them" example:"1"`
	Rejected      []rejectedLine `json:"rejected" doc:"by line; the first {MaxRejected} are listed"`
	NextLine      *int           `json:"next_line,omitempty" doc:"of an import that ended early: the line to go on with" example:"4"`
}

type rejectedLine struct {
	Line   int    `json:"line" doc:"counted from 1" example:"3"`
	Code   string `json:"code" example:"no_credits"`
	Detail string `json:"detail" example:"this account's plan has 0 InMails a period; change the plan to send InMails"`
}

func importReportOf(r mailroom.ImportReport) importReport {
	shown := importReport{Lines: r.Lines, Accepted: r.Accepted, RejectedCount: r.RejectedCount,
		Rejected: make([]rejectedLine, 0, len(r.Rejected))}
	for _, line := range r.Rejected {
		shown.Rejected = append(shown.Rejected,
			rejectedLine{Line: line.Line, Code: string(line.Code), Detail: line.Detail})
	}
	return shown
}

// importLines imports the body while it arrives. Each read has read_timeout; the whole import has no
// time limit. An import that ended early is answered with its result so far. The log has the result
// too, as the client may be gone.
func (c *call) importLines() (importReport, error) {
	if err := c.checkMediaType(nil, ndjson); err != nil {
		return importReport{}, err
	}
	connection := http.NewResponseController(c)
	body := &importBody{Reader: c.r.Body, connection: connection, each: c.api.Config.ReadTimeout}
	found, err := c.api.Service.Import(c.ctx, body, nil)
	report := importReportOf(found)
	if err == nil {
		return report, nil
	}
	next := report.Lines + 1
	report.NextLine = &next
	c.cutShort = &report
	c.api.Log.InfoContext(c.ctx, "import ended early",
		"lines", report.Lines, "accepted", report.Accepted, "rejected", report.RejectedCount)
	if body.failed {
		err = domain.Refuse(domain.BadRequest, "the body ended early; what was read whole until then is kept")
	}
	return report, err
}

// importBody reads a body of any length: each read has a time limit of its own, in place of one for them all,
// and so has the answer after the last read.
type importBody struct {
	io.Reader
	connection *http.ResponseController
	each       time.Duration
	failed     bool // the body did not arrive whole
}

// Read moves the deadlines of the connection on and reads.
func (p *importBody) Read(b []byte) (int, error) {
	until := time.Now().Add(p.each) // deadlines of connections are in real time
	// The errors do not matter: a connection without deadlines (in tests) has none to move.
	_ = p.connection.SetReadDeadline(until)
	_ = p.connection.SetWriteDeadline(until.Add(p.each))
	n, err := p.Reader.Read(b)
	p.failed = p.failed || err != nil && !errors.Is(err, io.EOF)
	return n, err
}
