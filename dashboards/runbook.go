package dashboards

import (
	"fmt"
	"regexp"
	"strconv"
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

// Command is one command of the runbook and what the comment behind it says of the time of the trouble.
type Command struct {
	Text  string
	Shows []string // what it prints, in quotation marks
	Exits int      // its exit code
}

// Runbook returns the commands of each alert as they stand in README.md, in blocks of fenced lines. Those
// under the empty name come before all of them.
func Runbook() (map[string][][]Command, error) {
	readme, err := Committed.ReadFile("README.md")
	if err != nil {
		return nil, fmt.Errorf("read the runbook: %w", err)
	}
	return ReadRunbook(string(readme))
}

var (
	shows = regexp.MustCompile(`\bshows\b.*`)
	quote = regexp.MustCompile(`"((?:[^"]|":")+?)"(?:[ ,.]|$)`)
	exits = regexp.MustCompile(`\bexits with (\d+)`)
)

// ReadRunbook reads the commands of a README.md.
func ReadRunbook(readme string) (map[string][][]Command, error) {
	_, text, found := strings.Cut(readme, "\n## Runbook\n")
	if !found {
		return nil, fmt.Errorf("README.md has no runbook")
	}
	all := map[string][][]Command{}
	for i, section := range strings.Split(text, "\n### ") {
		alert, body, _ := strings.Cut(section, "\n")
		if i == 0 {
			alert, body = "", section
		}
		all[alert] = nil
		for n, part := range strings.Split(body, "```") {
			if n%2 == 0 {
				continue
			}
			lines, shell := strings.CutPrefix(part, "sh\n")
			if !shell {
				return nil, fmt.Errorf("%s: a block that is not of sh", alert)
			}
			var block []Command
			for line := range strings.Lines(lines) {
				if line = strings.TrimSpace(line); line != "" {
					block = append(block, command(line))
				}
			}
			all[alert] = append(all[alert], block)
		}
	}
	return all, nil
}

// command reads a line of the runbook. The comment is a part of its text: the shell leaves it out.
func command(line string) Command {
	c := Command{Text: line}
	_, comment, _ := strings.Cut(line, " # ")
	for _, said := range quote.FindAllStringSubmatch(shows.FindString(comment), -1) {
		c.Shows = append(c.Shows, said[1])
	}
	if code := exits.FindStringSubmatch(comment); code != nil {
		c.Exits, _ = strconv.Atoi(code[1]) // of digits
	}
	return c
}
