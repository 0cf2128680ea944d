package swarm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"castgate/loadtest/clock"
	"castgate/loadtest/internal/errtest"
	"castgate/loadtest/internal/gatewaytest"
	"castgate/loadtest/payload"
	"castgate/loadtest/proc"
)

// A server that loses, duplicates, reorders, changes or misdirects messages is
// caught, and the report says which.
func TestBrokenServers(t *testing.T) {
	for name, c := range map[string]struct {
		send func(g *gatewaytest.Gateway, id string, messages [][]byte) (sent int)
		want []string
	}{
		"loses": {func(g *gatewaytest.Gateway, id string, m [][]byte) int {
			return gatewaytest.SendAll(g, id, m[0], m[2], m[3])
		}, []string{"1 of 8 messages did not arrive, on 1 connections"}},
		"loses the last": {func(g *gatewaytest.Gateway, id string, m [][]byte) int {
			return gatewaytest.SendAll(g, id, m[:3]...)
		}, []string{"1 of 8 messages did not arrive, on 1 connections"}},
		"doubles": {func(g *gatewaytest.Gateway, id string, m [][]byte) int {
			return gatewaytest.SendAll(g, id, m[0], m[1], m[1], m[2], m[3])
		}, []string{"1 messages arrived more than once"}},
		"reorders": {func(g *gatewaytest.Gateway, id string, m [][]byte) int {
			return gatewaytest.SendAll(g, id, m[0], m[2], m[1], m[3])
		}, []string{"1 messages arrived after a later one"}},
		"changes a byte": {func(g *gatewaytest.Gateway, id string, m [][]byte) int {
			bad := append([]byte(nil), m[1]...)
			bad[len(bad)-1] ^= 1
			return gatewaytest.SendAll(g, id, m[0], bad, m[2], m[3])
		}, []string{"1 messages arrived changed", "1 of 8 messages did not arrive", "for example a changed message: “cg"}},
		"sends the wrong one's": {func(g *gatewaytest.Gateway, id string, m [][]byte) int {
			wrong := payload.Append(nil, payload.Stamp{Run: 7, Kind: payload.Broadcast, Target: 99, Size: 64})
			return gatewaytest.SendAll(g, id, m[0], m[1], m[2], m[3], wrong)
		}, []string{"1 messages reached a connection they were not for"}},
		"sends something else": {func(g *gatewaytest.Gateway, id string, m [][]byte) int {
			return gatewaytest.SendAll(g, id, m[0], m[1], []byte(`{"news":1}`), m[2], m[3])
		}, []string{"1 messages are not payloads of this run", `for example a foreign message: “{\"news\":1}”`}},
		"sends one too many": {func(g *gatewaytest.Gateway, id string, m [][]byte) int {
			more := payload.Append(nil, payload.Stamp{Run: 7, Target: payload.Everyone, Seq: 4, Size: 64})
			return gatewaytest.SendAll(g, id, m[0], m[1], m[2], m[3], more)
		}, []string{"1 messages arrived that were never sent"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := gatewaytest.New(t, false)
			s := open(t, Config{URLs: []string{g.URL}, Connections: 2, Run: 7})
			var m [][]byte
			for range 4 {
				m = append(m, s.Stream(0).Append(nil, 0, 100, clock.Now()))
				s.Stream(0).Commit(0)
			}
			ids := s.ClientIDs()
			sent := 2 + gatewaytest.SendAll(g, ids[0], m...) + c.send(g, ids[1], m) // 2 init messages
			err := settle(t, s, uint64(sent)).Err()
			errtest.Contains(t, err, c.want...)
		})
	}
}

func TestServerDiesInTheMiddle(t *testing.T) {
	g := gatewaytest.New(t, false)
	s := open(t, Config{URLs: []string{g.URL}, Connections: 4})
	st := s.Stream(0)
	b := st.Append(nil, 0, 64, clock.Now())
	st.Commit(0)
	ids := s.ClientIDs()
	gatewaytest.SendAll(g, ids[0], b)
	g.Conn(ids[1]).CloseNow()
	if err := g.Conn(ids[2]).Close(1001, "shutdown"); err != nil {
		t.Logf("close: %v", err) // our side closes at once
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	errtest.Contains(t, s.WaitDelivered(ctx), "messages have not arrived, and", "connections were lost")
	for s.Report().Open > 2 {
		time.Sleep(time.Millisecond)
	}
	r := settle(t, s, 5)
	errtest.Contains(t, r.Err(), "2 of 4 connections were lost", "without a close frame: 1",
		"closed by the server: 1001 shutdown: 1", "3 of 4 messages did not arrive, on 3 connections")
}

func TestWaitDeliveredGivesUp(t *testing.T) {
	g := gatewaytest.New(t, false)
	s := open(t, Config{URLs: []string{g.URL}, Connections: 2})
	s.Stream(0).Commit(0)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	errtest.Contains(t, s.WaitDelivered(ctx), "2 of 2 messages have not arrived", "deadline")
}

// Servers to which no connection can be opened; the error says what they do
// wrong.
func TestOpenFails(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	says := func(text string) string {
		return gatewaytest.RawServer(t, func(c net.Conn) { gatewaytest.ReadRequest(c); fmt.Fprint(c, text) })
	}
	fine := gatewaytest.New(t, true)
	for name, c := range map[string]struct {
		config Config
		want   []string
	}{
		"nobody listens": {Config{URLs: []string{"ws://" + closed.Addr().String()}},
			[]string{"opened 0 of 2 connections", "connection refused", "nothing listens there"}},
		"no WebSocket server": {Config{URLs: []string{says("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")}},
			[]string{"opened 0 of 2 connections", "status 404"}},
		"a reason": {Config{URLs: []string{says("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 9\r\n\r\nno room.\n")}},
			[]string{"status 503", "“HTTP/1.1 503 Service Unavailable”: “no room.”"}},
		"wrong accept": {Config{URLs: []string{says("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n" +
			"Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")}},
			[]string{"wrong Sec-WebSocket-Accept"}},
		"wrong protocol":   {Config{URLs: []string{says("SSH-2.0-OpenSSH_9.6\r\n")}}, []string{"does not speak HTTP", "SSH-2.0"}},
		"hangs up":         {Config{URLs: []string{says("")}}, []string{"closed the connection without answering the handshake"}},
		"hangs up within":  {Config{URLs: []string{says("HTTP/1.1 200 OK\r\n")}}, []string{"in the middle of its answer", "200 OK"}},
		"a TLS port":       {Config{URLs: []string{says("\x15\x03\x01\x00\x02\x02\x46")}}, []string{"speaks TLS: use a wss:// URL"}},
		"never ends":       {Config{URLs: []string{says("HTTP/1.1 200 " + strings.Repeat("x", 20<<10))}}, []string{"no end of the response after"}},
		"says nothing":     {Config{URLs: []string{gatewaytest.RawServer(t, func(c net.Conn) { gatewaytest.ReadRequest(c); gatewaytest.ReadRequest(c) })}, Timeout: 50 * time.Millisecond}, []string{"no answer to the handshake after"}},
		"no init message":  {Config{URLs: []string{fine.URL}, Timeout: 50 * time.Millisecond}, []string{"no init message after"}},
		"no such address":  {Config{URLs: []string{fine.URL}, Sources: mustSources(t, "192.0.2.1")}, []string{"192.0.2.1", "use more source addresses"}},
		"not ws":           {Config{URLs: []string{"http://127.0.0.1:1/"}}, []string{"is not ws://"}},
		"no URL":           {Config{}, []string{"no URL"}},
		"too many streams": {Config{URLs: []string{"ws://127.0.0.1:1"}, Streams: make([]payload.Kind, 257)}, []string{"streams: 257 is not between"}},
		"header":           {Config{URLs: []string{"ws://127.0.0.1:1"}, Header: "X: y"}, []string{"CRLF"}},
	} {
		t.Run(name, func(t *testing.T) {
			c.config.Connections = 2
			s, err := Open(t.Context(), c.config)
			if s != nil {
				s.Close()
				t.Error("it opened")
			}
			errtest.Contains(t, err, c.want...)
		})
	}
}

func TestTooFewOpenFiles(t *testing.T) {
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	used, err := proc.Process{PID: unix.Getpid()}.Files()
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), Config{URLs: []string{"ws://127.0.0.1:1"}, Connections: MaxConnections})
	var files *FilesError
	if !errors.As(err, &files) {
		t.Fatalf("%v", err)
	}
	// Other tests may have opened or closed a few descriptors meanwhile.
	if room := int(before.Max) - used - spareFiles; files.Fits < room-8 || files.Fits > room+8 || files.Limit != before.Max {
		t.Errorf("%+v with %d of %d files in use", files, used, before.Max)
	}
	errtest.Contains(t, err, fmt.Sprintf("leaves room for %d", files.Fits), "ulimit -n")
}
