package main

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress is a progress bar on a terminal; elsewhere it draws nothing.
type progress struct{ bar *progressbar.ProgressBar }

// newProgress returns a bar of so many steps, or a spinner when steps is negative.
func newProgress(out io.Writer, what string, steps int) *progress {
	if f, ok := out.(*os.File); !ok || !isTerminal(f) {
		return &progress{}
	}
	return &progress{progressbar.NewOptions(steps, progressbar.OptionSetDescription(what),
		progressbar.OptionSetWriter(out), progressbar.OptionThrottle(65*time.Millisecond),
		progressbar.OptionShowCount(), progressbar.OptionClearOnFinish())}
}

func (p *progress) step() { p.to(1) }

func (p *progress) to(more int) {
	if p.bar != nil {
		_ = p.bar.Add(more)
	}
}

func (p *progress) done() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}

// at moves the bar to done of so many steps; a spinner becomes a bar.
func (p *progress) at(done, of int) {
	if p.bar != nil {
		p.bar.ChangeMax(of)
		_ = p.bar.Set(done)
	}
}

// show sets the text beside the bar.
func (p *progress) show(what string) {
	if p.bar != nil {
		p.bar.Describe(what)
	}
}
