package advice

import (
	"math"
	"strings"
	"testing"

	"inmail/domain/richtext"
)

// The syllables of words that occur in InMails are those of their hyphenation in dictionaries.
const spoken = `
a:1 I:1 the:1 you:1 your:1 year:1 yes:1 we:1 work:1 worked:1 works:1 team:1 teams:1 role:1 roles:1 make:1 makes:1 made:1 time:1
times:1 use:1 used:1 uses:2 hope:1 hoped:1 build:1 built:1 through:1 would:1 could:1 change:1 changes:2 changed:1 price:1 prices:2
like:1 liked:1 help:1 helped:1 needs:1 needed:2 wanted:2 want:1 reach:1 coach:1 skill:1 skilled:1 launched:1 watched:1 passed:1
talk:1 don't:1 can't:1 won't:1 it's:1 I'm:1 we're:1 didn't:2 isn't:2 wouldn't:2 aren't:1 Anna's:2 great:1 league:1 unique:2
colleague:2 colleagues:2 table:2 tables:2 able:2 little:2 people:2 business:2 every:2 going:2 being:2 doing:2 trying:2 playing:2
saying:2 player:2 buyer:2 idea:3 ideas:3 area:3 create:2 created:3 creative:3 creation:3 react:2 reaction:3 science:2 scientist:3
client:2 clients:2 friend:1 field:1 review:2 believe:2 believes:2 believed:2 experience:4 experienced:4 audience:3 convenient:4
efficient:3 patient:2 society:4 variety:4 quiet:2 earlier:3 easier:3 easiest:3 happier:3 radio:3 various:3 previous:3 serious:3
curious:3 million:2 region:2 opinion:3 station:2 question:2 questions:2 solution:3 solutions:3 decision:3 religion:3 union:2
special:2 social:2 initial:3 industrial:4 material:4 financial:3 potential:3 essential:3 media:3 video:3 theory:3 medium:3 actual:3
manual:3 individual:5 language:2 evaluation:5 continuous:4 ambiguous:4 influence:3 influenced:3 fluent:2 career:2 careers:2
management:3 manager:3 engagement:3 achievement:3 improvement:3 requirements:3 investment:3 element:3 implement:3 careful:2
useful:2 awareness:3 completely:3 definitely:4 likely:2 closely:2 software:2 hardware:2 website:2 safety:2 homepage:2 employer:3
employee:3 employees:3 beyond:2 tourism:3 capitalism:5 opportunity:5 opportunities:5 company:3 companies:3 organization:5
international:5 technology:4 technologies:4 engineering:4 engineer:3 engineers:3 developer:4 development:4 recruiter:3
recruiting:3 marketing:3 interesting:4 interested:4 interest:3 different:3 available:4 availability:6 turbine:2 turbines:2 corrosion:3
methodology:5 comprehensive:4 infrastructure:4 sustainability:6 transformation:4 facilitate:4 facilitates:4 collaborative:5
optimization:5 enterprise:3 innovative:4 conference:3 meeting:2 yesterday:3 tomorrow:3 profile:2 message:2 messages:3 impressed:2
reading:2 connected:3 introduce:3 introduced:3 introduction:4 thanks:1 sincerely:3 regards:2 wonderful:3 forward:2 looking:2
hearing:2 paper:2 project:2 projects:2 design:2 designed:2 designer:3 analysis:4 analytics:4 data:2 customer:3 customers:3 product:2
service:2 services:3 process:2 processes:3 increase:2 increases:3 reduce:2 reduced:2 reduces:3 percent:2 revenue:3 value:2 values:2
continue:3 issue:2 argue:2 arguing:3 agree:2 agreed:2 agreement:3 three:1 free:1 degree:2 guarantee:3 cruise:1 expertise:3 exercise:3
well-known:2 full-time:2 2026:1 https://example.com/a/b:1 (yes):1 “yes”:1 CRM:1 e-mail:2`

func TestSyllables(t *testing.T) {
	wrong, total := 0, 0
	for _, pair := range strings.Fields(spoken) {
		at := strings.LastIndexByte(pair, ':')
		word, want := pair[:at], int(pair[at+1]-'0')
		total++
		if got := syllables(word); got != want {
			wrong++
			t.Logf("%s: %d syllables, want %d", word, got, want)
		}
	}
	if wrong*20 > total {
		t.Errorf("%d of %d words wrong, more than one in twenty", wrong, total)
	}
}

func TestReadingEase(t *testing.T) {
	for _, tt := range []struct {
		name, body       string
		words, sentences int
		syllables        int
	}{
		{"short words", "The cat sat on the mat. The dog sat on the log.", 12, 2, 12},
		{"abbreviations end nothing", "I met Dr. Smith of Tidal Inc. in Porto, e.g. at lunch with J. Miller and us.", 17, 1, 20},
		{"marks", "Was it good? It was so good! I say it again… It was really good to be there.", 18, 4, 20},
		{"quotes around the end", `He said "it was good." It was the best day of all.`, 12, 2, 12},
		{"list items are sentences", "We do three things:\n- we cut the cost of the crew\n- we keep the blades clean", 16, 3, 16},
		{"greeting and signature are no prose", "Hi Anna,\n\nThe cat sat on the mat. The dog sat on the log.\n\nBest\nBen", 12, 2, 12},
		{"a wrapped line goes on", "The cat sat on\nthe mat and the dog sat\non the log.", 13, 1, 13},
		{"a line break before a capital ends", "The cat sat on the mat\nThe dog sat on the log", 12, 2, 12},
		{"numbers", "In 2026 we cut it by 3.5 or so, from 12 to 9 in all.", 15, 1, 15},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := readProse(richtext.Parse(tt.body).Paragraphs()).readingEase()
			want := 206.835 - 1.015*float64(tt.words)/float64(tt.sentences) - 84.6*float64(tt.syllables)/float64(tt.words)
			if !ok || math.Abs(got-want) > 0.001 {
				t.Errorf("reading ease = %.3f (%v), want %.3f; %+v", got, ok, want, readProse(richtext.Parse(tt.body).Paragraphs()))
			}
		})
	}
	if ease, ok := readProse([]string{"Nine words are too few to tell you anything."}).readingEase(); ok {
		t.Errorf("nine words have a reading ease of %f", ease)
	}
}
