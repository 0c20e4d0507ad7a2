// Notices writes which modules are part of the program, under which licences, and the texts of these. The
// program shows them by inmail version --licenses, and makes its bill of materials from them.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, "notices:", err)
		os.Exit(1)
	}
}

// part is a module that is linked into the program, or a folder of files that are embedded into it.
type part struct {
	path, version string
	ids           []string // SPDX
	texts         []string // of its licence and notice files
}

// run writes the notices of package into file; folders hold embedded files of others, each with its licence
// beside it.
func run(program, file string, folders []string) error {
	parts, err := modules(program)
	if err != nil {
		return err
	}
	for _, folder := range folders {
		p := part{path: filepath.Base(folder), version: "embedded"}
		if err := p.read(folder); err != nil {
			return err
		}
		parts = append(parts, p)
	}
	var b bytes.Buffer
	b.WriteString("Software of others in this program: what it is, its version, its licence (SPDX). The texts follow.\n\n")
	for _, p := range parts {
		fmt.Fprintf(&b, "%s %s %s\n", p.path, p.version, strings.Join(p.ids, " AND "))
	}
	users := map[string][]string{} // by text
	var texts []string
	for _, p := range parts {
		for _, text := range p.texts {
			if users[text] == nil {
				texts = append(texts, text)
			}
			users[text] = append(users[text], p.path)
		}
	}
	for _, text := range texts {
		fmt.Fprintf(&b, "\n%s\n%s\n\n%s\n", strings.Repeat("=", 80), strings.Join(users[text], "\n"), text)
	}
	return os.WriteFile(file, b.Bytes(), 0o644)
}

// modules returns the modules that are linked into program, by path, and Go's own library first.
func modules(program string) ([]part, error) {
	root, version, err := goRoot()
	if err != nil {
		return nil, err
	}
	std := part{path: "std", version: version}
	if err := std.read(root); err != nil {
		return nil, err
	}
	cmd := exec.Command("go", "list", "-deps", "-json=Module", program)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	cmd.Stderr = os.Stderr
	listed, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	linked := map[string]part{}
	for in := json.NewDecoder(bytes.NewReader(listed)); ; {
		var p struct {
			Module *struct {
				Path, Version, Dir string
				Main               bool
			}
		}
		if err := in.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		m := p.Module
		if m == nil || m.Main || linked[m.Path].path != "" {
			continue
		}
		one := part{path: m.Path, version: m.Version}
		if err := one.read(m.Dir); err != nil {
			return nil, err
		}
		linked[m.Path] = one
	}
	all := []part{std}
	for _, p := range linked {
		all = append(all, p)
	}
	slices.SortFunc(all[1:], func(a, b part) int { return strings.Compare(a.path, b.path) })
	return all, nil
}

// goRoot returns Go's folder and version.
func goRoot() (root, version string, err error) {
	out, err := exec.Command("go", "env", "GOROOT", "GOVERSION").Output()
	if err != nil {
		return "", "", fmt.Errorf("go env: %w", err)
	}
	lines := strings.Fields(string(out))
	return lines[0], lines[1], nil
}

var licenceFile = regexp.MustCompile(`(?i)^(licen[sc]e|copying|notice|patents)(\.(md|txt))?([-.].*)?$`)

// read finds the licence files at the top of folder. A part without any, or whose licence is not recognised,
// is an error: somebody has to look.
func (p *part) read(folder string) error {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w; go mod download", p.path, err)
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() || !licenceFile.MatchString(e.Name()) || strings.HasSuffix(e.Name(), ".go") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			return err
		}
		for _, m := range licensecheck.Scan(text).Match {
			if !slices.Contains(p.ids, m.ID) && m.ID != "GooglePatentClause" && m.ID != "GooglePatentsFile" {
				p.ids = append(p.ids, m.ID)
			}
		}
		p.texts = append(p.texts, strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n")))
	}
	slices.Sort(p.ids)
	if len(p.ids) == 0 {
		return fmt.Errorf("%s %s: no licence is recognised in %s; look at it", p.path, p.version, folder)
	}
	return nil
}
