package main

import (
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"inmail/config"
	"inmail/connectors/porttest"
	"inmail/connectors/record/recordtest"
)

// deployReadme is the document whose commands are run.
const deployReadme = "../../config/deploy/README.md"

// commandsOf returns the commands of the README that stand behind the comment <!-- tested: NAME -->, as
// they are.
func commandsOf(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(deployReadme)
	if err != nil {
		t.Fatal(err)
	}
	marked := regexp.MustCompile("(?s)<!-- tested: "+regexp.QuoteMeta(name)+" -->\n+```\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(marked) != 1 {
		t.Fatalf("the README has %d blocks of commands %q", len(marked), name)
	}
	return marked[0][1]
}

// machine is a folder in the place of a machine: its PATH has the programs that the README names and no
// other, its home folder is empty, and its environment has the settings that it was given.
type machine struct {
	t       *testing.T
	folder  string
	address string // at which its server listens
	env     []string
	groups  []int // of processes that its commands started
}

func newMachine(t *testing.T, programs []string, settings ...string) *machine {
	t.Helper()
	m := &machine{t: t, folder: t.TempDir(), address: porttest.Address(t)}
	for _, name := range []string{"bin", "home", "work"} {
		if err := os.Mkdir(filepath.Join(m.folder, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range programs {
		path := program(t)
		if name != "inmail" {
			path = recordtest.Program(t, name)
		}
		if err := os.Symlink(path, filepath.Join(m.folder, "bin", name)); err != nil {
			t.Fatal(err)
		}
	}
	m.env = append([]string{"PATH=" + filepath.Join(m.folder, "bin"), "HOME=" + filepath.Join(m.folder, "home"),
		"INMAIL_LISTEN=" + m.address}, settings...)
	t.Cleanup(func() {
		for _, group := range m.groups {
			_ = syscall.Kill(-group, syscall.SIGKILL)
		}
		if log, err := os.ReadFile(m.file("inmail.log")); err == nil && t.Failed() {
			t.Logf("log of the machine:\n%s", tail(string(log), 4000))
		}
	})
	return m
}

// file is a file of the folder in which the commands run.
func (m *machine) file(name string) string { return filepath.Join(m.folder, "work", name) }

// run runs commands in a shell that ends at the first that fails, and returns what they print.
func (m *machine) run(commands string) (string, error) {
	cmd := exec.Command("/bin/sh", "-e", "-u", "-c", commands)
	cmd.Dir, cmd.Env = filepath.Join(m.folder, "work"), m.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var out, says strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &says
	if err := cmd.Start(); err != nil {
		return "", err
	}
	m.groups = append(m.groups, cmd.Process.Pid)
	if err := cmd.Wait(); err != nil {
		return out.String(), fmt.Errorf("%w: %s", err, says.String())
	}
	return out.String(), nil
}

// must runs commands that succeed.
func (m *machine) must(commands string) string {
	m.t.Helper()
	out, err := m.run(commands)
	if err != nil {
		m.t.Fatalf("%s\n%v\n%s", commands, err, out)
	}
	return out
}

// figures are what is compared before and after, byte for byte: rates by week, tag, sender and category, what
// a sender has, and what a recipient reads. They are asked for with the operator key of the old machine.
func (m *machine) figures(key string) string {
	m.t.Helper()
	var all strings.Builder
	reader := config.NewSample(time.Now()).Recipient(time.Now())
	for _, path := range []string{"/v1/analytics?by=week", "/v1/analytics?by=tag", "/v1/analytics?by=sender", "/v1/analytics?by=category",
		"/v1/credits lena.hart", "/v1/sent?limit=100 lena.hart", "/v1/inbox " + string(reader)} {
		path, member, _ := strings.Cut(path, " ")
		req, err := http.NewRequest(http.MethodGet, "http://"+m.address+path, nil)
		if err != nil {
			m.t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+key)
		if member != "" {
			req.Header.Set("Inmail-Member", member)
		}
		answer, err := http.DefaultClient.Do(req)
		if err != nil {
			m.t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != http.StatusOK || len(body) < 50 {
			m.t.Fatalf("%s: %s, %v\n%s", path, answer.Status, err, body)
		}
		fmt.Fprintf(&all, "%s %s: %s\n", path, member, body)
	}
	return all.String()
}

// settled returns the figures once they do not change.
func (m *machine) settled(key string) (now string) {
	m.t.Helper()
	now = m.figures(key)
	eventually(m.t, "the figures are settled", func() error {
		was := now
		if now = m.figures(key); now != was {
			return errors.New("they change")
		}
		return nil
	})
	return now
}

// bring copies files from one machine to another, as a person does.
func bring(t *testing.T, from, to *machine, names ...string) {
	t.Helper()
	for _, name := range names {
		content, err := os.ReadFile(from.file(name))
		if err == nil {
			err = os.WriteFile(to.file(name), content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestRestoreFromTheReadme backs a running sample up, and restores it on an empty machine, by the commands
// of the README of config/deploy alone: the figures are the same, the operator key is, and it is held until
// it is resumed (R61).
func TestRestoreFromTheReadme(t *testing.T) {
	t.Parallel() // it mostly waits
	t.Run("R61_sqlite_from_the_readme", func(t *testing.T) {
		t.Parallel()
		programs := []string{"inmail", "sleep"}
		old, empty := newMachine(t, programs), newMachine(t, programs)
		restoreFromTheReadme(t, old, empty, "SQLite", func() string {
			key, err := os.ReadFile(old.file("data/operator.key"))
			if err != nil {
				t.Fatal(err)
			}
			return strings.TrimSpace(string(key))
		}, "inmail.tar.gz")
		// As in a container, which has no other way out than its streams.
		old.must("inmail backup - > stream.tar.gz\ninmail restore - --data copy < stream.tar.gz")
		if n := countIn(t, old.file("copy"), "status <> 'queued'"); n < 100 {
			t.Errorf("%d InMails came through the streams", n)
		}
	})
	t.Run("R61_postgres_from_the_readme", func(t *testing.T) {
		t.Parallel()
		key := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(key, []byte(operatorKey+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		settings := func() []string {
			return []string{"INMAIL_DATABASE_URL=" + database(t), "INMAIL_REDIS_URL=" + newRedis(t).url()}
		}
		programs := []string{"inmail", "sleep", "cp", "pg_dump", "pg_restore"}
		old := newMachine(t, programs, append(settings(), "INMAIL_OPERATOR_KEY_FILE="+key)...)
		empty := newMachine(t, programs, settings()...)
		restoreFromTheReadme(t, old, empty, "PostgreSQL", func() string { return operatorKey }, "inmail.dump", "operator-key")
	})
}

// restoreFromTheReadme is the test of one engine; key is the operator key of the old machine, once it runs,
// and files are what the backup makes.
func restoreFromTheReadme(t *testing.T, old, empty *machine, engine string, key func() string, files ...string) {
	t.Helper()
	old.must("inmail serve --sample > inmail.log 2>&1 &\nuntil inmail health; do sleep 1; done")
	before := old.settled(key())
	old.must(commandsOf(t, engine+" backup"))
	bring(t, old, empty, files...)

	restore := commandsOf(t, engine+" restore")
	if printed := empty.must(restore); !strings.Contains(printed, "DELIVERED") {
		t.Errorf("the restore prints no figures:\n%s", printed)
	}
	for _, line := range strings.Split(restore, "\n") { // the key's place holds for the shells that follow
		if name, value, ok := strings.Cut(strings.TrimPrefix(line, "export "), "="); ok && strings.HasPrefix(line, "export ") {
			value = strings.ReplaceAll(strings.Trim(value, `"`), "$PWD", filepath.Join(empty.folder, "work"))
			empty.env = append(empty.env, name+"="+value)
		}
	}
	if after := empty.figures(key()); after != before && after != old.figures(key()) {
		t.Errorf("the figures were\n%s\nand are\n%s", before, after)
	}
	send := `inmail send --member lena.hart --to patient.park --subject "Your talk" --body "Hi Petra, may I ask how you test your plans?"`
	for _, refused := range []string{"inmail health", send} {
		eventually(t, refused+" says that the record is held", func() error {
			out, err := empty.run(refused)
			if err == nil {
				t.Fatalf("%s before it is resumed: %s", refused, out)
			}
			if !strings.Contains(err.Error(), "held") { // a slow machine may need some probes
				return err
			}
			return nil
		})
	}
	if out := empty.must(commandsOf(t, engine+" resume")); !strings.Contains(out, "the record goes on") {
		t.Errorf("resumed: %s", out)
	}
	empty.must(send)
}

// TestDowngradeFromTheReadme starts a program on a record that a newer one has migrated: it refuses with a
// word for it and changes nothing. Then it goes back by the commands of the README.
func TestDowngradeFromTheReadme(t *testing.T) {
	t.Parallel() // it mostly waits
	m := newMachine(t, []string{"inmail", "sleep", "mv"})
	m.must("inmail serve > inmail.log 2>&1 &\nuntil inmail health; do sleep 1; done\ninmail backup before-upgrade.tar.gz\nkill $!\nwait $!")
	db, err := sql.Open("sqlite", "file:"+m.file("data/inmail.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("INSERT INTO schema_versions (version_id, is_applied) VALUES (21000, TRUE)"); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"inmail serve", "inmail migrate"} {
		out, err := m.run(command)
		if err == nil || !strings.Contains(err.Error(), "exit status 1") || !strings.Contains(err.Error(), "its schema has version 21000, and this program knows versions up to ") ||
			!strings.Contains(err.Error(), "use the newer program") {
			t.Errorf("%s on a newer record: %v\n%s", command, err, out)
		}
	}
	var newest int
	if err := db.QueryRow("SELECT max(version_id) FROM schema_versions").Scan(&newest); err != nil || newest != 21000 {
		t.Errorf("the newer record has version %d, %v", newest, err)
	}
	if out := m.must(commandsOf(t, "SQLite back")); !strings.Contains(out, "the record goes on") {
		t.Errorf("back: %s", out)
	}
	m.must("until inmail health; do sleep 1; done") // a slow machine may need some probes
}
