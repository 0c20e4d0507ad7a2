package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// maxList is the longest list of recipients that is read, in bytes.
const maxList = 8 << 20

// recipient is one line of a list of recipients.
type recipient struct {
	line    int    // in the file, from 1
	id      string // as it is written; it may be no member id
	name    string // of a line without an id
	company string
	unclear *unclear // why the name led to no id
}

// columns are the columns of a list with a header that are read, by their place; -1: the list has none.
type columns struct{ id, name, company int }

// columnsOf returns the columns of a header; false: it is no header, since it has neither id nor name.
func columnsOf(header []string) (columns, bool) {
	names := make([]string, len(header))
	for i, name := range header {
		names[i] = strings.ToLower(strings.TrimSpace(name))
	}
	c := columns{slices.Index(names, "id"), slices.Index(names, "name"), slices.Index(names, "company")}
	return c, c.id >= 0 || c.name >= 0
}

// field returns a field of a row; empty when the row or the list has none.
func field(row []string, column int) string {
	if column < 0 || column >= len(row) {
		return ""
	}
	return strings.TrimSpace(row[column])
}

// readRecipients reads a list of recipients: one id on each line, or CSV with a header. Empty lines are
// ignored.
func readRecipients(cmd *cobra.Command, path string) ([]recipient, error) {
	text, err := readUpTo(cmd, path, maxList)
	if err != nil {
		return nil, err
	}
	if comma, found := headerOf(text); found {
		return readCSV(inputName(path), text, comma)
	}
	var list []recipient
	for i, line := range strings.Split(text, "\n") {
		if id := strings.TrimSpace(line); id != "" {
			list = append(list, recipient{line: i + 1, id: id})
		}
	}
	return list, nil
}

// headerOf reports whether the first line that is not empty is a header, and what separates its columns.
func headerOf(text string) (comma rune, found bool) {
	for line := range strings.SplitSeq(text, "\n") {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		for _, comma := range ",;\t" {
			header, err := csvReader(line, comma).Read()
			if _, is := columnsOf(header); err == nil && is {
				return comma, true
			}
		}
		return 0, false
	}
	return 0, false
}

func csvReader(text string, comma rune) *csv.Reader {
	r := csv.NewReader(strings.NewReader(text))
	r.Comma, r.FieldsPerRecord, r.TrimLeadingSpace = comma, -1, comma != '\t'
	return r
}

// readCSV reads a list with a header. A row without an id and a name keeps its place as an empty id.
func readCSV(name, text string, comma rune) ([]recipient, error) {
	r := csvReader(text, comma)
	header, err := r.Read()
	if err != nil {
		return nil, usageError{fmt.Errorf("%s: %w", name, err)}
	}
	at, _ := columnsOf(header)
	var list []recipient
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, usageError{fmt.Errorf("%s: %w", name, err)}
		}
		if strings.TrimSpace(strings.Join(row, "")) == "" {
			continue
		}
		line, _ := r.FieldPos(0)
		list = append(list, recipient{line: line, id: field(row, at.id), name: field(row, at.name),
			company: field(row, at.company)})
	}
}
