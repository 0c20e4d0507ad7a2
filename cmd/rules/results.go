package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Results are the contents of a run of go test -json.
type Results struct {
	Leaves   []Leaf    // tests without subtests, in order of package and name
	Failures []string  // packages and parents that failed without a failed leaf (build, panic, time limit)
	Packages []Package // in the order of their ends
	Ended    []Ended   // packages ended by a time limit, a signal or a panic
}

// Ended is a package that was ended while its tests ran.
type Ended struct {
	Package string
	How     string        // "panic: test timed out after 1h0m0s", "signal: killed"; empty: the stream broke off
	After   time.Duration // since the package began
	Running []Running     // running leaves, the longest first
	Waiting int           // leaves that had not begun, or were paused
}

// Running is a test that was running when its package was ended.
type Running struct {
	Test string
	For  time.Duration // since it began or was continued
}

// String returns one line for the package, and one for each running test.
func (e Ended) String() string {
	var text strings.Builder
	how := cmp.Or(e.How, "the results broke off")
	fmt.Fprintf(&text, "ended: %s after %s (%s), while %d tests ran and %d waited", e.Package,
		e.After.Round(time.Second), how, len(e.Running), e.Waiting)
	for _, r := range e.Running {
		fmt.Fprintf(&text, "\n  %s had run for %s", r.Test, r.For.Round(time.Second))
	}
	return text.String()
}

// Leaf is a test without subtests. Parents are not counted: a parent passes even when all its children were
// skipped.
type Leaf struct {
	Package string // import path
	Test    string // TestRules/R38_two_opens/postgres
	Outcome Outcome
}

// Package is a tested package.
type Package struct {
	Path    string
	Outcome Outcome
	Elapsed time.Duration
	Tests   int // leaves
}

// Outcome is the end of a test or a package, in the words of go test -json.
type Outcome string

const (
	Passed  Outcome = "pass"
	Failed  Outcome = "fail"
	Skipped Outcome = "skip"
)

// Count returns how many leaves passed, how many leaves and other things (Failures) failed, and how many
// leaves were skipped.
func (r *Results) Count() (passed, failed, skipped int) {
	for _, leaf := range r.Leaves {
		switch leaf.Outcome {
		case Passed:
			passed++
		case Skipped:
			skipped++
		default:
			failed++
		}
	}
	return passed, failed + len(r.Failures), skipped
}

// event is a line of go test -json (go doc test2json).
type event struct {
	Time        time.Time
	Action      string
	Package     string
	ImportPath  string // of build-output and build-fail
	Test        string
	Elapsed     float64 // seconds
	Output      string
	FailedBuild string
}

// packageRun is what has been read of a package so far.
type packageRun struct {
	outcomes map[string]Outcome          // by test; "" while the test runs
	since    map[string]time.Time        // start by test; none while it is paused
	output   map[string]*strings.Builder // by test; the key "" is the package itself
	order    []string
	began    time.Time
	last     time.Time // of the newest event
	how      string    // the last line that says how a process ended
}

// maxLine bounds a line of the stream in bytes: a test may print a long one.
const maxLine = 16 << 20

// ReadResults reads a stream of go test -json to its end. When a package ends it writes a line to progress,
// with the output of what failed. It fails when the stream cannot be read or contains no package: a run
// that died must not look like one that passed.
func ReadResults(stream io.Reader, progress io.Writer) (*Results, error) {
	results := &Results{}
	running := map[string]*packageRun{}
	builds := map[string]*strings.Builder{}
	lines := bufio.NewScanner(stream)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil || e.Action == "" {
			fmt.Fprintf(progress, "%s\n", lines.Text()) // text of the go command between the events
			continue
		}
		switch {
		case e.Action == "build-output":
			appendOutput(builds, e.ImportPath, e.Output)
		case e.Package == "":
		case e.Test == "" && e.Action == "start":
			running[e.Package] = newPackageRun()
		default:
			run := running[e.Package]
			if run == nil {
				run = newPackageRun()
				running[e.Package] = run
			}
			if run.record(e) {
				results.finish(e, run, builds[e.FailedBuild], progress)
				delete(running, e.Package)
			}
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the test results: %w", err)
	}
	for path, run := range running {
		results.finish(event{Package: path, Action: string(Failed), Elapsed: run.last.Sub(run.began).Seconds()}, run,
			nil, progress)
	}
	if len(results.Packages) == 0 {
		return nil, errors.New("the stream contains no test results: give it the output of go test -json")
	}
	slices.SortFunc(results.Leaves, func(a, b Leaf) int {
		return strings.Compare(a.Package+"\x00"+a.Test, b.Package+"\x00"+b.Test)
	})
	slices.Sort(results.Failures)
	slices.SortFunc(results.Ended, func(a, b Ended) int { return strings.Compare(a.Package, b.Package) })
	return results, nil
}

func newPackageRun() *packageRun {
	return &packageRun{outcomes: map[string]Outcome{}, since: map[string]time.Time{},
		output: map[string]*strings.Builder{}}
}

// record adds an event and reports whether it ended the package.
func (p *packageRun) record(e event) (ended bool) {
	if p.began.IsZero() {
		p.began = e.Time
	}
	p.last = e.Time
	switch outcome := Outcome(e.Action); outcome {
	case "run":
		p.outcomes[e.Test] = ""
		p.since[e.Test] = e.Time
		p.order = append(p.order, e.Test)
	case "pause":
		delete(p.since, e.Test)
	case "cont":
		p.since[e.Test] = e.Time
	case "output":
		for _, start := range []string{"panic: ", "fatal error: ", "signal: ", "exit status "} {
			if strings.HasPrefix(e.Output, start) {
				p.how = strings.TrimSpace(e.Output)
			}
		}
		if !strings.HasPrefix(e.Output, "=== ") { // the marks of test2json itself
			appendOutput(p.output, e.Test, e.Output)
		}
	case Passed, Failed, Skipped:
		if e.Test == "" {
			return true
		}
		p.outcomes[e.Test] = outcome
		delete(p.since, e.Test)
		if outcome != Failed {
			delete(p.output, e.Test) // the output of a passed test is not needed
		}
	}
	return false
}

// finish adds the results of a package; e is its last event.
func (r *Results) finish(e event, run *packageRun, build *strings.Builder, progress io.Writer) {
	ended := Package{Path: e.Package, Outcome: Outcome(e.Action),
		Elapsed: time.Duration(e.Elapsed * float64(time.Second))}
	parents := map[string]bool{} // of any test
	failing := map[string]bool{} // parents of a failed one
	open := map[string]bool{}    // parents of tests that never ended
	died := Ended{Package: e.Package, How: run.how, After: ended.Elapsed}
	for _, name := range slices.Backward(run.order) {
		if run.outcomes[name] == "" { // it never ended: the process died during it
			run.outcomes[name] = Failed
			if since, ran := run.since[name]; !open[name] && ran {
				died.Running = append(died.Running, Running{name, run.last.Sub(since)})
			} else if !open[name] {
				died.Waiting++
			}
			open[name[:max(0, strings.LastIndexByte(name, '/'))]] = true
		}
		if parent := name[:max(0, strings.LastIndexByte(name, '/'))]; parent != "" {
			parents[parent] = true
			failing[parent] = failing[parent] || run.outcomes[name] == Failed
		}
	}
	if len(open) > 0 {
		slices.SortStableFunc(died.Running, func(a, b Running) int {
			return cmp.Or(-cmp.Compare(a.For.Round(time.Second), b.For.Round(time.Second)),
				strings.Compare(a.Test, b.Test))
		})
		r.Ended = append(r.Ended, died)
	}
	reported := false
	for _, name := range run.order {
		outcome := run.outcomes[name]
		if outcome == Failed && !failing[name] {
			reported = true
		}
		if !parents[name] {
			r.Leaves = append(r.Leaves, Leaf{Package: e.Package, Test: name, Outcome: outcome})
			ended.Tests++
		} else if outcome == Failed && !failing[name] {
			r.Failures = append(r.Failures, e.Package+" "+name)
		}
	}
	if ended.Outcome == Failed && !reported {
		r.Failures = append(r.Failures, e.Package)
	}
	r.Packages = append(r.Packages, ended)
	ended.print(progress)
	if ended.Outcome != Failed {
		return
	}
	if build != nil {
		fmt.Fprint(progress, build)
	}
	for _, name := range append(slices.Clone(run.order), "") {
		if text := run.output[name]; text != nil && run.outcomes[name] != Passed {
			fmt.Fprint(progress, text)
		}
	}
}

func (p Package) print(w io.Writer) {
	word := map[Outcome]string{Passed: "ok", Skipped: "none", Failed: "FAIL"}[p.Outcome]
	if p.Outcome == Skipped || p.Outcome == Passed && p.Tests == 0 {
		return // no test files
	}
	fmt.Fprintf(w, "%-4s  %-44s %4d tests  %6.1fs\n", word, p.Path, p.Tests, p.Elapsed.Seconds())
}

func appendOutput(to map[string]*strings.Builder, key, text string) {
	if to[key] == nil {
		to[key] = &strings.Builder{}
	}
	to[key].WriteString(text)
}
