package spam

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// An Example is a message with its label.
type Example struct {
	Spam          bool
	Subject, Body string
}

// maxExample is the longest line that ReadExamples accepts, in bytes.
const maxExample = 64 << 10

// ReadExamples reads one message a line: spam or ham, a tab, and the text, which becomes the Body. Empty
// lines are skipped. The error names the first malformed line, counted from 1, and quotes no text.
func ReadExamples(r io.Reader) ([]Example, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxExample)
	var all []Example
	number := 0
	for lines.Scan() {
		number++
		line := strings.TrimPrefix(lines.Text(), "\uFEFF")
		if strings.TrimSpace(line) == "" {
			continue
		}
		label, text, tabbed := strings.Cut(line, "\t")
		switch {
		case !tabbed:
			return nil, fmt.Errorf("line %d: no tab between label and message", number)
		case label != "spam" && label != "ham":
			return nil, fmt.Errorf("line %d: the label is neither spam nor ham", number)
		case strings.TrimSpace(text) == "":
			return nil, fmt.Errorf("line %d: the message is empty", number)
		}
		all = append(all, Example{Spam: label == "spam", Body: text})
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return nil, fmt.Errorf("line %d: longer than %d bytes", number+1, maxExample)
	} else if err != nil {
		return nil, fmt.Errorf("read the line after %d: %w", number, err)
	}
	return all, nil
}

// A Report is how well messages are judged that the model was not trained on.
type Report struct {
	Cold    Rates // by a fresh model
	Trained Rates // by a model trained on other messages
}

// Rates are shares, 0..1, with the confusion matrix that they come from. A share of no messages is 0.
type Rates struct {
	Found       float64 // spam refused / spam
	FalseAlarms float64 // good refused / good
	Confusion   Confusion
}

// Confusion is the confusion matrix: messages counted by label and verdict.
type Confusion struct {
	SpamRefused, SpamPassed int
	GoodRefused, GoodPassed int
}

// Evaluate trains a model on train, each message once and in order, as an installation does. It then judges
// test with a fresh model and with the trained one.
func Evaluate(train, test []Example) Report {
	fresh, trained := NewModel(), NewModel()
	for _, e := range train {
		trained.Observe(e.Subject, e.Body, e.Spam)
	}
	var cold, learned Confusion
	for _, e := range test {
		cold.count(e.Spam, Judge(fresh, e.Subject, e.Body).Spam)
		learned.count(e.Spam, Judge(trained, e.Subject, e.Body).Spam)
	}
	return Report{Cold: cold.rates(), Trained: learned.rates()}
}

func (c *Confusion) count(spam, refused bool) {
	switch {
	case spam && refused:
		c.SpamRefused++
	case spam:
		c.SpamPassed++
	case refused:
		c.GoodRefused++
	default:
		c.GoodPassed++
	}
}

func (c Confusion) rates() Rates {
	return Rates{
		Found:       share(c.SpamRefused, c.SpamPassed),
		FalseAlarms: share(c.GoodRefused, c.GoodPassed),
		Confusion:   c,
	}
}

func share(refused, passed int) float64 {
	if refused+passed == 0 {
		return 0
	}
	return float64(refused) / float64(refused+passed)
}
