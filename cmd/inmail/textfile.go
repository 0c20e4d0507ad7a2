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

// maxText is the longest text that is read, in bytes: the most that one request may have, and more than any
// rule allows.
const maxText = 1 << 20

// byteOrderMark may be at the beginning of a file; it is not part of the text.
const byteOrderMark = "\xef\xbb\xbf"

// readText reads a text file, or for - the standard input. Like the API it refuses what is not UTF-8, since
// that could only be stored as another text than the one that was written. No server is called before.
func readText(cmd *cobra.Command, path string) (string, error) { return readUpTo(cmd, path, maxText) }

// readUpTo is readText for texts of up to most bytes.
func readUpTo(cmd *cobra.Command, path string, most int) (string, error) {
	in, err := openInput(cmd, path)
	if err != nil {
		return "", err
	}
	defer in.Close()
	content, err := io.ReadAll(io.LimitReader(in, int64(most)+1))
	if err != nil {
		return "", fmt.Errorf("read the text: %w", err)
	}
	if len(content) > most {
		return "", usageError{fmt.Errorf("the text is longer than %d KiB", most>>10)}
	}
	if err := checkUTF8(inputName(path), content); err != nil {
		return "", err
	}
	content = bytes.TrimPrefix(content, []byte(byteOrderMark))
	return strings.TrimRight(string(content), "\r\n"), nil
}

// openInput opens a file, or for - the standard input. At a terminal it prints that it waits for the text.
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

// inputName is the name of an input in messages.
func inputName(path string) string {
	if path == "-" {
		return "the standard input"
	}
	return path
}

// pathFlags are the flags with names of files and folders, which need not be UTF-8.
var pathFlags = []string{"body-file", "config", "data", "file", "keep", "letter", "profiles", "session", "test", "train", "undo"}

// checkFlags refuses a flag whose text is not UTF-8, as from a terminal with another encoding.
func checkFlags(cmd *cobra.Command, _ []string) error {
	var err error // the first
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if err != nil || slices.Contains(pathFlags, f.Name) {
			return
		}
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		for _, v := range values {
			if err = checkUTF8("--"+f.Name, []byte(v)); err != nil {
				return
			}
		}
	})
	return err
}

// checkUTF8 returns a usageError for a text that is not UTF-8, with its name and the first invalid byte.
func checkUTF8(name string, text []byte) error {
	c := encodingCheck{name: name}
	if _, err := c.Write(text); err != nil {
		return err
	}
	return c.end()
}

// encodingCheck finds the first byte of a stream that is not UTF-8 text. NUL is refused too: no text contains
// it, but UTF-16 has it in every second byte.
type encodingCheck struct {
	name   string
	offset int    // of the first byte that is not checked yet, from 0
	line   int    // of that byte, from 0
	cut    []byte // the beginning of a character that continues in the next Write
}

// Write checks the next bytes of the stream.
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

// inLine finds the invalid byte of a line. A character that is cut off at the end of the line is kept in
// c.cut.
func (c *encodingCheck) inLine(line []byte) error {
	for len(line) > 0 {
		if !utf8.FullRune(line) {
			c.cut = bytes.Clone(line)
			return nil
		}
		r, n := utf8.DecodeRune(line)
		if r == 0 || r == utf8.RuneError && n == 1 {
			return c.invalid(line[0])
		}
		c.offset += n
		line = line[n:]
	}
	return nil
}

// end refuses a stream that ends within a character.
func (c *encodingCheck) end() error {
	if len(c.cut) > 0 {
		return c.invalid(c.cut[0])
	}
	return nil
}

// invalid returns the error for the byte b at c.offset.
func (c *encodingCheck) invalid(b byte) error {
	guess := "Windows-1252"
	if b == 0 || c.offset == 0 && (b == 0xFF || b == 0xFE) {
		guess = "UTF-16"
	}
	return usageError{fmt.Errorf("%s is not UTF-8: 0x%02X at byte %d, in line %d; if it is %s, "+
		"convert it with iconv -f %s -t UTF-8", c.name, b, c.offset, c.line+1, guess, strings.ToUpper(guess))}
}
