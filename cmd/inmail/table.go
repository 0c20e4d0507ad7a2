package main

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"

	"inmail/domain/richtext"
)

// tableWidth is the width of the terminal that tables are printed on; 0: none, so that they are whole. It is
// set before a command begins.
var tableWidth int

// widthOf returns the width of a terminal, as COLUMNS says or it says itself; 0 when it is none.
func widthOf(f *os.File) int {
	if !isTerminal(f) {
		return 0
	}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		return n
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// table aligns columns. Cells may be written by others, so each is shown as a line (F38).
type table struct {
	rows    [][]string
	headed  bool // the first row has the names of the columns
	inmails int  // the column with the ids of InMails, which may be shown short; -1: none
}

// newTable makes a table, with a header row if there are names.
func newTable(head ...string) *table {
	t := &table{headed: len(head) > 0, inmails: -1}
	if t.headed {
		t.row(head...)
	}
	return t
}

// ofInMails makes a table whose column ID has ids of InMails, which commands take short too.
func ofInMails(head ...string) *table {
	t := newTable(head...)
	t.inmails = slices.Index(head, "ID")
	return t
}

func (t *table) row(cells ...string) {
	for i, cell := range cells {
		cells[i] = plain(cell)
	}
	t.rows = append(t.rows, cells)
}

// String returns the table without blanks at the ends of lines. On a terminal a table with names of columns
// fits tableWidth, as far as texts and the ids of InMails can be shortened.
func (t *table) String() string {
	if tableWidth > 0 && t.headed {
		t.fit(tableWidth)
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 4, columnGap, ' ', 0)
	for _, cells := range t.rows {
		fmt.Fprintln(w, strings.Join(cells, "\t")) // no error: it writes to a strings.Builder
	}
	w.Flush()
	lines := strings.Split(b.String(), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return strings.Join(lines, "\n")
}

const (
	columnGap = 2 // blanks between columns
	leastText = 8 // characters that are left of a text at least
	leastID   = 8 // characters of a short id at least
)

// widths returns the widest cell of each column, and how wide the table is.
func (t *table) widths() (widths []int, whole int) {
	for _, cells := range t.rows {
		for i, cell := range cells {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, n := range widths {
		whole += n
	}
	return widths, whole + columnGap*max(0, len(widths)-1)
}

// fit shortens the ids of InMails and then the widest texts, until the table is as wide as width. A text has
// blanks and begins with a letter: ids, times and figures are never cut.
func (t *table) fit(width int) {
	widths, whole := t.widths()
	if whole <= width {
		return
	}
	if t.inmails >= 0 {
		t.shorten(t.inmails)
		widths, whole = t.widths()
	}
	texts := make([]bool, len(widths))
	for _, cells := range t.rows[1:] {
		for i, cell := range cells {
			first, _ := utf8.DecodeRuneInString(cell)
			texts[i] = texts[i] || unicode.IsLetter(first) && strings.Contains(cell, " ")
		}
	}
	for ; whole > width; whole-- {
		widest := -1
		for i, n := range widths {
			if texts[i] && n > leastText && (widest < 0 || n > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
	}
	for _, cells := range t.rows[1:] {
		for i := range cells {
			if texts[i] {
				cells[i] = cut(cells[i], widths[i])
			}
		}
	}
}

// shorten leaves of the ids in a column the shortest ends that set them apart.
func (t *table) shorten(column int) {
	ids := map[string]bool{}
	for _, cells := range t.rows[1:] {
		ids[cells[column]] = true
	}
	n := leastID
	for ; n < len(absentID); n++ {
		ends := map[string]bool{}
		for id := range ids {
			ends[id[max(0, len(id)-n):]] = true
		}
		if len(ends) == len(ids) {
			break
		}
	}
	for _, cells := range t.rows[1:] {
		cells[column] = cells[column][max(0, len(cells[column])-n):]
	}
}

// absentID has the form of an InMail's id.
const absentID = "00000000-0000-0000-0000-000000000000"

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

const whenLayout = "2 Jan 2006 15:04"

// when formats a time in the local time zone; empty for the zero time.
func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format(whenLayout)
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
