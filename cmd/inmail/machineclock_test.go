package main

import (
	bytesof "encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A machineClock is the clock of the machine on which a process runs, as the process reads it: wrong by whole
// seconds, and set while it runs. Whatever asks for the time in the process gets it, drivers and the queue's
// library too. What measures durations inside the process does not, as on a machine whose clock is set.
type machineClock struct {
	file string // holds the offset in seconds, 8 bytes that the process maps into its memory
}

// skewFile is the variable that names the file to a program that programWithClock built.
const skewFile = "INMAIL_TEST_CLOCK"

func newMachineClock(t *testing.T, offset time.Duration) *machineClock {
	t.Helper()
	c := &machineClock{file: filepath.Join(t.TempDir(), "clock")}
	if err := os.WriteFile(c.file, make([]byte, 8), 0o600); err != nil {
		t.Fatal(err)
	}
	c.set(t, offset)
	return c
}

// set makes the clock wrong by offset from now on.
func (c *machineClock) set(t *testing.T, offset time.Duration) {
	t.Helper()
	file, err := os.OpenFile(c.file, os.O_WRONLY, 0)
	if err == nil {
		var seconds [8]byte
		bytesof.NativeEndian.PutUint64(seconds[:], uint64(offset/time.Second))
		_, err = file.WriteAt(seconds[:], 0)
		_ = file.Close()
	}
	if err != nil {
		t.Error(err)
	}
}

func (c *machineClock) env() string { return skewFile + "=" + c.file }

// The line of package time that reads the clock, and what takes its place.
const (
	readsClock = "	sec, nsec, mono := runtimeNow()\n	if mono == 0 {\n		return Time{uint64(nsec), sec + unixToInternal, Local}"
	skewsClock = "	sec, nsec, mono := runtimeNow()\n	if skew != nil {\n		sec += *skew\n	}\n" +
		"	if mono == 0 {\n		return Time{uint64(nsec), sec + unixToInternal, Local}"
	skewSource = `package time

import (
	"syscall"
	"unsafe"
)

// skew is how many seconds the clock is wrong by, in a file that another process writes.
var skew = func() *int64 {
	name, found := syscall.Getenv("` + skewFile + `")
	if !found {
		return nil
	}
	file, err := syscall.Open(name, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		panic(err)
	}
	defer syscall.Close(file)
	memory, err := syscall.Mmap(file, 0, 8, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		panic(err)
	}
	return (*int64)(unsafe.Pointer(&memory[0]))
}()
`
)

// programWithClock builds the program by a copy of Go whose package time reads the clock of a machineClock.
// Everything else is as in program. An overlay would do, but for a Go that was fetched as a module.
func programWithClock(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	root := filepath.Join(folder, "go")
	if err := os.CopyFS(root, os.DirFS(strings.TrimSpace(string(out)))); err != nil {
		t.Fatal(err)
	}
	source := filepath.Join(root, "src", "time", "time.go")
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(text), readsClock) != 1 {
		t.Fatalf("%s reads the clock in other words than these; adapt them to this version of Go:\n%s", source, readsClock)
	}
	for name, text := range map[string]string{"skew.go": skewSource,
		"time.go": strings.Replace(string(text), readsClock, skewsClock, 1)} {
		path := filepath.Join(filepath.Dir(source), name)
		_ = os.Remove(path) // it may be read-only, as modules are
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(folder, "inmail")
	build := exec.Command(filepath.Join(root, "bin", "go"), "build", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOROOT="+root, "GOTOOLCHAIN=local")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return path
}
