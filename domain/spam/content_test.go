package spam

import (
	"os"
	"strings"
	"testing"
)

// inmails reads the InMails of testdata, which were written for this test: good ones as people write them,
// and mass mail.
func inmails(t testing.TB) []Example {
	t.Helper()
	file, err := os.Open("testdata/inmails.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	all, err := ReadExamples(file)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// points returns the sum of the points of a verdict's reasons.
func points(v Verdict) (sum float64) {
	for _, r := range v.Reasons {
		sum += r.Points
	}
	return sum
}

func TestColdSignalsRefuseNoGoodInMail(t *testing.T) {
	good := 0
	for _, e := range inmails(t) {
		if e.Spam {
			continue
		}
		good++
		// A good message stays well below the 10 points that refuse.
		if v := Judge(nil, "", e.Body); v.Spam || points(v) > 6 {
			t.Errorf("%g points (%+v): %s", points(v), v.Reasons, e.Body)
		}
	}
	if good < 80 {
		t.Errorf("only %d good InMails", good)
	}
}

func TestColdSignalsFindBadInMails(t *testing.T) {
	var all, missed int
	for _, e := range inmails(t) {
		if !e.Spam {
			continue
		}
		all++
		if v := Judge(nil, "", e.Body); !v.Spam {
			missed++
			t.Logf("missed with %g points (%+v): %s", points(v), v.Reasons, e.Body)
		}
	}
	if all < 45 || missed*20 > all {
		t.Errorf("%d of %d missed, want at most one in twenty of at least 45", missed, all)
	}
}

// TestOneSignAloneRefusesNothing quotes each phrase in a message, as somebody does who warns of it.
func TestOneSignAloneRefusesNothing(t *testing.T) {
	for _, c := range allClasses {
		for _, phrases := range [][]string{c.pitch, c.hint, c.topic} {
			for _, p := range phrases {
				text := strings.NewReplacer("*", "it", "#", "20").Replace(p)
				v := Judge(nil, "", "Hi Anna, what do you make of a message with \""+text+"\" in it?")
				if v.Spam {
					t.Errorf("%s: %q: %+v", c.code, text, v.Reasons)
				}
				found := false
				for _, r := range v.Reasons {
					found = found || r.Code == c.code
				}
				if !found {
					t.Errorf("%s: %q is not found by itself: %+v", c.code, text, v.Reasons)
				}
			}
		}
	}
}

func TestPhrasesAreListedOnce(t *testing.T) {
	classOf := map[string]string{}
	for _, c := range allClasses {
		for _, phrases := range [][]string{c.pitch, c.hint, c.topic} {
			for _, p := range phrases {
				if before, twice := classOf[p]; twice {
					t.Errorf("%q is in %s and in %s", p, before, c.code)
				}
				classOf[p] = c.code
				plain := strings.NewReplacer("*", "it", "#", "20").Replace(p)
				if words := splitWords(nil, Fold(plain)); strings.Join(words, " ") != Fold(plain) {
					t.Errorf("%q can never be found: its words are %q", p, words)
				}
			}
		}
	}
}

func TestSignalsSeeThroughDisguise(t *testing.T) {
	plain := Judge(nil, "", "You have won a free gift, claim your prize")
	if !plain.Spam && points(plain) < pitchPoints {
		t.Fatalf("the plain text: %+v", plain)
	}
	for how, text := range map[string]string{
		"capitals":            "YOU HAVE WON A FREE GIFT, CLAIM YOUR PRIZE",
		"accents":             "Yoü hávè wôn a frée gîft, cláim yoúr prïze",
		"zero-width marks":    "Y\u200bou ha\u200bve w\u200don a fr\u2060ee gi\u00adft, cla\u200bim yo\u200bur pr\u200bize",
		"Cyrillic letters":    "Yоu hаvе wоn a frее gift, сlaim yоur рrizе",
		"Greek letters":       "Υου hανε wοn α frεε gιft, clαιm yουr ρrιzε",
		"full-width letters":  "Ｙｏｕ ｈａｖｅ ｗｏｎ ａ ｆｒｅｅ ｇｉｆｔ, ｃｌａｉｍ ｙｏｕｒ ｐｒｉｚｅ",
		"bold letters":        "𝐘𝐨𝐮 𝐡𝐚𝐯𝐞 𝐰𝐨𝐧 𝐚 𝐟𝐫𝐞𝐞 𝐠𝐢𝐟𝐭, 𝐜𝐥𝐚𝐢𝐦 𝐲𝐨𝐮𝐫 𝐩𝐫𝐢𝐳𝐞",
		"framed letters":      "🆈🅾🆄 🅷🅰🆅🅴 🆆🅾🅽 🅰 🅵🆁🅴🅴 🅶🅸🅵🆃, 🅲🅻🅰🅸🅼 🆈🅾🆄🆁 🅿🆁🅸🆉🅴",
		"small capitals":      "ʏᴏᴜ ʜᴀᴠᴇ ᴡᴏɴ ᴀ ꜰʀᴇᴇ ɢɪꜰᴛ, ᴄʟᴀɪᴍ ʏᴏᴜʀ ᴘʀɪᴢᴇ",
		"emphasis":            "You have w**o**n a fr~~e~~e gift, cl*ai*m your pr**iz**e",
		"blanks of all kinds": "You\u00a0have\twon\na\u2003free   gift, claim\r\nyour prize",
		"digits":              "You hav3 w0n a fr33 g1ft, cla1m y0ur pr1ze",
		"one for l":           "Y0u have won a free gift, c1aim y0ur pr1ze",
		"signs":               "You h@ve won a free g!ft, cl@im your pr!ze",
		"spelled out":         "you h a v e won a free gift, c l a i m your p r i z e",
		"dots":                "you have won a free gift, c.l.a.i.m your p.r.i.z.e",
	} {
		if v := Judge(nil, "", text); points(v) < points(plain) {
			t.Errorf("%s: %g points, plain %g: %+v", how, points(v), points(plain), v.Reasons)
		}
	}
}

func TestGoodTextIsNoDisguise(t *testing.T) {
	for _, text := range []string{
		"We run k8s, S3 and Web3 at 24/7; B2B and B2C; gr8 to meet you; O365, i18n, 1st and 2nd.",
		"CRMка у нас своя, HRы тоже, а IT-отдел растёт.",
		"TGF-β and α-synuclein, λmax at 5 µm, Δt of 3 ms.",
		"Family emoji 👨\u200d👩\u200d👧 and a flag 🇩🇪 and a heart ❤\ufe0f in one text.",
		"می\u200cخواهم درباره پروژه صحبت کنم",
		"J. R. R. T. is a set of initials; U S A too; call me at five, will you?",
		"Café, naïve, Zoë, Müller, Łódź, São Paulo: names are written with accents.",
		"Mail joe.blow@acme-tools.example, or see www.acme.example/free-entry/you-have-won.",
	} {
		for _, r := range Judge(nil, "", text).Reasons {
			t.Errorf("%s %g: %s", r.Code, r.Points, text)
		}
	}
}

func TestStructuralSignals(t *testing.T) {
	for text, code := range map[string]string{
		"THIS IS A MESSAGE IN CAPITALS AND MORE OF THEM":              "capitals",
		"What do you say???":                                          "punctuation",
		"We pay 4 000 $ for it":                                       "money",
		"We pay €4000 for it":                                         "money",
		"Look: http://bit.ly/abc":                                     "short_link",
		"Look: https://tinyurl.com/abc?x=1":                           "short_link",
		"Look: http://192.0.2.7:8080/a":                               "odd_link",
		"Look: https://xn--pypal-4ve.example/login":                   "odd_link",
		"Look: [www.acme.com](https://evil.example/acme.com)":         "misleading_link",
		"Look: [acme.com/jobs](http://acme.com.evil.example)":         "misleading_link",
		"Look: https://a.example https://b.example https://c.example": "links",
		"A w\u200bord":                        "hidden_letters",
		"A wоrd in Latin letters but for one": "mixed_script",
		"Call 0906 123 4567 for it":           "paid_number",
		"🚀🚀🚀 to the moon":                     "pictures",
	} {
		found := false
		for _, r := range Judge(nil, "", text).Reasons {
			found = found || r.Code == code
		}
		if !found {
			t.Errorf("%s is not found in %q: %+v", code, text, Judge(nil, "", text).Reasons)
		}
	}
	for _, text := range []string{
		"Look: [our jobs](https://acme.example/jobs) and [www.acme.example](https://jobs.acme.example/all)",
		"Two links: https://a.example/1 https://a.example/2 https://a.example/3",
		"Really?! Yes!",
		"OK, SAP and AWS it is",
		"Call +44 20 7946 0123",
		"Rails 8.0.2 e.g.to.do and i.e. this, v1.2.3",
	} {
		if v := Judge(nil, "", text); len(v.Reasons) != 0 {
			t.Errorf("%q: %+v", text, v.Reasons)
		}
	}
}

// TestWordsStayOutOfWhatIsStored checks R27: the stored form of a verdict contains no word of the message.
func TestWordsStayOutOfWhatIsStored(t *testing.T) {
	m := NewModel()
	for _, e := range Sample(1) {
		m.Observe(e.Subject, e.Body, e.Spam)
	}
	v := Judge(m, "Hello Sir", "We are a leading offshore company from Minsk. Kindly share your requirement. Zanzibarite!")
	if !v.Spam {
		t.Fatalf("%+v", v)
	}
	stored := toJSON(t, v)
	for _, word := range []string{"offshore", "kindly", "zanzibarite", "sir"} {
		if strings.Contains(strings.ToLower(stored), word) {
			t.Errorf("%q is in %s", word, stored)
		}
	}
	for _, r := range v.Reasons {
		if r.Code == "learned" && (r.Words == "" || len(strings.Fields(r.Words)) > 3) {
			t.Errorf("words %q", r.Words)
		}
	}
}
