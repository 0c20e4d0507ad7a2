// Command rules compares a test run with the rules of an InMail: which file decides each rule, and which
// tests prove it.
//
//	go test -json ./... | rules [--report] [--write FILE | --check FILE]
//	rules [--report] [--write FILE | --check FILE] RESULTS
//
// It exits 1 and says why when a test failed or was skipped, when a required rule has no file or no passing
// test, or, with --check, when FILE is not what --write would write. When the run was ended, by a time limit
// or a signal, its last lines name the tests that ran then. Its last line is "N passed, N failed".
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

// module is the prefix that is removed from the packages' paths.
const module = "inmail"

func main() {
	signal.Ignore(os.Interrupt, syscall.SIGTERM) // go test ends too, and with it the stream
	err := run(os.Args[1:], os.Stdin, os.Stdout, os.DirFS("."))
	if errors.Is(err, errUsage) {
		os.Exit(2)
	}
	if err != nil {
		os.Exit(1)
	}
}

var (
	errUsage = errors.New("wrong use")
	errFound = errors.New("not all is as it should be")
)

// run executes the command on the tree root; FILE and RESULTS are paths of the file system.
func run(args []string, stdin io.Reader, out io.Writer, root fs.FS) error {
	flags := flag.NewFlagSet("rules", flag.ContinueOnError)
	flags.SetOutput(out)
	report := flags.Bool("report", false, "say how each package went instead of printing the table")
	write := flags.String("write", "", "write the table to this `file`")
	check := flags.String("check", "", "fail unless this `file` contains the table")
	if err := flags.Parse(args); err != nil {
		return errUsage
	}
	if flags.NArg() > 1 || *write != "" && *check != "" {
		flags.Usage()
		return errUsage
	}
	if flags.NArg() == 1 {
		file, err := os.Open(flags.Arg(0))
		if err != nil {
			fmt.Fprintln(out, err)
			return err
		}
		defer file.Close()
		stdin = file
	}

	results, err := ReadResults(stdin, out)
	if err != nil {
		fmt.Fprintln(out, err)
		fmt.Fprintln(out, "0 passed, 1 failed")
		return err
	}
	decided, err := Decided(root)
	if err != nil {
		fmt.Fprintln(out, err)
		return err
	}
	table := NewTable(rules, decided, Proofs(results.Leaves))
	if !*report {
		table.Print(out)
	}
	problems := problems(results, table)
	if _, failed, skipped := results.Count(); *write != "" && failed+skipped > 0 {
		problems = append(problems, *write+" is left as it was: not every test passed, so the table may lack some")
	} else {
		problems = append(problems, writeOrCheck(table, *write, *check)...)
	}

	fmt.Fprintln(out)
	for _, problem := range problems {
		fmt.Fprintln(out, problem)
	}
	for _, ended := range results.Ended {
		fmt.Fprintln(out, ended)
	}
	proved, asked := 0, 0
	for _, row := range table {
		if row.Required {
			asked++
			if row.File != "" && row.outcome() == "passed" {
				proved++
			}
		}
	}
	fmt.Fprintf(out, "rules: %d of %d required are decided and proved\n", proved, asked)
	passed, failed, skipped := results.Count()
	if len(problems) > 0 {
		failed = max(failed, 1)
	}
	fmt.Fprintf(out, "%d passed, %d failed", passed, failed)
	if skipped > 0 {
		fmt.Fprintf(out, ", %d skipped", skipped)
	}
	fmt.Fprintln(out)
	if len(problems) > 0 {
		return errFound
	}
	return nil
}

// problems returns in words every test that failed or was skipped, and every rule that is not proved.
func problems(results *Results, table Table) []string {
	var found []string
	for _, leaf := range results.Leaves {
		switch leaf.Outcome {
		case Passed:
		case Skipped:
			found = append(found, fmt.Sprintf("skipped: %s %s (nothing may skip itself)", leaf.Package, leaf.Test))
		default:
			found = append(found, fmt.Sprintf("failed: %s %s", leaf.Package, leaf.Test))
		}
	}
	for _, failure := range results.Failures {
		found = append(found, "failed: "+failure)
	}
	if len(results.Ended) > 0 {
		return found // rules may lack a proof only because tests did not run
	}
	return append(found, table.Missing()...)
}

// writeOrCheck writes the page to the file write, or compares the file check with it; with "" for both it
// does nothing.
func writeOrCheck(table Table, write, check string) []string {
	name := write + check
	if name == "" {
		return nil
	}
	var page bytes.Buffer
	table.Markdown(&page, filepath.Dir(name))
	if write != "" {
		if err := os.WriteFile(name, page.Bytes(), 0o644); err != nil {
			return []string{err.Error()}
		}
		return nil
	}
	if kept, err := os.ReadFile(name); err != nil || !bytes.Equal(kept, page.Bytes()) {
		return []string{name + " is out of date: run make rules and commit it"}
	}
	return nil
}
