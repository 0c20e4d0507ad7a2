package mailroom

import (
	"reflect"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"inmail/domain"
	"inmail/domain/advice"
	"inmail/domain/spam"
)

// TestTextsOfAnyLengthCostLittle checks that of a text far over its limit only the beginning is read, by all
// that judge it, and that it is refused with the same codes and numbers all the same (R22, R23, R42).
func TestTextsOfAnyLengthCostLittle(t *testing.T) {
	const long = 1 << 20
	model := spam.NewModel()
	for _, e := range spam.Sample(1) {
		model.Observe(e.Subject, e.Body, e.Spam)
	}
	for name, c := range map[string]struct {
		subject, body string
		codes         []domain.Code
		got           int
	}{
		"subject": {strings.Repeat("word of mouth ", long/14), "Hi Anna", []domain.Code{domain.SubjectTooLong}, long/14*14 - 1},
		"subject, not ASCII": {strings.Repeat("Grüße, 您好 ", long/16), "Hi Anna", []domain.Code{domain.SubjectTooLong},
			long/16*10 - 1},
		"body":       {"Hi", strings.Repeat("word of mouth ", long/14), []domain.Code{domain.BodyTooLong}, long / 14 * 14},
		"empty body": {"Hi", strings.Repeat(" ", long), []domain.Code{domain.BodyTooLong}, long},
		"both": {strings.Repeat("x", long), "[a](javascript:x) " + strings.Repeat("y", long),
			[]domain.Code{domain.SubjectTooLong, domain.BodyTooLong, domain.LinkNotAllowed}, long},
		"spam": {"Hi", "You have won a lottery prize, claim your cash prize now! " + strings.Repeat("y", long),
			[]domain.Code{domain.BodyTooLong, domain.SpamContent}, long + 57},
	} {
		t.Run(name, func(t *testing.T) {
			var judged content
			var r *reading
			least, few := uint64(1<<62), uint64(len(c.subject)+len(c.body))/2
			for tries := 0; tries < 100 && least > few; tries++ { // other goroutines allocate too
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				r = readText(c.subject, c.body, false)
				judged = r.judge(model)
				runtime.ReadMemStats(&after)
				least = min(least, after.TotalAlloc-before.TotalAlloc)
			}
			if least > few {
				t.Errorf("%d bytes were allocated to judge a text of %d", least, 2*few)
			}
			var codes []domain.Code
			for _, refusal := range judged.refusals {
				codes = append(codes, refusal.Code)
			}
			if len(codes) != len(c.codes) {
				t.Fatalf("refused with %v, want %v", codes, c.codes)
			}
			for i, code := range c.codes {
				if codes[i] != code {
					t.Errorf("refused with %v, want %v", codes, c.codes)
				}
			}
			if judged.refusals[0].Got != c.got {
				t.Errorf("the refusal says %d, want %d", judged.refusals[0].Got, c.got)
			}
			if n := utf8.RuneCountInString(r.text.Subject) + utf8.RuneCountInString(r.text.Judged()); n > 2*domain.MaxBody {
				t.Errorf("%d characters are judged", n)
			}
			a := &Letter{Send: Send{Subject: c.subject, Body: c.body}, reading: r}
			b := &Letter{Send: Send{Subject: c.subject + "x", Body: c.body + "x"}, reading: readText(c.subject+"x", c.body+"x", false)}
			if a.digestOf(nil) == b.digestOf(nil) {
				t.Error("two long texts have one digest")
			}
		})
	}
}

// TestReadingIsWhatItsReadersRead checks that what a letter's one reading gives is what each part gives that
// reads the text by itself.
func TestReadingIsWhatItsReadersRead(t *testing.T) {
	to := domain.NewMember("anna", "Anna Schmidt")
	to.Headline, to.Company = "Head of Data", "Northwind"
	for _, e := range spam.Sample(3) {
		text := domain.ReadText(e.Subject, e.Body, false)
		r := readText(e.Subject, e.Body, false)
		if got, want := r.judge(nil).verdict != nil, spam.Judge(nil, text.Subject, text.Source).Spam; got != want {
			t.Errorf("%q is spam: %v, want %v", e.Body, got, want)
		}
		if got, want := r.print(&to), spam.NewFingerprint(text.Body.Text(), ownWords(&to)...); !reflect.DeepEqual(got, want) {
			t.Errorf("the fingerprint of %q differs", e.Body)
		}
		if got, want := r.advised().Preview(), text.Preview(); got != want {
			t.Errorf("the preview is %q, want %q", got, want)
		}
		if got, want := r.advised().Words(), advice.Words(text.Body.Text()); got != want {
			t.Errorf("%d words, want %d", got, want)
		}
	}
}
