package cmd_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// maxComment is the width of a comment in columns; a tab counts as four (STYLE H2c).
const maxComment = 110

// TestComments checks that no line that holds a comment alone is wider than maxComment.
func TestComments(t *testing.T) {
	files := 0
	err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && path != top && (entry.Name() == "node_modules" || strings.HasPrefix(entry.Name(), ".") && entry.Name() != "..") {
			return filepath.SkipDir
		}
		if entry.IsDir() || filepath.Ext(path) != ".go" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		for i, line := range strings.Split(string(text), "\n") {
			if !strings.HasPrefix(strings.TrimSpace(line), "//") {
				continue
			}
			if width := utf8.RuneCountInString(strings.ReplaceAll(line, "\t", "    ")); width > maxComment {
				t.Errorf("%s:%d: the comment has %d columns; break it at %d", path, i+1, width, maxComment)
			}
		}
		return nil
	})
	if err != nil || files < 100 {
		t.Errorf("looked at %d files: %v", files, err)
	}
}
