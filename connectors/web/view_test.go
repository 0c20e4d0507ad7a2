package web

import (
	"strings"
	"testing"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/domain/rates"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func TestInitials(t *testing.T) {
	for name, want := range map[string]string{"Lena Hart": "LH", "tomás de la reyes": "TR", "Ma": "M", "": "•", "…": "•",
		"Jean-Luc Picard": "JP", "محمد علي": "مع", "李 小龙": "李小", " ada  ": "A"} {
		if got := initials(name); got != want {
			t.Errorf("initials of %q: %q, want %q", name, got, want)
		}
	}
}

func TestRelativeTimes(t *testing.T) {
	for _, row := range []struct {
		ago  time.Duration
		want string
		day  bool
	}{
		{0, "just now", false}, {59 * time.Second, "just now", false}, {time.Minute, "1 min ago", false},
		{59*time.Minute + 59*time.Second, "59 min ago", false}, {time.Hour, "1 h ago", false}, {47 * time.Hour, "47 h ago", false},
		{48 * time.Hour, "2 days ago", false}, {7*24*time.Hour - 1, "6 days ago", false}, {7 * 24 * time.Hour, "16 Nov", true},
		{365 * 24 * time.Hour, "23 Nov 2025", true}, {-90 * time.Minute, "in 1 h", false}, {-time.Second, "in 1 s", false},
	} {
		if got, day := relative(noon.Add(-row.ago), noon); got != row.want || day != row.day {
			t.Errorf("%s ago: %q (a day: %v), want %q", row.ago, got, day, row.want)
		}
	}
}

func TestLapse(t *testing.T) {
	for left, want := range map[time.Duration]string{168 * time.Hour: "lapses in 7 days", 25 * time.Hour: "lapses in 25 h",
		5*time.Hour + time.Minute: "lapses in 5 h", time.Second: "lapses in 1 s", 0: "lapsed", -time.Hour: "lapsed"} {
		got, soon := lapse(noon.Add(left), noon)
		if got != want || soon != (left > 0 && left < 24*time.Hour) {
			t.Errorf("%s left: %q, soon %v", left, got, soon)
		}
	}
	if got, _ := lapse(time.Time{}, noon); got != "" {
		t.Errorf("one that never lapses: %q", got)
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 12345678: "12,345,678", -1234: "-1,234"} {
		if got := thousands(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

// TestField of the links of letters: the host stands beside a link, whatever the text claims.
func TestField(t *testing.T) {
	t.Run("F41_links_name_their_host", func(t *testing.T) {
		for source, want := range map[string]string{
			"[your bank](https://evil.example/login)":          "(evil.example)",
			"[bank.example](https://evil.example)":             "(evil.example)",
			"[x](https://bank.example@evil.example/)":          "(evil.example)",
			"[x](https://evil.example:8443/?a=1&b=2)":          "(evil.example)",
			"[write](mailto:ada@evil.example?subject=x)":       "(evil.example)",
			"[**bold** text](http://evil.example/a)":           "(evil.example)",
			"[evil.example](https://evil.example/)":            "",
			"[https://evil.example/a](https://evil.example/a)": "",
			"no link at all": "",
			"[www.evil.example/b](https://evil.example/other)": "",
		} {
			got := string(letterHTML(domain.ReadText("", source, false).Body.HTML()))
			if n := strings.Count(got, "<bdi>"); n != 0 && want == "" || n != 1 && want != "" || !strings.Contains(got, want) {
				t.Errorf("%s: %s, want %q", source, got, want)
			}
		}
	})
}

func TestEveryCodeHasWords(t *testing.T) {
	for _, code := range append(domain.RefusalCodes(), domain.RecipientUnavailable) {
		got := refusalWords(&domain.Refusal{Code: code, Got: 3001, Limit: 3000, Until: noon, Detail: "something is wrong at 2026-12-01T00:00:00Z; change it"}, noon)
		if got == "" || strings.Contains(got, "_") || strings.Contains(got, "T00:00") || !strings.HasSuffix(got, ".") {
			t.Errorf("%s: %q", code, got)
		}
	}
	for _, s := range domain.Statuses() {
		if statusWords[s] == "" || receiptWords[s] == "" {
			t.Errorf("the state %s has no words", s)
		}
	}
}

func TestFiguresView(t *testing.T) {
	report := mailroom.Report{WindowDays: 30, Rows: []rates.Row{
		{Key: "2026-W45", Delivered: 40, Opened: 20, InTime: 8, Open: rates.Of(20, 40), Response: rates.Of(8, 40), Complete: true, ResponseComplete: true},
		{Key: "2026-W47", Delivered: 10, Opened: 9, InTime: 1},
	}}
	v := figuresOf(report)
	if v.Summary != "Of 40 delivered in complete weeks 50 % were opened (35 to 65 %)." {
		t.Errorf("summary: %s", v.Summary)
	}
	if !v.Rows[1].OpenSoFar || v.Rows[1].Open != "90 % (60–98)" || v.Rows[0].Week != "2 Nov" {
		t.Errorf("rows: %+v", v.Rows)
	}
	wide := v.Open[0]
	young := wide.Marks[1]
	if !young.SoFar || young.N != "10" || young.High >= young.Y || young.Low <= young.Y {
		t.Errorf("the young week: %+v", young)
	}
	if half := wide.Marks[0].Y; half != wide.Lines[2].Y || wide.Lines[0].Y != wide.Base {
		t.Errorf("50 %% is drawn at %v, its line at %v", half, wide.Lines[2].Y)
	}
	if empty := figuresOf(mailroom.Report{}); len(empty.Rows) != 0 || !strings.Contains(empty.Summary, "No week is complete") {
		t.Errorf("without rows: %+v", empty)
	}
	if phone := charts("x", make([]bar, 20))[1]; len(phone.Marks) != phoneWeeks {
		t.Errorf("a phone shows %d weeks", len(phone.Marks))
	}
}

func TestWorksView(t *testing.T) {
	v := worksOf([]card{{Name: "a", State: isWell}, {Name: "b", State: isWait}, {Name: "c", State: isFault}}, noon)
	if v.Well || v.Cards[0].Name != "c" || v.Cards[1].Name != "b" || v.Cards[0].Sign != "act" {
		t.Errorf("%+v", v)
	}
	paused := crmCard(mailroom.CRMStatus{CRM: "salesforce", Linked: true, Pause: &mailroom.Pause{Why: "login"}}, "Salesforce", noon)
	if paused.State != isFault || !strings.Contains(paused.Sentence, "paused (login)") || paused.Name != "Salesforce" {
		t.Errorf("paused: %+v", paused)
	}
	dead := crmCard(mailroom.CRMStatus{CRM: "salesforce", Linked: true, Backlog: mailroom.Backlog{Dead: map[domain.FailureClass]int{"bad_data": 1}}}, "Salesforce", noon)
	if dead.State != isFault || !strings.HasPrefix(dead.Sentence, "1 InMail did") {
		t.Errorf("dead letters: %+v", dead)
	}
	if c := jobsCard(card{State: isWell}, Jobs{}); c.State != isFault {
		t.Errorf("without workers: %+v", c)
	}
	if c := figuresCard(&mailroom.Snapshot{At: noon.Add(-time.Hour)}, noon); c.State != isFault || !strings.Contains(c.Sentence, "60 min") && !strings.Contains(c.Sentence, "1 h") {
		t.Errorf("old figures: %+v", c)
	}
}
