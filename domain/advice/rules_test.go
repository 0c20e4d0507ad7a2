package advice

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"inmail/domain/richtext"
)

// good returns a message on which there is no advice; each case changes one thing of it.
func good() Message {
	return Message{
		Subject:   "Your talk on tidal blades",
		Body:      richtext.Parse("Hi Anna,\n\nyour turbine talk made me think. What would you change in our tank?\n\nBen"),
		Recipient: anna,
	}
}

// gives fails the test unless Advise(m) returns the code (want) or does not return it (!want); it returns the
// detail.
func gives(t *testing.T, m Message, code string, want bool) string {
	t.Helper()
	found, detail := false, ""
	for _, hit := range Advise(m, 50) {
		if hit.Code == code {
			found, detail = true, hit.Detail
			checkDetail(t, m, hit)
		}
	}
	if found != want {
		t.Errorf("%s: %v, want %v\nsubject %q\nbody %q\n%s", code, found, want, m.Subject, m.Body.Text(), detail)
	}
	return detail
}

// body changes the body of the good message.
func body(source string) Message {
	m := good()
	m.Body = richtext.Parse(source)
	return m
}

func subject(s string) Message {
	m := good()
	m.Subject = s
	return m
}

func TestRules(t *testing.T) {
	t.Run("R45_no_name", func(t *testing.T) {
		for _, tt := range []struct {
			name, recipient, subject, body string
			want                           bool
		}{
			{"first name in the body", "Anna Lindqvist", "x y z", "Hi Anna, hello", false},
			{"last name in the body", "Anna Lindqvist", "x y z", "Dear Ms Lindqvist, hello", false},
			{"first name in the subject", "Anna Lindqvist", "For Anna only", "Hello", false},
			{"in any case", "Anna Lindqvist", "x y z", "hi anna", false},
			{"with a genitive", "Anna Lindqvist", "x y z", "I read Anna’s paper", false},
			{"in bold", "Anna Lindqvist", "x y z", "Hi **Anna**!", false},
			{"neither", "Anna Lindqvist", "x y z", "Hi there", true},
			{"inside a word", "Anna Lindqvist", "x y z", "Hello from Annapolis", true},
			{"only a middle name", "Anna Maria Lindqvist", "x y z", "Hi Maria", true},
			{"accents left out", "José Müller", "x y z", "Hi Jose", false},
			{"umlauts spelled out", "José Müller", "x y z", "Hi Mr Mueller", false},
			{"accents decomposed", "Jose\u0301 Núñez", "x y z", "Hi José", false},
			{"half of a double name", "Jean-Pierre Dubois-Martin", "x y z", "Bonjour Monsieur Martin", false},
			{"an apostrophe in the name", "Sean O'Brien", "x y z", "Dear Mr O’Brien", false},
			{"title and degree are no names", "Dr. Anna Lindqvist, PhD", "x y z", "Dear Dr., I want a PhD", true},
			{"particles are no names", "Ludwig van den Berg", "x y z", "the van and the den", true},
			{"an initial is no name", "J. Lindqvist", "x y z", "J", true},
			{"one name", "Prince", "x y z", "Hi Prince", false},
			{"a verb is no name", "Will Price", "x y z", "Will you come? Grace", true},
			{"a name that is a verb", "Will Price", "x y z", "So I asked Will", false},
			{"a name between two verbs", "Will Price", "x y z", "Will you come? I asked Will. Will they?", false},
			{"sharp s", "Jan Groß", "x y z", "Dear Mr Gross", false},
			{"Danish letters", "Søren Kjær", "x y z", "Hi Soren", false},
			{"Polish letters", "Łukasz Żak", "x y z", "Hi Lukasz", false},
			{"Croatian letters", "Đorđe Ilić", "x y z", "Hi Dorde", false},
			{"Turkish letters", "Işık Kaya", "x y z", "Hi Isik", false},
			{"greeted by it in small letters", "Will Price", "x y z", "hi will", false},
			{"called by it", "Grace Lee", "x y z", "Grace, good to see you", false},
			{"Japanese, family name", "田中 太郎", "x y z", "田中様", false},
			{"Japanese, without a blank", "田中太郎", "x y z", "田中様、はじめまして", false},
			{"Japanese, neither", "田中太郎", "x y z", "鈴木様、はじめまして", true},
			{"Chinese with a form of address", "王伟", "x y z", "王先生您好", false},
			{"Korean with a form of address", "김민수", "x y z", "민수님 안녕하세요", false},
			{"Cyrillic", "Анна Петрова", "x y z", "Здравствуйте, Анна", false},
			{"no name known", "", "x y z", "Hi", false},
			{"no letter known", "🙂", "x y z", "Hi", false},
		} {
			t.Run(tt.name, func(t *testing.T) {
				m := Message{Subject: tt.subject, Body: richtext.Parse(tt.body), Recipient: Profile{Name: tt.recipient}}
				gives(t, m, NoName, tt.want)
			})
		}
		m := body("Hello there,\n\nyour turbine is good.")
		if diff := cmp.Diff("“Hello there” could be to anyone: greet “Anna” by name.", gives(t, m, NoName, true)); diff != "" {
			t.Errorf("detail (-want +got):\n%s", diff)
		}
	})

	t.Run("R45_no_specifics", func(t *testing.T) {
		for _, tt := range []struct {
			name, headline, company string
			skills                  []string
			body                    string
			want                    bool
		}{
			{"company", "", "Tidal Works AB", nil, "What Tidal Works does", false},
			{"a word of the company", "", "Tidal Works AB", nil, "your tidal unit", false},
			{"an empty word of the company", "", "Tidal Works AB", nil, "how your team works", true},
			{"legal form", "", "Hafenlogik GmbH", nil, "eine GmbH", true},
			{"headline", "Head of Turbine Design", "", nil, "turbine people", false},
			{"another form of the word", "Software Engineer", "", nil, "your engineering", false},
			{"function words of the headline", "Head of Design at Acme", "", nil, "at the head of it", true},
			{"skill", "", "", []string{"Knots", "Supply chain"}, "the supply chain", false},
			{"a word of a skill", "", "", []string{"Corrosion testing"}, "about corrosion", false},
			{"other skill", "", "", []string{"Corrosion testing"}, "about coral", true},
			{"Go is not go", "", "", []string{"Go"}, "let us go", true},
			{"Go", "", "", []string{"Go"}, "you write Go", false},
			{"IT is not it", "IT", "", nil, "it is", true},
			{"C++", "", "", []string{"C++"}, "you write C++", false},
			{"C++ is not C", "", "", []string{"C++"}, "vitamin C", true},
			{"accents", "Stratégie de marque", "", nil, "une strategie", false},
			{"Japanese", "水素エネルギー研究者", "", nil, "水素についてのお話", false},
			{"Japanese, other", "水素エネルギー研究者", "", nil, "人材紹介についてのお話", true},
			{"nothing known", "", " ", []string{""}, "Hi", false},
		} {
			t.Run(tt.name, func(t *testing.T) {
				m := body(tt.body)
				m.Subject = "One two three"
				m.Recipient = Profile{Name: "Anna", Headline: tt.headline, Company: tt.company, Skills: tt.skills}
				gives(t, m, NoSpecifics, tt.want)
			})
		}
		m := good()
		m.Body = richtext.Parse("Hi Anna, hello")
		m.Subject = "News about your turbine"
		gives(t, m, NoSpecifics, false)
	})

	t.Run("R45_skills_are_never_told", func(t *testing.T) {
		m := Message{Subject: "One two three", Body: richtext.Parse("Hi"), Recipient: Profile{Name: "Anna", Skills: []string{"Secretive"}}}
		for _, hit := range Advise(m, 50) {
			if strings.Contains(hit.Detail, "Secretive") {
				t.Errorf("%s: %q", hit.Code, hit.Detail)
			}
		}
	})

	t.Run("R46_weak_subject", func(t *testing.T) {
		for _, tt := range []struct {
			name, subject string
			want          bool
		}{
			{"two words", "Tidal turbines", true},
			{"three words", "Your tidal turbines", false},
			{"two words and a dash", "Tidal – turbines", true},
			{"two words and a number", "Tidal turbines 2026", false},
			{"nothing", "", true},
			{"60 characters", "Your talk on tidal turbines " + strings.Repeat("x", 32), false},
			{"61 characters", "Your talk on tidal turbines " + strings.Repeat("x", 33), true},
			{"60 characters of more bytes", "Ihr Vortrag über Turbinen " + strings.Repeat("ü", 34), false},
			{"61 characters of more bytes", "Ihr Vortrag über Turbinen " + strings.Repeat("ü", 35), true},
			{"60 after NFC", "Your talk on tidal turbines " + strings.Repeat("u\u0308", 32), false},
			{"all capitals", "YOUR TIDAL TURBINES", true},
			{"all capitals but one", "YOUR TIDAL TURBINEs", false},
			{"capitals in a sentence", "The CFD of your TIDAL", false},
			{"all capitals with figures", "3 DAYS IN PORTO", true},
			{"no capitals to have", "3 4 5", false},
			{"one capital", "3 4 X", false},
			{"a greeting", "Hello dear Anna", true},
			{"a greeting with a question", "Hi Anna, how are you?", true},
			{"a greeting and more", "Hello Anna, your tidal turbines", false},
			{"good morning", "Good morning Dr Lindqvist", true},
			{"Japanese", "潮力発電のご講演", false},
			{"Japanese, short", "ご挨拶", true},
		} {
			t.Run(tt.name, func(t *testing.T) {
				m := subject(tt.subject)
				if tt.subject == "" { // no words to quote
					if hits := Advise(m, 50); len(hits) != 1 || hits[0].Code != WeakSubject {
						t.Errorf("advice %+v", hits)
					}
					return
				}
				gives(t, m, WeakSubject, tt.want)
			})
		}
	})

	t.Run("R46_weak_preview", func(t *testing.T) {
		const pitch = " Your turbine could run in our tank, and you would keep all the data."
		for _, tt := range []struct {
			name, body string
			want       bool
		}{
			{"to the point", "Hi Anna," + pitch, false},
			{"greeting alone", "Hi Anna, how are you?", true},
			{"long greeting fills it", "Dear Dr. Lindqvist,\n\nI hope this message finds you well and that you are having a great week. My name is Ben and I am a " +
				"partner at Nordhav, a firm in the north of Norway." + pitch, false}, // "that you are": not a phrase we know
			{"introduction fills it", "Dear Dr. Lindqvist,\n\nI hope this message finds you well. My name is Ben and I am a partner at Nordhav, a firm " +
				"of forty people in the north of Norway." + pitch, true},
			{"introduction ends before it does", "Hi Anna,\n\nI am Ben from Nordhav." + pitch, false},
			{"introduction in lines", "Hi Anna\nI'm Ben, head of tests at Nordhav, a firm of forty people that makes anchors, chains and floats for the " +
				"big wind farms at sea in the north." + pitch, true},
			{"introduction that asks", "Hi Anna, my name is Ben. Is this the right desk for tests of the sort that Nordhav would like to do in the tank at " +
				"Leith in the spring of the year?" + pitch, false},
			{"introduction with a reason", "Hi Anna, I am writing because the tank at Leith stands empty in May and somebody ought to use it for a week or " +
				"for two weeks at the most." + pitch, false},
			{"introduction about them", "Hi Anna, I am Ben and your paper on salt is on my desk, with more notes in it than any other paper that I have " +
				"read in the last year." + pitch, false},
			{"profile seen", "Hi Anna, I came across your profile and was very impressed. I would like to connect with you. I hope you are well. Thanks for " +
				"connecting." + pitch, true},
			{"formatting hides nothing", "**Hi Anna**,\n\n- I hope you are well.\n- My name is Ben.\n- I am a partner at Nordhav, a firm of forty people in " +
				"the north of Norway and in the north of Sweden." + pitch, true},
			{"not English", "Hallo Anna, wie geht es Ihnen? Mein Name ist Ben und ich bin Partner bei Nordhav.", false},
		} {
			t.Run(tt.name, func(t *testing.T) { gives(t, body(tt.body), WeakPreview, tt.want) })
		}
	})

	t.Run("R47_long_paragraph", func(t *testing.T) {
		words := func(n int) string { return strings.TrimSpace(strings.Repeat("word ", n)) }
		for _, tt := range []struct {
			name, body string
			want       bool
		}{
			{"80 words", words(80), false},
			{"81 words", words(81), true},
			{"81 words of a letter", strings.TrimSpace(strings.Repeat("a ", 81)), true},
			{"81 words in two paragraphs", words(40) + "\n\n" + words(41), false},
			{"81 words over a line break", words(40) + "\n" + words(41), true},
			{"81 words over a blank line of blanks", words(40) + "\r\n \t\r\n" + words(41), false},
			{"81 words in a bullet", "- " + words(81), true},
			{"81 words in two bullets", "- " + words(40) + "\n- " + words(41), false},
			{"not the first", "Hi\n\n" + words(3) + "\n\n" + words(81) + "\n\nBen", true},
			{"160 ideographs", strings.Repeat("潮", 160), false},
			{"161 ideographs", strings.Repeat("潮", 161), true},
		} {
			t.Run(tt.name, func(t *testing.T) { gives(t, body(tt.body), LongParagraph, tt.want) })
		}
		detail := gives(t, body("Hi Anna\n\n"+words(90)+"\n\nlook here "+words(91)), LongParagraph, true)
		if !strings.Contains(detail, "“look here word word” has 93 words") {
			t.Errorf("detail names another paragraph than the longest: %q", detail)
		}
	})

	t.Run("R47_hard_to_read", func(t *testing.T) {
		// Counted by hand, one sentence each: 206.835 − 1.015 × words − 84.6 × syllables / words.
		const (
			over50 = "You and your team can see how our technology, your engineering, this infrastructure and the transformation " +
				"of it will work." // 20 words, 32 syllables: 51.175
			under50 = "You and your team see how our technology, your engineering, this infrastructure and the transformation " +
				"of it will work." // 19 words, 31 syllables: 49.518
		)
		for _, tt := range []struct {
			name, body string
			limit      float64
			want       bool
		}{
			{"51 of 50", over50, 50, false},
			{"49 of 50", under50, 50, true},
			{"another policy", over50, 52, true},
			{"another policy, lower", under50, 49, false},
			{"a hair over the limit", over50, 51.1749, false},
			{"a hair under the limit", over50, 51.1751, true},
			{"too short to judge", "Our infrastructure transformation necessitates you.", 50, false},
			{"not English", "Die Weiterentwicklung unserer Unternehmensinfrastruktur und die Transformation der Organisation sind für Sie und Ihre " +
				"Mitarbeiterinnen eine außerordentlich vielversprechende Investitionsmöglichkeit.", 50, false},
		} {
			t.Run(tt.name, func(t *testing.T) {
				m := body("Hi Anna,\n\n" + tt.body)
				got := ""
				for _, hit := range Advise(m, tt.limit) {
					if hit.Code == HardToRead {
						got = hit.Detail
						checkDetail(t, m, hit)
					}
				}
				if (got != "") != tt.want {
					t.Errorf("%q, want advice: %v", got, tt.want)
				}
			})
		}
	})

	t.Run("R48_mention_common_connection", func(t *testing.T) {
		for _, tt := range []struct {
			name, body string
			common     []string
			want       bool
		}{
			{"none shared", "Hi Anna", nil, false},
			{"none named", "Hi Anna", []string{"Dana Whitfield"}, true},
			{"first name", "Hi Anna, Dana sends me", []string{"Dana Whitfield"}, false},
			{"last name", "Hi Anna, Ms Whitfield sends me", []string{"Dana Whitfield"}, false},
			{"the second of two", "Hi Anna, Tom sends me", []string{"Dana Whitfield", "Tom Okafor"}, false},
			{"the recipient's own first name", "Hi Anna", []string{"Anna Whitfield"}, true},
			{"the recipient's namesake by last name", "Hi Anna, Whitfield sends me", []string{"Anna Whitfield"}, false},
			{"a verb is no name", "Hi Anna, will you come?", []string{"Will Hunter"}, true},
			{"names without letters", "Hi Anna", []string{"", "  "}, false},
			{"Japanese", "田中様、鈴木様のご紹介で", []string{"鈴木 花子"}, false},
		} {
			t.Run(tt.name, func(t *testing.T) {
				m := body(tt.body)
				m.CommonConnections = tt.common
				gives(t, m, MentionCommonConnection, tt.want)
			})
		}
		m := good()
		m.CommonConnections = []string{"Dana Whitfield"}
		m.Subject = "Dana says hello from Leith"
		gives(t, m, MentionCommonConnection, false)
	})

	t.Run("R49_no_value_statement", func(t *testing.T) {
		for _, tt := range []struct {
			name, body string
			want       bool
		}{
			{"as many", "I think that we like the sea, and you have your boat there.", false},
			{"one more of ours", "I think that we like the sea, and I know that you have your boat there.", true},
			{"one more of theirs", "I think that the sea is what you like, and your boat is there.", false},
			{"short forms", "I'm sure that we've been at the sea, and you're there with your boat.", false},
			{"my and our do not count", "My boat and our sea are with me and with us in the north.", false},
			{"a numeral is no I", "In this part i of the book and in part i of the other you see it.", false},
			{"yours counts", "I think that the boat on the sea is yours.", false},
			{"none at all", "The boat is on the sea and it is there for all of them.", false},
			{"not English", "I we I we: das Boot ist auf der See und wir sind auch da, aber nicht mit dem Boot.", false},
		} {
			t.Run(tt.name, func(t *testing.T) { gives(t, body(tt.body), NoValueStatement, tt.want) })
		}
	})

	t.Run("R50_over_100_words", func(t *testing.T) {
		for n, want := range map[int]bool{99: false, 100: true, 101: true} {
			m := body(strings.TrimSpace(strings.Repeat("**word**\n", n-1) + "end"))
			if got := Words(m.Body.Text()); got != n {
				t.Errorf("%d words, want %d", got, n)
			}
			gives(t, m, Over100Words, want)
		}
		m := body(strings.Repeat("so ", 99) + "here it is now. Bye.")
		if detail := gives(t, m, Over100Words, true); !strings.Contains(detail, "104 words") || !strings.Contains(detail, "“here it is now.”") {
			t.Errorf("detail = %q", detail)
		}
	})

	t.Run("R51_heavy_formatting", func(t *testing.T) {
		x := func(n int) string { return strings.Repeat("x", n) }
		for _, tt := range []struct {
			name, body string
			want       bool
		}{
			{"30 of 100", "**" + x(30) + "**" + x(70), false},
			{"31 of 100", "**" + x(31) + "**" + x(69), true},
			{"30 of 99", "**" + x(30) + "**" + x(69), true},
			{"bold and italic together", "**" + x(15) + "** *" + x(15) + "*" + x(69), false},
			{"bold and italic together, one more", "**" + x(15) + "** *" + x(16) + "*" + x(68), true},
			{"bold italic counts once", "***" + x(30) + "***" + x(70), false},
			{"strikethrough does not count", "~~" + x(100) + "~~", false},
			{"a run of 200", "**" + x(200) + "** " + x(800), false},
			{"a run of 201", "**" + x(201) + "** " + x(800), true},
			{"a run of 201, half italic", "**" + x(100) + "***" + x(101) + "* " + x(800), true},
			{"two runs of 101", "**" + x(101) + "** *" + x(101) + "* " + x(800), false},
			{"two bullets", "- **" + x(101) + "**\n- **" + x(101) + "**\n" + x(800), false},
			{"link text", "[**" + x(31) + "**](https://example.com/" + x(500) + ")" + x(69), true},
			{"unpaired markers", "**" + x(100), false},
			{"nothing", "", false},
		} {
			t.Run(tt.name, func(t *testing.T) {
				m := body(tt.body)
				m.Subject = "One two three"
				found := false
				for _, hit := range Advise(m, 50) {
					found = found || hit.Code == HeavyFormatting
				}
				if found != tt.want {
					t.Errorf("heavy_formatting: %v, want %v; runs %v of %d", found, tt.want, m.Body.Runs(), m.Body.Length())
				}
			})
		}
	})

	t.Run("R52_follow_up", func(t *testing.T) {
		for _, tt := range []struct {
			name, body string
			want       bool
		}{
			{"our meeting", "It was a good meeting, and you had the best of it.", true},
			{"our call", "This is what you asked for in our call.", true},
			{"yesterday's call", "This is what you asked for in yesterday's call.", true},
			{"an event", "You were the star of the event.", true},
			{"a conference", "I will be at the conference in Porto, and you?", true},
			{"met", "I met you in Porto and you had the best of it.", true},
			{"spoke", "We spoke of the tank, and you had the best of it.", true},
			{"a call that was and one that may be", "Following our call, would you be open to another one?", true},
			{"asks about a call that was", "What would you add to the notes of our call?", true},
			{"offers a call", "Would you be open to a short call with us?", false},
			{"offers a meeting", "I would be happy to set up a meeting with you.", false},
			{"hopes to meet", "I am looking forward to meeting you there.", false},
			{"call me", "Please call me when you have the time, or I call you.", false},
			{"a verb behind that", "This is the name that they call themselves by.", false},
			{"meeting needs", "This is how you are meeting the needs of all of them.", false},
			{"in any event", "In any event you have the best of it.", false},
			{"in the event of", "In the event of rain you have the best of it.", false},
			{"call to action", "The page has a call to action that you do not see.", false},
			{"met a target", "The team met the target, and you had the best of it.", false},
			{"neither", "This is how you get the best of it.", false},
			{"not English", "Wir haben uns nach dem Meeting auf dem Event im Call gut mit Ihnen unterhalten.", false},
		} {
			t.Run(tt.name, func(t *testing.T) {
				m := body(tt.body)
				gives(t, m, FollowUp, tt.want)
				m.Category = "sourcing"
				gives(t, m, FollowUp, false)
			})
		}
		detail := gives(t, body("This is what you asked for in our call on Tuesday."), FollowUp, true)
		if !strings.Contains(detail, "“in our call on”") || !strings.Contains(detail, "follow-up after meeting") || !strings.Contains(detail, "follow_up") {
			t.Errorf("detail = %q", detail)
		}
		m := body("You had the best of it, and you know what it is.")
		m.Subject = "After our call on Tuesday"
		gives(t, m, FollowUp, true)
	})

	t.Run("R62_words", func(t *testing.T) {
		for _, tt := range []struct {
			text string
			want int
		}{
			{"", 0},
			{" \n\t ", 0},
			{"one", 1},
			{"one two\nthree\u00a0four\u3000five", 5},
			{"don't well-known 3,000 10:30 e.g. https://example.com/a?b=c", 6},
			{"you – and — me & * … 👍", 3},
			{"time—money", 2},
			{"Café de\u0301cor", 2},
			{"潮", 1},
			{"潮力", 1},
			{"潮力発", 2},
			{"潮力発電のご講演について", 6},
			{"弊社AI部", 3},
			{"สวัสดีครับ", 2},
			{"안녕하세요 김민수님", 2},
			{"Привет, мир", 2},
		} {
			if got := Words(tt.text); got != tt.want {
				t.Errorf("Words(%q) = %d, want %d", tt.text, got, tt.want)
			}
		}
	})
}

func TestGreetingEnd(t *testing.T) {
	for text, want := range map[string]int{
		"Hi Anna, how are you?": 2, "Dear Dr. Smith,\nhow are you?": 3, "Dear Jean-Pierre, how are you?": 3, "Hi - how are you?": 1,
		"Hello": 1, "Good morning\nhow are you?": 2, "Hi Anna I'm Ben, from Leith": 0, "Anna, hi": 0, "": 0,
		"Hello to everyone in the whole of the north, south and east": 0, "Dear all – welcome": 2,
	} {
		if got := greetingEnd(tokenize(text)); got != want {
			t.Errorf("the greeting of %q has %d words, want %d", text, got, want)
		}
	}
}

// Any text to any recipient must give each code at most once, in order, with a detail of one line.
func FuzzAdvise(f *testing.F) {
	for _, in := range corpus {
		f.Add(in.subject, in.body, in.to.Name, in.to.Headline, strings.Join(in.common, "\n"))
	}
	f.Add("\xff", "**\u0301**\u202e", "\u0301", "🙂", "\n\n")
	f.Fuzz(func(t *testing.T, subject, source, name, headline, common string) {
		m := Message{
			Subject: subject, Body: richtext.Parse(source), CommonConnections: strings.Split(common, "\n"),
			Recipient: Profile{Name: name, Headline: headline, Company: name, Skills: strings.Fields(headline)},
		}
		at := -1
		for _, hit := range Advise(m, 50) {
			place := -1
			for i, code := range codes {
				if code == hit.Code {
					place = i
				}
			}
			if place <= at {
				t.Errorf("%q is unknown, twice there or out of order", hit.Code)
			}
			at = place
			if hit.Detail == "" || len([]rune(hit.Detail)) > 300 || strings.ContainsAny(hit.Detail, "\r\n\t") {
				t.Errorf("%s: %q", hit.Code, hit.Detail)
			}
		}
		if Words(m.Body.Text()) < 0 {
			t.Error("fewer words than none")
		}
	})
}

func TestSentences(t *testing.T) {
	got := Sentences(richtext.Parse("Hi **Anna**,\nhow are you? It costs 3.50 a day!\n\n- one\n- two. three\n\n您好。请问方便吗？谢谢 كيف حالك؟ شكرا"))
	want := []string{"Hi Anna,", "how are you?", "It costs 3.50 a day!", "one", "two.", "three", "您好。", "请问方便吗？", "谢谢 كيف حالك؟", "شكرا"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sentences (-want +got):\n%s", diff)
	}
}

func TestVaryNamesTheLongestSentences(t *testing.T) {
	got := Vary(10, 12, []string{"Hi,", "a b c d e f", "x y z"}, 4, 35)
	want := "This is number 10 of almost the same text within 24 hours, and 12 may go out before sending is restricted. " +
		"Vary the sentences that are the same: “a b c d e f”, “x y z”, “Hi,”; at least 4 of the 35 words must differ."
	if got.Code != VaryText || got.Detail != want {
		t.Errorf("got %s", got.Detail)
	}
}
