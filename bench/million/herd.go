package million

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/rpc"
	"net/rpc/jsonrpc"
	"os"
	"os/exec"
	"sync"
	"time"
)

// herd is the swarms together, each in a process of its own.
type herd struct {
	swarms []*member
}

// member is one swarm's process.
type member struct {
	first, connections int
	cmd                *exec.Cmd
	rpc                *rpc.Client
}

// newHerd starts as many processes of the command as total connections need,
// with at most perProcess in each. They end when ctx is done.
func newHerd(ctx context.Context, command []string, total, perProcess int) (*herd, error) {
	h := &herd{}
	n := (total + perProcess - 1) / perProcess
	for i := range n {
		first := i * total / n
		m := &member{first: first, connections: (i+1)*total/n - first}
		m.cmd = exec.CommandContext(ctx, command[0], command[1:]...)
		m.cmd.Stderr = os.Stderr
		in, err := m.cmd.StdinPipe()
		if err == nil {
			out, pipeErr := m.cmd.StdoutPipe()
			if err = pipeErr; err == nil {
				err = m.cmd.Start()
			}
			m.rpc = jsonrpc.NewClient(pipe{out, in})
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("a swarm's process: %w", err), h.close())
		}
		h.swarms = append(h.swarms, m)
	}
	return h, nil
}

// close ends the processes, and with them their connections.
func (h *herd) close() error {
	var all []error
	for _, m := range h.swarms {
		_ = m.rpc.Close() // ends their standard input
		all = append(all, m.cmd.Wait())
	}
	h.swarms = nil
	return errors.Join(all...)
}

// each runs f for all swarms at the same time.
func (h *herd) each(f func(*member) error) error {
	var wait sync.WaitGroup
	errs := make([]error, len(h.swarms))
	for i, m := range h.swarms {
		wait.Go(func() {
			if err := f(m); err != nil {
				errs[i] = fmt.Errorf("swarm %d of %d: %w", i+1, len(h.swarms), err)
			}
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

// call calls the same method of every swarm.
func (h *herd) call(method string, argument any) error {
	return h.each(func(m *member) error { return m.rpc.Call("Swarm."+method, argument, &None{}) })
}

// open opens all connections and reports progress every ten seconds.
func (h *herd) open(o Opening, sources []netip.Addr, progress func(opened int64)) error {
	done := make(chan struct{})
	var telling sync.WaitGroup
	telling.Go(func() {
		tick := time.NewTicker(10 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				progress(h.opened())
			}
		}
	})
	defer telling.Wait()
	defer close(done)
	return h.each(func(m *member) error {
		mine := o
		mine.First, mine.Connections, mine.Sources = m.first, m.connections, sources
		mine.Rate = o.Rate * float64(m.connections) / float64(o.Connections)
		return m.rpc.Call("Swarm.Open", mine, &None{})
	})
}

// opened is how many are open so far, for the swarms that answer.
func (h *herd) opened() (sum int64) {
	for _, m := range h.swarms {
		var n int64
		if m.rpc.Call("Swarm.Opened", None{}, &n) == nil {
			sum += n
		}
	}
	return sum
}

// expect passes to the swarms what has been pushed; uids are indices into all
// connections together.
func (h *herd) expect(e Expectation) error {
	return h.each(func(m *member) error {
		mine := e
		mine.UIDs = nil
		for _, i := range e.UIDs {
			if i >= m.first && i < m.first+m.connections {
				mine.UIDs = append(mine.UIDs, i-m.first)
			}
		}
		return m.rpc.Call("Swarm.Expect", mine, &None{})
	})
}

// report adds up what the swarms have seen.
func (h *herd) report() (sum Findings, err error) {
	var adding sync.Mutex
	err = h.each(func(m *member) error {
		var f Findings
		if err := m.rpc.Call("Swarm.Report", None{}, &f); err != nil {
			return err
		}
		adding.Lock()
		defer adding.Unlock()
		sum.Open += f.Open
		sum.Expected += f.Expected
		sum.Received += f.Received
		sum.Pings += f.Pings
		if f.Fault != "" {
			sum.Fault = f.Fault
		}
		return nil
	})
	return sum, err
}
