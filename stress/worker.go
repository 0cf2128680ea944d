package stress

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"castgate/internal/wstest"
)

// Commands of GatewayWorker's inner protocol.
const (
	phpConnect          = 1
	phpMessage          = 3
	phpClose            = 4
	phpSendToUID        = 14
	phpWorkerConnect    = 200
	phpClientConnect    = 202
	phpWebSocketConnect = 205
)

const (
	phpHeader = 28
	// eventPause is the worker's time for an event: it handles 5,000 a second.
	eventPause = 200 * time.Microsecond
	// longSleep is how much of it the worker saves up before it sleeps, since a
	// short sleep is never exact.
	longSleep = time.Millisecond
	// workerBuffer is how much the worker's kernel buffers of waiting events. The
	// rest waits in the gateway, where it can be shared fairly.
	workerBuffer = 4 << 10
)

// phpFrame is a frame of the inner protocol to the gateway with an unserialized
// body.
func phpFrame(command byte, ext, body string) []byte {
	b := make([]byte, phpHeader, phpHeader+len(ext)+len(body))
	binary.BigEndian.PutUint32(b, uint32(phpHeader+len(ext)+len(body)))
	b[4], b[21] = command, 1
	binary.BigEndian.PutUint32(b[24:], uint32(len(ext)))
	return append(append(b, ext...), body...)
}

// told is what a worker knows about one client, and when its first and last
// event came.
type told struct {
	opened, ready, messages, closed int
	began, ended                    time.Time
	wrong                           string // what was out of order
}

// worker is a BusinessWorker that is slow.
type worker struct {
	conn    net.Conn
	ended   chan struct{} // closed when no more events can come
	message func(client uint32, text string)
	hurries atomic.Bool // handle events without a pause

	mu      sync.Mutex
	clients map[uint32]*told
	open    int
	events  int
	longest time.Duration // that an event took to arrive once it had begun
}

// attach connects a worker to a site's gateway. buffer is how many bytes its kernel
// holds, 0 for the usual. The worker calls message for each message of a client on a
// goroutine of its own.
func attach(t *Trial, inner, secret string, buffer int, message func(client uint32, text string)) *worker {
	var dialer net.Dialer
	if buffer > 0 {
		dialer.Control = withOption(syscall.SOL_SOCKET, syscall.SO_RCVBUF, buffer)
	}
	c, err := dialer.Dial("tcp", inner)
	t.Must(err == nil, "a worker: %v", err)
	t.Cleanup(func() { c.Close() })
	w := &worker{conn: c, ended: make(chan struct{}), message: message, clients: map[uint32]*told{}}
	_, err = c.Write(phpFrame(phpWorkerConnect, "", fmt.Sprintf(`{"worker_key":"stress:0","secret_key":%q}`, secret)))
	t.Must(err == nil, "a worker: %v", err)
	go w.work()
	return w
}

// withOption is a net.Dialer's Control that sets an option of the socket.
func withOption(level, option, value int) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		var err error
		if failed := c.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), level, option, value) }); failed != nil {
			return failed
		}
		return err
	}
}

// work handles events until the gateway closes.
func (w *worker) work() {
	defer close(w.ended)
	in := bufio.NewReaderSize(w.conn, 1<<10)
	var owed time.Duration
	head := make([]byte, phpHeader)
	for {
		if in.Buffered() == 0 {
			owed = 0 // it was idle, or may have been
		}
		if _, err := io.ReadFull(in, head); err != nil {
			return
		}
		size := int(binary.BigEndian.Uint32(head)) - phpHeader
		payload := make([]byte, max(size, 0))
		begun := time.Now()
		if _, err := io.ReadFull(in, payload); err != nil {
			return
		}
		w.mu.Lock()
		w.longest = max(w.longest, time.Since(begun))
		w.mu.Unlock()
		ext := min(int(binary.BigEndian.Uint32(head[24:])), len(payload))
		w.handle(head[4], binary.BigEndian.Uint32(head[17:]), string(payload[ext:]))
		if owed += eventPause; owed >= longSleep && !w.hurries.Load() {
			begun = time.Now()
			time.Sleep(owed)
			owed -= time.Since(begun)
		}
	}
}

func (w *worker) handle(command byte, client uint32, body string) {
	w.mu.Lock()
	c := w.clients[client]
	if c == nil {
		c = &told{}
		w.clients[client] = c
	}
	w.events++
	switch command {
	case phpConnect:
		c.opened++
		c.began = time.Now()
		w.open++
	case phpWebSocketConnect:
		c.ready++
	case phpMessage:
		c.messages++
	case phpClose:
		c.closed++
		c.ended = time.Now()
		w.open--
	}
	if c.opened != 1 || c.closed > 1 || c.ready > 1 || c.closed == 1 && command != phpClose {
		c.wrong = fmt.Sprintf("command %d at %d opens, %d handshakes, %d messages and %d closes", command, c.opened, c.ready, c.messages, c.closed)
	}
	w.mu.Unlock()
	if command == phpMessage {
		w.message(client, body)
	}
}

// of returns what the worker has learned about a client.
func (w *worker) of(client uint32) told {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c := w.clients[client]; c != nil {
		return *c
	}
	return told{}
}

// drained waits until a gateway has no clients any more, as long as the worker
// still gets events: attackers' messages come before their close events.
func (w *worker) drained(t *Trial, s *site, what string) {
	before, since := -1, time.Now()
	for {
		m, err := s.TryMetrics()
		if err == nil && m["castgate_sockets"] == 0 {
			return
		}
		w.mu.Lock()
		events := w.events
		w.mu.Unlock()
		if events != before {
			before, since = events, time.Now()
		}
		t.Must(time.Since(since) < wstest.Patience, "%s: %v clients remain, and the worker gets no events", what, m["castgate_sockets"])
		time.Sleep(10 * time.Millisecond)
	}
}

// settled waits until the worker has got the close event of every client it knows,
// n in all, and checks each client.
func (w *worker) settled(t *Trial, what string, n int) {
	wstest.Await(t, func() string {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.open != 0 || len(w.clients) != n {
			return fmt.Sprintf("%s: the worker knows %d clients, %d of them open, want %d and 0", what, len(w.clients), w.open, n)
		}
		return ""
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, c := range w.clients {
		t.Check(c.wrong == "" && c.opened == 1 && c.closed == 1, "%s: client %d: %d opens and %d closes %s", what, id, c.opened, c.closed, c.wrong)
	}
}

// hurry makes the worker handle events without a pause.
func (w *worker) hurry() { w.hurries.Store(true) }

// longestEvent is the longest time that an event took to arrive once it had begun.
func (w *worker) longestEvent() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.longest
}

// leave ends the worker.
func (w *worker) leave() {
	_ = w.conn.Close()
	<-w.ended
}

// connectionOf returns the part of a client id that identifies the client to
// workers.
func connectionOf(t *Trial, id string) uint32 {
	t.Must(len(id) == 20, "client id %q", id)
	n, err := strconv.ParseUint(id[12:], 16, 32)
	t.Must(err == nil, "client id %q: %v", id, err)
	return uint32(n)
}
