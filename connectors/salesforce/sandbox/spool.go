package sandbox

import (
	"bufio"
	"io"
	"os"
)

// spool is a temporary file of a bulk job's data: written once, from front to back, and read in parts. It
// has no name, so that nobody else can open it and nothing of it outlives the process (R60). The garbage
// collector closes it.
type spool struct {
	file *os.File
	out  *bufio.Writer
	size int64
}

func newSpool(folder string) (*spool, error) {
	file, err := os.CreateTemp(folder, ".sandbox-*")
	if err != nil {
		return nil, err
	}
	_ = os.Remove(file.Name()) // on systems that cannot remove an open file it keeps its name
	return &spool{file: file, out: bufio.NewWriterSize(file, 64<<10)}, nil
}

func (s *spool) Write(p []byte) (int, error) {
	s.size += int64(len(p))
	return s.out.Write(p)
}

// Flush must be called before the first read. It returns the first error of all writes.
func (s *spool) Flush() error { return s.out.Flush() }

// part reads what was flushed.
func (s *spool) part(from, to int64) io.Reader { return io.NewSectionReader(s.file, from, to-from) }

func (s *spool) all() io.Reader { return s.part(0, s.size) }
