package main

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"inmail/connectors/record/recordtest"
)

// TestLiveCopies starts copies and backups of a record, whole programs each (R61).
func TestLiveCopies(t *testing.T) {
	t.Parallel() // it mostly waits
	for name, test := range map[string]func(*testing.T){"R61_five_live_copies_deliver_nothing": testFiveCopies,
		"R61_backup_while_live_and_restored": testBackup, "R61_dump_of_postgres_restored": testDump} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
}

// inmail runs a command of the program with the settings of the server, and returns what it prints.
func (s *server) inmail(code int, args ...string) string {
	s.t.Helper()
	cmd := exec.Command(program(s.t), args...)
	cmd.Env = append(s.env, "INMAIL_URL="+s.url)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != code {
		s.t.Fatalf("inmail %v: %v, want exit code %d\n%s", args, err, code, out)
	}
	return string(out)
}

// queueDirectly imports InMails into the record of a server that does not run: they are queued.
func (s *server) queueDirectly(data string, from, to int) {
	s.t.Helper()
	var lines bytes.Buffer
	for i := from; i < to; i++ {
		line := letter(i)
		line["from"], line["key"] = "s0", fmt.Sprintf("q%d", i)
		if err := json.NewEncoder(&lines).Encode(map[string]any{"inmail": line}); err != nil {
			s.t.Fatal(err)
		}
	}
	file := filepath.Join(s.t.TempDir(), "inmails.ndjson")
	if err := os.WriteFile(file, lines.Bytes(), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.inmail(exitDone, "import", file, "--direct", "--data", data)
}

// isHeld waits until a server answers, and checks that it is held: it reads and sends nothing.
func (s *server) isHeld() {
	s.t.Helper()
	s.eventually("the server answers", func() error { _, err := http.Get(s.url + "/livez"); return err })
	for what, answer := range map[string]func() (int, map[string]any, error){
		"/readyz": func() (int, map[string]any, error) { return s.call("GET", "/readyz", "", nil) },
		"a send":  func() (int, map[string]any, error) { return s.call("POST", "/v1/inmails", "s0", letter(1)) },
	} {
		status, out, err := answer()
		detail, _ := out["detail"].(string)
		if err != nil || status != http.StatusServiceUnavailable || !strings.Contains(detail, "is held") || !strings.Contains(detail, "inmail resume --after-restore") {
			s.t.Errorf("%s: %d %v %v, want 503, held", what, status, out, err)
		}
	}
	s.must(http.StatusOK, "GET", "/v1/inbox", "r1", nil)
	if !strings.Contains(s.log.String(), "the record is held") {
		s.t.Errorf("the log does not say that it is held")
	}
}

// allInMails are the queued InMails and those that were decided.
const allInMails = `(SELECT status, reason, sent_at FROM inmails UNION ALL SELECT 'queued', '', NULL FROM waiting) AS every_inmail`

// countIn asks SQLite's file how many InMails meet a condition on status, reason and
// sent_at.
func countIn(t *testing.T, data, where string) (n int) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(data, "inmail.db")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow("SELECT count(*) FROM " + allInMails + " WHERE " + where).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// someRedrives lets the time pass in which a program that is not held would send what is queued, by redrive.
func someRedrives() { <-time.NewTimer(5 * time.Second).C }

// testFiveCopies copies a data folder by cp -r, three times with InMails that are queued and twice under
// load, and starts all copies beside the original. The original delivers each InMail once, the copies none.
func testFiveCopies(t *testing.T) {
	const queued, loaded = 25, 160
	folder := t.TempDir()
	data := filepath.Join(folder, "data")
	s := newServer(t, []string{"--data", data}, calmEnv...)
	s.Start()
	s.network(8, "recruiter_50", queued+loaded)
	s.Kill()
	s.queueDirectly(data, loaded, loaded+queued)
	var copies []*server
	cp := func() {
		at := fmt.Sprintf("%s%d", data, len(copies)+1)
		_ = exec.Command("cp", "-r", data, at).Run() // a file of the original may vanish meanwhile
		copies = append(copies, newServer(t, []string{"--data", at}, calmEnv...))
	}
	for range 3 {
		cp()
	}
	s.Start()
	var sent atomic.Int64
	var ids map[string]string
	var load sync.WaitGroup
	load.Go(func() { ids = s.load(loaded, 8, &sent) })
	for part := range 2 {
		s.eventually("some are sent", func() error {
			if n := int(sent.Load()); n < (part+1)*loaded/3 {
				return fmt.Errorf("%d of %d", n, loaded)
			}
			return nil
		})
		cp()
	}
	began := time.Now().UnixMilli()
	for _, c := range copies {
		c.launch()
	}
	load.Wait()
	for i, c := range copies {
		eventually(t, "the copy answers or was refused", func() error {
			if c.died() != "" {
				return nil
			}
			_, err := http.Get(c.url + "/livez")
			return err
		})
		if how := c.died(); how != "" { // cp -r under load may have caught a state that is none
			if i < 3 || !strings.Contains(how, "damaged") {
				t.Error(how)
			}
			c.process = nil
			continue
		}
		c.isHeld()
	}
	someRedrives()
	s.eventually("the original delivers all", func() error {
		if n := countIn(t, data, "status = 'sent'"); n != queued+loaded {
			return fmt.Errorf("%d of %d", n, queued+loaded)
		}
		return nil
	})
	if len(ids) != loaded {
		t.Errorf("%d of %d were accepted", len(ids), loaded)
	}
	for i, c := range copies {
		if c.process == nil {
			continue
		}
		at := fmt.Sprintf("%s%d", data, i+1)
		if n := countIn(t, at, fmt.Sprintf("sent_at >= %d", began)); n != 0 {
			t.Errorf("copy %d delivered %d InMails", i+1, n)
		}
		if n := countIn(t, at, "status = 'queued'"); i < 3 && n != queued {
			t.Errorf("copy %d has %d queued InMails, want %d", i+1, n, queued)
		}
		if code := c.Stop(); code != 0 {
			t.Errorf("a held server ends with %d", code)
		}
	}
	if code := s.Stop(); code != 0 { // moved to another path, it is the original
		t.Errorf("the original ends with %d", code)
	}
	if err := os.Rename(data, data+"-moved"); err != nil {
		t.Fatal(err)
	}
	s.args[len(s.args)-1] = data + "-moved"
	s.Start()
}

// withFileKey lets a server and its commands take the operator key that embedded mode has made.
func (s *server) withFileKey() {
	for i, e := range s.env {
		if strings.HasPrefix(e, "INMAIL_OPERATOR_KEY=") {
			s.env[i] = "INMAIL_OPERATOR_KEY="
		}
	}
}

// testBackup backs a data folder up with InMails that are queued, lets the original send them, and restores
// the backup beside it: nothing is sent before it is resumed, and then nothing that was queued.
func testBackup(t *testing.T) {
	const queued, loaded = 12, 60
	folder := t.TempDir()
	data, restored := filepath.Join(folder, "data"), filepath.Join(folder, "restored")
	s := newServer(t, []string{"--data", data}, calmEnv...)
	s.Start()
	s.network(2, "recruiter_50", queued+loaded+1)
	var sent atomic.Int64
	var load sync.WaitGroup
	load.Go(func() { s.load(loaded, 2, &sent) })
	live := filepath.Join(folder, "live.tar.gz")
	s.inmail(exitDone, "backup", live, "--data", data) // while it accepts and sends
	load.Wait()
	s.Stop()
	s.queueDirectly(data, loaded, loaded+queued)
	file := filepath.Join(folder, "inmail.tar.gz")
	s.inmail(exitDone, "backup", file, "--data", data)
	s.inmail(exitFailed, "backup", file, "--data", data) // it is there already
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("the backup is %v, %v", info.Mode(), err)
	}
	s.withFileKey()
	key, err := os.ReadFile(filepath.Join(data, "operator.key"))
	if err == nil || len(key) > 0 {
		t.Fatalf("a key was made although one was set: %v", err)
	}
	s.Start() // the original goes on, makes its key and sends what was queued
	if key, err = os.ReadFile(filepath.Join(data, "operator.key")); err != nil {
		t.Fatal(err)
	}
	s.eventually("the original delivers all", func() error {
		if n := countIn(t, data, "status = 'sent'"); n != queued+loaded {
			return fmt.Errorf("%d of %d", n, queued+loaded)
		}
		return nil
	})
	withKey := filepath.Join(folder, "key.tar.gz")
	s.inmail(exitDone, "backup", withKey, "--data", data)

	s.inmail(exitFailed, "restore", file, "--data", data) // it runs there
	damaged := filepath.Join(folder, "damaged.tar.gz")
	content, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(damaged, content[:len(content)-100], 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.inmail(exitFailed, "restore", damaged, "--data", restored)
	if left, _ := filepath.Glob(filepath.Join(restored, "*.db")); len(left) > 0 {
		t.Errorf("a damaged backup left %v", left)
	}
	s.inmail(exitDone, "restore", file, "--data", restored)
	s.inmail(exitFailed, "restore", file, "--data", restored) // there is a record now

	began := time.Now().UnixMilli()
	r := newServer(t, []string{"--data", restored}, calmEnv...)
	r.launch()
	r.isHeld()
	someRedrives()
	if n := countIn(t, restored, "status = 'queued'"); n != queued {
		t.Errorf("%d are queued, want %d", n, queued)
	}
	r.Kill()
	r.launch() // a restart changes nothing
	r.isHeld()
	r.inmail(exitUsage, "resume", "--data", restored)
	if out := r.inmail(exitDone, "resume", "--after-restore", "--data", restored); !strings.Contains(out, fmt.Sprintf("%d InMails queued in it failed", queued)) {
		t.Errorf("resumed: %s", out)
	}
	r.ready()
	r.must(http.StatusAccepted, "POST", "/v1/inmails", "s0", letter(queued+loaded))
	since := fmt.Sprintf("sent_at >= %d", began)
	r.eventually("what is accepted then is delivered", func() error {
		if countIn(t, restored, since) == 0 {
			return errors.New("none was delivered")
		}
		return nil
	})
	if n := countIn(t, restored, since); n != 1 {
		t.Errorf("%d were delivered, want 1", n)
	}
	if n := countIn(t, restored, "status = 'failed' AND reason = 'restored'"); n != queued {
		t.Errorf("%d failed as restored, want %d", n, queued)
	}
	r.Kill()
	r.Start() // it is the record of this place now

	for i, backup := range []string{live, withKey} { // resumed by the setting, and without a server
		at := fmt.Sprintf("%s-%d", restored, i)
		r.inmail(exitDone, "restore", backup, "--data", at)
		if n := countIn(t, at, "status NOT IN ('sent', 'queued')"); n != 0 {
			t.Errorf("%d are neither sent nor queued", n)
		}
		again := newServer(t, []string{"--data", at}, calmEnv...)
		if i == 0 {
			again.env = append(again.env, "INMAIL_AFTER_RESTORE=resume")
		} else {
			again.inmail(exitDone, "resume", "--after-restore", "--send-queued", "--direct", "--data", at)
			again.withFileKey()
			if found, err := os.ReadFile(filepath.Join(at, "operator.key")); err != nil || !bytes.Equal(found, key) {
				t.Errorf("the key of the backup: %v", err)
			}
		}
		again.Start()
		if i == 1 {
			again.inmail(exitDone, "queue", "status", "--data", at) // with the same operator key
		}
		again.Stop()
	}
}

// ready waits until /readyz answers 200.
func (s *server) ready() {
	s.t.Helper()
	s.eventually("the server is ready", func() error {
		status, out, err := s.call("GET", "/readyz", "", nil)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("%d %v", status, out)
		}
		return err
	})
}

// testDump dumps a PostgreSQL while InMails are queued, lets the original send them, and restores the dump
// into another database.
func testDump(t *testing.T) {
	const queued = 12
	at, redis := database(t), newRedis(t).url()
	env := append([]string{"INMAIL_DATABASE_URL=" + at, "INMAIL_REDIS_URL=" + redis}, calmEnv...)
	api := newServer(t, []string{"--roles", "api"}, env...)
	api.Start()
	api.network(2, "recruiter_50", queued+1)
	var sent atomic.Int64
	api.load(queued, 2, &sent)
	dump := filepath.Join(t.TempDir(), "inmail.dump")
	postgresProgram(t, "pg_dump", "--format=custom", "--file="+dump, "--dbname="+at)
	if out := api.inmail(exitUsage, "backup", "x"); !strings.Contains(out, "pg_dump --format=custom") {
		t.Errorf("backup of PostgreSQL: %s", out)
	}
	work := newServer(t, []string{"--roles", "worker,scheduler"}, env...)
	work.Start()
	status := func(at, where string) (n int) {
		t.Helper()
		db, err := sql.Open("pgx", at)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if err := db.QueryRow("SELECT count(*) FROM " + allInMails + " WHERE " + where).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	work.eventually("the original delivers all", func() error {
		if n := status(at, "status = 'sent'"); n != queued {
			return fmt.Errorf("%d of %d", n, queued)
		}
		return nil
	})
	twin := database(t)
	postgresProgram(t, "pg_restore", "--no-owner", "--exit-on-error", "--dbname="+twin, dump)
	twinEnv := append([]string{"INMAIL_DATABASE_URL=" + twin, "INMAIL_REDIS_URL=" + newRedis(t).url()}, calmEnv...)
	r := newServer(t, nil, twinEnv...)
	second := newServer(t, []string{"--roles", "api"}, twinEnv...)
	r.launch()
	second.launch()
	r.isHeld()
	second.isHeld()
	someRedrives()
	if n := status(twin, "status = 'queued'"); n != queued {
		t.Errorf("%d are queued, want %d", n, queued)
	}
	r.inmail(exitDone, "resume", "--after-restore")
	r.ready()
	second.ready() // finds by itself that it was resumed
	second.must(http.StatusAccepted, "POST", "/v1/inmails", "s0", letter(queued))
	r.eventually("what is accepted then is delivered", func() error {
		if status(twin, "status = 'sent'") == 0 {
			return errors.New("none was delivered")
		}
		return nil
	})
	if n := status(twin, "status = 'sent'"); n != 1 {
		t.Errorf("%d were delivered, want 1", n)
	}
	if n := status(twin, "status = 'failed' AND reason = 'restored'"); n != queued {
		t.Errorf("%d failed as restored, want %d", n, queued)
	}
	if n := status(at, "status = 'sent'"); n != queued {
		t.Errorf("the original has %d sent", n)
	}

	// A state of an hour ago is put back under the running programs.
	execute(t, twin, "UPDATE instance SET beat_at = beat_at - 3600000")
	for _, running := range []*server{r, second} {
		running.eventually("it is held", func() error {
			if status, _, err := running.call("GET", "/readyz", "", nil); err != nil || status != http.StatusServiceUnavailable {
				return fmt.Errorf("%d %v", status, err)
			}
			return nil
		})
		running.isHeld()
	}
	second.inmail(exitDone, "resume", "--after-restore")
	second.ready()
	r.ready()

	// A server whose disk is put back is the same server; Redis knows a later time.
	work.Stop()
	api.Stop()
	api.Start()
	api.Stop()
	execute(t, at, "UPDATE instance SET beat_at = beat_at - 120000")
	api.launch()
	api.isHeld()
}

// execute runs a statement on a PostgreSQL.
func execute(t *testing.T, at, statement string) {
	t.Helper()
	db, err := sql.Open("pgx", at)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
}

// postgresProgram runs a client program of PostgreSQL.
func postgresProgram(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(recordtest.Program(t, name), args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}
