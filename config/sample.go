package config

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// Sample is an invented network with a history: people, connections, their InMails and the outcomes. It is
// made from a fixed seed, so that it is the same every time. All names, companies and addresses are
// invented.
type Sample struct {
	Members     []domain.Member
	Connections []mailroom.Pair
	Leads       []SampleLead // the members that are in Salesforce
	Events      []SampleEvent
}

// SampleLead is a member's record in Salesforce.
type SampleLead struct {
	Member    domain.MemberID
	FirstName string
	LastName  string
	Company   string
	Email     domain.Email
	Contact   bool // a Contact of an Account, else a Lead
	ByID      bool // it has InMail_Member_Id__c, else only the address
}

// SampleEvent is one event of the history. Exactly one field besides At is set.
type SampleEvent struct {
	At      time.Time
	Send    *SampleSend
	Block   *mailroom.Pair
	Ban     *domain.Ban
	Connect *mailroom.Pair
}

// SampleSend is one send and its outcome. Durations count from its delivery; 0: it does not happen.
type SampleSend struct {
	mailroom.Send
	WaitBefore time.Duration  // how long it is queued before a worker takes it
	Meanwhile  *mailroom.Pair // a block (From blocks To) while it is queued
	Opened     time.Duration
	Replied    time.Duration
	Reply      string
	Answered   bool // the sender writes back
	Retracted  time.Duration
	Reported   bool // as abuse, after it was opened
	Declined   time.Duration
	Reason     string        // why it was declined; may be empty
	Absent     time.Duration // a notice of absence answers
	Notice     string        // its text
}

// SampleWeeks is the length of the history in ISO weeks, including the current one: as many as the metrics
// show.
const SampleWeeks = 13

// NewSample returns the sample with a history that ends shortly before now.
func NewSample(now time.Time) Sample {
	g := &sampler{rng: rand.New(rand.NewPCG(2003, 5)), now: now.UTC().Truncate(time.Hour)}
	g.people()
	g.history()
	g.refusals()
	slices.SortStableFunc(g.Events,
		func(a, b SampleEvent) int { return cmp.Compare(a.At.UnixMilli(), b.At.UnixMilli()) })
	return g.Sample
}

type sampler struct {
	Sample
	rng     *rand.Rand
	now     time.Time
	senders []sampleSender
	targets []domain.MemberID
	byID    map[domain.MemberID]domain.Member
}

type sampleSender struct {
	id     domain.MemberID
	aWeek  int // InMails per week
	tags   []string
	skill  float64 // the share of its InMails that is opened, 0 to 1
	topic  string
	longer bool
}

var (
	firstNames = strings.Fields(`Ada Bela Chidi Dara Emre Freya Goran Hana Ines Jonas Kaito Leila Mateo Nadia
		Oskar Priya Quentin Rosa Samir Tove Umar Vera Wanda Xenia Yusuf Zora Amara Bruno Carmen Dmitri Elif
		Farid Greta Hugo Ivana Jamal Katya Lorenzo Mina Nils`)
	lastNames = strings.Fields(`Abara Bergqvist Castellan Dvorak Eriksen Fontaine Galanis Hoshino Ibanez
		Jankovic Kowalczyk Lindqvist Moravec Nakagawa Okonjo Petrova Quiroga Rosenthal Sandoval Takahashi
		Ueland Vasquez Weissman Xanthis Yilmaz Zielinski`)
	companies = []string{
		"Nordlicht Systems", "Bluepeak Analytics", "Harbour & Finch", "Corvid Robotics", "Saltmarsh Energy",
		"Quillon Health", "Tessera Bank", "Fernwood Logistics", "Ostrava Motors", "Kestrel Foods", "Aldgate Media",
		"Marrow Biotech",
	}
	roles = []string{
		"Head of Data Platform", "VP Sales", "Procurement Lead", "Director of Engineering", "Chief of Staff",
		"Talent Partner", "Operations Manager", "Principal Scientist", "Product Manager", "Finance Director",
	}
	skillSets = [][]string{
		{"Kafka", "Go"}, {"Forecasting", "Negotiation"}, {"Sourcing"}, {"Distributed systems", "Hiring"},
		{"Planning"}, {"Recruiting", "Coaching"}, {"Lean", "Logistics"}, {"Genomics", "Python"}, {"Roadmaps"},
		{"Budgeting", "Audit"},
	}
)

// people creates senders of every account type, and the recipients.
func (g *sampler) people() {
	g.byID = map[domain.MemberID]domain.Member{}
	plans, has := domain.ShippedPlans(), map[domain.AccountType]bool{}
	for i, s := range []struct {
		id, name, plan string
		sender         sampleSender
	}{
		{"lena.hart", "Lena Hart", "sales_navigator_team_25",
			sampleSender{aWeek: 5, tags: []string{"q4 pipeline", "fintech"}, skill: .62, topic: "pipeline"}},
		{"tomas.reyes", "Tomás Reyes", "sales_navigator_team_15",
			sampleSender{aWeek: 3, tags: []string{"q4 pipeline", "logistics"}, skill: .45, topic: "pipeline",
				longer: true}},
		{"mei.tanaka", "Mei Tanaka", "sales_navigator_team_10",
			sampleSender{aWeek: 2, tags: []string{"renewals"}, skill: .55, topic: "pipeline"}},
		{"ruth.adeyemi", "Ruth Adeyemi", "recruiter_50",
			sampleSender{aWeek: 8, tags: []string{"hiring", "engineering"}, skill: .66, topic: "hiring"}},
		{"piotr.nowak", "Piotr Nowak", "recruiter_35",
			sampleSender{aWeek: 6, tags: []string{"hiring"}, skill: .48, topic: "hiring", longer: true}},
		{"sofia.lind", "Sofia Lind", "recruiter_25",
			sampleSender{aWeek: 4, tags: []string{"hiring", "data"}, skill: .58, topic: "hiring"}},
		{"omar.said", "Omar Said", "premium_business_10",
			sampleSender{aWeek: 2, tags: []string{"partnerships"}, skill: .5, topic: "partner"}},
		{"clara.voss", "Clara Voss", "premium_business_10",
			sampleSender{aWeek: 2, skill: .4, topic: "partner", longer: true}},
		{"noah.brandt", "Noah Brandt", "job_seeker_5",
			sampleSender{aWeek: 1, tags: []string{"job search"}, skill: .52, topic: "job"}},
		{"ivy.chen", "Ivy Chen", "job_seeker_5", sampleSender{aWeek: 1, skill: .35, topic: "job"}},
		{"basil.moor", "Basil Moor", "basic_0", sampleSender{}},
		{"max.loud", "Max Loud", "recruiter_50", sampleSender{}}, // gets restricted
	} {
		m := g.member(domain.MemberID(s.id), s.name, i)
		m.Plan, m.AccountType, m.Team = s.plan, plans[s.plan].AccountType, []string{"north", "south"}[i%2]
		m.AnchorDay = g.now.AddDate(0, 0, -7).Day() // so that they have credits left on whatever day one tries them
		has[m.AccountType] = true
		g.put(m)
		s.sender.id = m.ID
		g.senders = append(g.senders, s.sender)
	}
	for i, t := range domain.AccountTypes() { // a type that none of them has gets a member who sends nothing
		if !has[t] {
			m := g.member(domain.MemberID(t), "Sam "+strings.ReplaceAll(string(t), "_", " "), i)
			m.Plan, m.AccountType = plans.Smallest(t), t
			g.put(m)
		}
	}
	for i := range 180 {
		first, last := firstNames[i%len(firstNames)], lastNames[(i*7+i/len(firstNames))%len(lastNames)]
		id := domain.MemberID(fmt.Sprintf("%s.%s.%03d", strings.ToLower(first), strings.ToLower(last), i))
		m := g.member(id, first+" "+last, i)
		g.put(m)
		g.targets = append(g.targets, id)
		if i%4 != 3 { // three of four are in Salesforce
			g.Leads = append(g.Leads,
				SampleLead{Member: id, FirstName: first, LastName: last, Company: m.Company, Email: m.Email,
					Contact: i%3 == 0, ByID: i%5 != 0})
		}
	}
	for _, special := range []struct {
		id, name string
		change   func(*domain.Member)
	}{
		{"quiet.quade", "Quentin Quade", func(m *domain.Member) { m.AcceptsInMail = false }},
		{"hidden.hale", "Hanna Hale", func(m *domain.Member) { m.ProfileVisible = false }},
		{"private.pike", "Paul Pike", func(m *domain.Member) { m.ProfileShared = false }},
		{"blocker.bligh", "Berta Bligh", func(*domain.Member) {}},
		{"friend.finch", "Flora Finch", func(*domain.Member) {}},
		{"banned.boyle", "Boris Boyle", func(*domain.Member) {}},
		{"gated.gill", "Gina Gill", func(m *domain.Member) { m.Company = "Obsidian Holdings" }},
		{"patient.park", "Petra Park", func(*domain.Member) {}},
		{"declining.doyle", "Dana Doyle", func(*domain.Member) {}},
		{"busy.bloom", "Bea Bloom", func(m *domain.Member) { m.MaxWeek = 1 }},
		{"careful.cole", "Cora Cole", func(*domain.Member) {}}, // receives nothing: each text is refused
		{"distant.dahl", "Dora Dahl", func(*domain.Member) {}}, // an InMail reaches her too late
	} {
		m := g.member(domain.MemberID(special.id), special.name, len(special.id))
		special.change(&m)
		g.put(m)
	}
	g.Connections = append(g.Connections, mailroom.Pair{From: "lena.hart", To: "friend.finch"})
	for i := range 60 { // some of the targets share a connection with a sender
		g.Connections = append(g.Connections, mailroom.Pair{From: "friend.finch", To: g.targets[i*3]})
	}
}

func (g *sampler) member(id domain.MemberID, name string, i int) domain.Member {
	m := domain.NewMember(id, name)
	m.Company, m.Headline, m.Skills = companies[i%len(companies)], roles[i%len(roles)], skillSets[i%len(skillSets)]
	m.Headline += " at " + m.Company
	m.PhotoURL = "https://photos.example.org/" + string(id) + ".jpg"
	m.Email = domain.Email(string(id) + "@example.org")
	return m
}

func (g *sampler) put(m domain.Member) {
	g.Members = append(g.Members, m)
	g.byID[m.ID] = m
}

// history writes the InMails of the senders week by week, at the pace of a person, with the recipients'
// reactions.
func (g *sampler) history() {
	next := 0
	monday := g.now.AddDate(0, 0, -(int(g.now.Weekday())+6)%7)
	start := monday.AddDate(0, 0, -7*(SampleWeeks-1)) // the current week is one of them
	used := map[string]int{}
	for week := range SampleWeeks {
		for _, s := range g.senders {
			for k := range s.aWeek {
				at := start.AddDate(0, 0, 7*week+(k*5/max(s.aWeek, 1)+g.rng.IntN(2))%5)
				at = time.Date(at.Year(), at.Month(), at.Day(), 8+g.rng.IntN(9), g.rng.IntN(60), g.rng.IntN(60),
					g.rng.IntN(1000)*1e6, time.UTC)
				m := g.byID[s.id]
				period := string(s.id) + domain.PeriodStart(at, m.AnchorDay).Format(time.DateOnly)
				if !at.Before(g.now.Add(-20*time.Minute)) || used[period] >= domain.ShippedPlans()[m.Plan].Allowance-1 {
					continue
				}
				used[period]++
				to := g.targets[next%len(g.targets)]
				next++
				g.Events = append(g.Events, SampleEvent{At: at, Send: g.send(s, to, week, k)})
			}
		}
	}
}

// send returns one InMail with a random outcome.
func (g *sampler) send(s sampleSender, to domain.MemberID, week, k int) *SampleSend {
	r := g.byID[to]
	out := &SampleSend{Send: g.write(s, r, week+k)}
	if g.rng.Float64() < .7 && len(s.tags) > 0 {
		out.Tags = s.tags[:1+g.rng.IntN(len(s.tags))]
	}
	if week%6 == 5 && k == 0 {
		out.Category = "follow_up"
	}
	chance := s.skill
	if s.longer {
		chance -= .12
	}
	hour := float64(time.Hour)
	switch x := g.rng.Float64(); {
	case x < chance: // opened, most of them within two days
		out.Opened = time.Duration(hour * (0.2 + g.rng.ExpFloat64()*20))
		if out.Opened > domain.Window-time.Hour {
			out.Opened = domain.Window - time.Hour
		}
		switch y := g.rng.Float64(); {
		case y < .38:
			out.Replied = out.Opened + time.Duration(hour*(0.1+g.rng.ExpFloat64()*30))
			out.Reply = replies[g.rng.IntN(len(replies))]
			out.Answered = g.rng.IntN(2) == 0
		case y < .42:
			out.Retracted = out.Opened + time.Hour
			if out.Retracted >= domain.Window {
				out.Retracted = 0
			}
		case y < .5:
			out.Declined = out.Opened + 20*time.Minute
			out.Reason = declineReasons[(week+k)%len(declineReasons)]
		}
	case x < chance+.05:
		out.Retracted = time.Duration(hour * (1 + g.rng.Float64()*40))
	case x < chance+.09:
		out.Absent, out.Notice = 2*time.Minute, notices[(week+k)%len(notices)]
	}
	return out
}

var declineReasons = []string{"", "We have chosen a supplier already.", "Not my field any more."}

var notices = []string{
	"Automatic reply: I am out of the office until Monday and will answer on my return. In urgent cases please write " +
		"to our front office.",
	"Abwesenheitsnotiz: Ich bin bis Ende der Woche nicht im Büro und lese Ihre Nachricht danach.",
	"Réponse automatique : je suis en congé jusqu'à lundi. En cas d'urgence, contactez mon équipe.",
}

var replies = []string{
	"Thank you for writing. Thursday afternoon works for me.",
	"Interesting, but not before the new year. **Please ask again in January.**",
	"I am not the right person; our platform team is. I will pass it on.",
	"Yes, let us talk. What does your calendar look like next week?",
	"We are happy with what we have, thank you all the same.",
	"Could you send two or three references first?\n\n- one of our size\n- one in our field",
}

// write returns a text that fits sender and recipient; n varies it.
func (g *sampler) write(s sampleSender, r domain.Member, n int) mailroom.Send {
	first, _, _ := strings.Cut(r.Name, " ")
	role, _, _ := strings.Cut(r.Headline, " at ")
	skill := r.Skills[n%len(r.Skills)]
	send := mailroom.Send{From: s.id, To: r.ID, Key: fmt.Sprintf("sample-%s-%s-%d", s.id, r.ID, n)}
	texts := map[string][][2]string{
		"pipeline": {
			{"How %[3]s plans the last quarter",
				"Hi %[1]s,\n\nyour team at **%[3]s** grew quickly this year, and a %[2]s feels that first in the " +
					"forecast. You wrote that %[4]s is where your time goes.\n\nTeams like yours cut that work in " +
					"half with us. Would you have 15 minutes on Tuesday to see whether it fits?"},
			{"%[1]s, a question about %[4]s",
				"Hi %[1]s,\n\nI read your note on %[4]s twice; the part about *late deals* is what your peers at " +
					"other companies ask us about, too.\n\n- your numbers stay where they are\n- your team sees " +
					"them a day earlier\n\nMay I show you how? [Two minutes to read](https://example.org/forecast) " +
					"before we talk."},
		},
		"hiring": {
			{"Your work on %[4]s at %[3]s",
				"Hi %[1]s,\n\nyour path to %[2]s at %[3]s stood out to me, above all what you did with %[4]s. A " +
					"team of eight is looking for somebody who has done exactly that once before.\n\nWould you " +
					"like to hear what they build and what they pay? Your answer stays between us."},
			{"A role that needs %[4]s, %[1]s",
				"Hi %[1]s,\n\nyou have spent years on %[4]s, and you know how rare that is. The role I have in " +
					"mind would give you:\n\n1. a team of your own choosing\n2. four days a week, if you like\n3. " +
					"a budget that you decide on\n\nShall I send you the details?"},
		},
		"partner": {
			{"%[3]s and us: one idea",
				"Hi %[1]s,\n\nyour customers ask you for reporting, ours ask us for what %[3]s does. As %[2]s you " +
					"see both sides; I would value your view on a joint offer.\n\nCould you spare half an hour " +
					"next week?"},
		},
		"job": {
			{"Applying what I learnt about %[4]s",
				"Hi %[1]s,\n\nyour team at %[3]s is the one I would most like to join. You ask for %[4]s in your " +
					"posting; you would find two years of it in [my " +
					"portfolio](https://example.org/portfolio).\n\nWould you tell me whether an application makes " +
					"sense?"},
		},
	}
	choice := texts[s.topic][n%len(texts[s.topic])]
	fill := func(t string) string { return fmt.Sprintf(t, first, role, r.Company, skill) }
	send.Subject, send.Body = fill(choice[0]), fill(choice[1])
	if s.longer {
		send.Body += fill("\n\nTo give you some background: we began six years ago with three people and one " +
			"customer, and today forty teams work with what we make. " +
			"Most of them had the same doubts as you may have, %[1]s: will it fit what is there, will the team " +
			"take to it, will it last? We answer each of these with a trial of four weeks in which nothing of " +
			"yours is changed, and with people who have done your job before. What you learn about %[4]s in " +
			"these weeks is yours to keep, whether we go on together or not. That is why I write to you " +
			"and not to your whole department.")
	}
	return send
}

// refusals adds a send for every refusal, each under the circumstances that cause it.
func (g *sampler) refusals() {
	day := g.now.AddDate(0, 0, -9)
	at := func(minutes int) time.Time { return day.Add(time.Duration(minutes) * time.Minute) }
	lena := g.senders[0]
	send := func(minutes int, from, to domain.MemberID, change func(*SampleSend)) {
		r, ok := g.byID[to]
		if !ok {
			r = g.byID[g.targets[0]]
			r.ID = to
		}
		s := &SampleSend{Send: g.write(sampleSender{id: from, topic: lena.topic}, r, minutes)}
		change(s)
		g.Events = append(g.Events, SampleEvent{At: at(minutes), Send: s})
	}
	as := func(*SampleSend) {}
	g.Events = append(g.Events,
		SampleEvent{At: at(0), Connect: &mailroom.Pair{From: "ruth.adeyemi", To: "friend.finch"}},
		SampleEvent{At: at(0), Block: &mailroom.Pair{From: "blocker.bligh", To: "ruth.adeyemi"}},
		SampleEvent{At: at(0),
			Ban: &domain.Ban{Kind: domain.BanMember, Value: "banned.boyle", Reason: "asked by the member",
				By: "sample"}},
		SampleEvent{At: at(0),
			Ban: &domain.Ban{Kind: domain.BanCompany, Value: "obsidian holdings", Reason: "contract", By: "sample"}})
	const from = "ruth.adeyemi"
	send(3, "basil.moor", g.targets[1], as)                                                       // no_credits
	send(11, from, from, as)                                                                      // self
	send(18, from, "nobody.at.all", as)                                                           // unknown_recipient
	send(29, "nobody.either", g.targets[2], as)                                                   // unknown_sender
	send(41, from, "friend.finch", as)                                                            // connected
	send(52, from, "hidden.hale", as)                                                             // profile_not_visible
	send(58, from, "private.pike", as)                                                            // profile_not_visible
	send(67, from, "quiet.quade", as)                                                             // opted_out
	send(79, from, "blocker.bligh", as)                                                           // blocked
	send(83, from, "banned.boyle", as)                                                            // banned
	send(97, from, "gated.gill", as)                                                              // banned by company
	send(101, from, "patient.park", func(s *SampleSend) { s.Key = "sample-first" })               // sent …
	send(115, from, "patient.park", func(s *SampleSend) { s.Key = "sample-second" })              // … awaiting_reply
	send(127, from, "careful.cole", func(s *SampleSend) { s.Subject = " " })                      // subject_required
	send(138, from, "careful.cole", func(s *SampleSend) { s.Subject = strings.Repeat("x", 201) }) // subject_too_long
	send(141, from, "careful.cole", func(s *SampleSend) { s.Body = "" })                          // body_required
	send(156, from, "careful.cole", func(s *SampleSend) {                                         // body_too_long
		s.Body = strings.Repeat("word ", 700)
	})
	send(163, from, "careful.cole", func(s *SampleSend) { s.Body += " [get it](ftp://files.example.org)" })
	send(179, from, "careful.cole", func(s *SampleSend) { s.Body += " ![team](https://example.org/team.png)" })
	send(183, from, "careful.cole", func(s *SampleSend) { s.Attachments = true })
	send(196, "omar.said", "careful.cole", func(s *SampleSend) {
		s.Subject = "WINNER!!! CLAIM YOUR FREE CASH PRIZE NOW"
		s.Body = "CONGRATULATIONS!!! You have WON a FREE $5000 cash prize!!! 100% guaranteed, no risk, act now: " +
			"click http://bit.ly/cl4im-n0w to claim your prize. Limited time offer, call now, earn money fast!!!"
	})
	send(211, from, "declining.doyle", func(s *SampleSend) { // declined …
		s.Opened, s.Declined, s.Reason = 4*time.Minute, 5*time.Minute, declineReasons[1]
	})
	send(233, from, "declining.doyle", as)   // … declined, the refusal
	send(247, "omar.said", "busy.bloom", as) // sent …
	send(262, "lena.hart", "busy.bloom", as) // … recipient_busy
	// A burst: within a minute ten sends are accepted, and the eleventh is refused.
	for i := range 12 {
		to := g.targets[60+i]
		s := &SampleSend{Send: g.write(sampleSender{id: "max.loud", topic: "hiring"}, g.byID[to], i)}
		s.Reported = i < 2
		s.Opened = time.Duration(i+1) * time.Hour
		g.Events = append(g.Events, SampleEvent{At: at(300).Add(time.Duration(i*i) * 230 * time.Millisecond), Send: s})
	}
	// Two sends that were accepted and not delivered: one because of a block in between, one because it was
	// queued too long.
	send(420, "tomas.reyes", "blocker.bligh", func(s *SampleSend) {
		s.WaitBefore, s.Meanwhile = time.Minute, &mailroom.Pair{From: "blocker.bligh", To: "tomas.reyes"}
	})
	send(433, "mei.tanaka", "distant.dahl", func(s *SampleSend) { s.WaitBefore = 25 * time.Hour })
}

// Recipient returns a member whose inbox has something unread at now, and the most that was read before.
func (s Sample) Recipient(now time.Time) domain.MemberID {
	unread, read := map[domain.MemberID]bool{}, map[domain.MemberID]int{}
	for _, e := range s.Events {
		switch {
		case e.Send == nil || e.Send.Retracted > 0 || e.Send.WaitBefore > 0:
		case e.Send.Opened > 0 && e.At.Add(e.Send.Opened).Before(now):
			read[e.Send.To]++
		case e.Send.Opened == 0 && e.At.After(now.Add(-domain.Window/2)):
			unread[e.Send.To] = true
		}
	}
	var best domain.MemberID
	for _, m := range s.Members {
		if unread[m.ID] && (best == "" || read[m.ID] > read[best]) {
			best = m.ID
		}
	}
	return best
}
