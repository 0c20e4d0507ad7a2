package web

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/domain/rates"
)

// cutPage is the rates by one cut, best first, with two of them compared.
type cutPage struct {
	Cut, Title string
	Cuts       []filterView
	Rows       []cutRow
	A, B       string // the two that are compared; empty: none
	Compared   []string
	Explain    string
	CSV        string
}

// cutRow is one line of a cut.
type cutRow struct {
	Key, Name            string
	Row                  rates.Row
	Open, Response       string
	OpenBar, ResponseBar span100
	NoRate               bool // no week of it is complete
}

// span100 is a rate with its interval on a line from 0 to 100.
type span100 struct {
	Some              bool
	Value, Low, Width float64
}

func spanOf(r *rates.Rate) span100 {
	if r == nil {
		return span100{}
	}
	return span100{true, round(100 * r.Value), round(100 * r.Low), round(100 * (r.High - r.Low))}
}

// cutWords name the cuts. In those by tag, category and sender the use case gives a member the figures of its
// own sends alone (R69).
var cutWords = []struct{ cut, title string }{
	{"length", mark("By length")}, {"advice", mark("By advice")}, {"account_type", mark("By kind of account")}, {"tag", mark("By tag")},
	{"category", mark("By category")}, {"sender", mark("By sender")},
}

// cut finds the cut of the path.
func (v *visit) cut() (cut, title string, err error) {
	for _, c := range cutWords {
		if c.cut == v.r.PathValue("cut") {
			return c.cut, look(c.title), nil
		}
	}
	return "", "", refuse(domain.NotFound, say("There are no figures by this."))
}

func (v *visit) cutReport() (cut, title string, report mailroom.Report, err error) {
	if cut, title, err = v.cut(); err != nil {
		return cut, title, report, err
	}
	report, err = v.site.Service.Analytics(v.ctx, v.session.Viewer, cut, time.Time{}, time.Time{})
	return cut, title, report, err
}

func (v *visit) showCut() error {
	cut, title, report, err := v.cutReport()
	if err != nil {
		return err
	}
	q := v.r.URL.Query()
	page := cutOf(cut, report)
	if err := v.compare(&page, q.Get("a"), q.Get("b")); err != nil {
		return err
	}
	page.Title, page.Cuts = title, cutLinks(cut)
	return v.show(http.StatusOK, title, page)
}

func cutLinks(open string) []filterView {
	all := []filterView{{Path: "/figures", Text: say("By week"), On: open == ""}}
	for _, c := range cutWords {
		all = append(all, filterView{Path: "/figures/" + c.cut, Text: look(c.title), On: c.cut == open})
	}
	return all
}

func cutOf(cut string, report mailroom.Report) cutPage {
	page := cutPage{Cut: cut, Explain: sentence(report.Explain()), CSV: "/figures/" + cut + "/csv"}
	for _, row := range report.Rows {
		page.Rows = append(page.Rows, cutRow{Key: row.Key, Name: keyWords(cut, row.Key), Row: row, Open: rateText(row.Open),
			Response: rateText(row.Response), OpenBar: spanOf(row.Open), ResponseBar: spanOf(row.Response),
			NoRate: row.Open == nil})
	}
	slices.SortStableFunc(page.Rows, func(x, y cutRow) int { return y.Row.Delivered - x.Row.Delivered })
	return page
}

// compare compares two different rows of the page that this person sees.
func (v *visit) compare(page *cutPage, a, b string) error {
	shown := func(key string) bool {
		return slices.ContainsFunc(page.Rows, func(r cutRow) bool { return r.Key == key })
	}
	if a == b || !shown(a) || !shown(b) {
		return nil
	}
	found, err := v.site.Service.Compare(v.ctx, v.session.Viewer, page.Cut, [2]string{a, b}, time.Time{}, time.Time{})
	if err != nil {
		return err
	}
	page.A, page.B = a, b
	page.Compared = []string{
		compared(say("opened"), keyWords(page.Cut, a), keyWords(page.Cut, b), found.Differences.Open),
		compared(say("answered"), keyWords(page.Cut, a), keyWords(page.Cut, b), found.Differences.Response),
	}
	return nil
}

// compared says in a sentence how far two rates are apart, and whether chance alone would explain it. It
// says so by an interval that holds however often the page is looked at.
func compared(did, a, b string, d *rates.Difference) string {
	if d == nil {
		return say("How many are %s cannot be compared yet: a week must be complete for both.", did)
	}
	points, low, high := 100*d.Value, d.Low, d.High
	more := say("more")
	if points < 0 {
		points, low, high, more = -points, -high, -low, say("fewer")
	}
	s := say("Of %s %.0f points %s are %s than of %s (%.0f to %.0f).", quoted(a), points, more, did, quoted(b), 100*low, 100*high)
	s = strings.ReplaceAll(s, "(-", "(−")
	if low <= 0 {
		return s + " " + say("Chance alone may explain it.")
	}
	return s + " " + say("That is more than chance.")
}

func quoted(s string) string { return "“" + s + "”" }

// keyWords name a row of a cut.
func keyWords(cut, key string) string {
	switch {
	case key == domain.NoKey:
		return say("none")
	case key == string(domain.Erased):
		return say("former members")
	case cut == "advice":
		if w, ok := adviceWords[key]; ok {
			return look(w)
		}
	case cut == "length" && key == "under_100":
		return say("under 100 words")
	case cut == "length":
		return say("100 words and more")
	}
	if cut == "tag" || cut == "sender" {
		return key
	}
	return spaced(key)
}

// cutCSV gives the same table as a file.
func (v *visit) cutCSV() error {
	var report mailroom.Report
	var err error
	cut := v.r.PathValue("cut")
	if cut == mailroom.CutByWeek {
		report, err = v.site.Service.Analytics(v.ctx, v.session.Viewer, cut, time.Time{}, time.Time{})
	} else {
		cut, _, report, err = v.cutReport()
	}
	if err != nil {
		return err
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="inmail-`+cut+`.csv"`)
	w := csv.NewWriter(v.w)
	lines := [][]string{{cut, "delivered", "opened", "replied", "replied_in_time", "declined", "expired", "retracted", "pending",
		"open_rate", "open_rate_low", "open_rate_high", "open_of", "response_rate", "response_rate_low",
		"response_rate_high", "response_of", "complete", "response_complete"}}
	for _, r := range report.Rows {
		line := []string{plainCell(r.Key)}
		for _, n := range []int{r.Delivered, r.Opened, r.Replied, r.InTime, r.Declined, r.Expired, r.Retracted, r.Pending} {
			line = append(line, fmt.Sprint(n))
		}
		line = append(append(append(append(line, rateCells(r.Open)...), fmt.Sprint(r.OpenOf)), rateCells(r.Response)...),
			fmt.Sprint(r.ResponseOf), fmt.Sprint(r.Complete), fmt.Sprint(r.ResponseComplete))
		lines = append(lines, line)
	}
	return w.WriteAll(lines)
}

func rateCells(r *rates.Rate) []string {
	if r == nil {
		return []string{"", "", ""}
	}
	return []string{fmt.Sprintf("%.4f", r.Value), fmt.Sprintf("%.4f", r.Low), fmt.Sprintf("%.4f", r.High)}
}

// plainCell keeps a spreadsheet from running a text that begins like a formula.
func plainCell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}
