package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"castgate/internal/wstest"
)

// allocationGate is how many objects the gateway may allocate for each of many
// operations. Unlike times, counts are the same on every machine; system calls and
// bytes have a gate of their own (TestKernelCalls in package server). The collector
// and other parts of the process also allocate a little, so no limit is exact.
var allocationGate = []struct {
	what      string
	onMessage string
	n         int
	most      float64
	do        func(t *testing.T, g *wstest.Gateway, n int)
}{
	{"a connect", "ignore", 5_000, 4, connectAndLeave},
	{"a frame", "ignore", 100_000, 0.5, sendFrames},
	{"a frame and its echo", "echo", 50_000, 2.2, echoFrames},
	{"a push to one of 100 clients", "ignore", 10_000, 4, func(t *testing.T, g *wstest.Gateway, n int) { pushRepeatedly(t, g, n, "uid=7") }},
	{"a push to all of 100 clients", "ignore", 10_000, 4, func(t *testing.T, g *wstest.Gateway, n int) { pushRepeatedly(t, g, n, "all=1") }},
}

// TestAllocations is the gate for what a connect, a frame and a push allocate in the
// whole process, from the socket to the socket.
func TestAllocations(t *testing.T) {
	t.Parallel()
	if wstest.RaceEnabled {
		t.Skip("the race detector's own allocations would be counted")
	}
	for _, gate := range allocationGate {
		t.Run(gate.what, func(t *testing.T) {
			g := wstest.Start(t, "--on-message", gate.onMessage)
			gate.do(t, g, gate.n/10) // pools and chunks fill
			mallocs := func() float64 { return g.Metrics()["go_memstats_mallocs_total"] }
			reading, before := math.Inf(1), mallocs() // reading: by one reading
			for range 5 {
				now := mallocs()
				reading, before = min(reading, now-before), now
			}
			gate.do(t, g, gate.n)
			each := (mallocs() - before - reading) / float64(gate.n)
			t.Logf("%s: %.3f allocations", gate.what, each)
			if each > gate.most {
				t.Errorf("%s: %.3f allocations, more than %v", gate.what, each, gate.most)
			}
		})
	}
}

// connectAndLeave opens and closes n connections, four at a time.
func connectAndLeave(t *testing.T, g *wstest.Gateway, n int) {
	var failed atomic.Int64
	wstest.Parallel(n, 4, func(int) {
		r, err := g.TryDialRaw(t)
		if err != nil {
			failed.Add(1)
			return
		}
		defer r.Reset()
		if _, err := r.Write([]byte(wstest.Handshake)); err != nil {
			failed.Add(1)
		}
		if status, err := r.Answer(); err != nil || status != http.StatusSwitchingProtocols {
			failed.Add(1)
		}
	})
	if n := failed.Load(); n > 0 {
		t.Fatalf("%d connects failed", n)
	}
}

// sendFrames sends n frames on one connection.
func sendFrames(t *testing.T, g *wstest.Gateway, n int) {
	r := g.DialRaw(t)
	r.Upgrade()
	defer r.Reset()
	const batch = 100
	frames := bytes.Repeat(wstest.MaskedFrame(wstest.OpText, []byte("0123456789abcdef")), batch)
	for range n / batch {
		r.Put(frames)
	}
	r.Put(wstest.MaskedFrame(wstest.OpPing, nil))
	if op, _, err := r.Frame(); err != nil || op != wstest.OpPong {
		t.Fatalf("the pong after the frames: opcode %d, %v", op, err)
	}
}

// echoFrames sends n frames on one connection and reads their echo.
func echoFrames(t *testing.T, g *wstest.Gateway, n int) {
	r := g.DialRaw(t)
	r.Upgrade()
	defer r.Reset()
	const batch = 100
	frames := bytes.Repeat(wstest.MaskedFrame(wstest.OpText, []byte("0123456789abcdef")), batch)
	for range n / batch {
		r.Put(frames)
		for range batch {
			if _, payload, err := r.Frame(); err != nil || len(payload) != 16 {
				t.Fatalf("an echo: %q, %v", payload, err)
			}
		}
	}
}

// pushRepeatedly makes n pushes over one connection of the control API, each after
// the answer to the previous one, to clients that read.
func pushRepeatedly(t *testing.T, g *wstest.Gateway, n int, to string) {
	var clients []*wstest.Raw
	for i := range 100 {
		r := g.DialRaw(t)
		var init struct {
			ClientID string `json:"client_id"`
		}
		if err := json.Unmarshal([]byte(r.Upgrade()), &init); err != nil {
			t.Fatal(err)
		}
		g.Bind(init.ClientID, fmt.Sprint(i))
		go func() { _, _ = io.Copy(io.Discard, r.TCPConn) }()
		clients = append(clients, r)
	}
	defer func() {
		for _, r := range clients {
			r.Reset()
		}
	}()
	c, err := g.DialControl()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	request := fmt.Appendf(nil, "POST /v1/push/raw?%s HTTP/1.1\r\nHost: c\r\nContent-Length: 5\r\n\r\nhello", to)
	in := bufio.NewReader(c)
	_ = c.SetDeadline(time.Now().Add(wstest.Patience))
	for range n {
		if _, err := c.Write(request); err != nil {
			t.Fatal(err)
		}
		answer, err := http.ReadResponse(in, nil)
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Fatalf("a push: %v, %v", answer, err)
		}
		if _, err := io.Copy(io.Discard, answer.Body); err != nil {
			t.Fatal(err)
		}
	}
}
