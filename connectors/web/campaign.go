package web

import (
	"cmp"
	"crypto/rand"
	"encoding/csv"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// campaignPage is a list of readers: who of them can be reached, and when (R66). Nothing of it is stored.
type campaignPage struct {
	List          string // as it was pasted
	Subject, Body string // with {first}, {name} and {company}
	Error         string
	Judged        bool
	Lines         []campaignLine
	Totals        []countView
	Sentence      string
	Timetable     []departureView
	Ready         string // the ids of those who can be reached now, a line each
	ReadyN        int
}

// campaignLine is the verdict on one line of the list.
type campaignLine struct {
	Place   int
	To      personView
	OK      bool
	Code    string
	Text    string
	At      *moment // when it passes by the timetable
	Path    string  // to write to this reader alone
	Unknown bool
}

type departureView struct {
	At    moment
	N     int
	Share int // of the most, 0..100
	Wait  string
}

func (v *visit) showCampaign() error { return v.show(http.StatusOK, say("Campaign"), campaignPage{}) }

func (v *visit) judgeCampaign() error {
	f := v.r.PostForm
	page := campaignPage{List: lines(f.Get("list")), Subject: f.Get("subject"), Body: lines(f.Get("body"))}
	ids, err := listed(page.List)
	if err != nil {
		page.Error = err.Error()
		return v.show(http.StatusUnprocessableEntity, say("Campaign"), page)
	}
	campaign, err := v.site.Service.Preflight(v.ctx, v.me(), ids, nil)
	if r := domainRefusal(err); r != nil {
		page.Error = refusalWords(r, v.now())
		return v.show(http.StatusUnprocessableEntity, say("Campaign"), page)
	}
	if err != nil {
		return err
	}
	page.judged(campaign, v.now())
	return v.show(http.StatusOK, say("Campaign"), page)
}

// listed reads the ids of a list: one on each line, or CSV whose header has the column id.
func listed(text string) ([]domain.MemberID, error) {
	r := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, "\ufeff")))
	r.FieldsPerRecord, r.TrimLeadingSpace, r.LazyQuotes = -1, true, true
	if first, _, _ := strings.Cut(text, "\n"); strings.Count(first, ";") > strings.Count(first, ",") {
		r.Comma = ';'
	}
	records, err := r.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s", say("The list is not readable as lines or CSV; paste one id a line."))
	}
	column := 0
	if len(records) > 0 {
		if at := slices.IndexFunc(records[0], func(h string) bool {
			return strings.EqualFold(strings.TrimSpace(h), "id") || strings.EqualFold(strings.TrimSpace(h), "member")
		}); at >= 0 {
			column, records = at, records[1:]
		}
	}
	var ids []domain.MemberID
	for _, record := range records {
		if column < len(record) && strings.TrimSpace(record[column]) != "" {
			ids = append(ids, domain.MemberID(strings.TrimSpace(record[column])))
		}
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("%s", say("The list is empty. Paste one id a line, or CSV with a column named id."))
	}
	return ids, nil
}

// judged fills in the verdicts.
func (p *campaignPage) judged(c mailroom.Campaign, now time.Time) {
	t := c.Totals
	p.Judged = true
	p.Totals = []countView{{say("readers"), t.Recipients}, {say("now"), t.OKNow}, {say("later"), t.OK - t.OKNow},
		{say("not"), t.Recipients - t.OK}}
	p.Sentence = creditSentence(t, now)
	var ready []string
	for _, check := range c.Checks {
		line := campaignLine{Place: check.Place, OK: check.OK,
			To: personView{ID: check.To, Name: string(check.To), Initials: initials(string(check.To))}}
		switch {
		case check.OK:
			line.Text, line.Path = say("can go now"), "/new?to="+queryEscape(string(check.To))
			ready = append(ready, string(check.To))
		case !check.At.IsZero():
			line.At = momentOrNil(check.At, now)
			line.Code, line.Text = check.Limit, say("waits: %s", limitWords(check.Limit))
		case len(check.Refusals) > 0:
			line.Code, line.Text = string(check.Refusals[0].Code), refusalWords(check.Refusals[0], now)
		}
		p.Lines = append(p.Lines, line)
	}
	p.Ready, p.ReadyN = strings.Join(ready, "\n"), len(ready)
	most := 1
	for _, d := range t.Timetable {
		most = max(most, d.Recipients)
	}
	for _, d := range t.Timetable {
		p.Timetable = append(p.Timetable, departureView{momentOf(d.At, now), d.Recipients, 100 * d.Recipients / most,
			limitWords(d.Limit)})
	}
}

// limitWords say what a line of the timetable waits for.
func limitWords(limit string) string {
	switch domain.Code(limit) {
	case domain.NoCredits:
		return say("new credits")
	case domain.Restricted:
		return say("the end of a pause")
	}
	return say("the pace: %s", triggerWord(limit))
}

func creditSentence(t mailroom.Totals, now time.Time) string {
	missing := t.Needed - t.Available
	switch {
	case missing <= 0:
		return say("It takes %s, and you have %s.", many(t.Needed, say("credit"), say("credits")), thousands(t.Available))
	case t.EnoughAt.IsZero():
		return say("It takes %s and you have %s; your plan never has enough.", many(t.Needed, say("credit"), say("credits")), thousands(t.Available))
	}
	return say("It takes %s and you have %s; there will have been enough by %s.",
		many(t.Needed, say("credit"), say("credits")), thousands(t.Available), dayAndTime(t.EnoughAt, now))
}

// campaignLetters are the readers who are left of a campaign, and the letter that each is prefilled with.
type campaignLetters struct {
	Rest          string // ids, a line each
	Left          int
	Subject, Body string // with the names of fields in braces
	Last          string // to whom the last letter went; empty: none yet
}

// beginCampaign shows the letter to the first reader of a campaign, prefilled. Each is sent by the person.
func (v *visit) beginCampaign() error {
	f := v.r.PostForm
	c := campaignLetters{Rest: f.Get("ready"), Subject: f.Get("subject"), Body: lines(f.Get("body"))}
	return v.nextLetter(c)
}

// campaignOf reads the rest of a campaign from a letter's form; nil when the letter belongs to none.
func (v *visit) campaignOf() *campaignLetters {
	f := v.r.PostForm
	if !f.Has("rest") {
		return nil
	}
	rest := lines(f.Get("rest"))
	return &campaignLetters{Rest: rest, Left: len(strings.Fields(rest)), Subject: f.Get("pattern_subject"),
		Body: lines(f.Get("pattern_body"))}
}

// nextLetter shows the letter to the next reader of a campaign, or what was sent when nobody is left.
func (v *visit) nextLetter(c campaignLetters) error {
	rest := strings.Fields(c.Rest)
	if len(rest) == 0 {
		return v.goTo("/sent?done=campaign")
	}
	form := newView{To: rest[0], Key: rand.Text()}
	c.Rest, c.Left = strings.Join(rest[1:], "\n"), len(rest)-1
	form.Campaign = &c
	m := domain.Member{}
	if id := domain.MemberID(form.To); id.Validate() == nil {
		found, err := v.site.Service.Member(v.ctx, id)
		if domainRefusal(err) == nil && err != nil {
			return err
		}
		m = found
	}
	form.Subject, form.Body = filled(c.Subject, m), filled(c.Body, m)
	return v.showLetterForm(http.StatusOK, form)
}

// filled puts the public part of a reader into a text with the names of fields in braces.
func filled(text string, m domain.Member) string {
	first, _, _ := strings.Cut(m.Name, " ")
	return strings.NewReplacer("{first}", cmp.Or(first, "{first}"), "{name}", cmp.Or(m.Name, "{name}"),
		"{company}", cmp.Or(m.Company, "{company}"), "{headline}", cmp.Or(m.Headline, "{headline}")).Replace(text)
}
