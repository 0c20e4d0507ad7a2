package paneltest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// pageLimit bounds the size in bytes of a metrics page.
const pageLimit = 64 << 20

// Relay serves the metrics pages of a program whose clock was set forward by POST /v1/clock, while
// Prometheus' own clock was not: for Prometheus the program's timestamps are in the future, and time() - x
// would be negative. The relay moves every *_timestamp_seconds back by ahead() at the time of the scrape.
// The value 0 means "none" and stays 0. target is the program's base URL.
func Relay(target string, ahead func() time.Duration) http.Handler {
	client := &http.Client{Timeout: 10 * time.Second}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, target+r.URL.Path, nil)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if key := r.Header.Get("Authorization"); key != "" {
			req.Header.Set("Authorization", key)
		}
		resp, err := client.Do(req)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		page, err := moveBack(io.LimitReader(resp.Body, pageLimit), ahead())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
		w.WriteHeader(resp.StatusCode)
		_, _ = w.Write(page)
	})
}

// moveBack rewrites the timestamps of a page in Prometheus' text format.
func moveBack(page io.Reader, by time.Duration) ([]byte, error) {
	var out bytes.Buffer
	lines := bufio.NewScanner(page)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		at := strings.LastIndexByte(line, ' ')
		name, _, _ := strings.Cut(line, "{")
		name, _, _ = strings.Cut(name, " ")
		if strings.HasSuffix(name, "_timestamp_seconds") && at > 0 {
			value, err := strconv.ParseFloat(line[at+1:], 64)
			if err != nil {
				return nil, fmt.Errorf("read the value of %s: %w", name, err)
			}
			if value != 0 {
				line = line[:at+1] + strconv.FormatFloat(value-by.Seconds(), 'f', -1, 64)
			}
		}
		out.WriteString(line + "\n")
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the page: %w", err)
	}
	return out.Bytes(), nil
}
