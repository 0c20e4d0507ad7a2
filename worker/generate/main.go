// Command generate writes the table of task types into worker/README.md, from the table that the program
// reads.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"inmail/domain/mailroom"
)

func main() {
	readme := flag.String("readme", "worker/README.md", "the file whose marked section is written")
	flag.Parse()
	if err := generate(*readme); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func generate(readme string) error {
	before, err := os.ReadFile(readme)
	if err != nil {
		return fmt.Errorf("read the README whose section is to be written: %w", err)
	}
	after, err := written(string(before), table(mailroom.TaskKinds()))
	if err != nil {
		return err
	}
	if err := os.WriteFile(readme, []byte(after), 0o644); err != nil {
		return fmt.Errorf("write the README: %w", err)
	}
	return nil
}

// The marks of the section.
const (
	start = "<!-- tasks: made by go run ./worker/generate -->\n"
	end   = "<!-- /tasks -->\n"
)

// written returns a README with section between the marks, and the rest of it unchanged.
func written(readme, section string) (string, error) {
	before, rest, found := strings.Cut(readme, start)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		return "", errors.New("README.md has no section of tasks: its two marks are missing")
	}
	return before + start + "\n" + section + "\n" + end + after, nil
}

// table returns kinds as a Markdown table.
func table(kinds []mailroom.TaskKind) string {
	var b strings.Builder
	b.WriteString("| Task | Queue | Asked for by | Does | Time-out | Retries |\n|---|---|---|---|---|---|\n")
	for _, k := range kinds {
		retries := "the next slot"
		if k.Retries > 0 {
			retries = strconv.Itoa(k.Retries)
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s | %s | %s |\n",
			k.Type, k.Queue, askedBy(k), k.Does, short(k.Timeout), retries)
	}
	return b.String()
}

// askedBy names all who enqueue tasks of a kind, beginning with the schedule and its interval.
func askedBy(k mailroom.TaskKind) string {
	var all []string
	if k.Every > 0 {
		schedule := "the schedule, every " + short(k.Every)
		if k.Setting != "" {
			schedule += " or `INMAIL_" + strings.ToUpper(k.Setting) + "`"
		}
		all = append(all, schedule)
	}
	if k.AskedBy != "" {
		all = append(all, k.AskedBy)
	}
	return strings.Join(all, "; ")
}

// short writes a duration in the largest unit of which it is a whole number: 24 h, 90 s.
func short(d time.Duration) string {
	for _, unit := range []struct {
		name string
		of   time.Duration
	}{{"h", time.Hour}, {"min", time.Minute}, {"s", time.Second}} {
		if d%unit.of == 0 {
			return fmt.Sprintf("%d %s", d/unit.of, unit.name)
		}
	}
	return d.String()
}
