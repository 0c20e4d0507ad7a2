// Command generate writes what package dashboards builds: the boards, the objectives' rules, the
// linter's exceptions and the marked sections of the README.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"inmail/dashboards"
)

func main() {
	into := flag.String("into", "dashboards", "the folder to write to")
	flag.Parse()
	if err := generate(*into); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func generate(into string) error {
	readme := filepath.Join(into, "README.md")
	before, err := os.ReadFile(readme)
	if err != nil {
		return fmt.Errorf("read the README whose sections are to be written: %w", err)
	}
	files, err := dashboards.Generated(string(before))
	if err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(into, filepath.FromSlash(name)), []byte(text), 0o644); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}
