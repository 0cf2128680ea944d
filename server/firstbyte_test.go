package server

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Who can't be speaking HTTP is told so by the first byte, not when the time
// for the handshake is over, and who can't go on with one by its first line.
func TestFirstByteOfNoRequest(t *testing.T) {
	s := startServer(t, func(c *Config) { c.HandshakeTimeout = time.Hour })
	const noTLS, noRequest = "this port does not speak TLS: use ws://, not wss:// [bad_request]\n", "not a WebSocket handshake [bad_request]\n"
	told := func(sent string, status int, body string) {
		t.Helper()
		c := s.dialTCP()
		defer func() { _ = c.Close() }()
		if _, err := c.Write([]byte(sent)); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatalf("%q: %v", sent, err)
		}
		if got, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != status || string(got) != body {
			t.Errorf("%q: status %d, %q, %v; want %d, %q", sent, resp.StatusCode, got, err, status, body)
		}
	}
	refused := []struct{ sent, body string }{
		{"\x16", noTLS}, {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("x", 506), noTLS},
		{"\x00", noRequest}, {"\x15", noRequest}, {" GET / HTTP/1.1\r\n", noRequest}, {"\n", noRequest}, {"\x80", noRequest}, {"{", noRequest},
	}
	for i, tt := range refused {
		told(tt.sent, 400, tt.body)
		if n := s.stats().Handshakes["bad_request"]; n != uint64(i)+1 {
			t.Errorf("%q: %d bad requests are counted, want %d", tt.sent, n, i+1)
		}
	}
	for _, tt := range []struct{ sent, body string }{
		{"GET /healthz HTTP/1.0\n\n", "the request line is malformed [request_line]\n"},
		{"SSH-2.0-OpenSSH_9.2\r\n", "the request line is malformed [request_line]\n"},
		{"GET / HTTP/1.1\r\nHost: a\n\n", "a header line is malformed [header]\n"},
		{"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "a PROXY header is missing, malformed, or not allowed from this address [proxy_header]\n"},
	} {
		told(tt.sent, 400, tt.body)
	}
	// What may still become a request or a PROXY header is waited for.
	told("\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00", 400, "a PROXY header is missing, malformed, or not allowed from this address [proxy_header]\n")
	c := s.dialTCP()
	for _, b := range []byte(upgradeRequest) {
		if _, err := c.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != 101 {
		t.Errorf("a handshake in bytes: %v, %v", resp, err)
	}
}

// One that would be turned away for another reason is told that one.
func TestFirstByteWithoutRoom(t *testing.T) {
	s := startServer(t, func(c *Config) { c.MaxConns, c.HandshakeTimeout = 1, time.Hour })
	s.dial()
	c := s.dialTCP()
	if _, err := c.Write([]byte{0x16}); err != nil {
		t.Fatal(err)
	}
	if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != 503 {
		t.Errorf("%v, %v", resp, err)
	}
}

// dialTCP connects and says nothing. What it reads ends the test if it doesn't
// come.
func (s *testServer) dialTCP() net.Conn {
	s.t.Helper()
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		s.t.Fatal(err)
	}
	return c
}
