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
	line int    // in the file, from 1
	id   string // as it is written; it may be no member id
}

// idColumn is the column of a list with a header that has the ids; other columns are left alone.
const idColumn = "id"

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

// headerOf reports whether the first line that is not empty is a header with the column id, and what
// separates its columns.
func headerOf(text string) (comma rune, found bool) {
	for line := range strings.SplitSeq(text, "\n") {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		for _, comma := range ",;\t" {
			if columns, err := csvReader(line, comma).Read(); err == nil && slices.Contains(columnNames(columns), idColumn) {
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

// columnNames returns the names of columns as they are compared.
func columnNames(header []string) []string {
	names := make([]string, len(header))
	for i, name := range header {
		names[i] = strings.ToLower(strings.TrimSpace(name))
	}
	return names
}

// readCSV reads a list with a header.
func readCSV(name, text string, comma rune) ([]recipient, error) {
	r := csvReader(text, comma)
	header, err := r.Read()
	if err != nil {
		return nil, usageError{fmt.Errorf("%s: %w", name, err)}
	}
	column := slices.Index(columnNames(header), idColumn)
	var list []recipient
	for {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, usageError{fmt.Errorf("%s: %w", name, err)}
		}
		if strings.TrimSpace(strings.Join(fields, "")) == "" {
			continue
		}
		line, _ := r.FieldPos(0)
		one := recipient{line: line}
		if column < len(fields) {
			one.id = strings.TrimSpace(fields[column])
		}
		list = append(list, one)
	}
}
