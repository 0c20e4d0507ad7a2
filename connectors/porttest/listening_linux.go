package porttest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// errOther is what Listening returns when another process may be the one that listens.
var errOther = errors.New("nobody, or another process, listens")

// Listening returns nil when the process pid itself listens on port, on any interface: one of its descriptors
// is a socket that the kernel lists there. Where the descriptors of the process may not be read, because it
// runs as another user, the socket must belong to that user.
func Listening(pid, port int) error {
	sockets, err := listeners(port)
	if err != nil {
		return err
	}
	folder := fmt.Sprintf("/proc/%d/fd", pid)
	descriptors, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrPermission) {
		return sameUser(pid, sockets)
	}
	if err != nil {
		return fmt.Errorf("read what process %d has open: %w", pid, err)
	}
	for _, d := range descriptors {
		target, err := os.Readlink(filepath.Join(folder, d.Name()))
		if errors.Is(err, fs.ErrPermission) {
			return sameUser(pid, sockets)
		}
		inode, ok := strings.CutPrefix(target, "socket:[")
		if _, listens := sockets[strings.TrimSuffix(inode, "]")]; err == nil && ok && listens {
			return nil
		}
	}
	return fmt.Errorf("port %d, process %d: %w", port, pid, errOther)
}

// listeners returns the sockets that listen on a port: their users by their inodes.
func listeners(port int) (map[string]string, error) {
	const (
		local, state, user, inode = 1, 3, 7, 9 // columns
		listen                    = "0A"
	)
	sockets := map[string]string{}
	for _, name := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		table, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a kernel without IPv6
		}
		if err != nil {
			return nil, fmt.Errorf("read who listens: %w", err)
		}
		for line := range strings.Lines(string(table)) {
			f := strings.Fields(line)
			if len(f) > inode && f[state] == listen && strings.HasSuffix(f[local], fmt.Sprintf(":%04X", port)) {
				sockets[f[inode]] = f[user]
			}
		}
	}
	return sockets, nil
}

func sameUser(pid int, sockets map[string]string) error {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return fmt.Errorf("read the user of process %d: %w", pid, err)
	}
	for line := range strings.Lines(string(status)) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "Uid:" {
			continue
		}
		for _, user := range sockets {
			if user == f[1] {
				return nil
			}
		}
	}
	return fmt.Errorf("process %d: %w", pid, errOther)
}
