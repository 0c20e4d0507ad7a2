package sandbox

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// csvFormat is the CSV dialect of a bulk job.
type csvFormat struct {
	delimiter byte
	crlf      bool // lines end in CRLF, else in LF
}

var delimiters = map[string]byte{
	"BACKQUOTE": '`', "CARET": '^', "COMMA": ',', "PIPE": '|', "SEMICOLON": ';', "TAB": '\t',
}

// csvError is the line and the reason of data that cannot be read.
type csvError struct {
	line   int
	reason string
}

func (e *csvError) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.reason) }

// csvReader reads rows strictly: RFC 4180, the same line ending throughout, quotes only around entire
// cells.
type csvReader struct {
	format csvFormat
	in     *bufio.Reader
	data   string // what is left of the current row
	line   int
}

func newCSVReader(in io.Reader, format csvFormat) *csvReader {
	return &csvReader{format: format, in: bufio.NewReaderSize(in, 64<<10), line: 1}
}

// more reads lines into data until their quotes are balanced: then the row is complete.
func (r *csvReader) more() error {
	var row strings.Builder
	for quotes := 0; ; {
		text, err := r.in.ReadString('\n')
		row.WriteString(text)
		if quotes += strings.Count(text, `"`); err != nil || quotes%2 == 0 {
			if r.data = row.String(); errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}

// next returns the next row, or nil at the end.
func (r *csvReader) next() ([]string, error) {
	if err := r.more(); r.data == "" || err != nil {
		return nil, err
	}
	if !utf8.ValidString(r.data) {
		return nil, &csvError{r.line, "the data is not UTF-8"}
	}
	var row []string
	for {
		cell, err := r.cell()
		if err != nil {
			return nil, err
		}
		row = append(row, cell)
		switch {
		case r.data == "":
			return row, nil
		case r.data[0] == r.format.delimiter:
			r.data = r.data[1:]
			if r.data == "" {
				return append(row, ""), nil
			}
		case r.lineEnd():
			return row, nil
		default:
			return nil, &csvError{r.line, "the line ending is not the one that the job names"}
		}
	}
}

// lineEnd consumes a line ending of the job's kind, if one follows.
func (r *csvReader) lineEnd() bool {
	end := "\n"
	if r.format.crlf {
		end = "\r\n"
	}
	if !strings.HasPrefix(r.data, end) {
		return false
	}
	r.data = r.data[len(end):]
	r.line++
	return true
}

func (r *csvReader) cell() (string, error) {
	if r.data != "" && r.data[0] == '"' {
		return r.quoted()
	}
	end := len(r.data)
	for i := range len(r.data) {
		c := r.data[i]
		if c == '"' {
			return "", &csvError{r.line, "a quote inside a cell that is not quoted"}
		}
		if c == r.format.delimiter || c == '\n' || c == '\r' {
			end = i
			break
		}
	}
	cell := r.data[:end]
	r.data = r.data[end:]
	return cell, nil
}

func (r *csvReader) quoted() (string, error) {
	var cell strings.Builder
	rest := r.data[1:]
	start := r.line
	for {
		i := strings.IndexByte(rest, '"')
		if i < 0 {
			return "", &csvError{start, "a quote that is not closed"}
		}
		cell.WriteString(rest[:i])
		r.line += strings.Count(rest[:i], "\n")
		rest = rest[i+1:]
		if rest == "" || rest[0] != '"' {
			r.data = rest
			if rest != "" && rest[0] != r.format.delimiter && rest[0] != '\n' && rest[0] != '\r' {
				return "", &csvError{r.line, "text behind a closing quote"}
			}
			return cell.String(), nil
		}
		cell.WriteByte('"')
		rest = rest[1:]
	}
}

// appendCSV writes one row with every cell quoted, as the org does.
func appendCSV(out []byte, format csvFormat, cells ...string) []byte {
	for i, cell := range cells {
		if i > 0 {
			out = append(out, format.delimiter)
		}
		out = append(out, '"')
		out = append(out, strings.ReplaceAll(cell, `"`, `""`)...)
		out = append(out, '"')
	}
	if format.crlf {
		out = append(out, '\r')
	}
	return append(out, '\n')
}
