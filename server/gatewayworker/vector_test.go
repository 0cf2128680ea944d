package gatewayworker

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	wire "castgate/codec/gatewayworker"
	"castgate/server"
)

// vector is an entry of vectors.json, recorded from PHP.
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

// TestAPIVectors plays the script that was recorded from PHP, each request on its
// own connection, and compares what everybody gets byte for byte.
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
				t.Fatalf("%s: %s, want %s", answer.Name, got, want)
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
	checkDocs(t, deviations)
	for i, d := range deviations {
		if !used[i] {
			t.Errorf("deviation %+v does not occur", d)
		}
		if d.Why == "" {
			t.Errorf("deviation %+v has no reason", d)
		}
	}
}

// checkDocs compares the deviations with the last table of differences in the
// documentation.
func checkDocs(t *testing.T, deviations []deviation) {
	t.Helper()
	text, err := os.ReadFile("../../docs/gatewayworker.md")
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| `api.") {
			continue
		}
		for _, name := range regexp.MustCompile("`(api\\.[a-zA-Z0-9_.]+)`").FindAllStringSubmatch(line, -1) {
			told[name[1]] = true
		}
	}
	for _, d := range deviations {
		if !told[d.Vector] {
			t.Errorf("docs/gatewayworker.md does not have %s", d.Vector)
		}
	}
	for name := range told {
		if !slices.ContainsFunc(deviations, func(d deviation) bool { return d.Vector == name }) {
			t.Errorf("docs/gatewayworker.md has %s, which is not in deviations.json", name)
		}
	}
}

// TestQueryVectors asks PHP's recorded queries in the states that the vectors
// describe.
func TestQueryVectors(t *testing.T) {
	var all []vector
	readJSON(t, "../../codec/gatewayworker/testdata/vectors.json", &all)
	requests, replies := map[string][]byte{}, map[string]string{}
	for _, v := range all {
		b, err := hex.DecodeString(v.Hex)
		if err != nil {
			t.Fatal(err)
		}
		if name, ok := strings.CutSuffix(v.Name, ".reply"); ok && v.Group != "api" {
			replies[name] = v.Hex
		}
		requests[strings.TrimSuffix(v.Name, ".request")] = b
	}
	r := startRig(t, nil)
	compare := func(name string) {
		t.Helper()
		b, mark := wire.BeginReply(nil)
		if got := hex.EncodeToString(wire.EndReply(append(b, r.ask(requests[name])...), mark)); got != replies[name] || got == "" {
			t.Errorf("%s: %s, want %s", name, got, replies[name])
		}
		delete(replies, name)
	}
	auth := startRig(t, func(c *Config, _ *server.Config) { c.Secret = "s3cret" })
	if got, want := auth.ask(requests["auth.frame_plus_count"]), "i:0;"; got != want {
		t.Errorf("auth.frame_plus_count: %q", got)
	}
	delete(replies, "auth.frame_plus_count")
	r.client()
	r.client()
	r.tell(frame(wire.BindUID, 2, "01", ""))
	for _, group := range []string{"007", "7", "-5", "群组"} {
		r.tell(frame(wire.JoinGroup, 2, group, ""))
	}
	for _, name := range []string{"group_id_list.int_keys", "select.groups_field", "select.by_connection_id", "select.bad_ext", "batch_count.dup", "client_id_by_uid.leading_zero"} {
		compare(name)
	}
	r.tell(frame(wire.SetSession, 2, `a:5:{s:1:"f";d:0.1;s:1:"g";d:1.0E+25;s:1:"h";s:1:"h";s:1:"i";d:INF;s:1:"l";a:2:{i:0;i:1;i:1;i:2;}}`, ""))
	r.tell(frame(wire.UpdateSession, 2, `a:3:{s:1:"z";i:1;s:1:"l";a:0:{}s:1:"h";s:1:"H";}`, ""))
	compare("session.merge")
	r.tell(frame(wire.SetSession, 2, `a:1:{s:1:"o";O:3:"Foo":1:{s:1:"p";i:1;}}`, ""))
	r.tell(frame(wire.UpdateSession, 2, `a:1:{s:1:"k";i:1;}`, ""))
	compare("session.merge_object")
	if len(replies) > 0 {
		t.Errorf("replies that nothing was compared with: %v", replies)
	}
}

// TestEventVectors compares events with those recorded from PHP; addresses, ports
// and ids are those of the test.
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
			t.Fatalf("%s: %+v, want %+v", name, e, want)
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
		t.Fatalf("ON_WEBSOCKET_CONNECT %q, want %q (%v)", body, want, err)
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
