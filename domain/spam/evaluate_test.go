package spam

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadExamples(t *testing.T) {
	got, err := ReadExamples(strings.NewReader("\uFEFFham\tOk, see you\r\n\n  \nspam\tWin\ta prize\nham\tlast"))
	if err != nil {
		t.Fatal(err)
	}
	want := []Example{{false, "", "Ok, see you"}, {true, "", "Win\ta prize"}, {false, "", "last"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("examples (-want +got):\n%s", diff)
	}
	for text, want := range map[string]string{
		"ham\tfine\nspam without a tab":                  "line 2: no tab between label and message",
		"ham\tfine\n\nSpam\tsecret":                      "line 3: the label is neither spam nor ham",
		"ham\t \n":                                       "line 1: the message is empty",
		"ham\tfine\nham\t" + strings.Repeat("x", 64<<10): "line 2: longer than 65536 bytes",
	} {
		if _, err := ReadExamples(strings.NewReader(text)); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func FuzzReadExamples(f *testing.F) {
	f.Add("ham\tOk\nspam\tWin")
	f.Add("\uFEFFham\t\n\xff\t")
	f.Fuzz(func(t *testing.T, text string) {
		examples, err := ReadExamples(strings.NewReader(text))
		if err != nil {
			if !strings.HasPrefix(err.Error(), "line ") {
				t.Errorf("no line is named: %v", err)
			}
			return
		}
		if lines := strings.Count(text, "\n") + 1; len(examples) > lines {
			t.Errorf("%d examples of %d lines", len(examples), lines)
		}
		for _, e := range examples {
			if strings.TrimSpace(e.Body) == "" || strings.Contains(e.Body, "\n") {
				t.Errorf("a message %q", e.Body)
			}
		}
	})
}

// TestFilterLearns judges generated messages that the model was not trained on. A fresh model finds the half
// of the spam that has phrases, a trained one nearly all of it, and neither refuses good messages.
func TestFilterLearns(t *testing.T) {
	for seed := range uint64(3) {
		test := Sample(100 + seed)
		r := Evaluate(Sample(seed), test)
		if r.Cold.Found < 0.45 || r.Cold.Found > 0.55 || r.Cold.FalseAlarms > 0.003 {
			t.Errorf("cold: %+v; half of the spam has phrases", r.Cold)
		}
		if r.Trained.Found < 0.97 || r.Trained.FalseAlarms > 0.006 {
			t.Errorf("trained: %+v", r.Trained)
		}
		c := r.Trained.Confusion
		if c.SpamRefused+c.SpamPassed != 200 || c.GoodRefused+c.GoodPassed != 600 {
			t.Errorf("the table does not add up: %+v", c)
		}
		// 120 of the 800 training examples already help, and cause no false alarms.
		few := Evaluate(Sample(seed)[:120], test).Trained
		if few.Found < r.Cold.Found+0.1 || few.FalseAlarms > 0.006 {
			t.Errorf("after 120 training examples: %+v", few)
		}
	}
}

// TestLearningFromOthersRefusesNoGoodInMail checks that a model trained on generated messages lets the good
// InMails of testdata pass.
func TestLearningFromOthersRefusesNoGoodInMail(t *testing.T) {
	m := trained(Sample(1))
	for _, e := range inmails(t) {
		if v := Judge(m, "", e.Body); v.Spam && !e.Spam {
			t.Errorf("score %g (%+v): %s", v.Score, v.Reasons, e.Body)
		}
	}
}

func TestEvaluateOfNothing(t *testing.T) {
	if got := Evaluate(nil, nil); got != (Report{}) {
		t.Errorf("%+v", got)
	}
}

func TestSampleIsTheSameAgain(t *testing.T) {
	if diff := cmp.Diff(Sample(42), Sample(42)); diff != "" {
		t.Errorf("the same seed (-first +second):\n%s", diff)
	}
	if cmp.Equal(Sample(42), Sample(43)) {
		t.Error("another seed gives the same")
	}
	for _, e := range Sample(42) {
		if strings.ContainsAny(e.Subject+e.Body, "{}") || e.Subject == "" || e.Body == "" {
			t.Errorf("not filled in: %+v", e)
		}
	}
}
