package bench

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"castgate/loadtest/swarm"
)

// The shortage scenario: what happens to the clients when the server has no
// descriptors left, so that accept(2) fails with EMFILE.
const (
	shortageClients = 100
	shortageRoom    = 20  // descriptors left to the server
	shortageCrowd   = 200 // connections that arrive then
	// shortageNewcomers connect when the crowd is gone, within
	// shortagePatience.
	shortageNewcomers = 10
	shortagePatience  = 10 * time.Second
	shortageRetry     = 20 * time.Millisecond
)

// shortage measures a server once.
func (b *bench) shortage(ctx context.Context, s *server, round *samples) error {
	const scenario = "shortage"
	crowd, err := swarm.Open(ctx, b.swarmOf(s, shortageClients, nil))
	if err != nil {
		return err
	}
	defer crowd.Close()
	if err := leaveDescriptors(s.root.PID, shortageRoom); err != nil {
		return err
	}
	w, err := openWindow(scenario, s, nil)
	if err != nil {
		return err
	}
	leave, err := throng(ctx, s.url, shortageCrowd)
	defer leave()
	if err == nil {
		err = sleep(ctx, b.Measure)
	}
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	round.add(scenario, fmt.Sprintf("clients kept, of %d", shortageClients), s.name, "", float64(crowd.Report().Open))
	m, cpuErr := w.close(nil)
	if cpuErr == nil { // otherwise it has ended
		round.addLoads(scenario, s.name, m)
	}
	leave()
	round.add(scenario, fmt.Sprintf("newcomers let in afterwards, of %d", shortageNewcomers), s.name, "", float64(b.newcomers(ctx, s)))
	return crowd.Report().Err()
}

// newcomers is how many clients a server accepts.
func (b *bench) newcomers(ctx context.Context, s *server) (in int) {
	ctx, cancel := context.WithTimeout(ctx, shortagePatience)
	defer cancel()
	// Those that arrive before the server has noticed that the crowd is gone
	// are refused, and try again as clients do.
	for in < shortageNewcomers && sleep(ctx, shortageRetry) == nil {
		if crowd, err := swarm.Open(ctx, b.swarmOf(s, 1, nil)); err == nil {
			defer crowd.Close()
			in++
		}
	}
	return in
}

// leaveDescriptors lets a process open that many more descriptors.
func leaveDescriptors(pid, more int) error {
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return err
	}
	n := uint64(len(open) + more)
	return unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: n}, nil)
}

// throng opens silent connections and returns what closes them. An error means
// that the server accepts no more; those opened before stay.
func throng(ctx context.Context, url string, n int) (leave func(), err error) {
	addr, _, _ := strings.Cut(strings.TrimPrefix(url, "ws://"), "/")
	var all []net.Conn
	leave = func() {
		for _, c := range all {
			c.Close()
		}
		all = nil
	}
	var d net.Dialer
	for range n {
		c, err := d.DialContext(ctx, "tcp", addr)
		if err != nil {
			return leave, err
		}
		all = append(all, c)
	}
	return leave, nil
}
