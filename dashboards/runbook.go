package dashboards

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

// Delay is the time from the start of trouble to an alert, and its parts: what the rule looks back on or
// waits for, and last how long the condition must be true.
type Delay struct {
	Text  string // the sum as written
	Total time.Duration
	Parts []time.Duration
}

var callsAfter = regexp.MustCompile(`\*\*Calls after\*\* (\w+)(?: = ([\w +]+\w))?\.`)

// Delays reads the delay of each alert from the runbook in README.md: "**Calls after** 15m = 10m + 5m.".
func Delays() (map[string]Delay, error) {
	readme, err := Committed.ReadFile("README.md")
	if err != nil {
		return nil, fmt.Errorf("read the runbook: %w", err)
	}
	return delays(string(readme))
}

func delays(readme string) (map[string]Delay, error) {
	_, runbook, found := strings.Cut(readme, "\n## Runbook\n")
	if !found {
		return nil, fmt.Errorf("README.md has no runbook")
	}
	all := map[string]Delay{}
	for _, section := range strings.Split(runbook, "\n### ")[1:] {
		alert, text, _ := strings.Cut(section, "\n")
		stated := callsAfter.FindStringSubmatch(text)
		if stated == nil {
			return nil, fmt.Errorf("the runbook does not say after how long %s calls", alert)
		}
		d := Delay{Text: stated[1]}
		var err error
		if d.Total, err = span(stated[1]); err != nil {
			return nil, fmt.Errorf("after how long %s calls: %w", alert, err)
		}
		parts := stated[1]
		if stated[2] != "" {
			parts = stated[2]
		}
		for part := range strings.SplitSeq(parts, " + ") {
			length, err := span(part)
			if err != nil {
				return nil, fmt.Errorf("after how long %s calls: %w", alert, err)
			}
			d.Parts = append(d.Parts, length)
		}
		all[alert] = d
	}
	return all, nil
}

func span(text string) (time.Duration, error) {
	d, err := model.ParseDuration(text)
	return time.Duration(d), err
}
