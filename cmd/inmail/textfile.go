package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// maxText is how much of a text is read, in bytes: more than any rule lets pass, and what one request may
// hold.
const maxText = 1 << 20

// byteOrderMark may stand before the text of a file; it is no part of it.
const byteOrderMark = "\xef\xbb\xbf"

// readText reads a text file, or for - the standard input. It is as strict as the API: what is not UTF-8 is
// refused before anything is asked of a server, since it could only be stored as another text than was
// written.
func readText(cmd *cobra.Command, path string) (string, error) {
	in, err := openInput(cmd, path)
	if err != nil {
		return "", err
	}
	defer in.Close()
	content, err := io.ReadAll(io.LimitReader(in, maxText+1))
	if err != nil {
		return "", fmt.Errorf("read the text: %w", err)
	}
	if len(content) > maxText {
		return "", usageError{fmt.Errorf("the text is longer than %d KiB", maxText>>10)}
	}
	if err := checkUTF8(inputName(path), content); err != nil {
		return "", err
	}
	content = bytes.TrimPrefix(content, []byte(byteOrderMark))
	return strings.TrimRight(string(content), "\r\n"), nil
}

// openInput opens a file, or for - the standard input; a person at a terminal is told that it waits.
func openInput(cmd *cobra.Command, path string) (io.ReadCloser, error) {
	if path != "-" {
		return os.Open(path)
	}
	in := cmd.InOrStdin()
	if f, ok := in.(*os.File); ok && isTerminal(f) {
		fmt.Fprintln(cmd.ErrOrStderr(), "reading the text from the terminal; end it with Ctrl-D on a line of its own")
	}
	return io.NopCloser(in), nil
}

// inputName is what people call an input.
func inputName(path string) string {
	if path == "-" {
		return "the standard input"
	}
	return path
}

// pathFlags name files and folders: a file system may hold names that are no UTF-8.
var pathFlags = []string{"body-file", "config", "data", "file", "letter", "profiles", "test", "train"}

// checkFlags refuses a text that came from a terminal in another encoding than UTF-8.
func checkFlags(cmd *cobra.Command, _ []string) error {
	var fault error // the first
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if fault != nil || slices.Contains(pathFlags, f.Name) {
			return
		}
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		for _, v := range values {
			if fault = checkUTF8("--"+f.Name, []byte(v)); fault != nil {
				return
			}
		}
	})
	return fault
}

// checkUTF8 refuses a text that is not UTF-8, with its name and the first bad byte; that is wrong use of a
// command.
func checkUTF8(name string, text []byte) error {
	c := encodingCheck{name: name}
	if _, err := c.Write(text); err != nil {
		return err
	}
	return c.end()
}

// encodingCheck looks for the first byte of a stream that is not UTF-8 text. NUL is none: no text may hold
// it, and where UTF-16 was meant every second byte is one.
type encodingCheck struct {
	name   string
	offset int    // of the first byte that was not looked at, from 0
	line   int    // of that byte, from 0
	cut    []byte // the beginning of a character whose end has not come yet
}

// Write looks at the next bytes of the stream.
func (c *encodingCheck) Write(b []byte) (int, error) {
	written := len(b)
	if len(c.cut) > 0 {
		b = append(c.cut, b...)
		c.cut = nil
	}
	for len(b) > 0 {
		n := bytes.IndexByte(b, '\n') + 1
		if n == 0 {
			n = len(b)
		}
		if line := b[:n]; !utf8.Valid(line) || bytes.IndexByte(line, 0) >= 0 {
			return written, c.inLine(line)
		}
		c.offset += n
		if b[n-1] == '\n' {
			c.line++
		}
		b = b[n:]
	}
	return written, nil
}

// inLine finds the bad byte of a line, unless it is the last and only cut off.
func (c *encodingCheck) inLine(line []byte) error {
	for len(line) > 0 {
		if !utf8.FullRune(line) {
			c.cut = bytes.Clone(line)
			return nil
		}
		r, n := utf8.DecodeRune(line)
		if r == 0 || r == utf8.RuneError && n == 1 {
			return c.bad(line[0])
		}
		c.offset += n
		line = line[n:]
	}
	return nil
}

// end refuses a character whose end never came.
func (c *encodingCheck) end() error {
	if len(c.cut) > 0 {
		return c.bad(c.cut[0])
	}
	return nil
}

func (c *encodingCheck) bad(b byte) error {
	guess := "Windows-1252"
	if b == 0 || c.offset == 0 && (b == 0xFF || b == 0xFE) {
		guess = "UTF-16"
	}
	return usageError{fmt.Errorf("%s is not UTF-8: 0x%02X at byte %d, in line %d; if it is %s, "+
		"convert it with iconv -f %s -t UTF-8", c.name, b, c.offset, c.line+1, guess, strings.ToUpper(guess))}
}
