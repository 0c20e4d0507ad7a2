package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Decided returns for each rule number the file that decides the rule, relative to root. Candidates are the
// files with a declaration whose doc comment cites the rule, without tests and generated files. Files of
// domain/ come first, then the one with the most such declarations, then the first by name.
func Decided(root fs.FS) (map[int]string, error) {
	cited := map[int]map[string]int{} // rule → file → declarations
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		switch base := path.Base(name); {
		case err != nil:
			return err
		case entry.IsDir():
			if name != "." && (strings.HasPrefix(base, ".") || base == "testdata" || base == "node_modules") {
				return fs.SkipDir
			}
			return nil
		case !strings.HasSuffix(base, ".go") || strings.HasSuffix(base, "_test.go"):
			return nil
		}
		source, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, source,
			parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return fmt.Errorf("look for rules: %w", err)
		}
		if ast.IsGenerated(file) {
			return nil
		}
		for _, comment := range docComments(file) {
			for _, number := range citations(comment) {
				if cited[number] == nil {
					cited[number] = map[string]int{}
				}
				cited[number][name]++
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	decided := map[int]string{}
	for number, files := range cited {
		var names []string
		for name := range files {
			names = append(names, name)
		}
		decided[number] = slices.MinFunc(names, func(a, b string) int {
			return cmp.Or(
				cmp.Compare(rank(a), rank(b)),
				cmp.Compare(files[b], files[a]),
				cmp.Compare(a, b))
		})
	}
	return decided, nil
}

// rank is 0 for files of domain/, which come first, and 1 for others.
func rank(name string) int {
	if strings.HasPrefix(name, "domain/") {
		return 0
	}
	return 1
}

// docComments returns for each declaration the text of its doc comment and of those of its specs, fields and
// methods.
func docComments(file *ast.File) []string {
	var comments []string
	for _, declaration := range file.Decls {
		var text strings.Builder
		ast.Inspect(declaration, func(node ast.Node) bool {
			switch n := node.(type) {
			case *ast.GenDecl:
				text.WriteString(n.Doc.Text())
			case *ast.FuncDecl:
				text.WriteString(n.Doc.Text())
			case *ast.TypeSpec:
				text.WriteString(n.Doc.Text() + n.Comment.Text())
			case *ast.ValueSpec:
				text.WriteString(n.Doc.Text() + n.Comment.Text())
			case *ast.Field:
				text.WriteString(n.Doc.Text() + n.Comment.Text())
			case *ast.BlockStmt:
				return false // comments inside of functions do not count
			}
			return true
		})
		comments = append(comments, text.String())
	}
	return comments
}

var citation = regexp.MustCompile(`\bR(\d\d)(?:\s*[–-]\s*R(\d\d))?\b`)

// citations returns the numbers of the rules that a comment cites, each once; R23–R26 cites four.
func citations(comment string) []int {
	var numbers []int
	for _, match := range citation.FindAllStringSubmatch(comment, -1) {
		first, _ := strconv.Atoi(match[1])
		last := first
		if match[2] != "" {
			last, _ = strconv.Atoi(match[2])
		}
		for number := first; number <= last; number++ {
			numbers = append(numbers, number)
		}
	}
	slices.Sort(numbers)
	return slices.Compact(numbers)
}
