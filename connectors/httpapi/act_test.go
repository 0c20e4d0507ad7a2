package httpapi

import (
	"encoding/base64"
	"net/http"
	"slices"
	"testing"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// aboutNobody are the calls that a bare operator may make without an entry in the audit: they change nothing
// and give out figures and states, and nothing that is held on a member.
var aboutNobody = []string{
	"GET /v1/analytics", "GET /v1/analytics/tags/{tag}/{against}", "GET /v1/banned", "GET /v1/crm/failures",
	"GET /v1/crm/runs", "GET /v1/crm/status", "GET /v1/crms", "GET /v1/keys", "GET /v1/queue/failures", "GET /v1/queue/status",
	"GET /v1/webhooks", "GET /v1/webhooks/{id}", "GET /v1/webhooks/{id}/deliveries", // addresses and states
	"GET /queues", "GET /debug/pprof/{profile}", "POST /v1/preflight",
}

// testActs is the part of TestRules about acts of operators (R70).
func testActs(t *testing.T) {
	t.Run("R70_every_call_of_an_operator", func(t *testing.T) {
		for _, s := range newWorld(t).samples() {
			if !s.keyed() || s.path == "/debug/pprof/{profile}" {
				continue
			}
			w := newWorld(t)
			key, headers := w.operator, s.header
			if s.access == memberOnly {
				headers = append(slices.Clone(headers), "Inmail-Member: jo")
			}
			w.ask(key, s.method, s.target, s.body, headers...)
			want := 1
			if slices.Contains(aboutNobody, s.name()) && s.access != memberOnly {
				want = 0
			}
			if got := len(w.fakeService.acts); got != want {
				t.Errorf("%s by an operator left %d entries, want %d", s.name(), got, want)
				continue
			}
			if want == 0 {
				continue
			}
			act := w.fakeService.acts[0]
			if reads := s.method == "GET" || s.method == "HEAD" || s.path == "/v1/preflight"; act.Reads != reads {
				t.Errorf("%s is noted as one that reads: %t", s.name(), act.Reads)
			}
			if act.By.KeyID == "" || act.Call != s.name() || act.From.Request == "" || act.From.Address == "" {
				t.Errorf("%s: %+v", s.name(), act)
			}
			if s.access == memberOnly && act.Member != "jo" {
				t.Errorf("%s for jo is noted on %q", s.name(), act.Member)
			}
		}
	})
	t.Run("R70_no_call_of_a_member", func(t *testing.T) {
		for _, s := range newWorld(t).samples() {
			if !s.keyed() || s.access == operatorOnly || s.access == operatorPage {
				continue
			}
			w := newWorld(t)
			w.ask(w.sender, s.method, s.target, s.body, s.header...)
			if got := len(w.fakeService.acts); got != 0 {
				t.Errorf("%s by a member left %+v", s.name(), w.fakeService.acts)
			}
		}
	})
	t.Run("R70_on_whom", func(t *testing.T) {
		w := newWorld(t)
		basic := "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("x:"+w.operator))
		id := w.sentQueued()
		w.ask(w.operator, "GET", "/v1/members/maria", nil).want(200, "")
		w.ask(w.operator, "GET", "/v1/inmails/"+string(id), nil).want(200, "")
		w.ask(w.operator, "GET", "/v1/audit?sender=jo", nil).want(200, "")
		w.ask(w.operator, "GET", "/v1/restrictions?member=jo", nil).want(200, "")
		w.ask(w.operator, "GET", "/v1/sent", nil, "Inmail-Member: jo").want(200, "")
		w.ask("", "POST", "/queues/api/queues/sends:pause", nil, basic).want(200, "")
		w.ask("", "POST", "/queues/api/queues/a@b.example:pause", nil, basic).want(200, "")
		w.ask("", "GET", "/queues/api/queues", nil, basic).want(200, "")
		type noted struct {
			Call   string
			Member domain.MemberID
			InMail domain.ID
		}
		var got []noted
		for _, a := range w.fakeService.acts {
			got = append(got, noted{a.Call, a.Member, a.InMail})
		}
		want := []noted{{"GET /v1/members/{id}", "maria", ""}, {"GET /v1/inmails/{id}", "", id}, {"GET /v1/audit", "jo", ""}, {"GET /v1/restrictions", "jo", ""},
			{"GET /v1/sent", "jo", ""}, {"POST /queues/api/queues/sends:pause", "", ""}, {"POST /queues/{rest...}", "", ""}}
		if !slices.Equal(got, want) {
			t.Errorf("noted %+v, want %+v", got, want)
		}
	})
	t.Run("R70_what_cannot_be_noted_is_not_done", func(t *testing.T) {
		w := newWorld(t)
		w.fakeService.noActs = mailroom.ErrUnavailable
		w.ask(w.operator, "PUT", "/v1/members/new", object{"name": "New", "account_type": "basic"}).want(http.StatusServiceUnavailable, "unavailable")
		w.ask(w.operator, "GET", "/v1/members/new", nil).want(404, "not_found")
		w.ask(w.operator, "GET", "/v1/members/maria", nil).want(200, "")
	})
}
