package spam

import (
	"os"
	"testing"
)

// BenchmarkFiveFolds measures the filter on the messages of the file that INMAIL_TEST_SPAM names: each fifth
// is judged by a model that was trained on the other four, and by a fresh one. The project keeps no such
// file; any collection in the form of ReadExamples does, such as the SMS Spam Collection (Almeida, Gómez
// Hidalgo and Yamakami, 2011), for which the bounds below hold. Without one a made-up set is judged.
func BenchmarkFiveFolds(t *testing.B) {
	all, path := Sample(41), os.Getenv("INMAIL_TEST_SPAM")
	if path != "" {
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if all, err = ReadExamples(file); err != nil {
			t.Fatal(err)
		}
	}
	const folds = 5
	var cold, learned Confusion
	for fold := range folds {
		var train, test []Example
		for i, e := range all {
			if i%folds == fold {
				test = append(test, e)
			} else {
				train = append(train, e)
			}
		}
		r := Evaluate(train, test)
		cold.add(r.Cold.Confusion)
		learned.add(r.Trained.Confusion)
	}
	for name, c := range map[string]Confusion{"cold": cold, "trained": learned} {
		r := c.rates()
		t.Logf("%s: found %.2f %%, false alarms %.3f %% (%+v)", name, 100*r.Found, 100*r.FalseAlarms, c)
	}
	if r := learned.rates(); path != "" && (r.Found < 0.88 || r.FalseAlarms > 0.008) {
		t.Errorf("trained: found %.3f, want at least 0.88; false alarms %.4f, want at most 0.008", r.Found, r.FalseAlarms)
	}
}

func (c *Confusion) add(d Confusion) {
	c.SpamRefused += d.SpamRefused
	c.SpamPassed += d.SpamPassed
	c.GoodRefused += d.GoodRefused
	c.GoodPassed += d.GoodPassed
}
