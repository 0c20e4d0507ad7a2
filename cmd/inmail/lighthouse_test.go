//go:build lighthouse

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"inmail/config"
	"inmail/connectors/porttest/nodetest"
	"inmail/domain"
)

// leastScore is what Lighthouse must give each page for performance, accessibility and best practices, and
// mostBytes is how much a page may load in all.
const (
	leastScore = 0.95
	mostBytes  = 100_000
)

// TestLighthouse measures the pages that people begin at, as a phone on a slow network loads them. It runs as
// make lighthouse, because it wants the whole Chromium and a minute for each page.
func TestLighthouse(t *testing.T) {
	const folder = "testdata/lighthouse"
	program, err := filepath.Abs(filepath.Join(folder, "node_modules", "lighthouse", "cli", "index.js"))
	if err != nil {
		t.Fatal(err)
	}
	nodetest.Install(t, folder)
	chrome, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("there is no Chromium: apt-get install chromium")
	}
	now := time.Now().UTC()
	f := (&browser{}).sample(t)
	for _, page := range []struct {
		member domain.MemberID
		path   string
	}{{config.NewSample(now).Recipient(now), "/inbox"}, {"lena.hart", "/sent"}, {"lena.hart", "/figures"}, {"", "/works"}} {
		t.Run(page.path[1:], func(t *testing.T) {
			report := filepath.Join(t.TempDir(), "report.json")
			headers, err := json.Marshal(map[string]string{"Cookie": f.session(t, page.member)})
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("node", program, "http://"+f.app.apiAddress+page.path, "--quiet", "--form-factor=mobile",
				"--output=json", "--output-path="+report, "--only-categories=performance,accessibility,best-practices",
				"--extra-headers="+string(headers), "--max-wait-for-load=120000", "--chrome-flags=--headless=new --no-sandbox --disable-gpu")
			cmd.Env = append(os.Environ(), "CHROME_PATH="+chrome)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			raw, err := os.ReadFile(report)
			if err != nil {
				t.Fatal(err)
			}
			var r struct {
				LighthouseVersion string
				FinalDisplayedURL string
				Categories        map[string]struct{ Score float64 }
				Audits            map[string]struct {
					Score        *float64
					Title        string
					NumericValue float64
				}
			}
			if err := json.Unmarshal(raw, &r); err != nil {
				t.Fatal(err)
			}
			scores := ""
			for _, c := range []string{"performance", "accessibility", "best-practices"} {
				score := r.Categories[c].Score
				scores += fmt.Sprintf(", %s %.0f", c, 100*score)
				if score < leastScore {
					t.Errorf("%s: %.0f, want %.0f", c, 100*score, 100*leastScore)
				}
			}
			bytes := r.Audits["total-byte-weight"].NumericValue
			t.Logf("Lighthouse %s, %s%s, %.0f bytes in all, first paint after %.0f ms", r.LighthouseVersion,
				r.FinalDisplayedURL, scores, bytes, r.Audits["first-contentful-paint"].NumericValue)
			if bytes == 0 || bytes > mostBytes {
				t.Errorf("the page loads %.0f bytes in all, want %d at most", bytes, mostBytes)
			}
			for id, a := range r.Audits {
				if a.Score != nil && *a.Score < 0.9 {
					t.Logf("%s: %s (%.2f)", id, a.Title, *a.Score)
				}
			}
		})
	}
}

// session returns the cookie of a new session; no member is the operator.
func (f *front) session(t *testing.T, member domain.MemberID) string {
	t.Helper()
	token, _, err := f.app.service.FollowLink(t.Context(), f.link(t, member))
	if err != nil {
		t.Fatal(err)
	}
	return "inmail=" + token
}
