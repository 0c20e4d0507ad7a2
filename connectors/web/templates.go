package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"

	"inmail/domain"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed assets
var assetFiles embed.FS

// templates are the pages by the name of their file, each with the layout and the shared parts.
type templates map[string]*template.Template

// shared are the files that every page contains.
var shared = []string{"templates/layout.html", "templates/parts.html"}

func loadTemplates(a assets) (templates, error) {
	base, err := template.New("").Funcs(template.FuncMap{
		"t": say, "windowDays": windowDays, "openCompleteDays": openCompleteDays, "lang": lang, "asset": a.path, "thousands": thousands, "many": many,
	}).ParseFS(templateFiles, shared...)
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	names, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		return nil, err
	}
	pages := templates{}
	for _, name := range names {
		t, err := template.Must(base.Clone()).ParseFS(templateFiles, name)
		if err != nil {
			return nil, fmt.Errorf("web: %w", err)
		}
		pages[strings.TrimSuffix(path.Base(name), ".html")] = t
	}
	return pages, nil
}

// assets are the style sheet, the script and the icon, under one checksum over all of them.
type assets struct {
	sum     string
	files   map[string][]byte
	gzipped map[string][]byte // the same, compressed once
}

func loadAssets() (assets, error) {
	a := assets{files: map[string][]byte{}, gzipped: map[string][]byte{}}
	sum := sha256.New()
	err := fs.WalkDir(assetFiles, "assets", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := assetFiles.ReadFile(name)
		a.files[path.Base(name)] = content
		sum.Write(content)
		var b bytes.Buffer
		z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // its one error is a level that there is not
		_, _ = z.Write(content)                               // a buffer takes everything
		_ = z.Close()
		a.gzipped[path.Base(name)] = b.Bytes()
		return err
	})
	a.sum = hex.EncodeToString(sum.Sum(nil))[:16]
	return a, err
}

// path is where a browser finds an asset; other content has another path, so that it may be kept for ever.
func (a assets) path(name string) (string, error) {
	if a.files[name] == nil {
		return "", fmt.Errorf("there is no asset %s", name)
	}
	return "/assets/" + a.sum + "/" + name, nil
}

func (v *visit) asset() error {
	name := v.r.PathValue("name")
	content := v.site.assets.files[name]
	if content == nil || v.r.PathValue("sum") != v.site.assets.sum {
		return refuse(domain.NotFound, say("There is no such file."))
	}
	h := v.w.Header()
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
	h.Set("Vary", "Accept-Encoding")
	if strings.Contains(v.r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		content = v.site.assets.gzipped[name]
	}
	h.Set("Content-Length", strconv.Itoa(len(content)))
	_, err := v.w.Write(content)
	if v.r.Method == http.MethodHead {
		return nil
	}
	return err
}
