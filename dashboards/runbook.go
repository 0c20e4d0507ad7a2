package dashboards

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

// Delay is how long after its trouble began an alert calls, and what that is made of: what the rule looks back on or waits for,
// and at the end how long that must hold.
type Delay struct {
	Says  string // the sum as it is written
	Total time.Duration
	Parts []time.Duration
}

var callsAfter = regexp.MustCompile(`\*\*Calls after\*\* (\w+)(?: = ([\w +]+\w))?\.`)

// Delays reads from the runbook of README.md after how long each alert calls: "**Calls after** 15m = 10m + 5m.".
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
		d := Delay{Says: stated[1]}
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
