package web

import (
	"net/http"
	"time"

	"inmail/domain/mailroom"
	"inmail/domain/rates"
)

// figuresView is the rates by week, as a chart and as the table behind it.
type figuresView struct {
	Cuts     []filterView
	Summary  string // what the complete weeks say, in a sentence
	Response string
	Open     []chart // wide and narrow
	Reply    []chart
	Rows     []rateView
	Explain  string
	Window   int
	Expiring []countView // of the record's last figures; empty: there are none
	Waiting  int
}

type countView struct {
	Text string
	N    int
}

// rateView is one line of the table.
type rateView struct {
	Key, Week      string
	Row            rates.Row
	Open, Response string // with their intervals; "so far" of younger weeks
	OpenSoFar      bool
	ResponseSoFar  bool
}

// chartWeeks and phoneWeeks are the most weeks that the charts show on a wide screen and on a phone.
const (
	chartWeeks = 13
	phoneWeeks = 6
)

func (v *visit) showFigures() error {
	report, err := v.site.Service.Analytics(v.ctx, v.session.Viewer, mailroom.CutByWeek, time.Time{}, time.Time{})
	if err != nil {
		return err
	}
	snapshot, err := v.site.Service.StoredSnapshot(v.ctx)
	if err != nil {
		return err
	}
	view := figuresOf(report)
	view.Cuts = cutLinks("")
	if snapshot != nil {
		view.Waiting = snapshot.Pending
		for _, h := range mailroom.Horizons() {
			view.Expiring = append(view.Expiring, countView{horizonWords(h), snapshot.ExpiringSoon[h]})
		}
	}
	return v.show(http.StatusOK, say("Figures"), view)
}

func horizonWords(h string) string {
	if d, err := time.ParseDuration(h); err == nil {
		return say("within %s", span(d))
	}
	return h
}

func figuresOf(report mailroom.Report) figuresView {
	view := figuresView{Explain: sentence(report.Explain()), Window: report.WindowDays}
	var open, reply []bar
	opened, openOf, inTime, responseOf := 0, 0, 0, 0
	for _, row := range report.Rows {
		r := rateView{Key: row.Key, Week: weekOf(row.Key), Row: row, OpenSoFar: !row.Complete,
			ResponseSoFar: !row.ResponseComplete}
		openRate, replyRate := row.Open, row.Response
		if row.Complete {
			opened, openOf = opened+row.Opened, openOf+row.Delivered
		} else {
			openRate = rates.Of(row.Opened, row.Delivered)
		}
		if row.ResponseComplete {
			inTime, responseOf = inTime+row.InTime, responseOf+row.Delivered
		} else {
			replyRate = rates.Of(row.InTime, row.Delivered)
		}
		r.Open, r.Response = rateText(openRate), rateText(replyRate)
		open = append(open, bar{Label: r.Week, Rate: openRate, N: row.Delivered, SoFar: !row.Complete})
		reply = append(reply, bar{Label: r.Week, Rate: replyRate, N: row.Delivered, SoFar: !row.ResponseComplete})
		view.Rows = append(view.Rows, r)
	}
	view.Open = charts(say("Open rate by week"), open)
	view.Reply = charts(say("Response rate by week"), reply)
	view.Summary = summary(opened, openOf, say("were opened"))
	view.Response = summary(inTime, responseOf, say("were answered within %d days", report.WindowDays))
	return view
}

// summary says a rate as a sentence with its interval.
func summary(hits, of int, did string) string {
	r := rates.Of(hits, of)
	if r == nil {
		return say("No week is complete yet, so there is no rate to publish.")
	}
	return say("Of %s delivered in complete weeks %.0f %% %s (%.0f to %.0f %%).", thousands(of), 100*r.Value, did,
		100*r.Low, 100*r.High)
}

func rateText(r *rates.Rate) string {
	if r == nil {
		return "–"
	}
	return say("%.0f %% (%.0f–%.0f)", 100*r.Value, 100*r.Low, 100*r.High)
}

// weekOf names an ISO week by its Monday, as 23 Nov.
func weekOf(key string) string {
	monday, err := rates.Monday(cohort(key))
	if err != nil {
		return key
	}
	return monday.Format("2 Jan")
}
