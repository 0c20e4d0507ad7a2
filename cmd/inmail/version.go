package main

import (
	"bytes"
	_ "embed" // the notices and the changes
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/spf13/cobra"
)

//go:generate go run ../notices . notices.txt

// notices lists the software of others in the program, a line each, and after an empty line their licences.
//
//go:embed notices.txt
var notices string

// changes is what changed for people, newest version first.
//
//go:embed CHANGES.md
var changes string

func versionCommand(o *options) *cobra.Command {
	var licenses, sbom, news bool
	cmd := &cobra.Command{
		Use: "version", Short: "Print the version, what changed, and what the program is made of", Args: exactly(0),
		Example: "  inmail version\n  inmail version --changes\n  inmail version --licenses\n  inmail version --sbom > inmail.cdx.json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := cmd.OutOrStdout()
			switch {
			case licenses && sbom || sbom && news || news && licenses:
				return usageError{errors.New("give one of --licenses, --sbom and --changes")}
			case licenses:
				_, err := io.WriteString(out, notices)
				return err
			case news:
				_, err := io.WriteString(out, changes)
				return err
			case sbom:
				return cdx.NewBOMEncoder(out, cdx.BOMFileFormatJSON).SetPretty(true).Encode(billOfMaterials())
			}
			commit, _ := revision()
			answer := map[string]string{"version": version(), "commit": commit, "go": runtime.Version()}
			return o.print(out, answer, "inmail "+version()+"\n")
		},
	}
	cmd.Flags().BoolVar(&licenses, "licenses", false, "the software of others in the program, with its licences")
	cmd.Flags().BoolVar(&sbom, "sbom", false, "the bill of materials, as CycloneDX JSON")
	cmd.Flags().BoolVar(&news, "changes", false, "what changed for people, from version to version")
	return cmd
}

// version is the version of the program as the Go tool knows it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}

// revision is the commit that the program was built from, as far as the Go tool knows it; modified when files
// differed from it.
func revision() (commit string, modified bool) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "", false
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			commit = s.Value
		case "vcs.modified":
			modified = s.Value == "true"
		}
	}
	return commit, modified
}

// billOfMaterials lists the parts of the notices, and for modules the sums that they were built with.
func billOfMaterials() *cdx.BOM {
	sums := map[string]string{}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			sums[m.Path+" "+m.Version] = m.Sum
		}
	}
	const own = "pkg:golang/inmail"
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{Component: &cdx.Component{BOMRef: own, Type: cdx.ComponentTypeApplication, Name: "inmail",
		Version: version(), PackageURL: own + "@" + version()}}
	var components []cdx.Component
	var refs []string
	list, _, _ := strings.Cut(notices, "\n"+strings.Repeat("=", 80))
	for line := range strings.Lines(list) {
		path, rest, found := strings.Cut(strings.TrimSpace(line), " ")
		number, licence, ok := strings.Cut(rest, " ")
		if !found || !ok || strings.HasSuffix(path, ":") || strings.Contains(line, "(SPDX)") {
			continue
		}
		c := cdx.Component{BOMRef: "pkg:golang/" + path + "@" + number, Type: cdx.ComponentTypeLibrary, Name: path,
			Version: number, Licenses: &cdx.Licenses{{Expression: licence}}}
		if number != "embedded" {
			c.PackageURL = c.BOMRef
		}
		if sum := sums[path+" "+number]; sum != "" {
			c.Properties = &[]cdx.Property{{Name: "go:sum", Value: sum}}
		}
		components, refs = append(components, c), append(refs, c.BOMRef)
	}
	bom.Components = &components
	bom.Dependencies = &[]cdx.Dependency{{Ref: own, Dependencies: &refs}}
	return bom
}

// versionText is what --version prints.
func versionText() string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "inmail %s", version())
	if commit, modified := revision(); commit != "" {
		fmt.Fprintf(&b, " (%.12s", commit)
		if modified {
			b.WriteString(", modified")
		}
		b.WriteString(")")
	}
	fmt.Fprintf(&b, " %s\n", runtime.Version())
	return b.String()
}
