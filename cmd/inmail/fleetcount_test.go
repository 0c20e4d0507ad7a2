package main

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

// tally counts what became of InMails, as a row of the analytics does.
type tally struct{ Delivered, Opened, Replied, Expired, Retracted, Pending int }

// read reads with patience: all is well by now.
func (m *members) read(path, member string) map[string]any {
	status, out, err := request(client, m.f.nodes[m.calls.Add(1)%2].url(), "GET", path, member, nil)
	if err != nil || status != http.StatusOK {
		m.f.failed("GET %s: %d %v %v", path, status, out, err)
		return map[string]any{"items": []any{}, "receipts": []any{}, "rows": []any{}}
	}
	return out
}

// list reads a list of at most 200.
func (m *members) list(path, member string) (items []map[string]any) {
	for _, item := range m.read(path, member)["items"].([]any) {
		items = append(items, item.(map[string]any))
	}
	return items
}

// accepted are the attempts that were.
func (m *members) accepted() (all []*attempt) {
	for _, a := range m.attempts {
		if a.id != "" {
			all = append(all, a)
		}
	}
	return all
}

// count compares what members were answered with what the record, its figures, the metrics and the CRM say.
func (m *members) count() {
	t := m.f.t
	t.Helper()
	accepted := m.accepted()
	m.f.settle("everything is decided", func() error {
		var open int
		err := m.db.QueryRow(`SELECT (SELECT count(*) FROM waiting) + (SELECT count(*) FROM inmails WHERE status = 'sent' AND expires_at < floor(extract(epoch FROM now()) * 1000))`).Scan(&open)
		if err == nil && open > 0 {
			err = fmt.Errorf("%d are not", open)
		}
		return err
	})
	m.each(accepted, m.check)
	m.checkSenders()
	m.checkFigures(slices.DeleteFunc(slices.Clone(accepted), func(a *attempt) bool { return a.status == "refused" }))
	m.f.settle("the CRM has everything once, as it is", func() error { return m.checkCRM(accepted) })
}

// each calls check for all attempts, several at once.
func (m *members) each(attempts []*attempt, check func(*attempt)) {
	work := make(chan *attempt)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for a := range work {
				check(a)
			}
		})
	}
	for _, a := range attempts {
		work <- a
	}
	close(work)
	group.Wait()
}

// paths are the receipts that an InMail may have.
var paths = []string{"queued sent", "queued sent opened", "queued sent opened replied", "queued sent expired",
	"queued sent retracted", "queued sent opened retracted", "queued sent opened replied retracted"}

// check compares an InMail with what its members were answered: one receipt of each kind, in order, and what
// was answered as done is done.
func (m *members) check(a *attempt) {
	out := m.read("/v1/inmails/"+a.id, a.sender)
	a.status, _ = out["status"].(string)
	a.receipts = map[string]bool{}
	var path []string
	for i, r := range out["receipts"].([]any) {
		receipt := r.(map[string]any)
		if receipt["seq"] != float64(i+1) {
			m.f.failed("%s has the receipts %v", a.id, out["receipts"])
		}
		path = append(path, receipt["status"].(string))
		a.receipts[receipt["status"].(string)] = true
	}
	a.seq, a.path = len(path), strings.Join(path, " ")
	if a.kind == "reported" && a.path == "queued refused" {
		return
	}
	if !slices.Contains(paths, a.path) || path[len(path)-1] != a.status {
		m.f.failed("%s of a %s sender is %s by the path %q", a.id, a.kind, a.status, a.path)
		return
	}
	if at, err := time.Parse(time.RFC3339, fmt.Sprint(out["sent_at"])); err != nil {
		m.f.failed("%s was sent at %v: %v", a.id, out["sent_at"], err)
	} else {
		year, week := at.ISOWeek()
		a.week = fmt.Sprintf("%d-W%02d", year, week)
	}
	for _, what := range []string{"opened", "replied", "retracted", "expired"} {
		if a.did[what] == done && !a.receipts[what] || a.did[what] == 0 && a.receipts[what] {
			m.f.failed("%s was asked to be %v and has the path %q", a.id, a.did, a.path)
		}
	}
	if slices.Equal(a.deeds, []string{"expire"}) && a.status != "expired" {
		m.f.failed("%s is %s after its window", a.id, a.status)
	}
	m.checkInbox(a)
	m.checkReplies(a)
}

func (m *members) checkInbox(a *attempt) {
	live := a.status == "sent" || a.status == "opened" || a.status == "replied"
	items := m.list("/v1/inbox", a.recipient)
	if live && (len(items) != 1 || items[0]["id"] != a.id) || !live && len(items) != 0 {
		m.f.failed("%s is %s, and the inbox holds %v", a.id, a.status, items)
	}
}

// checkReplies compares the conversation with the answers. A reply whose answer was lost may be there, and
// more than once: a reply has no key.
func (m *members) checkReplies(a *attempt) {
	a.replies = len(m.list("/v1/inmails/"+a.id+"/replies", a.sender))
	if (a.replies > 0) != a.receipts["replied"] {
		m.f.failed("%s has %d replies and the path %q", a.id, a.replies, a.path)
	}
}

// checkSenders compares credits, lists, restrictions and the audit of every sender with the answers.
func (m *members) checkSenders() {
	bySender := map[string][]*attempt{}
	for _, a := range m.attempts {
		bySender[a.sender] = append(bySender[a.sender], a)
	}
	for sender, attempts := range bySender {
		m.checkSender(sender, attempts)
	}
}

func (m *members) checkSender(sender string, attempts []*attempt) {
	want, delivered := map[string]bool{}, 0
	refused := map[string]int{}
	reports := map[certainty]int{}
	for _, a := range attempts {
		if a.id != "" && want[a.id] {
			m.f.failed("%s was answered for two sends", a.id)
		}
		if a.id != "" {
			want[a.id] = true
			if a.status != "refused" {
				delivered++
			}
		} else {
			refused[a.refused]++
		}
		reports[a.did["reported"]]++
	}
	got := map[string]bool{}
	for _, item := range m.list("/v1/sent?limit=200", sender) {
		got[item["id"].(string)] = true
	}
	if !maps.Equal(got, want) {
		m.f.failed("%s has sent %v, was answered %v", sender, got, want)
	}
	if credits := m.read("/v1/credits", sender); credits["used"] != float64(delivered) {
		m.f.failed("%s used %v credits for %d InMails", sender, credits["used"], delivered)
	}
	restrictions := m.list("/v1/restrictions?member="+sender, "")
	m.restrictions += len(restrictions)
	var triggers []string
	least, most := 0, 0
	switch kind := attempts[0].kind; kind {
	case "calm":
		m.refusals(sender, refused, 0)
	case "poor":
		m.refusals(sender, refused, len(attempts)-5, "no_credits")
	case "eager":
		m.refusals(sender, refused, len(attempts)-volumeLimit, "restricted")
		triggers, least, most = []string{"volume_hour"}, 1, 1
	case "reported":
		// The filter learns from the reports on those before, so that one may have strikes before reports.
		m.refusals(sender, refused, len(attempts)-len(want), "restricted", "spam_content")
		triggers = []string{"reports", "strikes"}
		if reports[done] >= reportedBy || refused["spam_content"] >= strikes {
			least = 1
		}
		if reports[done]+reports[tried] >= reportedBy || refused["spam_content"] > 0 {
			most = 1
		}
	}
	if n := len(restrictions); n < least || n > most {
		m.f.failed("%s has %d restrictions, want %d to %d: %v", sender, n, least, most, restrictions)
	}
	for _, r := range restrictions {
		decision, _ := r["decision"].(map[string]any)
		trigger, _ := r["trigger"].(string)
		if !slices.Contains(triggers, trigger) || r["step"] != 1.0 || decision == nil || trigger == "volume_hour" && (r["value"] != volumeLimit+1.0 || decision["sends"] != float64(volumeLimit)) {
			m.f.failed("%s is restricted by %v", sender, r)
		}
	}
	decided, notDelivered := 0, 0
	for _, entry := range m.list("/v1/audit?kind=decided&limit=200&sender="+sender, "") {
		switch entry["kind"] {
		case "restrict":
			decided++
		case "deliver":
			notDelivered++
		case "send":
			m.audited++
		}
	}
	if notDelivered != len(want)-delivered {
		m.f.failed("the audit has %d refused deliveries of %s, want %d", notDelivered, sender, len(want)-delivered)
	}
	if decided != len(restrictions) {
		m.f.failed("the audit has %d restrictions of %s, want %d", decided, sender, len(restrictions))
	}
}

// refusals checks that a sender's refusals are n, of these codes alone.
func (m *members) refusals(sender string, refused map[string]int, n int, codes ...string) {
	all, ofCodes := 0, 0
	for code, k := range refused {
		all += k
		if slices.Contains(codes, code) {
			ofCodes += k
		}
	}
	if all != n || ofCodes != n {
		m.f.failed("%s was refused %v, want %d of %v", sender, refused, n, codes)
	}
}

// checkFigures compares every cut of the analytics, and the metrics of the record at both processes, with the
// InMails themselves.
func (m *members) checkFigures(accepted []*attempt) {
	cuts := map[string]func(*attempt) string{
		"week":         func(a *attempt) string { return a.week },
		"tag":          func(a *attempt) string { return a.tag },
		"account_type": func(a *attempt) string { return a.accountType },
		"category":     func(a *attempt) string { return cmp.Or(a.category, "none") },
		"sender":       func(a *attempt) string { return a.sender },
		"length":       func(*attempt) string { return "under_100" },
	}
	for cut, keyOf := range cuts {
		want := map[string]tally{}
		for _, a := range accepted {
			want[keyOf(a)] = a.addTo(want[keyOf(a)])
		}
		got := map[string]tally{}
		for _, row := range m.read("/v1/analytics?by="+cut, "")["rows"].([]any) {
			r := row.(map[string]any)
			n := func(name string) int { return int(r[name].(float64)) }
			if c := (tally{n("delivered"), n("opened"), n("replied"), n("expired"), n("retracted"), n("pending")}); c != (tally{}) {
				got[r["key"].(string)] = c
			}
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			m.f.failed("the analytics by %s (-InMails +analytics):\n%s", cut, diff)
		}
	}
	want := map[string]int{}
	for _, a := range accepted {
		want[a.outcome()]++
	}
	for _, n := range m.f.nodes[:2] {
		m.f.settle("the metrics say the same", func() error {
			status, out, err := request(client, n.url(), "GET", "/metrics/domain", "", nil)
			if err != nil || status != http.StatusOK {
				return fmt.Errorf("%d %v", status, err)
			}
			if diff := gocmp.Diff(want, outcomes(out["text"].(string))); diff != "" {
				return fmt.Errorf("at %v (-InMails +metrics):\n%s", n, diff)
			}
			return nil
		})
	}
}

func (a *attempt) addTo(c tally) tally {
	c.Delivered++
	for status, n := range map[string]*int{"opened": &c.Opened, "replied": &c.Replied, "expired": &c.Expired, "retracted": &c.Retracted} {
		if a.receipts[status] {
			*n++
		}
	}
	if a.status == "sent" {
		c.Pending++
	}
	return c
}

// outcome is what the metrics count an InMail under.
func (a *attempt) outcome() string {
	last := "unopened"
	if a.receipts["opened"] {
		last = "opened"
	}
	if a.receipts["replied"] {
		last = "replied"
	}
	switch {
	case a.status == "retracted":
		return "retracted_" + last
	case a.status == "expired":
		return "expired_unopened"
	case last == "unopened":
		return "pending_unopened"
	}
	return last
}

// outcomes adds up the cohorts of a page of metrics by outcome.
func outcomes(page string) map[string]int {
	sums := map[string]int{}
	for line := range strings.Lines(page) {
		if !strings.HasPrefix(line, "inmail_cohort_messages{") {
			continue
		}
		_, rest, _ := strings.Cut(line, `outcome="`)
		outcome, _, _ := strings.Cut(rest, `"`)
		var n float64
		if _, err := fmt.Sscan(line[strings.LastIndex(line, " "):], &n); err == nil && n > 0 {
			sums[outcome] += int(n)
		}
	}
	return sums
}

// crmRow is what the CRM holds of an InMail.
type crmRow struct {
	Status                     string
	Seq, Replies               float64
	Opened, Replied, Retracted bool
}

func (m *members) checkCRM(accepted []*attempt) error {
	rows, err := m.f.org.records("InMail__c")
	if err != nil {
		return err
	}
	got := map[string]crmRow{}
	for _, row := range rows {
		id, _ := row["InMail_Id__c"].(string)
		if _, twice := got[id]; twice {
			m.f.t.Fatalf("the CRM has %s twice", id)
		}
		seq, _ := row["Status_Sequence__c"].(float64)
		replies, _ := row["Replies__c"].(float64)
		status, _ := row["Status__c"].(string)
		got[id] = crmRow{strings.ToLower(status), seq, replies, row["Opened_At__c"] != nil, row["Replied_At__c"] != nil, row["Retracted_At__c"] != nil}
	}
	want := map[string]crmRow{}
	for _, a := range accepted {
		want[a.id] = crmRow{a.status, float64(a.seq), float64(a.replies), a.receipts["opened"], a.receipts["replied"], a.receipts["retracted"]}
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		return fmt.Errorf("(-InMails +CRM):\n%s", tail(diff, 2000))
	}
	return nil
}

// table shows what was counted.
func (m *members) table() string {
	counts := tally{}
	byKey, reports, refused := 0, 0, map[string]int{}
	for _, a := range m.attempts {
		if a.id == "" {
			refused[a.refused]++
			continue
		}
		if a.status == "refused" {
			refused["at delivery"]++
			continue
		}
		counts = a.addTo(counts)
		if a.lost {
			byKey++
		}
		if a.did["reported"] == done {
			reports++
		}
	}
	var b strings.Builder
	row := func(what string, value any) { fmt.Fprintf(&b, "| %s | %v |\n", what, value) }
	row("sends", len(m.attempts))
	row("accepted = decided = records in the CRM", len(m.accepted()))
	row("delivered = credits used = each cut of the figures", counts.Delivered)
	row("accepted, found by their key after a lost answer", byKey)
	row("refused: no credits, restricted, spam, at delivery", fmt.Sprintf("%d, %d, %d, %d", refused["no_credits"], refused["restricted"],
		refused["spam_content"], refused["at delivery"]))
	row("opened, replied, expired, retracted", fmt.Sprintf("%d, %d, %d, %d", counts.Opened, counts.Replied, counts.Expired, counts.Retracted))
	row("reports, restrictions", fmt.Sprintf("%d, %d", reports, m.restrictions))
	row("calls without an answer", m.lost.Load())
	row("disturbances", m.f.disturbed())
	return b.String()
}
