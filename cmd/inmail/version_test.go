package main

import (
	"bytes"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

func TestVersionSaysWhatIsInIt(t *testing.T) {
	licences := must(t, exitDone, "version", "--licenses").out
	for _, part := range []string{"\nstd go1.", "github.com/hibiken/asynq v", "github.com/simpleforce/simpleforce v",
		"Permission is hereby granted", "Apache License"} {
		if !strings.Contains(licences, part) {
			t.Errorf("the licences have no %q", part)
		}
	}
	var bom cdx.BOM
	out := must(t, exitDone, "version", "--sbom").out
	if err := cdx.NewBOMDecoder(bytes.NewReader([]byte(out)), cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	lines := 0
	for line := range strings.Lines(licences[:strings.Index(licences, "\n"+strings.Repeat("=", 80))]) {
		if strings.Count(line, " ") >= 2 && !strings.Contains(line, "SPDX") {
			lines++
		}
	}
	if n := len(*bom.Components); n != lines || n < 40 {
		t.Errorf("%d components of %d parts", n, lines)
	}
	for _, c := range *bom.Components {
		if c.Version == "" || len(*c.Licenses) != 1 || (*c.Licenses)[0].Expression == "" {
			t.Errorf("%+v has no version or licence", c)
		}
	}
	if got := must(t, exitDone, "version", "--changes").out; !strings.HasPrefix(got, "# What changed") {
		t.Errorf("the changes begin with %.40q", got)
	}
	for _, args := range [][]string{{"version"}, {"--version"}} {
		if got := must(t, exitDone, args...).out; !strings.HasPrefix(got, "inmail ") {
			t.Errorf("%v printed %q", args, got)
		}
	}
	must(t, exitUsage, "version", "--sbom", "--changes")
}
