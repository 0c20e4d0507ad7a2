package main

import (
	"fmt"
	"math"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"inmail/domain/richtext"
)

// table aligns columns. Cells may be written by others, so each is shown as a line (F38).
type table struct {
	b strings.Builder
	w *tabwriter.Writer
}

// newTable makes a table, with a header row if there are names.
func newTable(head ...string) *table {
	t := &table{}
	t.w = tabwriter.NewWriter(&t.b, 0, 4, 2, ' ', 0)
	if len(head) > 0 {
		t.row(head...)
	}
	return t
}

func (t *table) row(cells ...string) {
	for i, cell := range cells {
		cells[i] = plain(cell)
	}
	fmt.Fprintln(t.w, strings.Join(cells, "\t")) // no error: it writes to a strings.Builder
}

// String returns the table without blanks at the ends of lines.
func (t *table) String() string {
	t.w.Flush()
	lines := strings.Split(t.b.String(), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return strings.Join(lines, "\n")
}

// plain returns s as one line (F38), so that a name can neither move the terminal's cursor nor reverse its
// row.
func plain(s string) string { return richtext.Line(s) }

// prose returns a text of several lines without control characters, except line breaks; a tab becomes four
// blanks.
func prose(s string) string {
	s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\t", "    ")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' {
			return -1
		}
		return r
	}, s)
}

// cut shortens s to at most n characters, the last of which is then an ellipsis.
func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return strings.TrimSpace(string([]rune(s)[:n-1])) + "…"
}

// when formats a time in the local time zone; empty for the zero time.
func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2 Jan 2006 15:04")
}

// moment formats a time like when, with its time zone.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2 Jan 2006 15:04 MST")
}

// span formats a duration by its two largest units; under a minute by one.
func span(d time.Duration) string {
	days, hours, minutes := int(d/(24*time.Hour)), int(d/time.Hour)%24, int(d/time.Minute)%60
	switch {
	case days > 0:
		return fmt.Sprintf("%d d %d h", days, hours)
	case hours > 0:
		return fmt.Sprintf("%d h %d min", hours, minutes)
	case minutes > 0:
		return fmt.Sprintf("%d min %d s", minutes, int(d/time.Second)%60)
	case d >= time.Second:
		return fmt.Sprintf("%d s", int(d/time.Second))
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}

// bar draws a share of 0 to 1 as a bar of width characters, to the eighth of a character.
func bar(share float64, width int) string {
	eighths := int(math.Round(min(1, max(0, share)) * float64(width) * 8))
	drawn := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		drawn += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return drawn + strings.Repeat("·", width-utf8.RuneCountInString(drawn))
}

// count returns n with its noun, which forms its plural by an s.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// moreOf returns the line about how to see the next page; empty when there is none (nil).
func moreOf(next *string) string {
	if next == nil {
		return ""
	}
	return "\nmore: --cursor " + plain(*next) + ", or --all\n"
}
