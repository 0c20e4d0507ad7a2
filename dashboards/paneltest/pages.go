package paneltest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"inmail/dashboards"
)

// Pages reads both metrics pages of the program at base and returns the differences from the contract of
// panels and rules: a metric that is missing, or has another type, page or labels; a histogram with other
// buckets; a label value that is none of our codes. Metrics beyond the contract are ignored.
func Pages(ctx context.Context, base string) ([]string, error) {
	process, err := readPage(ctx, base+"/metrics")
	if err != nil {
		return nil, err
	}
	domain, err := readPage(ctx, base+"/metrics/domain")
	if err != nil {
		return nil, err
	}
	var faults []string
	for _, m := range dashboards.Metrics {
		here, elsewhere := process, domain
		if m.Page == dashboards.Domain {
			here, elsewhere = domain, process
		}
		if elsewhere[m.Name] != nil {
			faults = append(faults, m.Name+": on the wrong page")
		}
		family := here[m.Name]
		switch {
		case family != nil:
			faults = append(faults, differences(m, family)...)
		case !m.Absent:
			faults = append(faults, m.Name+": missing")
		}
	}
	return faults, nil
}

func readPage(ctx context.Context, url string) (map[string]*dto.MetricFamily, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", url, err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", url, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask %s: %s", url, resp.Status)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(io.LimitReader(resp.Body, pageLimit))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", url, err)
	}
	return families, nil
}

func differences(m dashboards.Metric, family *dto.MetricFamily) []string {
	var faults []string
	if kind := strings.ToLower(family.GetType().String()); kind != string(m.Kind) {
		faults = append(faults, fmt.Sprintf("%s: is a %s, not a %s", m.Name, kind, m.Kind))
	}
	for _, series := range family.GetMetric() {
		var names []string
		for _, pair := range series.GetLabel() {
			names = append(names, pair.GetName())
			// A queue that is split on a cluster has a number after its name.
			value, _, _ := strings.Cut(pair.GetValue(), ":")
			if known, ok := dashboards.Known[pair.GetName()]; ok && !slices.Contains(known, value) {
				faults = append(faults,
					fmt.Sprintf("%s: %s=%q is not one of %v", m.Name, pair.GetName(), pair.GetValue(), known))
			}
		}
		slices.Sort(names)
		if want := slices.Sorted(slices.Values(m.Labels)); !slices.Equal(names, want) {
			faults = append(faults, fmt.Sprintf("%s: has the labels %v, not %v", m.Name, names, want))
		}
		if m.Kind == dashboards.Histogram {
			var bounds []float64
			for _, bucket := range series.GetHistogram().GetBucket() {
				bounds = append(bounds, bucket.GetUpperBound())
			}
			if len(bounds) > 0 && bounds[len(bounds)-1] > m.Buckets[len(m.Buckets)-1] {
				bounds = bounds[:len(bounds)-1] // +Inf
			}
			if !slices.Equal(bounds, m.Buckets) {
				faults = append(faults, fmt.Sprintf("%s: has the buckets %v, not %v", m.Name, bounds, m.Buckets))
			}
		}
	}
	slices.Sort(faults)
	return slices.Compact(faults)
}
