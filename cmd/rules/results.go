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

// Results are what a run of go test -json told.
type Results struct {
	Leaves   []Leaf    // tests without subtests, in order of package and name
	Failures []string  // packages and parents that failed although no leaf of theirs did: a build, a panic, a time limit
	Packages []Package // in the order in which they ended
	Ended    []Ended   // packages that were ended before their tests were, by a time limit, a signal or a panic
}

// Ended is a package that was ended while its tests ran.
type Ended struct {
	Package string
	How     string        // "panic: test timed out after 1h0m0s", "signal: killed"; empty: the stream broke off
	After   time.Duration // since the package began
	Running []Running     // leaves that ran, the longest first
	Waiting int           // leaves that were listed and had not begun, or waited for their turn
}

// Running is a test that ran when its package was ended.
type Running struct {
	Test string
	For  time.Duration // since it began, or since its turn came
}

// String is one line for the package, and one for each test that ran.
func (e Ended) String() string {
	var text strings.Builder
	how := cmp.Or(e.How, "the results broke off")
	fmt.Fprintf(&text, "ended: %s after %s (%s), while %d tests ran and %d waited", e.Package, e.After.Round(time.Second), how, len(e.Running), e.Waiting)
	for _, r := range e.Running {
		fmt.Fprintf(&text, "\n  %s had run for %s", r.Test, r.For.Round(time.Second))
	}
	return text.String()
}

// Leaf is a test without subtests. A parent proves nothing of its own: it passes too when all its children were skipped.
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

// Outcome is how a test or a package ended, in the words of go test -json.
type Outcome string

const (
	Passed  Outcome = "pass"
	Failed  Outcome = "fail"
	Skipped Outcome = "skip"
)

// Count returns how many leaves passed, how many things failed (leaves, and Failures) and how many leaves were skipped.
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

// packageRun is what has been told of a package so far.
type packageRun struct {
	outcomes map[string]Outcome          // by test; "" while it runs
	since    map[string]time.Time        // by test that runs: since when; not there while it waits for its turn
	output   map[string]*strings.Builder // by test; "" is the package's own
	order    []string
	began    time.Time
	last     time.Time // of the newest event
	how      string    // the last line that tells how a process ended
}

// maxLine bounds a line of the stream: a test may print a long one.
const maxLine = 16 << 20

// ReadResults reads a stream of go test -json to its end. As packages end it writes a line about each to progress, with the
// output of what failed. It fails when the stream cannot be read or holds no package: a run that died
// must not look like one that passed.
func ReadResults(stream io.Reader, progress io.Writer) (*Results, error) {
	results := &Results{}
	running := map[string]*packageRun{}
	builds := map[string]*strings.Builder{}
	lines := bufio.NewScanner(stream)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil || e.Action == "" {
			fmt.Fprintf(progress, "%s\n", lines.Text()) // go's own words, between the events
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
			if run.take(e) {
				results.end(e, run, builds[e.FailedBuild], progress)
				delete(running, e.Package)
			}
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the test results: %w", err)
	}
	for path, run := range running {
		results.end(event{Package: path, Action: string(Failed), Elapsed: run.last.Sub(run.began).Seconds()}, run, nil, progress)
	}
	if len(results.Packages) == 0 {
		return nil, errors.New("the stream holds no test results: give it the output of go test -json")
	}
	slices.SortFunc(results.Leaves, func(a, b Leaf) int {
		return strings.Compare(a.Package+"\x00"+a.Test, b.Package+"\x00"+b.Test)
	})
	slices.Sort(results.Failures)
	slices.SortFunc(results.Ended, func(a, b Ended) int { return strings.Compare(a.Package, b.Package) })
	return results, nil
}

func newPackageRun() *packageRun {
	return &packageRun{outcomes: map[string]Outcome{}, since: map[string]time.Time{}, output: map[string]*strings.Builder{}}
}

// take notes an event and tells whether it ended the package.
func (p *packageRun) take(e event) (ended bool) {
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
		if !strings.HasPrefix(e.Output, "=== ") { // test2json's own marks
			appendOutput(p.output, e.Test, e.Output)
		}
	case Passed, Failed, Skipped:
		if e.Test == "" {
			return true
		}
		p.outcomes[e.Test] = outcome
		delete(p.since, e.Test)
		if outcome != Failed {
			delete(p.output, e.Test) // what passed has nothing to tell
		}
	}
	return false
}

// end takes over what a package has told, e being its last event.
func (r *Results) end(e event, run *packageRun, build *strings.Builder, progress io.Writer) {
	ended := Package{Path: e.Package, Outcome: Outcome(e.Action), Elapsed: time.Duration(e.Elapsed * float64(time.Second))}
	parents := map[string]bool{} // of any test
	failing := map[string]bool{} // parents of a failed one
	open := map[string]bool{}    // parents of one that never ended
	died := Ended{Package: e.Package, How: run.how, After: ended.Elapsed}
	for _, name := range slices.Backward(run.order) {
		if run.outcomes[name] == "" { // it never ended: the process died in it
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
			return cmp.Or(-cmp.Compare(a.For.Round(time.Second), b.For.Round(time.Second)), strings.Compare(a.Test, b.Test))
		})
		r.Ended = append(r.Ended, died)
	}
	told := false
	for _, name := range run.order {
		outcome := run.outcomes[name]
		if outcome == Failed && !failing[name] {
			told = true
		}
		if !parents[name] {
			r.Leaves = append(r.Leaves, Leaf{Package: e.Package, Test: name, Outcome: outcome})
			ended.Tests++
		} else if outcome == Failed && !failing[name] {
			r.Failures = append(r.Failures, e.Package+" "+name)
		}
	}
	if ended.Outcome == Failed && !told {
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
