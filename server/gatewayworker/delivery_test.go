package gatewayworker

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	wire "castgate/codec/gatewayworker"
	"castgate/server"
)

// mute attaches a worker that reads nothing.
func (r *rig) mute(key string) net.Conn {
	r.t.Helper()
	before := r.front.count.attaches.Load()
	conn := r.dial()
	if _, err := conn.Write(frame(wire.WorkerConnect, 0, "", `{"worker_key":"`+key+`","secret_key":""}`)); err != nil {
		r.t.Fatal(err)
	}
	r.await("the worker is attached", func() bool { return r.front.count.attaches.Load() > before })
	return conn
}

// flood sends messages of one byte until the gateway stops reading from the client.
func (c *pushed) flood(r *rig) (stop func()) {
	stopped := make(chan struct{})
	ended := make(chan struct{})
	burst := []byte(strings.Repeat("\x81\x81\x00\x00\x00\x00x", 1000))
	go func() {
		defer close(ended)
		for {
			_ = c.conn.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
			n, _ := c.conn.Write(burst)
			burst = append(burst[n:], burst[:n]...) // the rest is sent next
			select {
			case <-stopped:
				return
			default:
			}
		}
	}()
	r.await("the client is held", func() bool { _, _, held := r.front.queue.waiting(); return held > 0 })
	return func() { close(stopped); <-ended }
}

// A worker that hangs delays its clients but not others. The events that wait for
// each client are bounded and the client is not read beyond that, new clients go to
// another worker, and nothing is lost when the worker reads again.
func TestStuckWorker(t *testing.T) {
	r := startRig(t, func(c *Config, _ *server.Config) { c.StuckAfter = 10 * time.Millisecond })
	stuck := r.mute("stuck:0")
	loud := r.client()
	w := r.worker("w:0")
	quiet := r.client()
	w.counted(t, 2)
	stop := loud.flood(r)
	if bytes, _, _ := r.front.queue.waiting(); bytes > mostShare+readLen*(wire.HeaderLen+1)/7 {
		t.Errorf("%d bytes wait for one client", bytes)
	}
	r.await("the worker counts as stuck", func() bool { return r.front.count.stuck.Load() == 1 })
	for range 4 { // by the number of clients, two would go to the stuck one
		r.client()
	}
	if got := w.counted(t, 8); got[wire.OnConnect] != 4 {
		t.Errorf("%v: new clients went to the stuck worker", got)
	}
	if err := quiet.send("m"); err != nil {
		t.Fatal(err)
	}
	if e := w.next(t); e.body != "m" {
		t.Errorf("%+v", e)
	}
	r.tell(frame(wire.SendToOne, 1, "", "k"))
	loud.expect("a push to the held client", "81016b")
	stop()
	again := &testWorker{conn: stuck, events: make(chan event, 1<<16)}
	_ = stuck.SetDeadline(time.Time{})
	go again.read()
	go func() {
		for range again.events {
		}
	}()
	r.await("every event has been read", func() bool {
		bytes, clients, held := r.front.queue.waiting()
		return bytes == 0 && clients == 0 && held == 0 && r.front.count.waiting.Load() == 0
	})
	r.await("the worker no longer counts as stuck", func() bool { return r.front.count.stuck.Load() == 0 })
}

// One client floods a slow worker. Other clients' events do not wait for all of its
// messages, and none is lost.
func TestLoudClient(t *testing.T) {
	r := startRig(t, nil)
	conn := r.mute("w:0")
	loud := r.client()
	stop := loud.flood(r)
	defer stop()
	const others = 50
	for i := range others {
		c := r.client()
		if err := c.send(fmt.Sprint("from ", i)); err != nil {
			t.Fatal(err)
		}
		_ = c.conn.Close()
	}
	r.await("the others have left", func() bool { return r.ask(frame(wire.CountOfGroup, 0, "", "")) == "i:1;" })
	w := &testWorker{conn: conn, events: make(chan event)}
	_ = conn.SetDeadline(time.Time{})
	go w.read()
	got, ahead := map[uint32][]wire.Command{}, 0
	for ended := 0; ended < others; {
		e := w.next(t)
		if e.ConnectionID == 1 {
			ahead++
			continue
		}
		got[e.ConnectionID] = append(got[e.ConnectionID], e.Command)
		if e.Command == wire.OnClose {
			ended++
		}
	}
	// What the kernel held already, and one event in turn with each of the others'.
	if most := 1<<20/(wire.HeaderLen+1) + 4*others; ahead > most {
		t.Errorf("%d events of the flooding client came before the others' ends, want at most %d", ahead, most)
	}
	for id, commands := range got {
		if fmt.Sprint(commands) != fmt.Sprint([]wire.Command{wire.OnConnect, wire.OnWebSocketConnect, wire.OnMessage, wire.OnClose}) {
			t.Errorf("client %d: %v", id, commands)
		}
	}
	go func() {
		for range w.events {
		}
	}()
}

// Events of clients whose only worker is away wait for the next worker. They arrive
// in order and once, and nobody is closed.
func TestEventsWaitForWorker(t *testing.T) {
	r := startRig(t, func(c *Config, _ *server.Config) { c.WorkerWait = time.Hour })
	opened := make(chan *pushed)
	go func() {
		c, err := dialClient(r.server.Addr().String())
		if err != nil {
			t.Error(err)
		}
		opened <- c
	}()
	r.await("the handshake waits", func() bool { return r.server.Waiting() == 1 })
	w := r.worker("w:0")
	c := <-opened
	c.t = t
	defer c.conn.Close()
	w.counted(t, 2)
	left := r.client()
	w.counted(t, 2)
	_ = w.conn.Close()
	r.await("the worker has left", func() bool { return r.front.count.workers.Load() == 0 })
	for i := range 100 {
		if err := c.send(fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := left.send("last words"); err != nil {
		t.Fatal(err)
	}
	_ = left.conn.Close()
	r.await("the close event waits too", func() bool { return r.ask(frame(wire.IsOnline, 2, "", "")) == "i:0;" })
	// The application never learns of a connection that comes and goes meanwhile.
	gone, err := net.Dial("tcp", r.server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_, _ = fmt.Fprintf(gone, "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	r.await("the handshake waits", func() bool { return r.server.Waiting() == 1 })
	_ = gone.Close()
	r.await("the handshake is gone", func() bool { return r.server.Waiting() == 0 })
	w = r.worker("w:0")
	next := 0
	for range 102 {
		switch e := w.next(t); {
		case e.ConnectionID == 1 && e.body == fmt.Sprint(next):
			next++
		case e.ConnectionID == 2 && (e.body == "last words" || e.Command == wire.OnClose):
		default:
			t.Fatalf("%+v after %d messages", e, next)
		}
	}
	if next != 100 || len(w.events) != 0 {
		t.Errorf("%d messages, %d events more", next, len(w.events))
	}
	if _, clients, _ := r.front.queue.waiting(); clients != 0 {
		t.Errorf("%d clients wait", clients)
	}
}

// After WorkerWait it is as with PHP: clients that have sent something are closed,
// and new ones are refused. The next worker still gets the close events.
func TestWorkerComesTooLate(t *testing.T) {
	r := startRig(t, func(c *Config, _ *server.Config) { c.WorkerWait = 200 * time.Millisecond })
	r.await("push-only", func() bool { return r.front.queue.now() == phaseOff })
	w := r.worker("w:0")
	c, silent := r.client(), r.client()
	w.counted(t, 4)
	_ = w.conn.Close()
	r.await("the worker has left", func() bool { return r.front.count.workers.Load() == 0 })
	if err := c.send("m"); err != nil {
		t.Fatal(err)
	}
	if _, err := dialClient(r.server.Addr().String()); err == nil || !strings.HasPrefix(err.Error(), "503") {
		t.Errorf("a new client: %v", err)
	}
	c.expectEnd("nobody came")
	if n := r.front.count.eventDrops[dropNoWorker].Load(); n != 1 {
		t.Errorf("%d events dropped, want 1", n)
	}
	w = r.worker("w:1")
	if e := w.next(t); e.Command != wire.OnClose || e.ConnectionID != 1 {
		t.Errorf("%+v instead of the close event", e)
	}
	if err := silent.send("n"); err != nil {
		t.Fatal(err)
	}
	if e := w.next(t); e.body != "n" {
		t.Errorf("%+v", e)
	}
}

// Events that the kernel of an ended worker refused go to the next worker: a reload
// loses nothing that was not acknowledged.
func TestReloadOfOnlyWorker(t *testing.T) {
	r := startRig(t, func(c *Config, _ *server.Config) { c.WorkerWait = time.Hour })
	w := r.mute("w:0")
	handshaken := make(chan *pushed)
	go func() { handshaken <- r.client() }()
	c := <-handshaken
	r.await("its connect was sent", func() bool { return r.front.count.events.Load() == 2 && r.front.count.waiting.Load() == 0 })
	got := make([]byte, 4096)
	if n, err := w.Read(got); err != nil || n < 100 {
		t.Fatal(n, err)
	}
	busy, release := make(chan struct{}), make(chan struct{})
	r.front.loop.tasks <- func(l *innerLoop) {
		close(busy)
		<-release
		_ = w.Close() // the gateway writes before it has noticed this
		l.delivery.deliver()
	}
	r.front.loop.bell.Ring()
	<-busy
	for i := range 50 {
		if err := c.send(fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	r.await("all messages are queued", func() bool { bytes, _, _ := r.front.queue.waiting(); return bytes == 50*(wire.HeaderLen+2)-10 })
	close(release)
	r.await("the worker has left", func() bool { return r.front.count.workers.Load() == 0 })
	next := r.worker("w:0")
	for i := range 50 {
		if e := next.next(t); e.body != fmt.Sprint(i) {
			t.Fatalf("%+v instead of message %d", e, i)
		}
	}
}
