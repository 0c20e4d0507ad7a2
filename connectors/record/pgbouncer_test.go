package record_test

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"inmail/connectors/porttest"
	"inmail/connectors/record/recordtest"
	"inmail/domain/mailroom"
)

// pgbouncer starts a PgBouncer before the server of the tests and returns its address. settings are
// lines of its [pgbouncer].
func pgbouncer(t *testing.T, settings string) (address string) {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		t.Fatal("pgbouncer is missing; install it (Debian: apt-get install pgbouncer), or run make test")
	}
	server := recordtest.Server(t)
	folder := t.TempDir()
	write(t, filepath.Join(folder, "users.txt"), fmt.Sprintf("%q \"\"\n", server.User.Username()))
	started := porttest.Start(t, func(port int) *exec.Cmd {
		write(t, filepath.Join(folder, "pgbouncer.ini"), fmt.Sprintf(`[databases]
* = host=%s port=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = trust
auth_file = %s/users.txt
%s
`, server.Hostname(), server.Port(), port, folder, settings))
		cmd := exec.Command(program, filepath.Join(folder, "pgbouncer.ini"))
		if os.Getuid() == 0 { // it refuses to run as root
			runAsNobody(t, cmd, folder, filepath.Dir(folder), filepath.Join(folder, "users.txt"), filepath.Join(folder, "pgbouncer.ini"))
		}
		return cmd
	})
	t.Cleanup(func() {
		started.Stop(syscall.SIGINT)
		if t.Failed() {
			t.Log(started.Output())
		}
	})
	return started.Address()
}

// runAsNobody lets a command run as the user nobody, who may read paths.
func runAsNobody(t *testing.T, cmd *exec.Cmd, paths ...string) {
	t.Helper()
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(nobody.Uid)
	gid, _ := strconv.Atoi(nobody.Gid)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	for _, path := range paths {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// readmeOfPgBouncer is the setting of PgBouncer that the README gives.
const readmeOfPgBouncer = "ignore_startup_parameters = extra_float_digits,timezone,lock_timeout,statement_timeout," +
	"idle_in_transaction_session_timeout,enable_bitmapscan,enable_seqscan,enable_hashjoin,enable_mergejoin,random_page_cost,jit,plan_cache_mode"

// TestFieldPgBouncer is F37 with a real PgBouncer: a refusal of it comes with the remedy, and the README's
// settings for both poolings work.
func TestFieldPgBouncer(t *testing.T) {
	through := func(t *testing.T, settings, query string) error {
		cfg := postgresConfig(t)
		u, err := url.Parse(cfg.URL)
		if err != nil {
			t.Fatal(err)
		}
		u.Host, u.RawQuery = pgbouncer(t, settings), query
		cfg.URL = u.String()
		if !strings.Contains(settings, "ignore_startup_parameters") {
			return refused(t, cfg, "a pooler", "ignore_startup_parameters")
		}
		rec := open(t, cfg)
		for i := range 50 {
			err := rec.Update(t.Context(), func(tx mailroom.Tx) error {
				if err := tx.SetState("a", []byte(strconv.Itoa(i))); err != nil {
					return err
				}
				_, err := tx.State("a")
				return err
			})
			if err != nil {
				return err
			}
		}
		return rec.Ping(t.Context())
	}
	t.Run("F37_pgbouncer_as_it_comes", func(t *testing.T) {
		if err := through(t, "pool_mode = session", ""); err == nil {
			t.Error("it let the settings pass")
		}
	})
	t.Run("F37_pgbouncer_session", func(t *testing.T) {
		if err := through(t, "pool_mode = session\n"+readmeOfPgBouncer, ""); err != nil {
			t.Error(err)
		}
	})
	t.Run("F37_pgbouncer_transaction", func(t *testing.T) {
		if err := through(t, "pool_mode = transaction\n"+readmeOfPgBouncer, "default_query_exec_mode=exec"); err != nil {
			t.Error(err)
		}
	})
}
