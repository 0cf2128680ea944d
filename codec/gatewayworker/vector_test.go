package gatewayworker

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"os"
	"strings"
	"testing"
)

// vector is one captured byte sequence of testdata/vectors.json.
type vector struct {
	Name, Group, Direction, Hex string
	Decoded                     any
	bytes                       []byte
}

func vectors(t testing.TB) []vector {
	t.Helper()
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) != 214 {
		t.Fatalf("%d vectors", len(all))
	}
	for i := range all {
		if all[i].bytes, err = hex.DecodeString(all[i].Hex); err != nil {
			t.Fatal(all[i].Name, err)
		}
	}
	return all
}

func vectorNamed(t testing.TB, name string) vector {
	t.Helper()
	for _, v := range vectors(t) {
		if v.Name == name {
			return v
		}
	}
	t.Fatalf("no vector %s", name)
	return vector{}
}

// rewrite parses a serialized value into a tree and writes it with the writers a server has.
func rewrite(t testing.TB, value []byte) []byte {
	t.Helper()
	tr := tree{b: value}
	s := scanner{b: value}
	if err := tr.value(&s, nil); err != nil {
		t.Fatalf("%q: %v", value, err)
	}
	if s.i != len(value) {
		t.Fatalf("%q: %d bytes too many", value, len(value)-s.i)
	}
	var write func(dst []byte, i int) []byte
	write = func(dst []byte, i int) []byte {
		v := scanner{b: tr.bytes(i), i: 2}
		switch tr.nodes[i].kind {
		case 'N':
			return AppendNull(dst)
		case 's':
			text, err := v.text()
			if err != nil {
				t.Fatal(err)
			}
			return AppendString(dst, text)
		case 'i':
			text, err := v.integer()
			if err != nil {
				t.Fatal(err)
			}
			return AppendKeyValue(dst, text)
		case 'a':
			places := tr.distinct(i)
			dst = AppendArray(dst, len(places))
			for _, at := range places {
				dst = write(AppendKey(dst, tr.nodes[at].key), at)
			}
			return AppendEnd(dst)
		}
		return append(dst, tr.bytes(i)...) // sessions only
	}
	return write(nil, 0)
}

// TestVectors parses every captured frame and reply and writes it again.
func TestVectors(t *testing.T) {
	frames, replies := 0, 0
	for _, v := range vectors(t) {
		switch {
		case v.Group == "register" || v.Group == "websocket":
			continue
		case v.Direction == "gateway->client":
			replies++
			b, mark := BeginReply([]byte("x"))
			b = EndReply(append(b, rewrite(t, v.bytes[4:])...), mark)
			if !bytes.Equal(b[1:], v.bytes) {
				t.Errorf("%s: %q", v.Name, b)
			}
			continue
		}
		frames++
		var again []byte
		for b := v.bytes; len(b) > 0; {
			f, n, err := ParseFrame(b)
			if err != nil || n == 0 {
				t.Fatalf("%s: %d, %v", v.Name, n, err)
			}
			if !f.Command.Known() {
				t.Errorf("%s: command %d", v.Name, f.Command)
			}
			again, b = AppendFrame(again, &f.Header, f.Ext, f.Body), b[n:]
			if d, ok := v.Decoded.(map[string]any); ok && d["connection_id"] != nil {
				if d["cmd"] != float64(f.Command) || d["connection_id"] != float64(f.ConnectionID) || d["flag"] != float64(f.Flags) || d["ext_data"] != string(f.Ext) {
					t.Errorf("%s: %+v, expected %v", v.Name, f, d)
				}
			}
		}
		if !bytes.Equal(again, v.bytes) {
			t.Errorf("%s: %x", v.Name, again)
		}
	}
	if frames < 130 || replies < 60 {
		t.Errorf("%d frames, %d replies", frames, replies)
	}
}

func TestRegisterVectors(t *testing.T) {
	for name, made := range map[string][]byte{
		"register.broadcast.none":        AppendBroadcast(nil, nil),
		"register.broadcast.one":         AppendBroadcast(nil, []string{"127.0.0.1:2900"}),
		"register.broadcast.two":         AppendBroadcast(nil, []string{"127.0.0.1:2900", "127.0.0.1:2901"}),
		"register.gateway_connect":       AppendGatewayConnect(nil, "127.0.0.1:2900", ""),
		"register.gateway_connect.lan":   AppendGatewayConnect(nil, "127.0.0.2:12930", ""),
		"register.worker_connect.client": AppendWorkerConnect(nil, ""),
		"register.ping":                  AppendRegisterPing(nil),
	} {
		if v := vectorNamed(t, name); !bytes.Equal(made, v.bytes) {
			t.Errorf("%s: %q, expected %q", name, made, v.bytes)
		}
	}
	var d Decoder
	for _, v := range vectors(t) {
		if v.Group != "register" {
			continue
		}
		line := bytes.TrimSuffix(v.bytes, []byte("\n"))
		addresses, isBroadcast := d.Broadcast(line)
		if isBroadcast != (v.Direction == "register->worker") {
			t.Errorf("%s: broadcast %v", v.Name, isBroadcast)
		}
		switch got := string(bytes.Join(addresses, []byte(" "))); v.Name {
		case "register.broadcast.gap":
			if got != "127.0.0.1:2900 127.0.0.1:2901 127.0.0.1:2902" {
				t.Errorf("%s: %s", v.Name, got)
			}
		case "register.broadcast.two":
			if got != "127.0.0.1:2900 127.0.0.1:2901" {
				t.Errorf("%s: %s", v.Name, got)
			}
		}
		l := d.RegisterLine(line)
		switch {
		case strings.HasPrefix(v.Name, "register.gateway_connect"):
			if l.Event != RegisterGateway || !strings.HasPrefix(string(l.Address), "127.0.0.") || l.Secret == nil || len(l.Secret) != 0 {
				t.Errorf("%s: %+v", v.Name, l)
			}
		case strings.HasPrefix(v.Name, "register.worker_connect"):
			if l.Event != RegisterWorker || l.Address != nil || l.Secret == nil {
				t.Errorf("%s: %+v", v.Name, l)
			}
		case v.Name == "register.ping":
			if l.Event != RegisterPing {
				t.Errorf("%s: %+v", v.Name, l)
			}
		}
	}
}

// TestConnectVectors builds the two captured bodies of ON_WEBSOCKET_CONNECT from
// the requests that they describe.
func TestConnectVectors(t *testing.T) {
	common := "Host: 127.0.0.1:18382\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
	for name, head := range map[string]string{
		"event.on_websocket_connect.minimal": "GET / HTTP/1.1\r\n" + common + "\r\n",
		"event.on_websocket_connect.full": "GET /chat?token=a%20b&x[]=1&x[]=2&n=5 HTTP/1.1\r\n" + common +
			"Cookie: sid=abc; q=a%20b; dup=1; dup=2\r\nOrigin: http://x.com\r\nX-Real-IP: 1.2.3.4\r\nX-A: 1\r\nX-A: 2\r\n\r\n",
	} {
		f, _, err := ParseFrame(vectorNamed(t, name).bytes)
		if err != nil {
			t.Fatal(err)
		}
		peer := netip.AddrPortFrom(netip.AddrFrom4(f.ClientIP), f.ClientPort)
		body, err := AppendWebSocketConnect(nil, []byte(head), peer, f.GatewayPort)
		if err != nil || !bytes.Equal(body, f.Body) {
			t.Errorf("%s:\n%s\nexpected\n%s\n%v", name, body, f.Body, err)
		}
		if f.Flags != 0 {
			t.Errorf("%s: flags %d", name, f.Flags)
		}
	}
}

// TestSessionVector merges what the vectors of the group api merge.
func TestSessionVector(t *testing.T) {
	ext := func(name string) []byte {
		f, _, err := ParseFrame(vectorNamed(t, name).bytes)
		if err != nil {
			t.Fatal(err)
		}
		return f.Ext
	}
	merged, err := MergeSession(nil, ext("api.setSession.request"), ext("api.updateSession.request"), 1<<20)
	if expected := vectorNamed(t, "api.getSession_merged.reply").bytes[4:]; err != nil || !bytes.Equal(merged, expected) {
		t.Errorf("%s, expected %s, %v", merged, expected, err)
	}
	update := ext("api.updateSession_none.request")
	if merged, err = MergeSession(nil, nil, update, 1<<20); err != nil || !bytes.Equal(merged, update) {
		t.Errorf("%s, %v", merged, err)
	}
	for name, sides := range map[string][2]string{
		"session.merge.reply":        {`a:5:{s:1:"f";d:0.1;s:1:"g";d:1.0E+25;s:1:"h";s:1:"h";s:1:"i";d:INF;s:1:"l";a:2:{i:0;i:1;i:1;i:2;}}`, `a:3:{s:1:"z";i:1;s:1:"l";a:0:{}s:1:"h";s:1:"H";}`},
		"session.merge_object.reply": {`a:1:{s:1:"o";O:3:"Foo":1:{s:1:"p";i:1;}}`, `a:1:{s:1:"k";i:1;}`},
	} {
		merged, err := MergeSession(nil, []byte(sides[0]), []byte(sides[1]), 1<<20)
		if expected := vectorNamed(t, name).bytes[4:]; err != nil || !bytes.Equal(merged, expected) {
			t.Errorf("%s: %s, expected %s, %v", name, merged, expected, err)
		}
	}
}

// TestTextVectors turns the captured serialized bodies into what the browser got.
func TestTextVectors(t *testing.T) {
	for name, text := range map[string]string{
		"api.sendToAll_array_body.request": `{"type":"x","n":1}`,
		"api.sendToAll_null.request":       "null",
		"api.sendToAll_int.request":        "5",
		"api.sendToAll_true.request":       "1",
		"api.closeClient_null.request":     "null",
		"api.closeClient_msg.request":      "bye",
	} {
		f, _, err := ParseFrame(vectorNamed(t, name).bytes)
		if err != nil {
			t.Fatal(err)
		}
		got, null, err := Message(nil, &f)
		if err != nil || string(got) != text || null != (text == "null") {
			t.Errorf("%s: %q, %v, %v", name, got, null, err)
		}
	}
	got, _, err := AppendText(nil, []byte("a:2:{s:1:\"a\";s:4:\"中/\";s:1:\"b\";d:1.5;}"))
	if v := vectorNamed(t, "ws.send_array"); err != nil || string(got) != v.Decoded {
		t.Errorf("%s, %v", got, err)
	}
}
