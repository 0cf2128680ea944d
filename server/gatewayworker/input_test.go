package gatewayworker

import (
	"context"
	"encoding/binary"
	"net"
	"strings"
	"testing"
	"time"

	wire "castgate/codec/gatewayworker"
	"castgate/server"
	"castgate/server/gateway"
)

// An invalid frame closes its own connection, without an answer, and no other;
// commands before it are executed.
func TestBadFrames(t *testing.T) {
	header := func(length, ext uint32, command wire.Command) string {
		b := make([]byte, wire.HeaderLen)
		binary.BigEndian.PutUint32(b, length)
		b[4] = byte(command)
		binary.BigEndian.PutUint32(b[24:], ext)
		return string(b)
	}
	r := startRig(t, nil)
	c := r.client()
	for _, tt := range []struct {
		name, bytes string
		why         closeReason
	}{
		{"length 0", header(0, 0, wire.IsOnline), closeShort},
		{"length 27", header(27, 0, wire.IsOnline), closeShort},
		{"only a bad length", "\x00\x00\x00\x01", closeShort},
		{"over 10 MiB", header(wire.MaxFrame+1, 0, wire.SendToAll), closeLong},
		{"4 GiB", header(1<<32-1, 0, wire.SendToAll), closeLong},
		{"ext over the frame", header(30, 3, wire.BindUID) + "ab", closeExt},
		{"HTTP", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", closeLong},
		{"a wrong key where there is none", string(frame(wire.GatewayClientConnect, 0, "", `{"secret_key":"x"}`)), closeUnauthorized},
		{"no key", string(frame(wire.GatewayClientConnect, 0, "", "")), closeUnauthorized},
		{"a key that is a number", string(frame(wire.GatewayClientConnect, 0, "", `{"secret_key":0}`)), closeUnauthorized},
		{"a long worker key", string(frame(wire.WorkerConnect, 0, "", `{"worker_key":"`+strings.Repeat("w", 300)+`","secret_key":""}`)), closeBadWorker},
	} {
		before := r.front.count.closes[tt.why].Load()
		peer := r.dial()
		if _, err := peer.Write(append(frame(wire.SendToOne, 1, "", "k"), tt.bytes...)); err != nil {
			t.Fatal(err)
		}
		expectClosed(t, tt.name, peer)
		c.expect(tt.name, "81016b")
		if n := r.front.count.closes[tt.why].Load() - before; n != 1 {
			t.Errorf("%s: %d closes for %s", tt.name, n, closeNames[tt.why])
		}
		r.answers("")
	}
}

// Commands that make no sense have no effect, are counted, and leave their
// connection open.
func TestBadCommands(t *testing.T) {
	r := startRig(t, nil)
	c := r.client()
	deep := strings.Repeat("a:1:{i:0;", 100) + "i:1;" + strings.Repeat("}", 100)
	serialized := func(command wire.Command, ext, body string) []byte {
		return wire.AppendFrame(nil, &wire.Header{Command: command, ConnectionID: 1}, []byte(ext), []byte(body))
	}
	peer := r.dial()
	for _, b := range [][]byte{
		frame(99, 1, "", ""), frame(255, 1, "", ""), frame(wire.Ping, 0, "", ""), frame(wire.OnConnect, 1, "", ""),
		serialized(wire.SendToOne, "", "not PHP"), serialized(wire.SendToAll, "", ""), serialized(wire.SendToUID, `["a"]`, "a:1:{"),
		serialized(wire.SendToGroup, `{"group":["a"]}`, `O:1:"X":0:{`),
		frame(wire.SendToGroup, 0, "{not JSON", "m"), frame(wire.SendToUID, 0, "[[1],{}]", "m"), frame(wire.SendToUID, 0, strings.Repeat("[", 10000), "m"),
		frame(wire.SendToGroup, 0, `{"group":[["a"]],"exclude":[[1]]}`, "m"), frame(wire.SendToAll, 0, `{"connections":[[1],"x",null]}`, "m"),
		frame(wire.BindUID, 1, "", ""), frame(wire.BindUID, 1, "0", ""), frame(wire.BindUID, 1, strings.Repeat("u", gateway.MaxPeerNameLen+1), ""), frame(wire.BindUID, 0, "u", ""),
		frame(wire.JoinGroup, 1, strings.Repeat("g", 1<<20), ""), frame(wire.JoinGroup, 1, "0", ""), frame(wire.LeaveGroup, 1, "", ""), frame(wire.Ungroup, 0, "0", ""),
		frame(wire.SetSession, 1, `a:1:{s:1:"k";i:1;}`, ""),
		frame(wire.UpdateSession, 1, "i:5;", ""), frame(wire.UpdateSession, 1, "nothing", ""), frame(wire.UpdateSession, 1, `a:1:{i:0;R:1;}`, ""),
		frame(wire.SetSession, 1, strings.Repeat("s", gateway.MaxSessionBytes+1), ""),
		frame(wire.UpdateSession, 9, "a:0:{}", ""), frame(wire.Kick, 9, "", "m"), frame(wire.Destroy, 9, "", ""), frame(wire.UnbindUID, 9, "", ""),
	} {
		if _, err := peer.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	ask := func(b []byte, want string) {
		t.Helper()
		if _, err := peer.Write(b); err != nil {
			t.Fatal(err)
		}
		if got := readReply(t, peer); got != want {
			t.Errorf("reply %.200q, want %.200q", got, want)
		}
	}
	ask(frame(wire.SessionOfClient, 1, "", ""), `a:1:{s:1:"k";i:1;}`)
	ask(frame(wire.SelectClients, 0, `{"fields":["uid","groups","secret"],"where":[]}`, ""), `a:1:{i:1;a:3:{s:3:"uid";N;s:6:"groups";N;s:6:"secret";N;}}`)
	for _, ext := range []string{"", "0", "null", "5", "{", "[]", `{"fields":[],"where":[]}`, `{"fields":["uid"],"where":{"nothing":[1]}}`, strings.Repeat("[", 5000)} {
		ask(frame(wire.SelectClients, 0, ext, ""), "a:0:{}")
	}
	ask(frame(wire.ClientsOfUIDs, 0, "no", ""), "a:0:{}")
	ask(frame(wire.CountOfGroup, 0, "", ""), "i:1;")
	ask(frame(wire.CountOfGroup, 0, "0", ""), "i:0;")
	ask(frame(wire.CountOfGroup, 0, strings.Repeat("g", 1<<20), ""), "i:0;")
	ask(frame(wire.CountsOfGroups, 0, `["","a",7,"7"]`, ""), `a:3:{s:0:"";i:0;s:1:"a";i:0;i:7;i:0;}`)
	ask(frame(wire.ClientsOfUID, 0, strings.Repeat("u", 1<<20), ""), "a:0:{}")
	ask(frame(wire.SessionsOfGroup, 0, "", ""), "a:0:{}")
	r.tell(frame(wire.SetSession, 1, deep, ""))
	r.tell(frame(wire.UpdateSession, 1, deep, ""))
	ask(frame(wire.SessionOfClient, 1, "", ""), deep)
	// One of those above sends to everybody; nothing was sent.
	r.tell(frame(wire.SendToOne, 1, "", "end"))
	c.expect("bad commands", "8103656e64")
	for why, least := range map[ignoreReason]uint64{ignoreUnknown: 4, ignoreBody: 4, ignoreEmpty: 5, ignoreName: 2, ignoreSession: 4, ignoreOffline: 5} {
		if n := r.front.count.ignored[why].Load(); n < least {
			t.Errorf("%d commands ignored for %s, want %d", n, ignoreNames[why], least)
		}
	}
}

func TestSecret(t *testing.T) {
	r := startRig(t, func(c *Config, _ *server.Config) { c.Secret = "s3cret" })
	c := r.client()
	auth := frame(wire.GatewayClientConnect, 0, "", `{"secret_key":"s3cret"}`)
	for name, b := range map[string][]byte{
		"a command":                 frame(wire.SendToAll, 0, "", "no"),
		"a query":                   frame(wire.IsOnline, 1, "", ""),
		"a ping":                    frame(wire.Ping, 0, "", ""),
		"unknown":                   frame(99, 0, "", ""),
		"wrong":                     append(frame(wire.GatewayClientConnect, 0, "", `{"secret_key":"S3cret"}`), frame(wire.SendToAll, 0, "", "no")...),
		"worker":                    append(frame(wire.WorkerConnect, 0, "", `{"worker_key":"w:0","secret_key":""}`), frame(wire.SendToAll, 0, "", "no")...),
		"later":                     append(append(append([]byte{}, auth...), frame(wire.GatewayClientConnect, 0, "", `{}`)...), frame(wire.SendToAll, 0, "", "no")...),
		"a long one before the key": append(make([]byte, 2), frame(wire.GatewayClientConnect, 0, "", strings.Repeat(" ", 70_000))[2:]...),
	} {
		peer := r.dial()
		if name == "a long one before the key" {
			binary.BigEndian.PutUint32(b, 1<<20) // and half of it
		}
		if _, err := peer.Write(b); err != nil {
			t.Fatal(err)
		}
		expectClosed(t, name, peer)
	}
	r.answers("s3cret")
	r.tell(append(append([]byte{}, auth...), frame(wire.SendToAll, 0, "", "yes")...))
	c.expect("what comes behind the key", "8103796573")
	if n := r.front.count.workers.Load(); n != 0 {
		t.Errorf("%d workers", n)
	}
}

// A frame may arrive byte by byte, and a frame of 10 MiB is accepted.
func TestFramesInPieces(t *testing.T) {
	r := startRig(t, func(_ *Config, sc *server.Config) { sc.SendQueue = 1 << 30 })
	c := r.client()
	peer := r.dial()
	for _, b := range frame(wire.SendToOne, 1, "", "piece") {
		if _, err := peer.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	c.expect("bytes", "81057069656365")
	body := strings.Repeat("m", wire.MaxFrame-wire.HeaderLen)
	if _, err := peer.Write(frame(wire.SendToOne, 1, "", body)); err != nil {
		t.Fatal(err)
	}
	r.await("the client has 10 MiB", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.got) == 10+len(body)
	})
	r.await("nothing of it is kept", func() bool { return r.front.count.held.Load() == 0 })
}

// Incomplete frames are held up to a limit; above it the connection that holds the
// most is closed.
func TestHalfFramesAreBounded(t *testing.T) {
	r := startRig(t, func(c *Config, _ *server.Config) { c.MaxHeld = 1 << 20 })
	var peers []net.Conn
	for range 8 {
		peer := r.dial()
		if _, err := peer.Write(frame(wire.SendToAll, 0, "", strings.Repeat("m", 300_000))[:250_000]); err != nil {
			t.Fatal(err)
		}
		peers = append(peers, peer)
	}
	r.await("some are closed", func() bool { return r.front.count.closes[closeHeld].Load() >= 4 })
	r.await("the rest is held", func() bool { return r.front.count.held.Load() <= 1<<20 })
	r.answers("")
	for _, peer := range peers {
		_ = peer.Close()
	}
	r.await("nothing is held", func() bool { return r.front.count.held.Load() == 0 })
}

// Connections that send nothing, or stop within a frame, are closed after a while.
// Others are served meanwhile and afterwards, and none is closed for being idle.
func TestSilentPeers(t *testing.T) {
	n := 1000
	if testing.Short() {
		n = 200
	}
	r := startRig(t, func(c *Config, _ *server.Config) {
		c.SilentTimeout, c.StallTimeout = 3*time.Second, 3*time.Second
		c.MaxSilent = n - 50
	})
	pooled := r.dial()
	if _, err := pooled.Write(frame(wire.IsOnline, 0, "", "")); err != nil {
		t.Fatal(err)
	}
	readReply(t, pooled)
	half := r.dial()
	if _, err := half.Write(append(frame(wire.IsOnline, 0, "", ""), frame(wire.IsOnline, 0, "", "")[:20]...)); err != nil {
		t.Fatal(err)
	}
	readReply(t, half)
	for range n {
		r.dial()
	}
	r.answers("")
	expectClosed(t, "half a frame", half)
	r.await("all silent ones are closed", func() bool {
		c := &r.front.count.closes
		return c[closeSilent].Load()+c[closeFull].Load() == uint64(n) && c[closeFull].Load() >= 50
	})
	if _, err := pooled.Write(frame(wire.IsOnline, 0, "", "")); err != nil {
		t.Fatal(err)
	}
	readReply(t, pooled)
}

// At the limit a connection that has sent a command stays and there is no room for
// another, until one ends.
func TestMaxConns(t *testing.T) {
	r := startRig(t, func(c *Config, _ *server.Config) { c.MaxConns = 3 })
	var peers []net.Conn
	for range 3 {
		peer := r.dial()
		if _, err := peer.Write(frame(wire.IsOnline, 0, "", "")); err != nil {
			t.Fatal(err)
		}
		readReply(t, peer)
		peers = append(peers, peer)
	}
	expectClosed(t, "one too many", r.dial())
	turn := make(chan struct{}) // those turned away in one go with it do not wait
	r.front.do(context.Background(), func(*innerLoop) { close(turn) }, turn)
	waits := r.dial()
	if _, err := waits.Write(frame(wire.IsOnline, 0, "", "")); err != nil {
		t.Fatal(err)
	}
	_ = peers[0].Close()
	if got := readReply(t, waits); got != "i:0;" {
		t.Error(got)
	}
}

func TestUnreadReplies(t *testing.T) {
	r := startRig(t, func(c *Config, _ *server.Config) { c.StallTimeout = time.Second })
	r.client()
	// Not over the inner port: on a busy machine a frame of that size stalls as
	// well.
	session := []byte(strings.Repeat("s", gateway.MaxSessionBytes))
	if err := r.server.PutSessionBytes(context.Background(), r.front.loop.commands.prefix+"00000001", session); err != nil {
		t.Fatal(err)
	}
	peer := r.dial()
	go func() {
		for range 10_000 {
			if _, err := peer.Write(frame(wire.SessionOfClient, 1, "", "")); err != nil {
				return
			}
		}
	}()
	r.await("a caller that does not read is closed", func() bool { return r.front.count.closes[closeUnread].Load() == 1 })
	r.await("nothing waits", func() bool { return r.front.count.waiting.Load() == 0 })
	r.answers("")
}
