package dashboards

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Committed is what is mounted into Grafana and Prometheus, as committed in the repository.
//
//go:embed boards/*.json boards/.lint rules/*.yml prometheus.yml alertmanager.yml README.md
var Committed embed.FS

// Sheet is a committed board, as much of its JSON as the tests look at.
type Sheet struct {
	File        string `json:"-"`
	UID         string `json:"uid"`
	Title       string `json:"title"`
	Description string `json:"description"`
	Tags        []string
	Editable    *bool `json:"editable"`
	Panels      []Panel
	Links       []struct {
		Type, Placement string
		Tags            []string
		IncludeVars     bool
		KeepTime        bool
	}
	Templating struct {
		List []Variable `json:"list"`
	}
	Annotations struct {
		List []Annotation `json:"list"`
	}
}

// Panel is a panel or a row of a committed board.
type Panel struct {
	ID          uint32 `json:"id"`
	Type        string `json:"type"`
	Title       string `json:"title"`
	Description string `json:"description"`
	Datasource  *Source
	Targets     []Target
	GridPos     struct{ X, Y, W, H int }
	FieldConfig struct {
		Defaults struct {
			Unit       string
			Thresholds struct {
				Steps []struct {
					Value *float64
					Color string
				}
			}
		}
		Overrides []struct {
			Matcher    struct{ ID, Options string }
			Properties []struct {
				ID    string
				Value any
			}
		}
	}
	Links  []struct{ URL string }
	Panels []Panel // of a row that is folded; Sheets lists them after their row
	Row    string  `json:"-"` // the title of the row that it is in
	Folded bool    `json:"collapsed"`
}

// Target is one query of a panel.
type Target struct {
	RefID        string `json:"refId"`
	Expr         string `json:"expr"`
	LegendFormat string `json:"legendFormat"`
	Format       string `json:"format"`
	Instant      bool   `json:"instant"`
	Range        bool   `json:"range"`
	Datasource   *Source
}

// Variable is what the reader may choose at the top of a board.
type Variable struct {
	Name, Label, Type, AllValue string
	Query                       any // text, but an object in boards of other makers
	Datasource                  *Source
	Refresh                     int
	Multi, IncludeAll           bool
}

// Annotation is a query whose answers are marked on the time axis.
type Annotation struct {
	Name, Expr string
	Datasource *Source
}

// Source is a reference to a data source.
type Source struct{ Type, UID string }

// Sheets reads the committed boards.
func Sheets() ([]Sheet, error) {
	files, err := fs.Glob(Committed, "boards/*.json")
	if err != nil {
		return nil, fmt.Errorf("list the boards: %w", err)
	}
	var sheets []Sheet
	for _, file := range files {
		text, err := Committed.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		sheet := Sheet{File: file}
		if err := json.Unmarshal(text, &sheet); err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		sheet.Panels = unfolded(sheet.Panels)
		sheets = append(sheets, sheet)
	}
	return sheets, nil
}

// unfolded lists the panels of folded rows after their rows, and names the row of each panel.
func unfolded(panels []Panel) []Panel {
	var all []Panel
	row := ""
	for _, p := range panels {
		if p.Type == "row" {
			row = p.Title
		}
		p.Row = row
		all = append(all, p)
		for _, inner := range p.Panels {
			inner.Row = row
			all = append(all, inner)
		}
	}
	return all
}

// RuleFile is one committed file of recording rules and alerts.
type RuleFile struct {
	File   string `yaml:"-"`
	Groups []struct {
		Name  string
		Rules []Rule
	}
}

// Rule is a recording rule or an alert: one of Record and Alert is set.
type Rule struct {
	Record, Alert, Expr string
	For                 string
	Labels, Annotations map[string]string
}

// RuleFiles reads the committed rules; a *.test.yml is not one of them.
func RuleFiles() ([]RuleFile, error) {
	files, err := fs.Glob(Committed, "rules/*.yml")
	if err != nil {
		return nil, fmt.Errorf("list the rules: %w", err)
	}
	var all []RuleFile
	for _, file := range files {
		if strings.HasSuffix(file, ".test.yml") {
			continue
		}
		text, err := Committed.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		rules, err := parseRules(file, text)
		if err != nil {
			return nil, err
		}
		all = append(all, rules)
	}
	return all, nil
}

func parseRules(file string, text []byte) (RuleFile, error) {
	rules := RuleFile{File: file}
	if err := yaml.Unmarshal(text, &rules); err != nil {
		return rules, fmt.Errorf("read %s: %w", file, err)
	}
	return rules, nil
}

// recordedName is level:metric:operation; no other metric has a colon in its name.
var recordedName = regexp.MustCompile(`[a-z_]+:[a-z_]+:[a-z0-9_]+`)

// Recorded says whether expr reads a recorded series, which has no instance.
func Recorded(expr string) bool { return recordedName.MatchString(expr) }
