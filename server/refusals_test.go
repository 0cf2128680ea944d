package server

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"castgate/codec"
	"castgate/server/admission"
	"castgate/server/gateway"
	"castgate/server/kernel"
	"castgate/server/loop"
)

// asked sends bytes and reads the answer.
func asked(t testing.TB, c net.Conn, request string) (status int, body string) {
	t.Helper()
	defer func() { _ = c.Close() }()
	if _, err := c.Write([]byte(request)); err != nil {
		t.Fatal(err)
	}
	method := "GET"
	if strings.HasPrefix(request, "HEAD") {
		method = "HEAD"
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%.60q: %v", request, err)
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return resp.StatusCode, ""
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil || !resp.Close {
		t.Errorf("%.60q: %v, %+v", request, err, resp)
	}
	return resp.StatusCode, string(b)
}

// lines keeps what is logged.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

// all are the records with this message.
func (l *lines) all(t testing.TB, message string) (records []map[string]any) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.buf.String()) {
		var r map[string]any
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		if r["msg"] == message {
			records = append(records, r)
		}
	}
	return records
}

func logAt(level slog.Level, out io.Writer) *slog.Logger {
	return slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: level}))
}

// Each broken handshake has its reason in the body, its own count and one line in
// the log, which repeats nothing that was sent.
func TestRefusalsAreToldApart(t *testing.T) {
	var log lines
	s := startServer(t, func(c *Config) {
		c.Logger = logAt(slog.LevelDebug, &log)
		c.AllowedOrigins = []string{"https://good.example"}
	})
	good := strings.Replace(upgradeRequest, "Host: h\r\n", "Host: h\r\nOrigin: https://good.example\r\n", 1)
	for i, try := range []struct {
		old, new string
		status   int
		label    string
	}{
		{"HTTP/1.1", "HTTP/1.0", 400, "http_version"},
		{"Upgrade: websocket\r\n", "", 400, "no_upgrade"},
		{"Connection: Upgrade", "Connection: close", 400, "connection"},
		{"Y2FzdGdhdGUgcmVhZG1lIQ==", "c2VjcmV0", 400, "bad_key"},
		{"Sec-WebSocket-Key: Y2FzdGdhdGUgcmVhZG1lIQ==\r\n", "", 400, "no_key"},
		{"Version: 13", "Version: 7", 426, "version"},
		{"GET", "POST", 405, "method"},
		{"good.example", "secret.example", 403, "origin"},
		{"Host: h", "Host: secret:secret", 400, "host"},
		{"Host: h", "Host: h\r\nsecret", 400, "header"},
		{good, "secret\r\n\r\n", 400, "request_line"},
		{"Host: h", "Host: h\r\nX: " + strings.Repeat("secret", 6000), 431, "too_large"},
		{good, "\x16\x03\x01", 400, "bad_request"},
	} {
		status, body := asked(t, s.dialTCP(), strings.Replace(good, try.old, try.new, 1))
		if status != try.status || !strings.HasSuffix(body, " ["+try.label+"]\n") && try.label != "bad_request" || strings.Contains(body, "secret") {
			t.Errorf("%s: %d, %q", try.label, status, body)
		}
		if try.label == "too_large" && !strings.Contains(body, "32768") {
			t.Errorf("the limit is not told: %q", body)
		}
		if n := s.stats().Handshakes[try.label]; n != 1 {
			t.Errorf("%s is counted %d times", try.label, n)
		}
		records := log.all(t, "connection refused")
		if len(records) != i+1 {
			t.Fatalf("%s: %d lines, want %d", try.label, len(records), i+1)
		}
		if r := records[i]; r["reason"] != try.label || !strings.HasPrefix(r["addr"].(string), "127.0.0.1:") || len(r) != 5 {
			t.Errorf("%s: %v", try.label, r)
		}
	}
	log.mu.Lock()
	defer log.mu.Unlock()
	if strings.Contains(log.buf.String(), "secret") {
		t.Error("the log repeats what was sent")
	}
}

// A client that ends has one line, however it ends.
func TestEndsAreLogged(t *testing.T) {
	var log lines
	s := startServer(t, func(c *Config) {
		c.Logger = logAt(slog.LevelDebug, &log)
		c.MaxMessage, c.OnMessage = 1000, loop.OnMessageIgnore
	})
	for i, try := range []struct {
		reason string
		code   float64
		end    func(c *testClient)
	}{
		{"kicked", 4444, func(c *testClient) {
			if _, err := s.Kick(ctx, gateway.Kick{To: gateway.Targets{ClientIDs: []string{c.id}}, Code: 4444}); err != nil {
				t.Error(err)
			}
		}},
		{"too_big", 1009, func(c *testClient) { _ = c.ws.Write(ctx, websocket.MessageText, make([]byte, 2000)) }},
		{"peer_closed", 3000, func(c *testClient) { _ = c.ws.Close(3000, "") }},
		{"peer_gone", 0, func(c *testClient) { _ = c.ws.CloseNow() }},
	} {
		c := s.dial()
		s.push(gateway.Targets{ClientIDs: []string{c.id}}, "hello")
		c.expect("hello")
		try.end(c)
		eventually(t, try.reason, func() bool { return s.stats().Sockets == 0 })
		records := log.all(t, "client ended")
		if len(records) != i+1 {
			t.Fatalf("%s: %d lines, want %d", try.reason, len(records), i+1)
		}
		r := records[i]
		if r["reason"] != try.reason || r["code"] != try.code || !strings.HasPrefix(r["addr"].(string), "127.0.0.1:") || r["duration"] == nil {
			t.Errorf("%s: %v", try.reason, r)
		}
		if r["bytes_in"].(float64) < 100 || r["bytes_out"].(float64) < 100 {
			t.Errorf("%s: %v bytes in, %v out", try.reason, r["bytes_in"], r["bytes_out"])
		}
	}
	if n := len(log.all(t, "connection refused")); n != 0 {
		t.Errorf("%d refusals", n)
	}
}

// Limits, TLS and those who leave have their lines too; above debug nobody has.
func TestOtherRefusalsAreLogged(t *testing.T) {
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo} {
		var log lines
		s := startSecure(t, &kernel.Linux, func(c *Config) {
			c.Logger = logAt(level, &log)
		})
		refused := func(reason string, cause func(c net.Conn)) {
			t.Helper()
			accepted := s.stats().Accepted
			c := s.dialTCP()
			cause(c)
			_ = c.Close()
			eventually(t, reason, func() bool { st := s.stats(); return st.Accepted > accepted && st.Sockets == 0 })
			n := 0
			for _, r := range log.all(t, "connection refused") {
				if r["reason"] == reason {
					n++
				}
			}
			if want := level == slog.LevelDebug; want != (n == 1) || n > 1 {
				t.Errorf("%s: %d lines at level %v", reason, n, level)
			}
		}
		refused("tls_plaintext", func(c net.Conn) { asked(t, c, upgradeRequest) })
		refused("tls_garbage", func(c net.Conn) { _, _ = c.Write([]byte("\x00")); _, _ = io.ReadAll(c) })
		refused("tls_failed", func(c net.Conn) {
			if tls.Client(c, &tls.Config{ServerName: "a"}).Handshake() == nil {
				t.Error("the test's certificate is trusted")
			}
			_, _ = io.ReadAll(c) // a reset could overtake the alert
		})
		refused("gone", func(net.Conn) {})
		s = startSecure(t, &kernel.Linux, func(c *Config) { c.Logger, c.MaxConnsPerIP = logAt(level, &log), 1 })
		refused("address_conns", func(c net.Conn) {
			second := s.dialTCP()
			_, _ = io.ReadAll(second)
			_ = second.Close()
		})
	}
}

// A probe is answered and not counted; who asks for an upgrade there is a client.
func TestProbes(t *testing.T) {
	s := startServer(t, func(c *Config) { c.MaxConns = 3 })
	uncounted := func() {
		t.Helper()
		for label, n := range s.stats().Handshakes {
			if n != 0 && label != "ok" {
				t.Errorf("%s is counted %d times", label, n)
			}
		}
	}
	probe := func(request string, status int, body string) {
		t.Helper()
		if got, text := asked(t, s.dialTCP(), request); got != status || text != body {
			t.Errorf("%.40q: %d, %q; want %d, %q", request, got, text, status, body)
		}
		uncounted()
	}
	const get = "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"
	probe(get, 200, "ok\n")
	probe("GET /healthz HTTP/1.0\r\n\r\n", 200, "ok\n")
	probe("HEAD /healthz HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\n\r\n", 200, "")
	s.stopping.Store(true)
	probe(get, 503, "not ready\n")
	s.stopping.Store(false)
	s.SetProbe(func() bool { return false })
	probe(get, 503, "not ready\n")
	s.dial() // it is still taken
	s.SetProbe(s.Ready)
	probe(get, 200, "ok\n")
	if got, _ := asked(t, s.dialTCP(), strings.Replace(upgradeRequest, "GET /", "GET /healthz", 1)); got != 101 {
		t.Errorf("a client of /healthz is answered %d", got)
	}
	eventually(t, "it to be gone", func() bool { return s.stats().Sockets == 1 })
	for range 2 {
		s.dial()
	}
	probe(get, 503, "not ready\n")
	probe("HEAD /healthz HTTP/1.0\r\n\r\n", 503, "")
}

// Balancers may check with a PROXY header that names no client, over TLS, and
// from an address that is at its limit.
func TestProbesOfBalancers(t *testing.T) {
	const get = "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"
	local := "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"
	s := startServer(t, func(c *Config) {
		c.TrustedProxies, c.ProxyProtocol, c.MaxConnsPerIP = trusting("127.0.0.0/8"), true, 1
	})
	for _, header := range []string{local, "PROXY UNKNOWN\r\n", "PROXY TCP4 203.0.113.7 127.0.0.1 1 2\r\n"} {
		for range 3 {
			if got, body := asked(t, s.dialTCP(), header+get); got != 200 || body != "ok\n" {
				t.Errorf("%q: %d, %q", header, got, body)
			}
			eventually(t, "it to be gone", func() bool { return s.stats().Sockets == 0 })
		}
	}
	sealed := startSecure(t, &kernel.Linux, nil)
	c, err := sealed.dialTLS(insecure())
	if err != nil {
		t.Fatal(err)
	}
	if got, body := asked(t, c, get); got != 200 || body != "ok\n" {
		t.Errorf("over TLS: %d, %q", got, body)
	}
	limited := startServer(t, func(c *Config) { c.MaxConnsPerIP = 1 })
	limited.dial()
	if got, _ := asked(t, limited.dialTCP(), get); got != 429 {
		t.Errorf("at the limit of its address: %d", got)
	}
}

// Compression is left off by User-Agent, as a reload says.
func TestCompressNotFor(t *testing.T) {
	s := startServer(t, func(c *Config) {
		c.Compress, c.CompressNotFor = true, []string{"Version/15.2", "Old"}
	})
	agreed := func(agent string) bool {
		t.Helper()
		c := s.dialTCP()
		fields := "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
		if agent != "" {
			fields = "User-Agent: " + agent + "\r\n" + fields
		}
		if _, err := c.Write(codec.AppendRequest(nil, "h", "/", [24]byte([]byte("Y2FzdGdhdGUgcmVhZG1lIQ==")), fields)); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || resp.StatusCode != 101 {
			t.Fatalf("%q: %+v, %v", agent, resp, err)
		}
		return resp.Header.Get("Sec-WebSocket-Extensions") != ""
	}
	safari := "Mozilla/5.0 (Macintosh; Intel Mac OS X 12_2) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/15.2 Safari/605.1.15"
	for agent, want := range map[string]bool{
		"": true, safari: false, strings.Replace(safari, "15.2", "15.4", 1): true, "Older/1": false, "old": true,
		strings.Repeat("x", 1024) + "Old": true,
	} {
		if got := agreed(agent); got != want {
			t.Errorf("%.120q: %t, want %t", agent, got, want)
		}
	}
	if err := s.SetPolicy(admission.Policy{}); err != nil {
		t.Fatal(err)
	}
	if !agreed(safari) {
		t.Error("a reload does not take the list away")
	}
}
