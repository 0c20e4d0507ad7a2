// Package porttest gives ports of the loopback interface to servers that tests start, and starts them.
//
// A port is reserved among all processes of tests that use this package, and lies below the range that
// outgoing connections take. What answers at the port of a server is checked to be that server.
package porttest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"
)

// Ports are even; the odd one above each is held as its lock. From 30,000 on they belong to .ci/services, and
// from 32,768 on to outgoing connections.
const lowest, highest = 10_000, 29_998

// given are the locks of all ports that this process has reserved, until it ends.
var given struct {
	sync.Mutex
	locks map[int]net.Listener
}

// Port reserves a port at which no server listens. It stays reserved until this process ends, so that no
// other test gets it, whether a server is started there, restarted, or none is.
func Port(tb testing.TB) int {
	tb.Helper()
	port, err := reserve()
	if err != nil {
		tb.Fatal(err)
	}
	return port
}

// Address is Port as host:port.
func Address(tb testing.TB) string {
	tb.Helper()
	return address(Port(tb))
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func reserve() (int, error) {
	given.Lock()
	defer given.Unlock()
	if given.locks == nil {
		given.locks = map[int]net.Listener{}
	}
	var last error
	for range 1000 {
		port := lowest + 2*rand.IntN((highest-lowest)/2+1)
		if given.locks[port] != nil {
			continue
		}
		lock, err := net.Listen("tcp", address(port+1))
		if err != nil {
			last = err // another process has reserved it
			continue
		}
		if err := unused(port); err != nil {
			last = errors.Join(err, lock.Close())
			continue
		}
		given.locks[port] = lock
		return port, nil
	}
	return 0, fmt.Errorf("no port from %d to %d is free: %w", lowest, highest, last)
}

// unused returns nil when nobody listens at port.
func unused(port int) error {
	listener, err := net.Listen("tcp", address(port))
	if err != nil {
		return err
	}
	return listener.Close()
}
