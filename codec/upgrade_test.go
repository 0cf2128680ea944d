package codec

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// The key and its answer in RFC 6455 section 1.3.
var rfcKey = [24]byte([]byte("dGhlIHNhbXBsZSBub25jZQ=="))

const rfcAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

func TestUpgradeAnswer(t *testing.T) {
	var u Upgrader
	answer, result := u.Upgrade(nil, AppendRequest(nil, "server.example.com", "/chat", rfcKey, ""))
	want := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		rfcAccept + "\r\n\r\n"
	if result != HandshakeOK || string(answer) != want {
		t.Errorf("%v, %q", result, answer)
	}
}

// TestUpgradeRefusal checks that a refusal is what AppendRefusal gives.
func TestUpgradeRefusal(t *testing.T) {
	var u Upgrader
	answer, result := u.Upgrade(nil, []byte("POST / HTTP/1.1\r\nHost: a\r\n\r\n"))
	if result != HandshakeMethod || !bytes.Equal(answer, AppendRefusal(nil, result)) {
		t.Errorf("%v, %q", result, answer)
	}
}

func TestUpgradeSize(t *testing.T) {
	var u Upgrader
	for _, test := range []struct {
		size int
		want HandshakeResult
	}{{MaxHandshake, HandshakeOK}, {MaxHandshake + 1, HandshakeTooLarge}} {
		empty := len(AppendRequest(nil, "a", "/", rfcKey, "X: \r\n"))
		head := AppendRequest(nil, "a", "/", rfcKey, "X: "+strings.Repeat("x", test.size-empty)+"\r\n")
		if _, result := u.Upgrade(nil, head); result != test.want || len(head) != test.size {
			t.Errorf("%d bytes: %v, want %v", len(head), result, test.want)
		}
	}
}

// TestUpgradeNotHead gives what is no complete head, or more than one.
func TestUpgradeNotHead(t *testing.T) {
	var u Upgrader
	head := AppendRequest(nil, "a", "/", rfcKey, "")
	for i := range head {
		if answer, result := u.Upgrade(nil, head[:i]); result.Status() != 400 {
			t.Errorf("%q: %v, %q", head[:i], result, answer)
		}
	}
	for _, after := range []string{"\x00", "\r\n", "GET / HTTP/1.1\r\n\r\n"} {
		if _, result := u.Upgrade(nil, append(bytes.Clone(head), after...)); result != HandshakeBody {
			t.Errorf("with %q after it: %v", after, result)
		}
	}
}

// TestUpgradeOrder checks which result counts if several things are wrong.
func TestUpgradeOrder(t *testing.T) {
	u := Upgrader{CheckOrigin: func([]byte) bool { return false }}
	// From the last to the first; each line breaks one thing more.
	head := string(AppendRequest(nil, "a", "/", rfcKey, "Origin: http://a\r\n"))
	for _, step := range []struct {
		old, new string
		want     HandshakeResult
	}{
		{"", "", HandshakeOrigin},
		{string(rfcKey[:]), "short", HandshakeBadKey},
		{"Sec-WebSocket-Key: short\r\n", "", HandshakeNoKey},
		{"Version: 13", "Version: 8", HandshakeVersion},
		{"Connection: Upgrade", "Connection: close", HandshakeConnection},
		{"Upgrade: websocket\r\n", "", HandshakeNoUpgrade},
		{"Host: a\r\n", "", HandshakeHost},
		{"GET", "PUT", HandshakeMethod},
		{"HTTP/1.1", "HTTP/1.0", HandshakeHTTPVersion},
		{"Connection", "Connection ", HandshakeHeader},
		{"PUT / ", "PUT x ", HandshakeTarget},
		{"HTTP/1.0", "HTTP/2.0", HandshakeHTTPVersion},
		{"PUT x", "PUT", HandshakeRequestLine},
		{"Connection", strings.Repeat("a", MaxHandshake), HandshakeTooLarge},
	} {
		head = strings.Replace(head, step.old, step.new, 1)
		if _, result := u.Upgrade(nil, []byte(head)); result != step.want {
			t.Errorf("after %q: %v, want %v", step.new, result, step.want)
		}
	}
}

func TestUpgradeOrigin(t *testing.T) {
	for _, test := range []struct {
		header, origin string
		calls          int
	}{
		{"", "", 0}, {"Origin: http://a.example\r\n", "http://a.example", 1}, {"oRiGiN:\t null \r\n", "null", 1}, {"Origin:\r\n", "", 1},
	} {
		for _, allow := range []bool{true, false} {
			calls := 0
			u := Upgrader{CheckOrigin: func(origin []byte) bool {
				calls++
				if string(origin) != test.origin {
					t.Errorf("%q: called with %q", test.header, origin)
				}
				return allow
			}}
			_, result := u.Upgrade(nil, AppendRequest(nil, "a", "/", rfcKey, test.header))
			if want := allow || test.calls == 0; (result == HandshakeOK) != want || calls != test.calls {
				t.Errorf("%q allow=%t: %v after %d calls", test.header, allow, result, calls)
			}
		}
	}
}

// TestUpgradeKeys checks that keys of 16 bytes are taken and others not.
func TestUpgradeKeys(t *testing.T) {
	for size := range 40 {
		raw := bytes.Repeat([]byte{0xfb}, size)
		if got := validKey([]byte(base64.StdEncoding.EncodeToString(raw))); got != (size == 16) {
			t.Errorf("key of %d bytes: %t", size, got)
		}
	}
}

// exchange is a connection to a server that answers when the client begins to
// read.
type exchange struct {
	request bytes.Buffer
	answer  bytes.Buffer
	serve   func(request []byte) (answer []byte)
}

func (e *exchange) Write(b []byte) (int, error) { return e.request.Write(b) }

func (e *exchange) Read(b []byte) (int, error) {
	if e.request.Len() > 0 {
		e.answer.Write(e.serve(e.request.Bytes()))
		e.request.Reset()
	}
	return e.answer.Read(b)
}

// TestUpgradeGobwas lets the client of gobwas/ws read our answer, and its
// server our request.
func TestUpgradeGobwas(t *testing.T) {
	conn := &exchange{serve: func(request []byte) []byte {
		var u Upgrader
		answer, _ := u.Upgrade(nil, request)
		return answer
	}}
	to, err := url.Parse("ws://server.example.com:8080/chat?x=1")
	if err != nil {
		t.Fatal(err)
	}
	var d ws.Dialer
	if _, _, err := d.Upgrade(conn, to); err != nil {
		t.Errorf("the client of gobwas/ws: %v", err)
	}

	var answer bytes.Buffer
	request := bytes.NewReader(AppendRequest(nil, "a", "/b", rfcKey, ""))
	_, err = ws.Upgrade(struct {
		io.Reader
		io.Writer
	}{request, &answer})
	if err != nil {
		t.Errorf("the server of gobwas/ws: %v", err)
	}
	if err := CheckResponse(answer.Bytes(), rfcKey); err != nil {
		t.Errorf("the answer of gobwas/ws, %q: %v", answer.Bytes(), err)
	}
}

func BenchmarkUpgrade(b *testing.B) {
	for _, name := range []string{"101_minimal", "101_browser", "400_plain_get"} {
		b.Run("head="+name, func(b *testing.B) {
			head, status := readHead(b, filepath.Join("testdata", "handshake", name+".txt"))
			u := Upgrader{CheckOrigin: goodOrigin}
			dst := make([]byte, 0, 256)
			b.SetBytes(int64(len(head)))
			b.ReportAllocs()
			for b.Loop() {
				var result HandshakeResult
				if dst, result = u.Upgrade(dst[:0], head); result.Status() != status {
					b.Fatal(result)
				}
			}
		})
	}
}

// One subprotocol is selected, in whatever field it stands, letter for letter.
func TestUpgradeSubprotocol(t *testing.T) {
	const selected = "\r\nSec-WebSocket-Protocol: push\r\n"
	for fields, want := range map[string]bool{
		"":                                 false,
		"Sec-WebSocket-Protocol: push\r\n": true,
		"sec-websocket-protocol: a,\t push ,b\r\n":                         true,
		"Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b, push\r\n": true,
		"Sec-WebSocket-Protocol: Push, pushes\r\nX: push\r\n":              false,
	} {
		head := AppendRequest(nil, "a", "/", rfcKey, fields)
		u := Upgrader{Subprotocol: "push"}
		answer, result := u.Upgrade(nil, head)
		if result != HandshakeOK || strings.Contains(string(answer), selected) != want || !bytes.HasSuffix(answer, []byte(headEnd)) {
			t.Errorf("%q: %v, %q", fields, result, answer)
		}
		u.Subprotocol = ""
		if answer, _ := u.Upgrade(nil, head); strings.Contains(string(answer), "WebSocket-Protocol") {
			t.Errorf("%q: without one %q", fields, answer)
		}
	}
}
