package gatewayworker

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	wire "castgate/codec/gatewayworker"
	"castgate/server"
)

// counted takes n events off a worker and returns how many there were of each
// command.
func (w *testWorker) counted(t *testing.T, n int) map[wire.Command]int {
	t.Helper()
	got := map[wire.Command]int{}
	for range n {
		got[w.next(t).Command]++
	}
	return got
}

// Clients go to the worker with the fewest clients and stay there. Clients of a
// worker that leaves go to others with their next event. A new worker gets the new
// clients.
func TestRouting(t *testing.T) {
	r := startRig(t, func(_ *Config, sc *server.Config) { sc.Loops = 1 })
	a, b := r.worker("w:0"), r.worker("w:1")
	var clients []*pushed
	for range 6 {
		clients = append(clients, r.client())
	}
	for _, w := range []*testWorker{a, b} {
		if got := w.counted(t, 6); got[wire.OnConnect] != 3 || got[wire.OnWebSocketConnect] != 3 {
			t.Fatalf("%v of 6 clients over 2 workers", got)
		}
	}
	for _, c := range clients {
		if err := c.send("m"); err != nil {
			t.Fatal(err)
		}
	}
	for _, w := range []*testWorker{a, b} {
		if got := w.counted(t, 3); got[wire.OnMessage] != 3 {
			t.Fatalf("%v of 6 messages", got)
		}
	}
	_ = a.conn.Close()
	r.await("one worker is left", func() bool { return r.front.count.workers.Load() == 1 })
	for _, c := range clients {
		if err := c.send("n"); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.counted(t, 6); got[wire.OnMessage] != 6 {
		t.Fatalf("%v of 6 messages", got)
	}
	c := r.worker("w:2") // counts from 0: it gets the next six
	for range 6 {
		r.client()
	}
	if got := c.counted(t, 12); got[wire.OnConnect] != 6 {
		t.Fatalf("%v: the new worker did not get six clients", got)
	}
	for _, c := range clients {
		_ = c.conn.Close()
	}
	if got := b.counted(t, 6); got[wire.OnClose] != 6 {
		t.Fatalf("%v of 6 close events", got)
	}
}

// A worker that attaches under a key that is in use replaces the other worker and
// gets its clients; so does a second attach on the same connection.
func TestDuplicateWorkerKey(t *testing.T) {
	r := startRig(t, nil)
	a := r.worker("w:0")
	c := r.client()
	a.counted(t, 2)
	b := r.worker("w:0")
	for range a.events { // until it has ended
		t.Error("an event for the old one")
	}
	if err := c.send("m"); err != nil {
		t.Fatal(err)
	}
	if e := b.next(t); e.Command != wire.OnMessage || e.body != "m" {
		t.Fatalf("%+v", e)
	}
	if n := r.front.count.workers.Load(); n != 1 {
		t.Errorf("%d workers", n)
	}
	if _, err := b.conn.Write(frame(wire.WorkerConnect, 0, "", `{"worker_key":"w:0","secret_key":""}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.conn.Write(frame(wire.WorkerConnect, 0, "", `{"worker_key":"w:1","secret_key":""}`)); err != nil {
		t.Fatal(err)
	}
	_ = c.conn.Close()
	if e := b.next(t); e.Command != wire.OnClose {
		t.Fatalf("%+v", e)
	}
	r.await("the client is forgotten", func() bool { return r.front.queue.bound.Load() == 0 })
}

func TestRandomRouting(t *testing.T) {
	r := startRig(t, func(c *Config, _ *server.Config) { c.Routing = RouteRandom })
	a, b := r.worker("w:0"), r.worker("w:1")
	for range 40 { // all to one: once in 2^39 runs
		r.client()
	}
	r.await("80 events", func() bool { return len(a.events)+len(b.events) == 80 })
	if len(a.events) == 0 || len(b.events) == 0 {
		t.Error("all clients went to one worker")
	}
}

// Before the first worker attaches, clients are served and get the init message.
// Afterwards they do not, since the application sends its own.
func TestPushOnly(t *testing.T) {
	r := startRig(t, func(_ *Config, sc *server.Config) { sc.InitMessage = "id %s" })
	c := r.client()
	c.expect("init", r.init(1))
	if err := c.send("nobody hears this"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.conn.Write([]byte{0x89, 0x80, 0, 0, 0, 0}); err != nil {
		t.Fatal(err)
	}
	c.expect("the pong behind it", "8a00") // a worker that attaches earlier gets it, and the client
	w := r.worker("w:0")
	d := r.client()
	w.counted(t, 2)
	r.tell(frame(wire.SendToAll, 0, "", "m"))
	c.expect("a push", "81016d")
	d.expect("no init", "81016d")
	_ = c.conn.Close() // no worker was told of it
	_ = d.conn.Close()
	if e := w.next(t); e.Command != wire.OnClose || e.ConnectionID != 2 {
		t.Fatalf("%+v", e)
	}
	r.await("the client is forgotten", func() bool { return r.front.queue.bound.Load() == 0 })
}

// init is the init message "id %s" of a client, as the client gets it.
func (r *rig) init(id int) string {
	text := fmt.Sprintf("id %s%08x", r.front.loop.commands.prefix, id)
	return fmt.Sprintf("81%02x%x", len(text), text)
}

// With WorkersNever a worker that attaches changes nothing: it only sends.
func TestWorkersNever(t *testing.T) {
	r := startRig(t, func(c *Config, sc *server.Config) { c.Workers, sc.InitMessage = WorkersNever, "id %s" })
	w := r.worker("w:0")
	c := r.client()
	c.expect("init", r.init(1))
	if err := c.send("m"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.conn.Write(frame(wire.SendToOne, 1, "", "k")); err != nil {
		t.Fatal(err)
	}
	c.expect("a push of the worker's", "81016b")
	_ = c.conn.Close()
	r.await("the client is gone", func() bool { return r.ask(frame(wire.IsOnline, 1, "", "")) == "i:0;" })
	if n := len(w.events); n != 0 {
		t.Errorf("%d events", n)
	}
}

// With WorkerWait 0 it is as with PHP: while no worker is attached, clients that
// connect are refused and those that send something are closed.
func TestNoWaitForWorkers(t *testing.T) {
	r := startRig(t, func(c *Config, _ *server.Config) { c.Workers = WorkersAlways })
	if _, err := dialClient(r.server.Addr().String()); err == nil || !strings.HasPrefix(err.Error(), "503") {
		t.Fatalf("without a worker: %v", err)
	}
	w := r.worker("w:0")
	c, silent := r.client(), r.client()
	w.counted(t, 4)
	_ = w.conn.Close()
	r.await("the worker has left", func() bool { return r.front.count.workers.Load() == 0 })
	r.answers("")
	if err := c.send("m"); err != nil {
		t.Fatal(err)
	}
	c.expectEnd("no worker at a message")
	w = r.worker("w:0")
	if e := w.next(t); e.Command != wire.OnClose || e.ConnectionID != 1 {
		t.Fatalf("%+v instead of the end of the first", e)
	}
	if err := silent.send("n"); err != nil {
		t.Fatal(err)
	}
	if e := w.next(t); e.body != "n" || e.ConnectionID != 2 {
		t.Fatalf("%+v", e)
	}
}

// Event 201 goes to workers every 25 s unless the address is 127.0.0.1.
func TestKeepalive(t *testing.T) {
	for advertise, want := range map[string]int{"127.0.0.1:0": 0, "127.0.0.2:0": 1} {
		r := startRig(t, func(c *Config, _ *server.Config) { c.Inner, c.Advertise = "127.0.0.1:0", advertise })
		w := r.worker("w:0")
		for _, after := range []time.Duration{keepaliveEvery - time.Second, keepaliveEvery + time.Second} {
			at, done := time.Now().Add(after), make(chan struct{})
			r.front.do(context.Background(), func(l *innerLoop) { l.sweeper.sweep(at); close(done) }, done)
		}
		r.client()
		for range want {
			if e := w.next(t); e.Command != wire.Ping || e.Header != (wire.Header{Command: wire.Ping, Flags: wire.FlagPlain}) {
				t.Errorf("%s: %+v", advertise, e)
			}
		}
		if e := w.next(t); e.Command != wire.OnConnect {
			t.Errorf("%s: %+v", advertise, e)
		}
	}
}

// Thousands of clients connect, send and leave, with three workers of which one
// stops and one is added meanwhile. Every event arrives exactly once, in order for
// each client, its close event last. (A worker that is killed with SIGKILL loses
// what its kernel holds; this one reads on after it has ended its side.)
func TestEventsExactlyOnce(t *testing.T) {
	clients := 10_000
	if testing.Short() || raceEnabled {
		clients = 2000
	}
	r := startRig(t, func(_ *Config, sc *server.Config) { sc.Loops = 4 })
	workers := []*testWorker{r.worker("w:0"), r.worker("w:1"), r.worker("w:2")}
	var mu sync.Mutex
	seen := map[uint32][]string{} // by client, in the order of arrival at its worker
	var readers sync.WaitGroup
	var closes atomic.Int64
	follow := func(w *testWorker) {
		readers.Go(func() {
			for e := range w.events {
				mu.Lock()
				seen[e.ConnectionID] = append(seen[e.ConnectionID], fmt.Sprintf("%s %s %v", e.Command, e.text(), w == workers[0]))
				mu.Unlock()
				if e.Command == wire.OnClose {
					closes.Add(1)
				}
			}
		})
	}
	for _, w := range workers {
		follow(w)
	}
	var started atomic.Int64
	var crowd sync.WaitGroup
	for range 64 {
		crowd.Go(func() {
			for n := started.Add(1); n <= int64(clients); n = started.Add(1) {
				c, err := dialClient(r.server.Addr().String())
				if err != nil {
					t.Error(err)
					return
				}
				for i := range 3 {
					if err := c.send(fmt.Sprint(i)); err != nil {
						t.Error(err)
					}
				}
				_ = c.conn.Close()
				switch n {
				case int64(clients) / 3:
					_ = workers[0].conn.(*net.TCPConn).CloseWrite()
				case int64(clients) / 2:
					follow(r.worker("w:3"))
				}
			}
		})
	}
	crowd.Wait()
	r.await("all close events have arrived", func() bool { return closes.Load() >= int64(clients) })
	r.await("all clients are forgotten", func() bool { return r.front.queue.bound.Load() == 0 })
	mu.Lock()
	defer mu.Unlock()
	checkEvents(t, seen, clients)
}

// checkEvents checks the events of every client.
func checkEvents(t *testing.T, seen map[uint32][]string, clients int) {
	t.Helper()
	if len(seen) != clients {
		t.Errorf("events of %d clients, want %d", len(seen), clients)
	}
	wrong := 0
	for id, events := range seen {
		if problem := inOrder(events); problem != "" {
			if wrong++; wrong <= 5 {
				t.Errorf("client %d: %s: %q", id, problem, events)
			}
		}
	}
	if wrong > 0 {
		t.Errorf("%d clients of %d", wrong, clients)
	}
}

// text distinguishes messages; the content of ON_WEBSOCKET_CONNECT does not matter.
func (e *event) text() string {
	if e.Command == wire.OnMessage {
		return e.body
	}
	return ""
}

// inOrder returns what is wrong with a client's events. Those at the stopped worker
// may have been read later than those at the next one, so each worker's events are
// checked alone, and then whether all together are complete.
func inOrder(events []string) string {
	place := map[string]int{"ON_CONNECT ": 0, "ON_WEBSOCKET_CONNECT ": 1, "ON_MESSAGE 0": 2, "ON_MESSAGE 1": 3, "ON_MESSAGE 2": 4, "ON_CLOSE ": 5}
	last := map[string]int{"true": -1, "false": -1}
	count := 0
	for _, e := range events {
		cut := strings.LastIndexByte(e, ' ')
		at, ok := place[e[:cut]]
		switch worker := e[cut+1:]; {
		case !ok:
			return "what is " + e
		case at <= last[worker]:
			return "out of order or twice"
		default:
			last[worker] = at
			count++
		}
	}
	if last["true"] >= 0 && last["false"] >= 0 && last["true"] > last["false"] {
		return "an end before the rest"
	}
	if count != len(place) {
		return fmt.Sprintf("%d events of %d", count, len(place))
	}
	return ""
}
