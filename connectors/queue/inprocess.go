package queue

import (
	"crypto/rand"
	"fmt"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// inProcess is the broker inside the process: the same protocol on a loopback port, with a random password.
// It keeps nothing when the process ends; redrive enqueues again from the record.
type inProcess struct {
	server *miniredis.Miniredis
	quit   chan struct{}
	done   chan struct{}
}

// forwardEvery is how often the clock of the broker is moved forward. Only Redis' own TTLs depend on it:
// leases and times of tasks are written by Asynq as absolute times.
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

// forward moves the broker's clock with real time. It has no clock of its own, so that otherwise no TTL
// would end.
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
