package spam

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func codes(v Verdict) []string {
	var all []string
	for _, r := range v.Reasons {
		all = append(all, r.Code)
	}
	return all
}

func TestField(t *testing.T) {
	t.Run("F33_hosts_are_compared_by_look", func(t *testing.T) {
		for _, row := range []struct {
			body string
			want []string // the signals of links
		}{
			{"Look: [bücher.example](https://www.xn--bcher-kva.example/a)", nil},
			{"Look: [paypal.com](https://раураl.com/a)", []string{"misleading_link", "odd_link"}},
			{"Look: https://xn--bcher-kva.example", nil},
			{"Look: https://bücher.example/a and https://xn--e1afmkfd.xn--p1ai", nil},
			{"Look: [xn--bcher-kva.example](https://bücher.example)", nil},
			{"Look: [**BÜCHER.example**](<https://b%C3%BCcher.example>)", nil},
			{"Look: [paypal.com](https://paypa1.com/a)", []string{"misleading_link", "odd_link"}},
			{"Look: [apple.com](https://xn--80ak6aa92e.com)", []string{"misleading_link", "odd_link"}},
			{"Look: https://xn--80ak6aa92e.com/login", []string{"odd_link"}},
			{"Look: раураl.com/login", []string{"odd_link"}},
			{"Look: [paypal.example](https://evil.example)", []string{"misleading_link"}},
			{"Look: [pay~~pal~~.com](https://evil.example)", []string{"misleading_link"}},
			{"Look: [here](https://paypal.example@evil.example)", []string{"misleading_link"}},
			{"Look: [postfinance.ch](https://evil.example)", []string{"misleading_link"}},
			{"Look: [README.md](https://git.example/acme/README.md)", nil},
			{"Look: [careers.acme.co.uk](https://jobs.acme.co.uk)", nil},
		} {
			v := Judge(nil, "", row.body)
			var got []string
			for _, code := range codes(v) {
				if code == "misleading_link" || code == "odd_link" {
					got = append(got, code)
				}
			}
			if !slices.Equal(got, row.want) || v.Spam != (len(row.want) == 2) {
				t.Errorf("%q: %q, refused %t, want %q", row.body, got, v.Spam, row.want)
			}
		}
	})

	t.Run("F42_spam_that_was_missed", func(t *testing.T) {
		for kind, texts := range missed {
			for _, text := range texts {
				if v := Judge(nil, "", text); !v.Spam {
					t.Errorf("%s: missed with %g points (%+v): %s", kind, points(v), v.Reasons, text)
				}
			}
		}
	})

	t.Run("F42_honest_letters_pass", func(t *testing.T) {
		perLanguage := map[string]int{}
		total := 0
		for _, l := range letters(t) {
			perLanguage[l.language]++
			total++
			if v := Judge(nil, l.subject, l.body); v.Spam {
				t.Errorf("%s: refused with %g points (%+v): %s: %s", l.language, points(v), v.Reasons, l.subject, l.body)
			}
		}
		for _, language := range []string{"en", "de", "fr", "es", "pt", "zh", "ar"} {
			if perLanguage[language] < 28 {
				t.Errorf("%d letters in %s", perLanguage[language], language)
			}
		}
		if total < 200 {
			t.Errorf("%d letters, want 200", total)
		}
	})

	t.Run("F42_a_row_of_letters_alone_is_no_spam", func(t *testing.T) {
		for _, text := range []string{
			"S A V E  T H E  D A T E: our alumni dinner is on 12 June in Boston. Can I count you in?",
			"Chords for Sunday: A D G C, then E A D G B E, and H C F Bb. See you at nine!",
			"J. R. R. T. and C. S. L. met at the pub; so could we. Shall we say Tuesday, Anna?",
			"A G E N D A\n\n1. numbers\n2. hiring\n3. the move to Leeds\n\nShall I send the slides before Thursday, or bring them?",
		} {
			if v := Judge(nil, "", text); points(v) > 4 {
				t.Errorf("%g points (%+v): %s", points(v), v.Reasons, text)
			}
		}
	})
}

// honest is a letter of testdata/letters.tsv, which were written for this test.
type honest struct{ language, subject, body string }

func letters(t *testing.T) []honest {
	t.Helper()
	text, err := os.ReadFile("testdata/letters.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var all []honest
	for i, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		fields := strings.Split(line, "\t")
		if len(fields) != 3 {
			t.Fatalf("line %d has %d fields", i+1, len(fields))
		}
		all = append(all, honest{fields[0], fields[1], strings.ReplaceAll(fields[2], `\n`, "\n")})
	}
	return all
}

// missed is spam of the kinds that a fresh installation let pass.
var missed = map[string][]string{
	"blanks between all letters": {
		"C l a i m y o u r f r e e g i f t c a r d n o w",
		"M a k e m o n e y f r o m h o m e e v e r y d a y , a s k m e h o w",
		"Y o u h a v e w o n a c a s h p r i z e ! A n s w e r t o d a y",
		"H e l l o A n n a , d o u b l e y o u r b i t c o i n i n t e n d a y s",
		"W e  o f f e r  l o a n s  w i t h o u t  c o l l a t e r a l ,  a s k  f o r  t h e  f o r m",
		"Dear Anna, w o r k f r o m h o m e a n d e a r n 5 0 0 d o l l a r s a d a y",
		"V.i.s.i.t o.u.r o.n.l.i.n.e c.a.s.i.n.o f.o.r a w.e.l.c.o.m.e b.o.n.u.s",
		"S c h n e l l e s G e l d v o n z u H a u s e , s c h r e i b e n S i e m i r h e u t e",
		"Y-o-u-r a-c-c-o-u-n-t w-i-l-l b-e s-u-s-p-e-n-d-e-d, v-e-r-i-f-y i-t n-o-w",
	},
	"part-time job by messenger": {
		"Hello, I am Lisa from HR. We offer a part-time job: 30 to 60 minutes a day on your phone, 100 to 300 euros per day. Add me on WhatsApp: https://wa.me/4915555512345",
		"Are you looking for a remote job? Simple tasks, no experience needed, $200 a day, paid daily. Message our manager on Telegram: https://t.me/hr_manager_lisa",
		"Hi, our platform needs online assistants. Rate hotels in your free time and earn 150 usd daily. Contact us on WhatsApp +44 7700 900123.",
		"Nebenjob von zu Hause: 30 Minuten am Tag, 80 bis 250 Euro täglich, keine Vorkenntnisse. Schreiben Sie mir auf WhatsApp: +49 1555 5512345.",
		"Emploi à temps partiel depuis chez vous, sans expérience, 100 à 300 euros par jour. Contactez-moi sur Telegram : https://t.me/rh_julie",
		"Trabajo de medio tiempo desde casa: solo necesita su celular, 50 a 200 dólares por día, sin experiencia. Escriba por WhatsApp: https://wa.me/5215555512345",
		"Trabalho online em meio período, 30 minutos por dia no seu celular, R$ 300 por dia, sem experiência. Chame no WhatsApp: https://wa.me/5511955551234",
		"招聘兼职，手机操作，每天300元，日结，无需经验，在家就能做，有意请加微信：lisa8888",
		"網路兼職，一部手機即可，在家輕鬆做，日結500元，請加 Telegram：https://t.me/hr_lisa",
		"وظيفة بدوام جزئي من المنزل، بدون خبرة، 100 دولار يوميا، تواصل معنا عبر واتساب https://wa.me/971555551234",
		"عمل جزئي من البيت عن طريق هاتفك، دخل يومي من 50 إلى 200 دولار، راسلنا على تيليجرام https://t.me/hr_sara",
	},
	"prize in Chinese or Arabic with a short link": {
		"恭喜您中奖了！您的手机号码被抽中，获得一部新手机，请点击https://bit.ly/3xYzAbC领取奖品。",
		"尊敬的用户：您已中奖，奖金八千元，请立即点击链接 t.cn/A6abcDE 领取，逾期作废。",
		"您的号码被选为幸运用户，免费领取红包，点击tinyurl.com/abc123马上领取。",
		"恭喜你獲得大獎！請點擊連結 https://reurl.cc/abc123 領取獎品，限時三天。",
		"幸运号码已经公布，您是本期的中奖用户，领取奖金请看 dwz.cn/AbCdEf",
		"مبروك! لقد ربحت جائزة نقدية قدرها 5000 دولار. لاستلام جائزتك اضغط على الرابط https://bit.ly/3abcDEF",
		"تهانينا، لقد فزت بجائزة iPhone 15. اضغط هنا: https://tinyurl.com/ab12cd",
		"تم اختيار رقمك في السحب الكبير، استلم جائزتك قبل انتهاء العرض: https://cutt.ly/abc12",
		"عزيزي العميل، لقد تم اختيارك للفوز بهدية مجانية، سارع بالدخول إلى bit.ly/2xyzABC",
	},
}
