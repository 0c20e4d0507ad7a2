package porttest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// childPort is the variable that lets this program listen, or reserve ports, instead of running tests.
const childPort = "INMAIL_TEST_CHILD"

func TestMain(m *testing.M) {
	switch do := os.Getenv(childPort); do {
	case "":
		os.Exit(m.Run())
	case "reserve":
		for range 200 {
			port, err := reserve()
			if err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
			fmt.Println(port)
		}
		_, _ = os.Stdin.Read(make([]byte, 1)) // the ports are reserved until the test closes it
	default:
		listener, err := net.Listen("tcp", do)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		for {
			if _, err := listener.Accept(); err != nil {
				os.Exit(1)
			}
		}
	}
}

func child(do string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childPort+"="+do)
	return cmd
}

// TestPort checks that no port is given twice, in one process or in two.
func TestPort(t *testing.T) {
	cmd := child("reserve")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close(); _ = cmd.Wait() }()
	all := map[int]bool{}
	var mu sync.Mutex
	add := func(port int) {
		mu.Lock()
		defer mu.Unlock()
		if all[port] || port%2 != 0 || port < lowest || port > highest {
			t.Errorf("port %d is given twice, or none to give", port)
		}
		all[port] = true
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 50 {
				port, err := reserve()
				if err != nil {
					t.Error(err)
				}
				add(port)
			}
		})
	}
	for range 200 {
		var port int
		if _, err := fmt.Fscanln(out, &port); err != nil {
			t.Fatal(err)
		}
		add(port)
	}
	group.Wait()
}

// TestStart checks that a server whose port another program has is noticed, and started at another.
func TestStart(t *testing.T) {
	taken := Port(t)
	first := StartAt(t, taken, child(address(taken)))
	if err := Listening(os.Getpid(), taken); err == nil {
		t.Errorf("port %d counts as this process's", taken)
	}
	if _, err := run(t, taken, child(address(taken))); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("a second server at port %d: %v", taken, err)
	}
	asked := 0
	second := Start(t, func(port int) *exec.Cmd {
		if asked++; asked == 1 {
			return child(first.Address())
		}
		return child(address(port))
	})
	if asked != 2 || second.Port == taken {
		t.Errorf("started at port %d by try %d, want another than %d by the second", second.Port, asked, taken)
	}
	second.Stop(syscall.SIGTERM)
	<-second.Ended
	if err := Listening(second.PID, second.Port); err == nil {
		t.Error("a server that has ended counts as listening")
	}
	if err := unused(second.Port); err != nil {
		t.Errorf("its port is free to start it again: %v", err)
	}
}
