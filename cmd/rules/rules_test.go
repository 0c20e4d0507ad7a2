package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// stream returns go test -json for one package: "pass TestA", "fail TestA/b", "run TestC" (begun and never
// ended), "wait TestD" (paused and never continued).
func stream(pkg, ended string, tests ...string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "{\"Action\":\"start\",\"Package\":%q}\n", pkg)
	for _, test := range tests {
		_, name, _ := strings.Cut(test, " ")
		fmt.Fprintf(&text, "{\"Action\":\"run\",\"Package\":%q,\"Test\":%q}\n", pkg, name)
	}
	for _, test := range tests {
		action, name, _ := strings.Cut(test, " ")
		switch action {
		case "wait":
			fmt.Fprintf(&text, "{\"Action\":\"pause\",\"Package\":%q,\"Test\":%q}\n", pkg, name)
			continue
		case "run":
			continue
		}
		fmt.Fprintf(&text, "{\"Action\":\"output\",\"Package\":%q,\"Test\":%q,\"Output\":\"said by %s\\n\"}\n", pkg, name, name)
		fmt.Fprintf(&text, "{\"Action\":%q,\"Package\":%q,\"Test\":%q}\n", action, pkg, name)
	}
	if ended != "" {
		fmt.Fprintf(&text, "{\"Action\":%q,\"Package\":%q,\"Elapsed\":0.25}\n", ended, pkg)
	}
	return text.String()
}

func read(t *testing.T, streams ...string) (*Results, string) {
	t.Helper()
	var progress bytes.Buffer
	results, err := ReadResults(strings.NewReader(strings.Join(streams, "")), &progress)
	if err != nil {
		t.Fatal(err)
	}
	return results, progress.String()
}

func TestReadResults(t *testing.T) {
	t.Run("counts_leaves_only", func(t *testing.T) {
		results, _ := read(t, stream("inmail/domain", "pass", "pass TestA", "pass TestA/x", "pass TestA/x/y", "pass TestB"))
		want := []Leaf{{"inmail/domain", "TestA/x/y", Passed}, {"inmail/domain", "TestB", Passed}}
		if diff := cmp.Diff(want, results.Leaves); diff != "" {
			t.Errorf("leaves (-want +got):\n%s", diff)
		}
	})

	t.Run("parent_of_skipped_children_is_no_pass", func(t *testing.T) {
		results, _ := read(t, stream("inmail/domain", "pass", "pass TestRules", "skip TestRules/R08_a", "skip TestRules/R08_b"))
		passed, failed, skipped := results.Count()
		if passed != 0 || failed != 0 || skipped != 2 {
			t.Errorf("passed %d, failed %d, skipped %d; want 0, 0, 2", passed, failed, skipped)
		}
	})

	t.Run("parent_failing_alone_counts", func(t *testing.T) {
		results, _ := read(t, stream("inmail/domain", "fail", "fail TestA", "pass TestA/x"))
		if diff := cmp.Diff([]string{"inmail/domain TestA"}, results.Failures); diff != "" {
			t.Errorf("failures (-want +got):\n%s", diff)
		}
	})

	t.Run("parent_failing_with_its_child_counts_once", func(t *testing.T) {
		results, progress := read(t, stream("inmail/domain", "fail", "fail TestA", "fail TestA/x", "pass TestB"))
		if passed, failed, _ := results.Count(); passed != 1 || failed != 1 {
			t.Errorf("passed %d, failed %d; want 1, 1", passed, failed)
		}
		if !strings.Contains(progress, "said by TestA/x\n") || strings.Contains(progress, "said by TestB") {
			t.Errorf("want the output of what failed only, got:\n%s", progress)
		}
	})

	t.Run("test_that_never_ended_failed", func(t *testing.T) {
		results, _ := read(t, stream("inmail/domain", "fail", "run TestA"))
		if diff := cmp.Diff([]Leaf{{"inmail/domain", "TestA", Failed}}, results.Leaves); diff != "" {
			t.Errorf("leaves (-want +got):\n%s", diff)
		}
	})

	t.Run("package_that_never_ended_failed", func(t *testing.T) {
		results, _ := read(t, stream("inmail/domain", "", "pass TestA"))
		if diff := cmp.Diff([]string{"inmail/domain"}, results.Failures); diff != "" {
			t.Errorf("failures (-want +got):\n%s", diff)
		}
	})

	t.Run("build_that_failed_is_reported", func(t *testing.T) {
		results, progress := read(t,
			`{"ImportPath":"inmail/x [inmail/x.test]","Action":"build-output","Output":"x.go:1:1: undefined\n"}`+"\n",
			`{"ImportPath":"inmail/x [inmail/x.test]","Action":"build-fail"}`+"\n",
			`{"Action":"start","Package":"inmail/x"}`+"\n",
			`{"Action":"fail","Package":"inmail/x","FailedBuild":"inmail/x [inmail/x.test]"}`+"\n")
		if diff := cmp.Diff([]string{"inmail/x"}, results.Failures); diff != "" {
			t.Errorf("failures (-want +got):\n%s", diff)
		}
		if !strings.Contains(progress, "x.go:1:1: undefined") {
			t.Errorf("want the compiler's words, got:\n%s", progress)
		}
	})

	t.Run("nothing_is_no_pass", func(t *testing.T) {
		if _, err := ReadResults(strings.NewReader("no such file\n"), &bytes.Buffer{}); err == nil {
			t.Error("want an error for a stream without results")
		}
	})
}

func TestProofs(t *testing.T) {
	got := Proofs([]Leaf{
		{"inmail/domain", "TestRules/R08_period_boundary", Passed},
		{"inmail/connectors/record", "TestRules/R38_two_opens/postgres", Passed},
		{"inmail/connectors/record", "TestRules/R36_R38_retract_wins/at_once/sqlite", Failed},
		{"inmail/domain", "TestRules/R54", Skipped},
		{"inmail/domain", "TestRules/R541_not_a_rule", Passed},
		{"inmail/domain", "TestOther/R08_not_counted", Passed},
	})
	want := map[int][]Proof{
		8:  {{"inmail/domain", "period_boundary", "", Passed}},
		36: {{"inmail/connectors/record", "retract_wins/at_once", "sqlite", Failed}},
		38: {{"inmail/connectors/record", "two_opens", "postgres", Passed}, {"inmail/connectors/record", "retract_wins/at_once", "sqlite", Failed}},
		54: {{"inmail/domain", "", "", Skipped}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("proofs (-want +got):\n%s", diff)
	}
}

func TestDecided(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	got, err := Decided(fstest.MapFS{
		"connectors/record/credit.go": file("package record\n\n// A reads (R08).\nfunc A() {}\n\n// B writes (R08, R10).\nfunc B() {}\n"),
		"domain/credit.go":            file("package domain\n\n// PeriodStart is the period's (R08).\nfunc PeriodStart() {}\n"),
		"domain/credit_test.go":       file("package domain\n\n// T proves R11.\nfunc T() {}\n"),
		"domain/generated.go":         file("// Code generated by x; DO NOT EDIT.\npackage domain\n\n// G is R12's.\nfunc G() {}\n"),
		"domain/limits.go":            file("package domain\n\nconst (\n\t// MaxBody (R23–R25).\n\tMaxBody = 3000\n\tMaxTags = 10 // R56\n)\n\nfunc f() {\n\t// R13 is said inside.\n}\n"),
		"domain/refusal.go":           file("// Package domain speaks of R14.\npackage domain\n\ntype Refusal struct {\n\tUntil int // when it ends (R42)\n}\n"),
		"domain/testdata/x.go":        file("package broken {"),
		".build/x.go":                 file("package broken {"),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[int]string{
		8: "domain/credit.go", 10: "connectors/record/credit.go", 23: "domain/limits.go", 24: "domain/limits.go", 25: "domain/limits.go",
		42: "domain/refusal.go", 56: "domain/limits.go",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("decided (-want +got):\n%s", diff)
	}
}

func TestMissing(t *testing.T) {
	list := []Rule{{1, "with all", required}, {2, "without a file", required}, {3, "without a test", required}, {4, "later", planned}, {5, "with a skipped test", required}}
	decided := map[int]string{1: "domain/a.go", 3: "domain/a.go", 5: "domain/a.go"}
	proofs := map[int][]Proof{
		1: {{"inmail/domain", "a", "", Passed}},
		2: {{"inmail/domain", "b", "sqlite", Passed}},
		4: {{"inmail/domain", "d", "", Failed}},
		5: {{"inmail/domain", "e", "redis", Skipped}},
	}
	want := []string{
		"R02 (without a file): no doc comment of a declaration cites it",
		"R03 (without a test): no test TestRules/R03_… passed",
		"R04 (later): domain: d did not pass (fail)",
		"R05 (with a skipped test): no test TestRules/R05_… passed",
		"R05 (with a skipped test): domain: e (redis) did not pass (skip)",
	}
	if diff := cmp.Diff(want, NewTable(list, decided, proofs).Missing()); diff != "" {
		t.Errorf("missing (-want +got):\n%s", diff)
	}
}

func TestMarkdown(t *testing.T) {
	row := func(proofs ...Proof) string {
		var page bytes.Buffer
		NewTable([]Rule{{38, "Races", required}}, map[int]string{38: "connectors/record/open.go"}, map[int][]Proof{38: proofs}).Markdown(&page, "domain")
		lines := strings.Split(strings.TrimSpace(page.String()), "\n")
		if !strings.Contains(lines[0], "DO NOT EDIT") {
			t.Errorf("the first line does not say that it is generated: %s", lines[0])
		}
		return lines[len(lines)-1]
	}
	postgres := Proof{"inmail/connectors/record", "two_opens", "postgres", Passed}
	sqlite := Proof{"inmail/connectors/record", "two_opens", "sqlite", Passed}
	other := Proof{"inmail/connectors/record", "open_and_expiry", "sqlite", Passed}
	pure := Proof{"inmail/domain", "legal", "", Passed}
	const cells = "| R38 | Races | [connectors/record/open.go](../connectors/record/open.go) | "
	short := cells + "connectors/record: two_opens (postgres, sqlite)<br>domain: legal |"
	long := cells + "4 tests in 2 packages: `go test ./... -run 'TestRules/R38'` |"
	for _, c := range []struct {
		want   string
		proofs []Proof
	}{
		{short, []Proof{postgres, sqlite, pure}},
		{short, []Proof{pure, sqlite, postgres}},
		{long, []Proof{postgres, sqlite, other, pure}},
		{long, []Proof{pure, other, sqlite, postgres}},
		{cells + "– |", nil},
	} {
		if diff := cmp.Diff(c.want, row(c.proofs...)); diff != "" {
			t.Errorf("row (-want +got):\n%s", diff)
		}
	}
	for n, folded := range map[int]bool{maxProof: false, maxProof + 1: true} {
		proof := Proof{"inmail/domain", strings.Repeat("ä", n-len("domain: ")), "", Passed}
		if got := row(proof); strings.HasSuffix(got, "| 1 test in 1 package: `go test ./... -run 'TestRules/R38'` |") != folded {
			t.Errorf("a proof of %d characters: %s", n, got)
		}
	}
}

func TestGlossaryNamesEachConceptOnce(t *testing.T) {
	_, glossary, _ := strings.Cut(head, "## Glossary")
	glossary, _, _ = strings.Cut(glossary, "\n## ")
	named := map[string]bool{}
	for _, match := range regexp.MustCompile(`(?m)^- \*\*([^*]+)\*\*: \S`).FindAllStringSubmatch(glossary, -1) {
		if named[match[1]] {
			t.Errorf("%s is explained twice", match[1])
		}
		named[match[1]] = true
	}
	if len(named) < 10 || strings.Count(glossary, "\n- ") != len(named) {
		t.Errorf("%d concepts in %d lines", len(named), strings.Count(glossary, "\n- "))
	}
}

// allProved returns a tree and a run in which every required rule is decided and proved.
func allProved() (fstest.MapFS, string) {
	var source strings.Builder
	source.WriteString("package domain\n")
	tests := []string{"pass TestRules"}
	for _, rule := range rules {
		if rule.Required {
			fmt.Fprintf(&source, "\n// F%d decides %s.\nfunc F%d() {}\n", rule.Number, rule, rule.Number)
			tests = append(tests, "pass TestRules/"+rule.String()+"_holds")
		}
	}
	return fstest.MapFS{"domain/all.go": {Data: []byte(source.String())}}, stream("inmail/domain", "pass", tests...)
}

func TestRun(t *testing.T) {
	lastLine := func(out string) string {
		lines := strings.Split(strings.TrimSpace(out), "\n")
		return lines[len(lines)-1]
	}

	t.Run("all_proved", func(t *testing.T) {
		tree, events := allProved()
		page := filepath.Join(t.TempDir(), "README.md")
		var out bytes.Buffer
		if err := run([]string{"--write", page}, strings.NewReader(events), &out, tree); err != nil {
			t.Fatalf("%v\n%s", err, &out)
		}
		if want := fmt.Sprintf("%d passed, 0 failed", strings.Count(events, `_holds"}`)/2); lastLine(out.String()) != want {
			t.Errorf("last line %q, want %q", lastLine(out.String()), want)
		}
		if err := run([]string{"--report", "--check", page}, strings.NewReader(events), &out, tree); err != nil {
			t.Errorf("what was just written is out of date: %v\n%s", err, &out)
		}
		if err := os.WriteFile(page, []byte("stale"), 0o644); err != nil {
			t.Fatal(err)
		}
		out.Reset()
		if err := run([]string{"--check", page}, strings.NewReader(events), &out, tree); !errors.Is(err, errFound) || !strings.Contains(out.String(), "run make rules") {
			t.Errorf("a stale page: got %v\n%s", err, &out)
		}
	})

	t.Run("failed_run_writes_nothing", func(t *testing.T) {
		tree, events := allProved()
		page := filepath.Join(t.TempDir(), "README.md")
		var out bytes.Buffer
		if err := run([]string{"--write", page}, strings.NewReader(events+stream("inmail/config", "fail", "fail TestLoad")), &out, tree); !errors.Is(err, errFound) {
			t.Errorf("got %v, want %v\n%s", err, errFound, &out)
		}
		if _, err := os.Stat(page); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the page was written although a test failed: %v", err)
		}
	})

	t.Run("rule_that_lost_its_test", func(t *testing.T) {
		tree, events := allProved()
		var out bytes.Buffer
		events = strings.ReplaceAll(events, "TestRules/R31_holds", "TestRules/R99_holds")
		if err := run(nil, strings.NewReader(events), &out, tree); !errors.Is(err, errFound) {
			t.Errorf("got %v, want %v", err, errFound)
		}
		if !strings.Contains(out.String(), "R31 (Only the recipient opens, once): no test TestRules/R31_… passed") {
			t.Errorf("the rule is not named:\n%s", &out)
		}
		if !strings.HasSuffix(lastLine(out.String()), " passed, 1 failed") {
			t.Errorf("last line %q reports no failure", lastLine(out.String()))
		}
	})

	t.Run("skipped_test", func(t *testing.T) {
		tree, events := allProved()
		var out bytes.Buffer
		if err := run(nil, strings.NewReader(events+stream("inmail/config", "pass", "skip TestLoad")), &out, tree); !errors.Is(err, errFound) {
			t.Errorf("got %v, want %v\n%s", err, errFound, &out)
		}
	})

	t.Run("running_tests_are_reported_last", func(t *testing.T) {
		for how, args := range map[string][]string{"panic: test timed out after 2s": {"-timeout", "2s"}, "signal: killed": {"-args", "kill"}} {
			var out bytes.Buffer
			if err := run([]string{"--report"}, ended(t, args...), &out, fstest.MapFS{}); !errors.Is(err, errFound) {
				t.Errorf("%s: got %v, want %v", how, err, errFound)
			}
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			last := secondsOf.ReplaceAllString(strings.Join(lines[max(0, len(lines)-5):], "\n"), " N s")
			want := "ended: ended after N s (" + secondsOf.ReplaceAllString(how, " N s") + "), while 2 tests ran and 0 waited\n" +
				"  TestAtWork/one had run for N s\n  TestBeside had run for N s\n" +
				fmt.Sprintf("rules: 0 of %d required are decided and proved\n1 passed, 2 failed", requiredRules())
			if diff := cmp.Diff(want, last); diff != "" {
				t.Errorf("the last lines (-want +got):\n%s\nof:\n%s", diff, &out)
			}
		}
	})

	t.Run("broken_stream_reports_running_tests", func(t *testing.T) {
		var out bytes.Buffer
		events := stream("inmail/domain", "", "pass TestA", "run TestB", "wait TestC", "run TestD", "wait TestD/x", "run TestD/y")
		if err := run([]string{"--report"}, strings.NewReader(events), &out, fstest.MapFS{}); !errors.Is(err, errFound) {
			t.Errorf("got %v, want %v", err, errFound)
		}
		want := "ended: inmail/domain after 0s (the results broke off), while 2 tests ran and 2 waited\n  TestB had run for 0s\n  TestD/y had run for 0s\n"
		if !strings.Contains(out.String(), want) || strings.Contains(out.String(), "no test TestRules") {
			t.Errorf("want %q and nothing of the rules in:\n%s", want, &out)
		}
	})

	t.Run("wrong_use", func(t *testing.T) {
		if err := run([]string{"--write", "a", "--check", "b"}, strings.NewReader(""), &bytes.Buffer{}, fstest.MapFS{}); !errors.Is(err, errUsage) {
			t.Errorf("got %v, want %v", err, errUsage)
		}
	})
}

// secondsOf matches a number of whole seconds.
var secondsOf = regexp.MustCompile(` [0-9]+s\b`)

// ended returns the results of tests that never end: go test ends them at its limit, or they are killed.
func ended(t *testing.T, args ...string) io.Reader {
	t.Helper()
	folder := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module ended\n", "ended_test.go": `package ended

import (
	"os"
	"slices"
	"syscall"
	"testing"
)

func TestBefore(t *testing.T) {}

var atWork = make(chan int)

func TestAtWork(t *testing.T) {
	t.Parallel()
	t.Run("one", func(t *testing.T) { close(atWork); <-make(chan int) })
}

func TestBeside(t *testing.T) {
	t.Parallel()
	<-atWork
	if slices.Contains(os.Args, "kill") {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	<-make(chan int)
}
`} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := exec.Command("go", append([]string{"test", "-json", "-vet=off", "-count=1", "-parallel", "2", "."}, args...)...)
	run.Dir, run.Env = folder, append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	out, err := run.Output()
	if err == nil {
		t.Fatalf("the tests that never end ended:\n%s", out)
	}
	return bytes.NewReader(out)
}

func TestEveryRuleIsListedOnce(t *testing.T) {
	if len(rules) != 70 {
		t.Errorf("%d rules, want 70", len(rules))
	}
	for i, rule := range rules {
		if rule.Number != i+1 || rule.Title == "" {
			t.Errorf("row %d is %s %q", i+1, rule, rule.Title)
		}
	}
}

func requiredRules() (n int) {
	for _, rule := range rules {
		if rule.Required {
			n++
		}
	}
	return n
}
