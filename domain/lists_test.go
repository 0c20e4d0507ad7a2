package domain_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"inmail/domain"
	"inmail/domain/advice"
	"inmail/domain/mailroom"
	"inmail/domain/rates"
	"inmail/domain/spam"
)

// TestListsAreWhole compares each list with the block of constants that it lists: a constant that is in no
// list is accepted by no call, has no series and no words.
func TestListsAreWhole(t *testing.T) {
	var types []string
	for _, kind := range mailroom.TaskKinds() {
		types = append(types, kind.Type)
	}
	for _, row := range []struct {
		folder, has string // a constant of the block
		list        []string
	}{
		{".", "Basic", texts(domain.AccountTypes())},
		{".", "Restricted", texts(domain.RefusalCodes())},
		{".", "Queued", texts(domain.Statuses())},
		{".", "PendingUnopened", texts(domain.Outcomes())},
		{".", "Matched", texts(domain.Matches())},
		{".", "BanMember", texts(domain.BanKinds())},
		{"advice", "NoName", slices.DeleteFunc(advice.Codes(), func(c string) bool { return c == advice.VaryText })},
		{"mailroom", "QueueSends", mailroom.Queues()},
		{"mailroom", "TaskSend", types},
		{"mailroom", "RoleMember", texts(mailroom.Roles())},
		{"rates", "Higher", texts(rates.Verdicts())},
		{"spam", "VolumeHour", spam.Triggers()},
	} {
		t.Run(row.has, func(t *testing.T) {
			constants := block(t, row.folder, row.has)
			if diff := cmp.Diff(slices.Sorted(slices.Values(constants)), slices.Sorted(slices.Values(row.list))); diff != "" {
				t.Errorf("constants and list (-constants +list):\n%s", diff)
			}
		})
	}
}

func texts[S ~string](values []S) (all []string) {
	for _, v := range values {
		all = append(all, string(v))
	}
	return all
}

// block returns the texts of the constants that are declared in one block with the constant name.
func block(t *testing.T, folder, name string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no file in %s: %v", folder, err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, source, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range parsed.Decls {
			constants := map[string]string{}
			if d, ok := decl.(*ast.GenDecl); ok && d.Tok == token.CONST {
				for _, spec := range d.Specs {
					addTexts(constants, spec.(*ast.ValueSpec))
				}
			}
			if _, found := constants[name]; found {
				return slices.Collect(maps.Values(constants))
			}
		}
	}
	t.Fatalf("no constant %s in %s", name, folder)
	return nil
}

// addTexts adds the constants of spec that are literal texts. An empty one means none, and is in no list.
func addTexts(to map[string]string, spec *ast.ValueSpec) {
	for i, value := range spec.Values {
		if literal, ok := value.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			if text, err := strconv.Unquote(literal.Value); err == nil && text != "" {
				to[spec.Names[i].Name] = text
			}
		}
	}
}
