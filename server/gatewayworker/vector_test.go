package gatewayworker

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	wire "castgate/codec/gatewayworker"
	"castgate/server"
)

// vector is one of vectors.json, captured from PHP.
type vector struct {
	Name, Group, Hex string
	Seq              int
	Deliveries       map[string]struct {
		Hex    string
		Closed bool
	}
}

// deviation is where we differ from PHP, and why.
type deviation struct {
	Vector, Client, Hex, Why string
}

func readJSON(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(path, err)
	}
}

// TestAPIVectors plays the script that was captured from PHP, each request on
// its own connection, and compares what everybody gets byte for byte.
func TestAPIVectors(t *testing.T) {
	for _, workers := range []int{0, 1, 2} {
		t.Run(fmt.Sprintf("%d workers", workers), func(t *testing.T) { playAPI(t, workers) })
	}
}

func playAPI(t *testing.T, workers int) {
	var all []vector
	var deviations []deviation
	readJSON(t, "../../codec/gatewayworker/testdata/vectors.json", &all)
	readJSON(t, "testdata/deviations.json", &deviations)
	used := make([]bool, len(deviations))
	expected := func(name, client, php string) string {
		for i, d := range deviations {
			if d.Vector == name && d.Client == client {
				used[i] = true
				return d.Hex
			}
		}
		return php
	}
	r := startRig(t, nil)
	for i := range workers {
		r.worker(fmt.Sprint("w:", i))
	}
	clients := map[string]*pushed{}
	for _, name := range []string{"A", "B", "C"} {
		clients[name] = r.client()
	}
	script := map[int]vector{}
	for _, v := range all {
		if v.Group == "api" {
			script[v.Seq] = v
		}
	}
	played := 0
	for seq := 1; seq <= len(script); seq++ {
		v := script[seq]
		request, err := hex.DecodeString(v.Hex)
		if err != nil || !strings.HasSuffix(v.Name, ".request") {
			t.Fatalf("vector %d: %+v", seq, v)
		}
		played++
		if answer := script[seq+1]; strings.HasSuffix(answer.Name, ".reply") {
			seq++
			played++
			reply, mark := wire.BeginReply(nil)
			got := hex.EncodeToString(wire.EndReply(append(reply, r.ask(request)...), mark))
			if want := expected(answer.Name, "", answer.Hex); got != want {
				t.Fatalf("%s: %s, wants %s", answer.Name, got, want)
			}
		} else {
			r.tell(request)
		}
		for name, d := range v.Deliveries {
			clients[name].expect(v.Name, expected(v.Name, name, d.Hex))
			if d.Closed {
				clients[name].expectEnd(v.Name)
			}
		}
	}
	if played != 168 {
		t.Errorf("%d vectors were played", played)
	}
	for i, d := range deviations {
		if !used[i] {
			t.Errorf("deviation %+v is none", d)
		}
		if d.Why == "" {
			t.Errorf("deviation %+v has no reason", d)
		}
	}
}

// TestEventVectors compares events with those captured from PHP; addresses,
// ports and ids are those of the test.
func TestEventVectors(t *testing.T) {
	var all []vector
	readJSON(t, "../../codec/gatewayworker/testdata/vectors.json", &all)
	byName := map[string][]byte{}
	for _, v := range all {
		b, err := hex.DecodeString(v.Hex)
		if err != nil {
			t.Fatal(err)
		}
		byName[v.Name] = b
	}
	var r *rig
	var w *testWorker
	var c *pushed
	expect := func(name string) event {
		t.Helper()
		e := w.next(t)
		want, _, err := wire.ParseFrame(byName[name])
		if err != nil || byName[name] == nil {
			t.Fatal(name, err)
		}
		want.LocalPort, want.ClientPort = r.front.Address().Port(), e.ClientPort
		want.GatewayPort = addrPort(r.server.Addr())
		if e.Header != want.Header || e.ext != string(want.Ext) {
			t.Fatalf("%s: %+v, wants %+v", name, e, want)
		}
		if e.Command != wire.OnWebSocketConnect && e.body != string(want.Body) {
			t.Fatalf("%s: body %q", name, e.body)
		}
		return e
	}
	r = startRig(t, func(_ *Config, sc *server.Config) { sc.Loops = 1 })
	w = r.worker("W:0")
	c = r.client()
	expect("event.on_connect")
	body := expect("event.on_websocket_connect.minimal").body
	head := fmt.Sprintf("GET /?a=1 HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", r.server.Addr())
	want, err := wire.AppendWebSocketConnect(nil, []byte(head), tcpAddr(c.conn.LocalAddr()), addrPort(r.server.Addr()))
	if err != nil || body != string(want) {
		t.Fatalf("ON_WEBSOCKET_CONNECT %q, wants %q (%v)", body, want, err)
	}
	for _, step := range []struct{ session, text, name string }{
		{"", "hello", "event.on_message"},
		{"", "", "event.on_message.empty"},
		{`a:1:{s:1:"u";i:1;}`, "x", "event.on_message.session"},
	} {
		if step.session != "" {
			r.tell(frame(wire.SetSession, 1, step.session, ""))
			r.answers("")
		}
		if err := c.send(step.text); err != nil {
			t.Fatal(err)
		}
		expect(step.name)
	}
	_ = c.conn.Close()
	expect("event.on_close")
}
