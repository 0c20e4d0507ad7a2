package queue

import (
	"crypto/rand"
	"fmt"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// inProcess is the broker that lives in the process: the same protocol on a loopback port of its own, behind a password
// that nobody else has. It keeps nothing when the process ends; redrive asks again from the record.
type inProcess struct {
	server *miniredis.Miniredis
	quit   chan struct{}
	done   chan struct{}
}

// forwardEvery is how often the in-process broker's clock is moved on. Leases and times of tasks do not wait for it (Asynq
// writes them as times of its own); only what Redis itself forgets does.
const forwardEvery = 2 * time.Second

func startInProcess() (*inProcess, address, error) {
	p := &inProcess{server: miniredis.NewMiniRedis(), quit: make(chan struct{}), done: make(chan struct{})}
	password := rand.Text()
	p.server.RequireAuth(password)
	if err := p.server.StartAddr("127.0.0.1:0"); err != nil {
		return nil, address{}, fmt.Errorf("start the queue inside the process: %w", err)
	}
	go p.forward()
	return p, address{scheme: "redis", hosts: []string{p.server.Addr()}, password: password}, nil
}

// forward moves the broker's clock with real time: it has none of its own, and no TTL would ever end.
func (p *inProcess) forward() {
	defer close(p.done)
	ticker := time.NewTicker(forwardEvery)
	defer ticker.Stop()
	last := time.Now()
	for {
		select {
		case now := <-ticker.C:
			p.server.FastForward(now.Sub(last))
			last = now
		case <-p.quit:
			return
		}
	}
}

func (p *inProcess) stop() {
	close(p.quit)
	<-p.done
	p.server.Close()
}
