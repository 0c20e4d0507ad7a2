package mailroom

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"inmail/domain"
)

// FuzzImportLine checks that a line is accepted only when it is JSON and of exactly one kind, and that its
// faults are described in text that can be stored.
func FuzzImportLine(f *testing.F) {
	for _, seed := range []string{`{"member":{"id":"a","name":"Ann","anchor_day":1.5e1,"skills":["x"]}}`, `{"connection":["a","b"]}`, `{"block":["a","b"]}`, `{}`,
		`{"inmail":{"from":"a","to":"b","subject":"s","body":"\ud83d\ude00","tags":[],"key":"k","crm":{"lead_id":""},"attachment":{"a":[1]}}}`, `{"member":null}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		l, err := parseLine(bytes.Clone(line))
		if err != nil {
			var r *domain.Refusal
			if !errors.As(err, &r) || r.Code != domain.BadRequest || !utf8.ValidString(r.Detail) || len(r.Detail) > 300 {
				t.Fatalf("%q: %v", line, err)
			}
			return
		}
		var kinds map[string]json.RawMessage
		if err := json.Unmarshal(line, &kinds); err != nil || len(kinds) != 1 || kinds[l.kind()] == nil {
			t.Fatalf("%q was taken for a %s: %v", line, l.kind(), err)
		}
	})
}

// FuzzReadLine checks that lines are split at line breaks, however a stream arrives.
func FuzzReadLine(f *testing.F) {
	f.Add([]byte("a\r\n\n\r\nb"), 0)
	f.Add([]byte("a\n"), MaxImportLine)
	f.Add([]byte("\r\na\r"), MaxImportLine-1)
	f.Fuzz(func(t *testing.T, stream []byte, blanks int) {
		stream = append(bytes.Repeat([]byte(" "), min(max(blanks, 0), 3*MaxImportLine)), stream...)
		in := bufio.NewReaderSize(iotest.HalfReader(bytes.NewReader(stream)), MaxImportLine+len("\r\n"))
		for i, want := range strings.Split(string(stream), "\n") {
			want = strings.TrimSuffix(want, "\r")
			line, tooLong, err := readLine(in)
			if tooLong != (len(want) > MaxImportLine) || !tooLong && string(line) != want {
				t.Fatalf("line %d is %q (too long: %v), want %q", i+1, line, tooLong, want)
			}
			if last := i == bytes.Count(stream, []byte("\n")); last != errors.Is(err, io.EOF) {
				t.Fatalf("line %d: %v", i+1, err)
			}
		}
	})
}
