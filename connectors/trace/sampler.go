package trace

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// sampler keeps the share of traces that OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG ask for. A trace
// that a client began is kept when the client keeps it. Every other is decided by its id alone, so that all
// processes decide alike for an InMail.
type sampler struct{ share float64 }

func newSampler(getenv func(string) string) (sampler, error) {
	name, arg := getenv("OTEL_TRACES_SAMPLER"), getenv("OTEL_TRACES_SAMPLER_ARG")
	switch strings.TrimPrefix(name, "parentbased_") {
	case "", "always_on":
		return sampler{1}, nil
	case "always_off":
		return sampler{0}, nil
	case "traceidratio":
		share, err := strconv.ParseFloat(arg, 64)
		if err != nil || share < 0 || share > 1 {
			return sampler{}, fmt.Errorf("OTEL_TRACES_SAMPLER_ARG is %q; name a share from 0 to 1", arg)
		}
		return sampler{share}, nil
	}
	return sampler{}, fmt.Errorf("OTEL_TRACES_SAMPLER is %q; one of always_on, always_off, traceidratio, "+
		"alone or after parentbased_", name)
}

// ShouldSample decides on a new span.
func (s sampler) ShouldSample(p sdk.SamplingParameters) sdk.SamplingResult {
	parent := trace.SpanContextFromContext(p.ParentContext)
	keep := parent.IsSampled()
	if !parent.IsValid() || isRoot(parent) {
		keep = s.keeps(p.TraceID)
	}
	result := sdk.SamplingResult{Decision: sdk.Drop, Tracestate: parent.TraceState()}
	if keep {
		result.Decision = sdk.RecordAndSample
	}
	return result
}

// keeps decides by the last 62 bits of the id: those before them are the same in every UUID.
func (s sampler) keeps(id trace.TraceID) bool {
	return float64(binary.BigEndian.Uint64(id[8:])<<2) < s.share*(1<<63)*2
}

// isRoot is true for the first span of the trace of an InMail.
func isRoot(s trace.SpanContext) bool {
	id := s.TraceID()
	return s.SpanID() == trace.SpanID(id[8:])
}

// Description names the sampler.
func (s sampler) Description() string { return fmt.Sprintf("inmail{%g}", s.share) }
