package e2e

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"castgate/internal/wstest"
)

// TestSilentSockets: 5,000 silent sockets and 200 that send a byte now and then are
// closed after the handshake timeout, while a client is served.
func TestSilentSockets(t *testing.T) {
	t.Parallel()
	const silent, slow = 5000, 200
	g := wstest.Start(t, "--handshake-timeout", "1s")
	served := g.Dial(t)
	before := wstest.FDs(t, g.PID())

	sockets := make([]*wstest.Raw, silent+slow)
	errs := make([]error, len(sockets))
	wstest.Parallel(len(sockets), 8, func(i int) {
		sockets[i], errs[i] = g.TryDialRaw(t)
	})
	for i, err := range errs {
		if err != nil {
			t.Fatalf("socket %d: %v", i, err)
		}
	}
	gone := make(chan error, len(sockets))
	for i, s := range sockets {
		if i >= silent {
			go trickle(s)
		}
		go func() {
			s.SetReadDeadline(time.Now().Add(wstest.Patience))
			_, err := io.Copy(io.Discard, s)
			gone <- err
		}()
	}
	for left := len(sockets); left > 0; {
		g.Push(wstest.All(), "meanwhile")
		served.Expect("meanwhile")
		for drained := false; !drained && left > 0; {
			select {
			case err := <-gone:
				if err != nil && !strings.Contains(err.Error(), "reset") {
					t.Fatalf("a socket was not closed: %v", err)
				}
				left--
			default:
				drained = true
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	g.Await(func() string {
		if n := wstest.FDs(t, g.PID()); n > before+8 { // control connections come and go
			return "descriptors of silent sockets are still open"
		}
		return ""
	})
	expectFields(t, g.OK("GET", "/v1/stats", nil), M{"connections": 1})
	served.ExpectNothing()
}

// trickle sends a handshake a byte at a time until the connection fails.
func trickle(s *wstest.Raw) {
	for i := 0; ; i++ {
		if _, err := s.Write([]byte{wstest.Handshake[i%40]}); err != nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// TestSplitHandshake: a handshake may arrive in pieces, and bytes after it in the
// same write are read as frames.
func TestSplitHandshake(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t, "--on-message", "echo")
	r := g.DialRaw(t)
	r.SetNoDelay(true)
	frame := wstest.MaskedFrame(wstest.OpText, []byte("pipelined"))
	all := append([]byte(wstest.Handshake), frame...)
	for cut := 0; cut < len(all); cut += 7 {
		r.Put(all[cut:min(cut+7, len(all))])
		time.Sleep(time.Millisecond)
	}
	if status := r.Status(); status != 101 {
		t.Fatalf("status %d, want 101", status)
	}
	if _, payload, err := r.Frame(); err != nil || !strings.Contains(string(payload), "client_id") {
		t.Fatalf("init message %q, %v", payload, err)
	}
	if op, payload, err := r.Frame(); err != nil || op != wstest.OpText || string(payload) != "pipelined" {
		t.Fatalf("echo %d %q, %v", op, payload, err)
	}
}

// TestBadHandshakes: anything but a WebSocket handshake gets an HTTP error and the
// end of the connection.
func TestBadHandshakes(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t, "--handshake-timeout", "2s")
	without := func(line string) string { return strings.Replace(wstest.Handshake, line+"\r\n", "", 1) }
	for _, bad := range []struct{ name, request string }{
		{"garbage", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"},
		{"a POST", strings.Replace(wstest.Handshake, "GET", "POST", 1)},
		{"HTTP/1.0", strings.Replace(wstest.Handshake, "HTTP/1.1", "HTTP/1.0", 1)},
		{"a plain GET", "GET / HTTP/1.1\r\nHost: castgate\r\n\r\n"},
		{"no Host", without("Host: castgate")},
		{"no Upgrade", without("Upgrade: websocket")},
		{"no Connection", without("Connection: Upgrade")},
		{"no key", without("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")},
		{"a short key", strings.Replace(wstest.Handshake, "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHM=", 1)},
		{"version 8", strings.Replace(wstest.Handshake, "Version: 13", "Version: 8", 1)},
		{"a head of 64 KiB", strings.Replace(wstest.Handshake, "\r\n\r\n", "\r\nX: "+strings.Repeat("x", 64<<10)+"\r\n\r\n", 1)},
		{"no end of the head", "GET / HTTP/1.1\r\n" + strings.Repeat("X: y\r\n", 10_000)},
	} {
		t.Run(bad.name, func(t *testing.T) {
			r := g.DialRaw(t)
			r.Write([]byte(bad.request)) // may fail: the gateway need not read all of it
			status := r.Status()
			if status == 0 && len(bad.request) > 32<<10 {
				return // a reset may destroy the answer while the test still writes
			}
			if status < 400 || status > 499 {
				t.Errorf("status %d, want 4xx", status)
			}
			if _, err := io.Copy(io.Discard, r); err != nil && !strings.Contains(err.Error(), "reset") {
				t.Errorf("the connection was not closed: %v", err)
			}
		})
	}
	if resp, err := http.Get("http://" + g.Addr + "/"); err != nil || resp.StatusCode < 400 {
		t.Errorf("a browser's plain GET: %v, %v", resp, err)
	}
	g.Dial(t).ExpectNothing()
}
