package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// volumeLimit is the limit of sends in an hour (R41): only eager senders reach it.
const volumeLimit = 12

// senderKinds are the kinds of members who send, with what they do. A round is that many of each kind, each
// with all of its attempts, in an order of chance.
var senderKinds = []struct {
	name, accountType, plan string
	number, attempts        int
}{
	{"calm", "recruiter", "recruiter_25", 3, 10},
	{"poor", "job_seeker", "job_seeker_5", 1, 8},                               // more than credits
	{"eager", "sales_navigator_team", "sales_navigator_team_25", 1, 20},        // more than volumeLimit
	{"reported", "premium_business", "premium_business_10", 1, reportedBy + 2}, // by all recipients
}

// reportedBy is how many reporters restrict a sender, and strikes how many refusals for spam (R41).
const reportedBy, strikes = 3, 3

// What is done with an InMail after it was delivered; several at once are a race.
var deeds = [][]string{{}, {}, {"open"}, {"open"}, {"open"}, {"reply"}, {"reply"}, {"open", "reply"}, {"retract"}, {"retract", "open"}, {"retract", "reply"},
	{"expire"}, {"expire"}, {"expire", "open"}, {"expire", "retract"}}

// attempt is one InMail that a member tries to send, and what is known of it.
type attempt struct {
	kind              string // of the sender
	accountType       string
	sender, recipient string
	key, tag          string
	category          string
	deeds             []string

	id      string // "": it was not accepted
	refused string // the code
	lost    bool   // an answer was lost: what became of it was found by its key

	mu  sync.Mutex
	did map[string]certainty // opened, replied, retracted, expired, reported

	status   string // what counts shows at last
	receipts map[string]bool
	path     string
	seq      int
	week     string
	replies  int
}

// certainty is what the answers say of a deed. The zero value: nobody tried it.
type certainty int

const (
	tried certainty = iota + 1 // no answer says that it was done
	done
)

func (a *attempt) note(what string, c certainty) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.did[what] = max(a.did[what], c)
}

// members are the load of a fleet, and then the count of what became of it.
type members struct {
	f        *fleet
	random   *rand.Rand
	db       *sql.DB
	rounds   int // for which there are members
	every    time.Duration
	attempts []*attempt
	all      sync.WaitGroup
	stop     chan struct{}
	calls    atomic.Int64
	lost     atomic.Int64 // calls without an answer

	restrictions int
	audited      int
}

// newMembers imports all members.
func newMembers(f *fleet, seed uint64, length time.Duration) *members {
	f.t.Helper()
	m := &members{f: f, random: rand.New(rand.NewPCG(seed, 1)), every: 50 * time.Millisecond, stop: make(chan struct{})}
	perRound := 0
	for _, s := range senderKinds {
		perRound += s.number * s.attempts
	}
	m.rounds = int(length/m.every)/perRound + 2
	var lines bytes.Buffer
	for round := range m.rounds {
		for _, s := range senderKinds {
			for i := range s.number {
				fmt.Fprintf(&lines, `{"member":{"id":"%s-%d-%d","name":"Sender","account_type":"%s","plan":"%s"}}`+"\n", s.name, round, i, s.accountType, s.plan)
			}
		}
		for i := range perRound {
			fmt.Fprintf(&lines, `{"member":{"id":"r-%d-%d","name":"Recipient"}}`+"\n", round, i)
		}
	}
	status, out, err := request(client, f.nodes[0].url(), "POST", "/v1/import", "", lines.Bytes(), "Content-Type", "application/x-ndjson")
	if err != nil || status != http.StatusOK || out["rejected"] == nil || len(out["rejected"].([]any)) > 0 {
		f.t.Fatalf("import: %d %v %v", status, out, err)
	}
	if m.db, err = sql.Open("pgx", f.database); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { m.db.Close() })
	return m
}

// start lets members send until finish, round by round.
func (m *members) start() {
	work := make(chan *attempt)
	for range 12 {
		m.all.Go(func() {
			for a := range work {
				m.send(a)
				if a.id != "" {
					m.all.Go(func() { m.use(a) })
				}
			}
		})
	}
	m.all.Go(func() {
		defer close(work)
		for round := range m.rounds {
			attempts := m.round(round)
			m.attempts = append(m.attempts, attempts...)
			for _, a := range attempts {
				work <- a
				time.Sleep(m.every)
			}
			select {
			case <-m.stop:
				return
			default:
			}
		}
	})
}

// round makes the attempts of a round.
func (m *members) round(round int) (attempts []*attempt) {
	for _, s := range senderKinds {
		for i := range s.number {
			for range s.attempts {
				at := len(attempts)
				a := &attempt{kind: s.name, accountType: s.accountType, sender: fmt.Sprintf("%s-%d-%d", s.name, round, i), recipient: fmt.Sprintf("r-%d-%d", round, at),
					key: fmt.Sprintf("k-%d-%d", round, at), tag: fmt.Sprintf("t%d", at%4), deeds: deeds[m.random.IntN(len(deeds))], did: map[string]certainty{}}
				if at%3 == 0 {
					a.category = "follow_up"
				}
				if s.name == "reported" {
					a.deeds = []string{"report"}
				}
				attempts = append(attempts, a)
			}
		}
	}
	m.random.Shuffle(len(attempts), func(i, j int) { attempts[i], attempts[j] = attempts[j], attempts[i] })
	return attempts
}

// finish ends the load when what was begun is done.
func (m *members) finish() {
	close(m.stop)
	m.all.Wait()
}

// ask repeats a call, at one process of the API or the other, until it is answered by other than 503. lost is
// whether an answer before was lost, so that what was asked for may have been done by then.
func (m *members) ask(method, path, member string, body any, header ...string) (status int, out map[string]any, lost bool) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		status, out, err := request(briefly, m.f.nodes[m.calls.Add(1)%2].url(), method, path, member, body, header...)
		if err == nil && status != http.StatusServiceUnavailable {
			return status, out, lost
		}
		if err != nil {
			m.lost.Add(1)
			lost = true
		}
		time.Sleep(50 * time.Millisecond)
	}
	m.f.failed("%s %s was never answered", method, path)
	return 0, map[string]any{}, lost
}

func (m *members) send(a *attempt) {
	body := map[string]any{"to": a.recipient, "subject": "A question about queues", "body": "What you wrote on queues stayed with me. How do you test yours? " + a.key, "tags": []string{a.tag}}
	if a.kind == "reported" {
		body["subject"], body["body"] = wordsOf(a.sender, 4), wordsOf(a.sender, 20)
	}
	if a.category != "" {
		body["category"] = a.category
	}
	status, out, lost := m.ask("POST", "/v1/inmails", a.sender, body, "Idempotency-Key", a.key)
	switch {
	case status == http.StatusAccepted:
		a.id, _ = out["id"].(string)
		a.lost = lost
	case status == http.StatusUnprocessableEntity:
		a.refused, _ = out["code"].(string)
	default:
		m.f.failed("send %s: %d %v", a.key, status, out)
	}
}

// wordsOf makes words that only one sender uses: the filter learns from reports (R42), and must not take the
// words of all for spam.
func wordsOf(sender string, n int) string {
	random := rand.New(rand.NewChaCha8(sha256.Sum256([]byte(sender))))
	var words []string
	for range n {
		var word strings.Builder
		for range 2 + random.IntN(2) {
			word.WriteByte("bdfgklmnprstvz"[random.IntN(14)])
			word.WriteByte("aeiou"[random.IntN(5)])
		}
		words = append(words, word.String())
	}
	return strings.Join(words, " ")
}

// use waits until an InMail is delivered, and then does with it what is to be done, all at once.
func (m *members) use(a *attempt) {
	for {
		status, out, _ := m.ask("GET", "/v1/inmails/"+a.id, a.sender, nil)
		if status == http.StatusOK && out["status"] == "refused" && a.kind == "reported" {
			return // what is queued when a sender is restricted by reports is not delivered (R41)
		}
		if status == http.StatusOK && out["status"] != "queued" {
			break
		}
		if m.f.t.Failed() {
			return
		}
		if status != http.StatusOK {
			m.f.failed("GET %s: %d %v", a.id, status, out)
			return
		}
		time.Sleep(150 * time.Millisecond)
	}
	var group sync.WaitGroup
	for _, deed := range a.deeds {
		group.Go(func() {
			switch deed {
			case "open":
				m.tryTo(a, "opened", "/open", nil, http.StatusOK, http.StatusGone)
			case "reply":
				a.note("opened", tried)
				if m.tryTo(a, "replied", "/replies", map[string]any{"body": "Tuesday at ten suits me."}, http.StatusCreated, http.StatusGone) {
					a.note("opened", done)
				}
			case "report":
				m.tryTo(a, "opened", "/open", nil, http.StatusOK)
				m.tryTo(a, "reported", "/report", map[string]any{"reason": "abuse"}, http.StatusNoContent, http.StatusConflict)
			case "retract":
				m.retract(a)
			case "expire":
				m.expire(a)
			}
		})
	}
	group.Wait()
}

// tryTo asks for a deed of the recipient; the first status means that it was done, the others that it was
// not, or not now.
func (m *members) tryTo(a *attempt, what, path string, body any, success int, others ...int) bool {
	a.note(what, tried)
	status, out, lost := m.ask("POST", "/v1/inmails/"+a.id+path, a.recipient, body)
	if status == success || status == http.StatusConflict && lost {
		a.note(what, done)
		return true
	}
	for _, other := range others {
		if status == other {
			return false
		}
	}
	m.f.failed("%s %s: %d %v", path, a.id, status, out)
	return false
}

func (m *members) retract(a *attempt) {
	a.note("retracted", tried)
	path := "/v1/inmails/" + a.id + "/retract"
	status, out, _ := m.ask("POST", path, a.sender, map[string]any{})
	if status == http.StatusConflict { // too late: it has expired
		return
	}
	if status != http.StatusOK {
		m.f.failed("ask to retract %s: %d %v", a.id, status, out)
		return
	}
	status, out, _ = m.ask("POST", path, a.sender, map[string]any{"confirm": out["confirm"]})
	switch {
	case status == http.StatusOK:
		a.note("retracted", done)
	case out["code"] != "too_late":
		m.f.failed("retract %s: %d %v", a.id, status, out)
	}
}

// expire brings the end of an InMail's window near, by the record's own clock: what else would take a week.
func (m *members) expire(a *attempt) {
	a.note("expired", tried)
	_, err := m.db.ExecContext(context.Background(), `UPDATE inmails SET expires_at = floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint + 500
		WHERE id = $1 AND status = 'sent'`, a.id)
	if err != nil {
		m.f.failed("bring the end of %s near: %v", a.id, err)
	}
}
