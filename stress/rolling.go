package stress

import (
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"castgate/internal/wstest"
)

var rolling = []Scenario{{
	Name:    "rolling-replacement",
	Says:    "successors on the same port: nobody is refused or reset, all get 1001 after all their pushes",
	prepare: func(t *Trial) (wstest.Options, func(*Trial, *site), error) { return prepareRolling(t, nil) },
}, {
	Name: "rolling-inherited",
	Says: "the same with a listening socket that a parent passes from one process to the next",
	prepare: func(t *Trial) (wstest.Options, func(*Trial, *site), error) {
		var plain net.ListenConfig
		plain.SetMultipathTCP(false) // systemd's sockets are plain TCP as well
		l, err := plain.Listen(t.Context(), "tcp", "127.0.0.1:0")
		t.Must(err == nil, "a socket to pass: %v", err)
		t.Cleanup(func() { l.Close() })
		return prepareRolling(t, l.(*net.TCPListener))
	},
}}

const (
	generations = 3  // replacements in a round; a client that does not read is there for the second
	regulars    = 40 // clients that reconnect whenever they are closed
	arrivalGap  = 10 * time.Millisecond
	fewArrivals = 20 // clients that must be served before the next step
	pushGap     = 20 * time.Millisecond
)

func prepareRolling(t *Trial, inherited *net.TCPListener) (wstest.Options, func(*Trial, *site), error) {
	dir, born := t.TempDir(), 0
	base := []string{"--ping-interval", "0", "--send-queue", "64MiB", "--stop-delay", "300ms", "--drain-rate", "200", "--drain-timeout", "60s"}
	if inherited == nil {
		base = append(base, "--reuse-port", "--listen", wstest.FreeAddr(t))
	}
	next := func() wstest.Options {
		born++
		return wstest.Options{Inherited: inherited, Flags: append([]string{
			"--control", "unix:" + filepath.Join(dir, strconv.Itoa(born)),
			"--init-message", fmt.Sprintf(`{"type":"init","client_id":"%%s","process":%d}`, born),
		}, base...)}
	}
	return next(), func(t *Trial, s *site) {
		v := &rollout{t: t, s: s, open: map[*wstest.Raw]bool{}, of: map[int]*tally{}}
		v.play(next, &born)
	}, nil
}

func (v *rollout) play(next func() wstest.Options, born *int) {
	defer v.leave()
	gateway, process := v.s.Gateway, *born
	address := gateway.Addr
	ended := v.push(gateway, process)
	for range regulars {
		v.all.Go(func() {
			for !v.over.Load() {
				v.client(address)
			}
		})
	}
	v.all.Go(func() {
		for !v.halt.Load() {
			v.all.Go(func() { v.client(address) })
			time.Sleep(arrivalGap)
		}
	})
	v.served(process, regulars+fewArrivals)
	for g := range generations {
		var stuck *wstest.Raw
		if g == 1 {
			stuck = v.stuck(gateway, process)
		}
		successor := wstest.StartWith(v.s.t, next())
		v.s.Gateway = successor
		successorEnded := v.push(successor, *born)
		v.served(*born, fewArrivals)
		v.count(process, func(c *tally) { c.last = c.answered })
		gateway.Expected()
		gateway.Signal(syscall.SIGTERM)
		if stuck != nil {
			v.outwait(stuck, gateway, process, *born)
		}
		v.t.Equal("exit code of a predecessor", gateway.Exited(v.t, wstest.Patience), 0)
		<-ended
		v.gone(gateway, process)
		gateway, process, ended = successor, *born, successorEnded
	}
	v.finish(gateway, process, ended)
}

// leave closes all connections.
func (v *rollout) leave() {
	v.halt.Store(true)
	v.over.Store(true)
	v.mu.Lock()
	for r := range v.open {
		_ = r.Close()
	}
	v.mu.Unlock()
	v.all.Wait()
}

// served waits until a process has served the given number of clients more.
func (v *rollout) served(process, more int) {
	want := v.now(process).served + more
	wstest.Await(v.t, func() string {
		if n := v.now(process).served; n < want {
			return fmt.Sprintf("process %d has served %d clients, want %d", process, n, want)
		}
		return ""
	})
}

// stuck is a client that reads nothing and for which more data waits than the
// kernel takes.
func (v *rollout) stuck(g *wstest.Gateway, process int) *wstest.Raw {
	r := g.DialRaw(v.t)
	r.SetReadBuffer(32 << 10)
	first := r.Upgrade()
	v.t.Equal("the process of a client", v.greeted([]byte(first)), process)
	var id struct {
		ID string `json:"client_id"`
	}
	v.t.Must(json.Unmarshal([]byte(first), &id) == nil, "the first message is %q", first)
	v.count(process, func(c *tally) { c.loose = true })
	for range 16 {
		err := v.pushOnce(g, process, wstest.To("client_ids", id.ID), strings.Repeat("x", 500_000))
		v.t.Must(err == nil, "a push: %v", err)
	}
	return r
}

// outwait checks that a client that does not read keeps its process alive, but
// prevents nobody from connecting. Then the client reads, and gets all its pushes.
func (v *rollout) outwait(stuck *wstest.Raw, old *wstest.Gateway, process, successor int) {
	v.left(process, 1)
	v.served(successor, fewArrivals)
	select {
	case <-old.Done():
		v.t.Check(false, "a client that had something to read was not waited for")
	default:
	}
	listen(stuck)
	v.read(stuck, process)
}

// left waits until a process has closed all its clients but the given number.
func (v *rollout) left(process, but int) tally {
	wstest.Await(v.t, func() string {
		if c := v.now(process); c.closed != c.served-but {
			return fmt.Sprintf("process %d has closed %d of its %d clients, want all but %d", process, c.closed, c.served, but)
		}
		return ""
	})
	return v.now(process)
}

var drainEnd = regexp.MustCompile(`in_order=(\d+) unanswered=0 cut_off=0 not_reading=0`)

// gone checks the counts of a process that has ended.
func (v *rollout) gone(g *wstest.Gateway, process int) {
	c := v.left(process, 0)
	v.t.Check(c.received == c.sent || c.loose && c.received < c.sent, "clients of a predecessor have %d messages, its answers say %d", c.received, c.sent)
	told := drainEnd.FindStringSubmatch(g.Log())
	v.t.Must(told != nil, "the log does not report that all left in order:\n%s", g.Log())
	n, _ := strconv.Atoi(told[1])
	v.t.Equal("clients closed in order, as logged and as seen by them", n, c.closed)
}

// finish checks the last process, and that it has all clients.
func (v *rollout) finish(g *wstest.Gateway, process int, ended <-chan struct{}) {
	v.halt.Store(true)
	<-ended
	wstest.Await(v.t, func() string {
		v.mu.Lock()
		defer v.mu.Unlock()
		if c := v.of[process]; c.served != len(v.open) || c.received != c.sent {
			return fmt.Sprintf("%d clients are open, the last process has served %d; they have %d messages of %d", len(v.open), c.served, c.received, c.sent)
		}
		return ""
	})
	c := v.now(process)
	v.t.Check(c.served >= regulars, "%d clients are with the last process", c.served)
	v.t.Must(v.pushOnce(g, process, wstest.All(), "the end") == nil, "the last push")
	v.t.Equal("clients of the last process, as counted by it and by them", v.now(process).sent-c.sent, c.served)
	v.t.Equal("clients of no process", v.now(0).closed, 0)
	v.leave()
	v.t.Equal("exit code of the last process", v.s.Stop(), 0)
	v.s.Restart()
	v.s.settleIn()
}
