package porttest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// Bounds of the time in which a server starts and stops. The durations themselves are not tested.
const (
	startLimit = 10 * time.Minute
	stopLimit  = 20 * time.Second
	pace       = 20 * time.Millisecond
)

// tries is how many ports a server is started at: another program may take one that is reserved.
const tries = 3

// Server is a program that runs beside the test.
type Server struct {
	Port  int
	PID   int
	Ended <-chan struct{} // closed when the program has ended

	process *os.Process
	output  output
}

// Start starts the program that command makes for a port, and returns when it listens there. One that ends
// before is started again at another port. It is killed when tb ends.
func Start(tb testing.TB, command func(port int) *exec.Cmd) *Server {
	tb.Helper()
	var err error
	for range tries {
		port := Port(tb)
		var s *Server
		if s, err = run(tb, port, command(port)); err == nil {
			return s
		}
	}
	tb.Fatal(err)
	return nil
}

// StartAt is Start at a port that the test has reserved. A program that ends before it listens fails the
// test.
func StartAt(tb testing.TB, port int, cmd *exec.Cmd) *Server {
	tb.Helper()
	s, err := run(tb, port, cmd)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func run(tb testing.TB, port int, cmd *exec.Cmd) (*Server, error) {
	s := &Server{Port: port}
	cmd.Stdout, cmd.Stderr = &s.output, &s.output
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	s.Ended, s.process, s.PID = ended, cmd.Process, cmd.Process.Pid
	go func() { _ = cmd.Wait(); close(ended) }() // Output has what it says
	tb.Cleanup(s.Kill)
	deadline := time.After(startLimit)
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for {
		err := Listening(s.PID, port)
		if err == nil {
			return s, nil
		}
		select {
		case <-ended:
			return nil, fmt.Errorf("%s, process %d, ended before it listened on port %d, %v:\n%s", cmd.Path, s.PID, port, cmd.ProcessState, s.Output())
		case <-deadline:
			return nil, fmt.Errorf("%s, process %d, does not listen on port %d after %v: %w\n%s", cmd.Path, s.PID, port, startLimit, err, s.Output())
		case <-tick.C:
		}
	}
}

// Address is where the server listens.
func (s *Server) Address() string { return address(s.Port) }

// Output is what the program has written.
func (s *Server) Output() string { return s.output.String() }

// Kill ends the program as kill -9 does. It may be called again.
func (s *Server) Kill() {
	_ = s.process.Kill() // it may have ended
	<-s.Ended
}

// Stop ends the program by a signal, and kills it when it does not end.
func (s *Server) Stop(signal os.Signal) {
	_ = s.process.Signal(signal)
	select {
	case <-s.Ended:
	case <-time.After(stopLimit):
		s.Kill()
	}
}

// output collects what a process writes, which goes on while a test reads it.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.TrimSpace(o.text.String())
}
