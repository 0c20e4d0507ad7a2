package main

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"inmail/domain/mailroom"
)

// partLines is the most lines of one request of an import. They share a transaction, and are uncertain when
// the connection breaks.
const partLines = 500

// readAhead is how much of an input that cannot be read twice is checked before anything is imported, in
// bytes. When the first invalid byte comes later, the lines before it are imported.
const readAhead = 32 << 20

// importLines reads the lines of an import in parts. All that it returns is UTF-8: a part ends before the
// line with the first invalid byte.
type importLines struct {
	in    *bufio.Reader
	close func() error
	bar   *readProgress
	check encodingCheck
	rest  []byte // what is read of a line and not yet returned
	whole bool   // rest, or if it is empty what was returned last, ends with the end of a line
	begun int    // lines whose first byte was read
	left  int    // lines that may still follow in this part; negative: no limit
	fault error  // why there are no more lines; io.EOF at the end
}

// openImport opens the file at a line, with a progress bar. It checks the encoding of a whole file, or of the
// beginning of an input that cannot be read twice, before anything is imported.
func openImport(cmd *cobra.Command, path string, from int) (*importLines, error) {
	in, err := openInput(cmd, path)
	if err != nil {
		return nil, err
	}
	lines, err := newImportLines(cmd, in, inputName(path))
	if err == nil {
		err = lines.skip(from - 1)
	}
	if err == nil && from > 1 && !lines.more() {
		err = usageError{fmt.Errorf("--from-line: %s has %s", inputName(path), count(lines.begun, "line"))}
	}
	if err != nil {
		in.Close()
	}
	return lines, err
}

// newImportLines checks the encoding of in, as far as it can be read before the import, and returns its lines
// from the first on.
func newImportLines(cmd *cobra.Command, in io.ReadCloser, name string) (*importLines, error) {
	size, source, check := int64(-1), io.Reader(in), encodingCheck{name: name}
	if f, ok := in.(*os.File); ok {
		info, err := f.Stat()
		if err != nil {
			return nil, fmt.Errorf("import: %w", err)
		}
		if info.Mode().IsRegular() {
			size = info.Size()
		}
	}
	buffered := &bytes.Buffer{}
	if f, ok := in.(io.Seeker); ok && size >= 0 {
		if _, err := io.Copy(&check, in); err != nil {
			return nil, err
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return nil, fmt.Errorf("import: %w", err)
		}
	} else {
		if _, err := io.CopyN(io.MultiWriter(&check, buffered), in, readAhead); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		source = io.MultiReader(buffered, in)
	}
	if buffered.Len() < readAhead {
		if err := check.end(); err != nil {
			return nil, err
		}
	}
	bar := &readProgress{}
	if f, ok := cmd.ErrOrStderr().(*os.File); ok && isTerminal(f) {
		bar.bar = progressbar.NewOptions64(size, progressbar.OptionSetDescription("importing"),
			progressbar.OptionSetWriter(f), progressbar.OptionThrottle(65*time.Millisecond),
			progressbar.OptionShowBytes(true), progressbar.OptionClearOnFinish())
	}
	return &importLines{in: bufio.NewReaderSize(io.TeeReader(source, bar), mailroom.MaxImportLine),
		close: in.Close, bar: bar, check: encodingCheck{name: name}, whole: true}, nil
}

// skip skips n lines.
func (l *importLines) skip(n int) error {
	l.left = n
	_, err := io.Copy(io.Discard, l)
	return cmp.Or(err, l.err())
}

// more reports whether there is another line.
func (l *importLines) more() bool { return len(l.rest) > 0 || l.look() }

// part returns the next n lines at most (negative: all), and how many lines of the file are before the first
// line that it returns. A later part than the file's first begins with an extra empty line, so that a byte
// order mark in it is not taken for that of the file.
func (l *importLines) part(n int) (part io.Reader, before int) {
	before = l.done()
	l.left = n
	if before == 0 {
		return l, 0
	}
	return io.MultiReader(strings.NewReader("\n"), l), before - 1
}

// done returns how many lines were returned to their end.
func (l *importLines) done() int {
	if len(l.rest) > 0 || !l.whole {
		return l.begun - 1
	}
	return l.begun
}

// err returns why the lines ended early; nil at the end of the file.
func (l *importLines) err() error {
	if errors.Is(l.fault, io.EOF) {
		return nil
	}
	return l.fault
}

// Read reads from the current part.
func (l *importLines) Read(b []byte) (int, error) {
	if len(l.rest) == 0 && (l.whole && l.left == 0 || !l.look()) {
		return 0, io.EOF
	}
	n := copy(b, l.rest)
	if l.rest = l.rest[n:]; len(l.rest) == 0 && l.whole {
		l.left--
	}
	return n, nil
}

// look reads the next line into rest, or as much of a long one as fits in the buffer, and reports whether
// there is any.
func (l *importLines) look() bool {
	if l.fault != nil {
		return false
	}
	line, err := l.in.ReadSlice('\n')
	ended := errors.Is(err, io.EOF)
	if err != nil && !ended && !errors.Is(err, bufio.ErrBufferFull) {
		l.fault = fmt.Errorf("import: %w", err)
		return false
	}
	_, l.fault = l.check.Write(line)
	if l.fault == nil && ended {
		l.fault = cmp.Or(l.check.end(), io.EOF)
	}
	if len(line) == 0 || l.fault != nil && !errors.Is(l.fault, io.EOF) {
		return false
	}
	if l.whole {
		l.begun++
	}
	l.rest, l.whole = line, err == nil || ended
	return true
}

// readProgress draws how many bytes of a file were read.
type readProgress struct{ progress }

// Write adds the length of b to the progress.
func (p *readProgress) Write(b []byte) (int, error) {
	p.to(len(b))
	return len(b), nil
}
