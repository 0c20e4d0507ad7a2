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

// partLines is how many lines one request of an import holds: as many as share a transaction, and as many as
// a connection that breaks leaves uncertain.
const partLines = 500

// readAhead is how much of an input that can be read only once is held back until it was looked through, in
// bytes. Of a longer one the lines before the first bad byte are imported.
const readAhead = 32 << 20

// importLines reads the lines of an import, in parts. All that it hands on is UTF-8: a part ends before the
// line with the first bad byte.
type importLines struct {
	in    *bufio.Reader
	close func() error
	bar   *readProgress
	check encodingCheck
	rest  []byte // of a line that was looked at and not yet handed on whole
	whole bool   // rest, or what was handed on before it, ends a line
	begun int    // lines whose first byte was looked at
	left  int    // lines that the part may still hold
	fault error  // why there are no more lines; io.EOF at the end
}

// openImport opens the file at a line, with its progress bar; the standard input has no length. It looks
// through the whole of a file, and the beginning of what can be read only once, before anything is imported.
func openImport(cmd *cobra.Command, path string, from int) (*importLines, error) {
	in, err := openInput(cmd, path)
	if err != nil {
		return nil, err
	}
	lines, err := lookThrough(cmd, in, inputName(path))
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

func lookThrough(cmd *cobra.Command, in io.ReadCloser, name string) (*importLines, error) {
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
	looked := &bytes.Buffer{}
	if f, ok := in.(io.Seeker); ok && size >= 0 {
		if _, err := io.Copy(&check, in); err != nil {
			return nil, err
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return nil, fmt.Errorf("import: %w", err)
		}
	} else {
		if _, err := io.CopyN(io.MultiWriter(&check, looked), in, readAhead); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		source = io.MultiReader(looked, in)
	}
	if looked.Len() < readAhead {
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

// skip reads over n lines.
func (l *importLines) skip(n int) error {
	l.left = n
	_, err := io.Copy(io.Discard, l)
	return cmp.Or(err, l.wrong())
}

// more says whether there is another line.
func (l *importLines) more() bool { return len(l.rest) > 0 || l.look() }

// part returns at most n lines, and how many lines of the file stand before the first line of what it
// returns. Where these are not the file's first, an empty one goes ahead: a byte order mark there is not one
// of the beginning.
func (l *importLines) part(n int) (part io.Reader, before int) {
	before = l.done()
	l.left = n
	if before == 0 {
		return l, 0
	}
	return io.MultiReader(strings.NewReader("\n"), l), before - 1
}

// done is how many lines were handed on whole.
func (l *importLines) done() int {
	if len(l.rest) > 0 || !l.whole {
		return l.begun - 1
	}
	return l.begun
}

// wrong says why the lines ended before the end; nil when they did not.
func (l *importLines) wrong() error {
	if errors.Is(l.fault, io.EOF) {
		return nil
	}
	return l.fault
}

// Read hands a part on.
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

// look reads the next line, or as much of a long one as fits, and says whether there is any.
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
	_, wrong := l.check.Write(line)
	if wrong == nil && ended {
		wrong = cmp.Or(l.check.end(), io.EOF)
	}
	l.fault = wrong
	if len(line) == 0 || wrong != nil && !errors.Is(wrong, io.EOF) {
		return false
	}
	if l.whole {
		l.begun++
	}
	l.rest, l.whole = line, err == nil || ended
	return true
}

// readProgress shows how much of a file was read.
type readProgress struct{ progress }

// Write counts what was read.
func (p *readProgress) Write(b []byte) (int, error) {
	p.to(len(b))
	return len(b), nil
}
