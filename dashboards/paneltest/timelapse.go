package paneltest

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
)

// Faster returns a committed rule file for a Prometheus in which time runs faster by the factor times:
// every for, range and offset, and every number of seconds, is divided by it. Names, labels, counts and
// shares stay. Bounds of buckets are labels and stay too, so that an objective's "within 5 s" means five
// real seconds. With times 1 the rules keep their meaning.
func Faster(file []byte, times int) ([]byte, error) {
	var rules map[string]any
	if err := yaml.Unmarshal(file, &rules); err != nil {
		return nil, fmt.Errorf("read the rules: %w", err)
	}
	groups, _ := rules["groups"].([]any)
	if len(groups) == 0 {
		return nil, fmt.Errorf("read the rules: no groups")
	}
	shorter := func(d time.Duration) time.Duration { return d / time.Duration(times) }
	for _, g := range groups {
		group := g.(map[string]any)
		if err := shorten(group, shorter, "interval", "query_offset"); err != nil {
			return nil, err
		}
		for _, r := range group["rules"].([]any) {
			rule := r.(map[string]any)
			if err := shorten(rule, shorter, "for", "keep_firing_for"); err != nil {
				return nil, err
			}
			expr, err := Retimed(rule["expr"].(string), shorter)
			if err != nil {
				return nil, err
			}
			rule["expr"] = expr
		}
	}
	return yaml.Marshal(rules)
}

// shorten changes the durations in the given fields of a group or a rule.
func shorten(of map[string]any, shorter func(time.Duration) time.Duration, fields ...string) error {
	for _, field := range fields {
		text, ok := of[field].(string)
		if !ok {
			continue
		}
		d, err := model.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("read %s: %w", field, err)
		}
		of[field] = model.Duration(shorter(time.Duration(d))).String()
	}
	return nil
}

// Retimed returns expr with each duration d replaced by change(d): ranges, offsets and steps, and numbers
// of seconds. Those are the numbers with which a time is compared (time() - x > 45, …_seconds > 60), and
// the factors that make a rate the number of events in its window (3600 * …:rate1h).
func Retimed(expr string, change func(time.Duration) time.Duration) (string, error) {
	parsed, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", expr, err)
	}
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		switch n := node.(type) {
		case *parser.MatrixSelector:
			n.Range = change(n.Range)
		case *parser.VectorSelector:
			if n.OriginalOffset != 0 {
				n.OriginalOffset = change(n.OriginalOffset)
			}
		case *parser.SubqueryExpr:
			n.Range = change(n.Range)
			if n.Step != 0 {
				n.Step = change(n.Step)
			}
			if n.OriginalOffset != 0 {
				n.OriginalOffset = change(n.OriginalOffset)
			}
		case *parser.BinaryExpr:
			for number, other := range operands(n) {
				if number.Val != 0 && (n.Op.IsComparisonOperator() && isTime(other) ||
					n.Op == parser.MUL && window(other) == number.Val) {
					number.Val = change(time.Duration(number.Val * float64(time.Second))).Seconds()
				}
			}
		}
		return nil
	})
	return parsed.String(), nil
}

// operands maps each number that is one operand of n to the other operand.
func operands(n *parser.BinaryExpr) map[*parser.NumberLiteral]parser.Expr {
	pairs := map[*parser.NumberLiteral]parser.Expr{}
	if number, ok := unwrapped(n.LHS).(*parser.NumberLiteral); ok {
		pairs[number] = n.RHS
	}
	if number, ok := unwrapped(n.RHS).(*parser.NumberLiteral); ok {
		pairs[number] = n.LHS
	}
	return pairs
}

// unwrapped returns e without parentheses and aggregations: they do not change the unit.
func unwrapped(e parser.Expr) parser.Expr {
	switch n := e.(type) {
	case *parser.ParenExpr:
		return unwrapped(n.Expr)
	case *parser.AggregateExpr:
		if n.Op == parser.MAX || n.Op == parser.MIN {
			return unwrapped(n.Expr)
		}
	}
	return e
}

// isTime reports whether e is a number of seconds: the time since something, or a gauge whose name says so.
func isTime(e parser.Expr) bool {
	switch n := unwrapped(e).(type) {
	case *parser.BinaryExpr:
		call, ok := unwrapped(n.LHS).(*parser.Call)
		return ok && n.Op == parser.SUB && call.Func.Name == "time"
	case *parser.VectorSelector:
		return strings.HasSuffix(nameOf(n), "_seconds")
	}
	return false
}

var rateOf = regexp.MustCompile(`rate(\d+[smhd])$`)

// window returns the window of a recorded rate in seconds, from its name; 0 for any other expression.
func window(e parser.Expr) float64 {
	selector, ok := unwrapped(e).(*parser.VectorSelector)
	if !ok {
		return 0
	}
	if found := rateOf.FindStringSubmatch(nameOf(selector)); found != nil {
		if d, err := model.ParseDuration(found[1]); err == nil {
			return math.Round(time.Duration(d).Seconds())
		}
	}
	return 0
}

func nameOf(s *parser.VectorSelector) string {
	for _, m := range s.LabelMatchers {
		if m.Name == model.MetricNameLabel && m.Type == labels.MatchEqual {
			return m.Value
		}
	}
	return s.Name
}
