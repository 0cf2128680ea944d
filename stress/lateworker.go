package stress

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"castgate/internal/wstest"
)

var lateness = []Scenario{{
	Name: "late-worker",
	Says: "the gateway is killed, pages reconnect at once, the worker 3 s later, and reloads: no event is lost",
	prepare: func(t *Trial) (wstest.Options, func(t *Trial, s *site), error) {
		inner := wstest.FreeAddr(t)
		return wstest.Options{Flags: []string{
			"--gatewayworker-inner", inner, "--init-message", `{"type":"init","client_id":"%s"}`,
		}}, func(t *Trial, s *site) { late(t, s, inner) }, nil
	},
}}

// Number of pages, and of messages that each sends while its worker reloads.
const (
	latePages    = 100
	lateMessages = 10
)

func late(t *Trial, s *site, inner string) {
	s.Signal(syscall.SIGKILL)
	s.Kill()
	s.Restart()
	s.expected, s.matched, s.received = map[string]int{handshakesOK: latePages}, latePages*(1+lateMessages), 0

	visited := make(chan []*wstest.Client)
	go func() {
		pages := make([]*wstest.Client, latePages)
		wstest.Parallel(latePages, latePages, func(i int) {
			c, _, err := s.TryDial(t, wstest.DialOptions{})
			t.Check(err == nil, "page %d was refused: %v", i, err)
			if err == nil {
				c.Send(numbered(0, 20)) // at once, like a page that logs in
				pages[i] = c
			}
		})
		visited <- pages
	}()
	time.Sleep(3 * time.Second) // the subject of the scenario
	worker := newEcho(t, inner)
	pages := <-visited
	for _, c := range pages {
		t.Must(c != nil, "a page is missing")
		c.Await(1)
	}
	t.Equal("connect events", worker.stop(1), latePages)
	for i := range lateMessages {
		for _, c := range pages {
			c.Send(numbered(1+i, 20))
		}
	}
	time.Sleep(time.Second) // a worker reconnects a second after it has lost its gateway
	worker = newEcho(t, inner)
	for _, c := range pages {
		c.Await(1 + lateMessages)
		t.all("a page", numbersOf(c), 1+lateMessages)
		t.Check(c.Err() == nil, "a page was closed: %v", c.Err())
	}
	s.addReceived(latePages * (1 + lateMessages))
	t.Equal("connect events after the reload", worker.count(1), 0)
	for _, c := range pages {
		c.Close()
	}
	wstest.Await(t, func() string {
		if n := worker.count(4); n != latePages {
			return fmt.Sprintf("%d of %d close events arrived", n, latePages)
		}
		return ""
	})
	worker.stop(4)
}

// echo is a worker of GatewayWorker that sends every message back
// (docs/gatewayworker-protocol.md section 2 has the frames).
type echo struct {
	conn   net.Conn
	counts chan map[byte]int // holds one value: events by command
	ended  chan struct{}
}

const frameHead = 28

func newEcho(t *Trial, address string) *echo {
	conn, err := net.Dial("tcp", address)
	t.Must(err == nil, "the worker's connection: %v", err)
	t.Cleanup(func() { conn.Close() })
	body, _ := json.Marshal(map[string]string{"worker_key": "echo:0", "secret_key": ""})
	_, err = conn.Write(workerFrame(200, 0, body))
	t.Must(err == nil, "the worker attaches: %v", err)
	e := &echo{conn: conn, counts: make(chan map[byte]int, 1), ended: make(chan struct{})}
	e.counts <- map[byte]int{}
	go func() {
		defer close(e.ended)
		if err := e.serve(); !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
			t.Check(false, "the worker: %v", err)
		}
	}()
	return e
}

// workerFrame is a frame to the gateway with an unserialized body.
func workerFrame(command byte, connection uint32, body []byte) []byte {
	f := make([]byte, frameHead, frameHead+len(body))
	binary.BigEndian.PutUint32(f, uint32(frameHead+len(body)))
	f[4], f[21] = command, 1
	binary.BigEndian.PutUint32(f[17:], connection)
	return append(f, body...)
}

func (e *echo) serve() error {
	for {
		head := make([]byte, frameHead)
		if _, err := io.ReadFull(e.conn, head); err != nil {
			return err
		}
		rest := make([]byte, binary.BigEndian.Uint32(head)-frameHead)
		if _, err := io.ReadFull(e.conn, rest); err != nil {
			return err
		}
		counts := <-e.counts
		counts[head[4]]++
		e.counts <- counts
		if head[4] != 3 {
			continue
		}
		body := rest[binary.BigEndian.Uint32(head[24:]):]
		if _, err := e.conn.Write(workerFrame(5, binary.BigEndian.Uint32(head[17:]), body)); err != nil {
			return err
		}
	}
}

// count returns how many events of a command have arrived.
func (e *echo) count(command byte) int {
	counts := <-e.counts
	defer func() { e.counts <- counts }()
	return counts[command]
}

// stop ends the worker with nothing unread, and returns count.
func (e *echo) stop(command byte) int {
	e.conn.Close()
	<-e.ended
	return e.count(command)
}
