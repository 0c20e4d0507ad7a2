package main

import (
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"inmail/connectors/porttest"
)

// process is a program that a test runs beside itself. If it ends without being ended by the test, the test
// fails and reports how it ended and the last lines of its output. Otherwise the only symptom would be a
// refused connection somewhere.
type process struct {
	name  string
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has ended

	mu    sync.Mutex
	asked bool   // the test is ending it
	alone string // how it ended on its own; empty: it did not
}

// startProcess starts a program whose output goes to log.
func startProcess(t *testing.T, name string, log *lockedBuffer, cmd *exec.Cmd) *process {
	t.Helper()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{name: name, cmd: cmd, ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // its state has more than the error
		p.mu.Lock()
		if !p.asked {
			p.alone = fmt.Sprintf("%s (process %d) ended on its own, %s; its last words:\n%s", name, cmd.Process.Pid, cmd.ProcessState, tail(log.String(), 4000))
		}
		p.mu.Unlock()
		close(p.ended)
	}()
	return p
}

// died returns how the process ended on its own; empty: it runs, or the test ended it.
func (p *process) died() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.alone
}

// awaitPort waits until it is this process that listens on port. A process that ends before, since another
// has the port, fails the test.
func (p *process) awaitPort(t *testing.T, port int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s listens on port %d", p.name, port), func() error {
		if how := p.died(); how != "" {
			t.Fatal(how)
		}
		return porttest.Listening(p.cmd.Process.Pid, port)
	})
}

// end sends a signal, waits for the end and returns the exit code. The test fails if the process had ended
// before, or was killed although another signal was sent.
func (p *process) end(t *testing.T, sig syscall.Signal) int {
	t.Helper()
	p.mu.Lock()
	p.asked = true
	p.mu.Unlock()
	_ = p.cmd.Process.Signal(sig) // if it has ended already, alone is set
	<-p.ended
	state := p.cmd.ProcessState
	if how := p.died(); how != "" {
		t.Error(how)
	} else if by := state.Sys().(syscall.WaitStatus); sig == syscall.SIGKILL && (!by.Signaled() || by.Signal() != sig) {
		t.Errorf("%s ended before it was killed, %s", p.name, state)
	}
	return state.ExitCode()
}

func TestProcessThatEndsOnItsOwn(t *testing.T) {
	for script, how := range map[string]string{"echo last words; exit 3": "exit status 3", "echo last words; kill -9 $$": "signal: killed"} {
		p := startProcess(t, "sh", &lockedBuffer{}, exec.Command("sh", "-c", script))
		<-p.ended
		if report := p.died(); !strings.Contains(report, how) || !strings.Contains(report, "last words") {
			t.Errorf("%s is reported as %q", script, report)
		}
	}
	p := startProcess(t, "sh", &lockedBuffer{}, exec.Command("sleep", "600"))
	if p.end(t, syscall.SIGKILL); p.died() != "" {
		t.Errorf("one that was killed is reported as %q", p.died())
	}
}
