package metrics

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"inmail/domain/mailroom"
)

// TestEveryClassHasASeries checks that each class of failure has a series at 0, so that its first failure
// is an increase.
func TestEveryClassHasASeries(t *testing.T) {
	registry := prometheus.NewRegistry()
	NewProcess(registry).CRM("one", []string{"InMail__c", "Task"}, nil)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	made := map[string][]string{}
	for _, series := range family(t, families, "inmail_crm_push_records_total").GetMetric() {
		labels := map[string]string{}
		for _, l := range series.GetLabel() {
			labels[l.GetName()] = l.GetValue()
		}
		made[labels["object"]] = append(made[labels["object"]], labels["result"])
		if n := series.GetCounter().GetValue(); n != 0 {
			t.Errorf("%v begins at %v", labels, n)
		}
	}
	want := slices.Sorted(slices.Values(append(failureClasses(t), "created", "updated", "unchanged", "failed")))
	for _, object := range []string{"InMail__c", "Task"} {
		if diff := cmp.Diff(want, slices.Sorted(slices.Values(made[object]))); diff != "" {
			t.Errorf("results of %s (-want +got):\n%s", object, diff)
		}
	}
}

// TestCRMsAreToldApart checks that what is counted of one CRM is counted of no other.
func TestCRMsAreToldApart(t *testing.T) {
	registry := prometheus.NewRegistry()
	process := NewProcess(registry)
	one, two := process.CRM("one", []string{"row"}, []string{"call"}), process.CRM("two", []string{"row"}, []string{"call"})
	one.Pushed("row", "created", 3)
	one.Called("call", time.Second)
	two.BudgetUsed(0.5)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, name := range []string{"inmail_crm_push_records_total", "inmail_crm_api_calls_total", "inmail_crm_push_duration_seconds", "inmail_crm_api_budget_used_ratio"} {
		for _, series := range family(t, families, name).GetMetric() {
			value := series.GetCounter().GetValue() + series.GetGauge().GetValue() + float64(series.GetHistogram().GetSampleCount())
			for _, l := range series.GetLabel() {
				if l.GetName() == "crm" {
					got[name+" "+l.GetValue()] += value
				}
			}
		}
	}
	want := map[string]float64{"inmail_crm_push_records_total one": 3, "inmail_crm_push_records_total two": 0, "inmail_crm_api_calls_total one": 1,
		"inmail_crm_api_calls_total two": 0, "inmail_crm_push_duration_seconds one": 1, "inmail_crm_push_duration_seconds two": 0,
		"inmail_crm_api_budget_used_ratio one": 0, "inmail_crm_api_budget_used_ratio two": 0.5}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestEveryNoticeCounts checks that each notice changes a metric.
func TestEveryNoticeCounts(t *testing.T) {
	for _, empty := range mailroom.Notices() {
		filled := reflect.New(reflect.TypeOf(empty)).Elem()
		for i := range filled.NumField() {
			if field := filled.Field(i); field.CanInt() {
				field.SetInt(1) // because 0 would count nothing
			}
		}
		registry := prometheus.NewRegistry()
		process := NewProcess(registry)
		before := page(t, registry)
		process.Notify(filled.Interface().(mailroom.Notice))
		if page(t, registry) == before {
			t.Errorf("nothing counts %T", empty)
		}
	}
}

// page returns the metrics of a registry as text.
func page(t *testing.T, registry *prometheus.Registry) string {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(families)
}

func family(t *testing.T, families []*dto.MetricFamily, name string) *dto.MetricFamily {
	t.Helper()
	i := slices.IndexFunc(families, func(f *dto.MetricFamily) bool { return f.GetName() == name })
	if i < 0 {
		t.Fatalf("there is no %s", name)
	}
	return families[i]
}

// failureClasses reads the classes of the port from their declaration, so that a new class is tested too.
func failureClasses(t *testing.T) (classes []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../domain/crm.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "FailureClass" {
			class, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			if class != "" { // the class of Taken, which is no failure
				classes = append(classes, class)
			}
		}
		return true
	})
	if len(classes) == 0 {
		t.Fatal("domain/crm.go declares no classes")
	}
	return classes
}
