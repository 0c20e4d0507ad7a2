// Package cmd_test checks the structure of the program: who may import whom, what the rules may not use,
// and what lies at the top level.
package cmd_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// top is the repository's top level, relative to this folder.
const top = ".."

// mayImport lists, for each part of the program, the parts that its packages may import. Imports point
// inward: domain imports nothing of ours. Each connector is a part of its own and imports no other
// connector. Traces serve all that answer or make calls, the ports of tests all that start servers.
var mayImport = map[string][]string{
	"domain":       {"domain"},
	"worker":       {"worker", "domain"},
	"connectors/*": {"domain", "connectors/porttest", "connectors/trace"},
	"config":       {"config", "domain", "connectors/*"},
	"dashboards":   {"dashboards", "domain", "connectors/porttest"},
	"cmd":          {"cmd", "config", "worker", "connectors/*", "dashboards", "domain"},
}

// domainLibraries are the foreign modules that the rules may use: text in, text out.
var domainLibraries = []string{
	"github.com/google/uuid",
	"github.com/microcosm-cc/bluemonday",
	"github.com/yuin/goldmark",
	"go.mau.fi/util/confusable",
	"golang.org/x/net/html",
	"golang.org/x/net/idna",
	"golang.org/x/net/publicsuffix",
	"golang.org/x/text",
}

// domainRefuses are the parts of the standard library that reach outside the process or are random.
var domainRefuses = []string{
	"crypto/rand", "database/sql", "log", "math/rand", "math/rand/v2", "net", "net/http", "net/smtp", "os", "os/exec", "syscall",
}

// part returns the part to which a package of ours belongs: connectors/salesforce for
// inmail/connectors/salesforce/sandbox.
func part(importPath string) string {
	parts := strings.Split(strings.TrimPrefix(importPath, "inmail/"), "/")
	if parts[0] == "connectors" && len(parts) > 1 {
		return "connectors/" + parts[1]
	}
	return parts[0]
}

// refused returns those of imports that a package may not have, each with the reason.
func refused(importPath string, imports []string) []string {
	var reasons []string
	from := part(importPath)
	kind := from
	if strings.HasPrefix(from, "connectors/") {
		kind = "connectors/*"
	}
	for _, imported := range imports {
		if ours := imported == "inmail" || strings.HasPrefix(imported, "inmail/"); ours {
			to := part(imported)
			allowed := slices.ContainsFunc(mayImport[kind], func(pattern string) bool {
				matched, _ := path.Match(pattern, to)
				return matched
			})
			if !allowed && to != from {
				reasons = append(reasons, fmt.Sprintf("%s imports %s: %s may not know %s", importPath, imported, from, to))
			}
			continue
		}
		if from != "domain" {
			continue
		}
		if slices.Contains(domainRefuses, imported) {
			reasons = append(reasons, fmt.Sprintf("%s imports %s: domain reaches nothing outside", importPath, imported))
		}
		foreign := strings.Contains(strings.Split(imported, "/")[0], ".")
		if foreign && !slices.ContainsFunc(domainLibraries, func(library string) bool {
			return imported == library || strings.HasPrefix(imported, library+"/")
		}) {
			reasons = append(reasons, fmt.Sprintf("%s imports %s: not a library of domain's", importPath, imported))
		}
	}
	return reasons
}

func TestImportsPointInward(t *testing.T) {
	list := exec.Command("go", "list", "-e", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, "inmail/...")
	list.Dir = top
	list.Stderr = os.Stderr // -e: packages that do not build are reported by the build
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	for _, line := range lines {
		fields := strings.Fields(line)
		for _, reason := range refused(fields[0], fields[1:]) {
			t.Error(reason)
		}
	}
	if !slices.Contains(lines, "inmail/cmd") {
		t.Errorf("go list did not list this package: %q", lines)
	}
}

func TestRefused(t *testing.T) {
	for _, row := range []struct {
		from, to string
		refused  bool
	}{
		{"inmail/domain", "inmail/domain/richtext", false},
		{"inmail/domain", "inmail/worker", true},
		{"inmail/domain/mailroom", "inmail/connectors/record", true},
		{"inmail/domain", "net/http", true},
		{"inmail/domain", "net/url", false},
		{"inmail/domain", "math/rand/v2", true},
		{"inmail/domain", "github.com/jackc/pgx/v5", true},
		{"inmail/domain/richtext", "github.com/yuin/goldmark/ast", false},
		{"inmail/worker", "inmail/domain/mailroom", false},
		{"inmail/worker", "inmail/connectors/queue", true},
		{"inmail/worker", "inmail/config", true},
		{"inmail/connectors/queue", "inmail/domain/mailroom", false},
		{"inmail/connectors/queue", "inmail/connectors/queue/queuetest", false},
		{"inmail/connectors/queue", "inmail/connectors/record", true},
		{"inmail/connectors/salesforce", "inmail/connectors/salesforce/sandbox", false},
		{"inmail/connectors/httpapi", "inmail/worker", true},
		{"inmail/connectors/httpapi", "inmail/config", true},
		{"inmail/config", "inmail/connectors/salesforce", false},
		{"inmail/config", "inmail/worker", true},
		{"inmail/dashboards/generate", "inmail/connectors/metrics", true},
		{"inmail/cmd/inmail", "inmail/config", false},
		{"inmail/tools", "inmail/domain", true},
	} {
		if got := refused(row.from, []string{row.to}); (len(got) > 0) != row.refused {
			t.Errorf("%s importing %s: refused %v, want %v", row.from, row.to, got, row.refused)
		}
	}
}

// Names of packages and files that say nothing about their content.
var (
	vaguePackages = []string{"util", "utils", "helper", "helpers", "common", "shared", "manager", "misc"}
	vagueFiles    = []string{"util", "utils", "helper", "helpers", "common", "misc", "types", "errors", "constants"}
)

func TestNoUtilityPackages(t *testing.T) {
	eachGoFile(t, top, func(name string, file *ast.File) {
		base := strings.TrimSuffix(strings.TrimSuffix(path.Base(name), ".go"), "_test")
		if slices.Contains(vagueFiles, base) || slices.Contains(vaguePackages, file.Name.Name) || slices.Contains(vaguePackages, path.Base(path.Dir(name))) {
			t.Errorf("%s, package %s: the name says nothing of what is inside; name the concept", name, file.Name.Name)
		}
	})
}

func TestDomainAsksNoClock(t *testing.T) {
	eachGoFile(t, filepath.Join(top, "domain"), func(name string, file *ast.File) {
		if strings.HasSuffix(name, "_test.go") {
			return
		}
		for _, use := range clockAndChance(file) {
			t.Errorf("%s uses %s: now and ids are passed in", name, use)
		}
	})
}

func TestClockAndChance(t *testing.T) {
	source := `package domain

import (
	clock "time"
	"math/rand/v2"
	"github.com/google/uuid"
)

var started = clock.Now

func f(at clock.Time) {
	_ = clock.Since(at) + clock.Until(at)
	_ = clock.Duration(rand.Int())
	_, _ = uuid.NewV7()
	_, _ = uuid.Parse("")
	_ = uuid.NewSHA1(uuid.Nil, nil)
}
`
	file, err := parser.ParseFile(token.NewFileSet(), "f.go", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"math/rand/v2", "time.Now", "time.Since", "time.Until", "uuid.NewV7"}
	if diff := cmp.Diff(want, clockAndChance(file)); diff != "" {
		t.Errorf("uses (-want +got):\n%s", diff)
	}
}

// clockAndChance returns what in a file reads the clock or draws at random, whatever name its
// package was imported under.
func clockAndChance(file *ast.File) []string {
	var uses []string
	imported := map[string]string{} // name in the file → import path
	for _, spec := range file.Imports {
		importPath, _ := strconv.Unquote(spec.Path.Value)
		name := path.Base(importPath)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		imported[name] = importPath
		switch importPath {
		case "math/rand", "math/rand/v2", "crypto/rand":
			uses = append(uses, importPath)
		}
	}
	ast.Inspect(file, func(node ast.Node) bool {
		selector, ok := node.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		name, ok := selector.X.(*ast.Ident)
		if !ok {
			return true
		}
		switch word := selector.Sel.Name; imported[name.Name] {
		case "time":
			if word == "Now" || word == "Since" || word == "Until" {
				uses = append(uses, "time."+word)
			}
		case "github.com/google/uuid":
			byContent := word == "NewSHA1" || word == "NewMD5" || word == "NewHash"
			if strings.HasPrefix(word, "New") && !byContent {
				uses = append(uses, "uuid."+word)
			}
		}
		return true
	})
	return uses
}

// layout is the top level: exactly these entries, besides dot files.
var layout = []string{"Makefile", "README.md", "cmd", "config", "connectors", "dashboards", "domain", "go.mod", "go.sum", "worker"}

func TestTopLevel(t *testing.T) {
	entries, err := os.ReadDir(top)
	if err != nil {
		t.Fatal(err)
	}
	ignored, err := os.ReadFile(filepath.Join(top, ".gitignore"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, entry := range entries {
		name := entry.Name()
		runtime := slices.Contains(strings.Split(string(ignored), "\n"), "/"+name+"/") // such as the data of a server
		if !strings.HasPrefix(name, ".") && !runtime {
			got = append(got, name)
		}
	}
	if diff := cmp.Diff(layout, got); diff != "" {
		t.Errorf("top level (-want +got):\n%s", diff)
	}
}

// eachGoFile calls f with each Go file below root; name is relative to root.
func eachGoFile(t *testing.T, root string, f func(name string, file *ast.File)) {
	t.Helper()
	visited := 0
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, entry fs.DirEntry, err error) error {
		base := path.Base(name)
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			if name != "." && (strings.HasPrefix(base, ".") || base == "node_modules" || base == "data") {
				return fs.SkipDir
			}
			return nil
		case !strings.HasSuffix(base, ".go"):
			return nil
		}
		source, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		visited++
		f(name, file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if visited == 0 {
		t.Fatalf("no Go file below %s", root)
	}
}
