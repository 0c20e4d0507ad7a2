package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// benchKey is the operator key of the bench.
const benchKey = "inm_bench_0123456789abcdef"

// memberKey is the key of a member of the bench. Members send with keys of their own: what an operator does
// in a member's place is noted first (R70), and costs more.
func memberKey(id domain.MemberID) string { return "inm_bench_0123456789abcdef_" + string(id) }

// benchClients is how many goroutines make requests at once.
const benchClients = 64

// benchLetter returns the n-th InMail; its recipients take turns.
func benchLetter(n int) mailroom.Send {
	to := fmt.Sprintf("r%d", n%benchRecipients)
	return mailroom.Send{From: domain.MemberID(fmt.Sprintf("s%d", n/45)), To: domain.MemberID(to),
		Subject: "A question for Recipient",
		Body: fmt.Sprintf("Dear Recipient,\n\nwhat you wrote on **queues** in part %d stayed with me. "+
			"Would you tell me how your team tests its own?\n\n- by hand\n"+
			"- by [a model](https://example.org/model)", n),
		Key: fmt.Sprintf("bench-%d", n)}
}

// benchLoadCommand is the load of the bench, in a process of its own: its processor time is a unit that
// machines have in common.
func benchLoadCommand() *cobra.Command {
	var from, count int
	cmd := &cobra.Command{
		Use: "load URL", Hidden: true, Args: exactly(1), Short: "Post InMails to URL, for inmail bench",
		RunE: func(cmd *cobra.Command, args []string) error {
			client := benchClient()
			if strings.HasSuffix(args[0], "/v1/preflight") {
				return floodPreflights(cmd.Context(), client, args[0], count, cmd.OutOrStdout())
			}
			rate, err := flood(cmd.Context(), benchClients, from, count, func(n int) error {
				_, err := postLetter(client, args[0], benchLetter(n))
				return err
			})
			if err == nil {
				_, err = fmt.Fprintln(cmd.OutOrStdout(), rate)
			}
			return err
		},
	}
	cmd.Flags().IntVar(&from, "from", 0, "number of the first InMail")
	cmd.Flags().IntVar(&count, "count", 0, "how many")
	return cmd
}

func benchClient() *http.Client {
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: benchClients}}
}

// preflighting is how many preflights are made at once.
const preflighting = 4

// floodPreflights asks about all recipients, count times.
func floodPreflights(ctx context.Context, client *http.Client, url string, count int, out io.Writer) error {
	to := make([]string, mailroom.MaxPreflight)
	for i := range to {
		to[i] = fmt.Sprintf("r%d", i)
	}
	letter := benchLetter(0)
	body, err := json.Marshal(map[string]any{"to": to, "subject": letter.Subject, "body": letter.Body})
	if err != nil {
		return err
	}
	rate, err := flood(ctx, preflighting, 0, count, func(int) error {
		_, err := benchPost(client, url, memberKey(letter.From), string(body), http.StatusOK)
		return err
	})
	if err == nil {
		_, err = fmt.Fprintln(out, rate)
	}
	return err
}

// flood calls do for each of count numbers from the first on, by clients at once, and returns the calls a
// second.
func flood(ctx context.Context, clients, from, count int, do func(n int) error) (float64, error) {
	var next atomic.Int64
	next.Store(int64(from))
	var fault atomic.Pointer[error]
	began := time.Now()
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for ctx.Err() == nil && fault.Load() == nil {
				n := int(next.Add(1)) - 1
				if n >= from+count {
					return
				}
				if err := do(n); err != nil {
					fault.Store(&err)
				}
			}
		})
	}
	wg.Wait()
	if err := fault.Load(); err != nil {
		return 0, *err
	}
	return float64(count) / time.Since(began).Seconds(), ctx.Err()
}

// postLetter sends one InMail over HTTP.
func postLetter(client *http.Client, url string, s mailroom.Send) (string, error) {
	body, err := json.Marshal(map[string]string{"to": string(s.To), "subject": s.Subject, "body": s.Body})
	if err != nil {
		return "", err
	}
	return benchPost(client, url, memberKey(s.From), string(body), http.StatusAccepted, "Idempotency-Key", s.Key)
}

func benchPost(client *http.Client, url, key, body string, want int, header ...string) (string, error) {
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != want {
		return "", fmt.Errorf("%s: status %d: %w", url, resp.StatusCode,
			errors.Join(err, errors.New(string(raw[:min(len(raw), 200)]))))
	}
	return string(raw), nil
}

// load posts InMails from a process of its own, and returns the rate and the processor time of that process.
func (b *bencher) load(ctx context.Context, url string, from, count int) (rate float64, used time.Duration, err error) {
	self, err := os.Executable()
	if err != nil {
		return 0, 0, fmt.Errorf("bench: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, "bench", "load", url, "--from", strconv.Itoa(from), "--count", strconv.Itoa(count))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return 0, 0, fmt.Errorf("bench: the load: %w", err)
	}
	rate, err = strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	if err != nil {
		return 0, 0, fmt.Errorf("bench: the load: %w", err)
	}
	return rate, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}

// startRiver starts the neighbour that --river names, on the bench's database. It returns its address.
func (b *bencher) startRiver(ctx context.Context) (url string, stop func(), err error) {
	cmd := exec.CommandContext(ctx, b.sizes.river)
	cmd.Env = append(os.Environ(), "DATABASE_URL="+b.settings.Record.URL)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, fmt.Errorf("bench: River: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, fmt.Errorf("bench: River: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("bench: River: %w; make bench builds it", err)
	}
	stop = func() { _ = in.Close(); _ = cmd.Wait() }
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("bench: River did not start: %w", err)
	}
	return "http://" + strings.TrimSpace(address) + "/", stop, nil
}

// worked asks the neighbour how many jobs it has worked.
func (b *bencher) worked(url string) (n int, err error) {
	resp, err := b.client.Get(url)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = fmt.Fscan(resp.Body, &n)
	return n, err
}
