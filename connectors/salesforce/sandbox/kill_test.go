package sandbox

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// fileOfChild is the environment variable that makes the test binary a sandbox which serves until it is
// killed.
const fileOfChild = "INMAIL_SANDBOX_TEST_FILE"

// TestMain makes rapid run fewer random changes in the short form, unless -rapid.checks is given.
func TestMain(m *testing.M) {
	if !long {
		if err := flag.Set("rapid.checks", "25"); err != nil {
			panic(err)
		}
	}
	flag.Parse() // a flag on the command line takes precedence
	if path := os.Getenv(fileOfChild); path != "" {
		if err := serveUntilKilled(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

func serveUntilKilled(path string) error {
	s, err := New(Options{Credentials: testCredentials(), DailyLimit: 1_000_000, File: path})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	return http.Serve(l, s.Handler())
}

// TestKill9 kills a process that serves an org while eight clients write to it. All records that were
// acknowledged are there afterwards.
func TestKill9(t *testing.T) {
	path := filepath.Join(t.TempDir(), "org.db")
	for round := range 3 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), fileOfChild+"="+path)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		child.Stderr = os.Stderr
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		address, err := bufio.NewReader(out).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		g := &org{t: t, server: &httptest.Server{URL: "http://" + strings.TrimSpace(address), Config: &http.Server{}}}
		g.login()
		var mu sync.Mutex
		stored := map[string]string{}
		enough := make(chan struct{})
		var wait sync.WaitGroup
		for client := range 8 {
			wait.Add(1)
			go func() {
				defer wait.Done()
				for i := 0; ; i++ {
					key := fmt.Sprintf("%d-%d-%d", round, client, i)
					id, ok := g.tryUpsert(key)
					if !ok {
						return // the process is gone
					}
					mu.Lock()
					stored[key] = id
					if len(stored) == 300 {
						close(enough)
					}
					mu.Unlock()
				}
			}()
		}
		<-enough
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		wait.Wait()
		_ = child.Wait() // the error is that it was killed
		again := reopen(t, path)
		for key, id := range stored {
			if got := again.value(id, "InMail_Id__c"); got != key {
				t.Errorf("%s was answered as %s, which is %v", key, id, got)
			}
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// tryUpsert stores one record; ok is whether the org acknowledged it.
func (g *org) tryUpsert(key string) (id string, ok bool) {
	body := fmt.Sprintf(`{"records":[{"attributes":{"type":"InMail__c"},"InMail_Id__c":%q,"Subject__c":"text"}]}`, key)
	req, err := http.NewRequest("PATCH", g.server.URL+"/services/data/v67.0/composite/sobjects/InMail__c/InMail_Id__c", strings.NewReader(body))
	if err != nil {
		return "", false
	}
	req.Header.Set("Authorization", "Bearer "+g.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", false
	}
	defer resp.Body.Close()
	var rows []struct {
		ID      string
		Success bool
	}
	if json.NewDecoder(resp.Body).Decode(&rows) != nil || len(rows) != 1 || !rows[0].Success {
		return "", false
	}
	return rows[0].ID, true
}
