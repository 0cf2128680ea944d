package codec

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
)

// Each way in which a handshake can be broken has a result of its own. The
// request is a good one but for the change.
func TestBrokenHandshakes(t *testing.T) {
	good := string(AppendRequest(nil, "a", "/", rfcKey, ""))
	key := "Sec-WebSocket-Key: " + string(rfcKey[:]) + "\r\n"
	for _, try := range []struct {
		old, new string
		want     HandshakeResult
	}{
		{"", "", HandshakeOK},
		{"HTTP/1.1", "HTTP/1.0", HandshakeHTTPVersion},
		{"HTTP/1.1", "HTTP/1.2", HandshakeHTTPVersion},
		{"HTTP/1.1", "HTTP/2.0", HandshakeHTTPVersion},
		{good, "PRI * HTTP/2.0\r\n\r\n", HandshakeHTTPVersion},
		{"HTTP/1.1", "http/1.1", HandshakeRequestLine},
		{" HTTP/1.1", "", HandshakeRequestLine},
		{good, "hello\r\n\r\n", HandshakeRequestLine},
		{"GET / ", "GET  / ", HandshakeRequestLine},
		{"GET /", "GET *", HandshakeTarget},
		{"GET /", "GET /%zz", HandshakeTarget},
		{"GET", "POST", HandshakeMethod},
		{"Host: a\r\n", "", HandshakeHost},
		{"Host: a", "Host: ", HandshakeHost},
		{"Host: a", "Host: a b", HandshakeHost},
		{"Host: a", "Host: a\r\nHost: a", HandshakeHost},
		{"Upgrade: websocket\r\n", "", HandshakeNoUpgrade},
		{"Upgrade: websocket", "Upgrade: h2c", HandshakeNoUpgrade},
		{"Connection: Upgrade\r\n", "", HandshakeConnection},
		{"Connection: Upgrade", "Connection: close", HandshakeConnection},
		{"Connection: Upgrade", "Connection: keep-alive", HandshakeConnection},
		{"Version: 13", "Version: 8", HandshakeVersion},
		{"Sec-WebSocket-Version: 13\r\n", "", HandshakeVersion},
		{"Sec-WebSocket-Version: 13\r\n", "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13\r\n", HandshakeRepeated},
		{"Host: a\r\n", "Host: a\r\nOrigin: http://a\r\norigin: http://a\r\n", HandshakeRepeated},
		{key, "", HandshakeNoKey},
		{key, "Sec-WebSocket-Key: \r\n", HandshakeBadKey},
		{key, "Sec-WebSocket-Key: c2hvcnQ=\r\n", HandshakeBadKey},
		{key, key + key, HandshakeBadKey},
		{"Host: a\r\n", "Host: a\r\n folded\r\n", HandshakeHeader},
		{"Host: a\r\n", "Host: a\r\nno colon\r\n", HandshakeHeader},
		{"Host: a\r\n", "Host: a\n", HandshakeHeader},
		{"Host: a\r\n", "Host: a\r\nX: \x00\r\n", HandshakeHeader},
		{"Host: a\r\n", "Host: a\r\nContent-Length: 3\r\n", HandshakeBody},
		{"Host: a\r\n", "Host: a\r\nTransfer-Encoding: chunked\r\n", HandshakeBody},
		{"Host: a\r\n", "Host: a\r\nSec-WebSocket-Extensions: ;\r\n", HandshakeExtensions},
		{"Host: a\r\n", "Host: a\r\nOrigin: http://evil\r\n", HandshakeOrigin},
	} {
		u := Upgrader{Compress: true, CheckOrigin: func(o []byte) bool { return string(o) != "http://evil" }}
		head := strings.Replace(good, try.old, try.new, 1)
		answer, result := u.Upgrade(nil, []byte(head))
		if result != try.want {
			t.Errorf("%q for %q: %v, want %v", try.new, try.old, result, try.want)
		}
		if result != HandshakeOK && !bytes.Equal(answer, AppendRefusal(nil, result)) {
			t.Errorf("%v: %q", result, answer)
		}
	}
}

// Who sends what can never become a request is not kept waiting for the end of its
// head, wherever the network cuts the bytes.
func TestBrokenBeforeItsEnd(t *testing.T) {
	for head, want := range map[string]HandshakeResult{
		"GET /healthz HTTP/1.0\n\n": HandshakeRequestLine,
		"hello\n":                   HandshakeRequestLine,
		"SSH-2.0-OpenSSH_9.2\r\n":   HandshakeRequestLine,
		"*1\r\n$4\r\nPING\r\n":      HandshakeRequestLine,
		"GET /%zz HTTP/1.1\r\n":     HandshakeTarget,
		"GET / HTTP/3.0\r\n":        HandshakeHTTPVersion,
		"GET / HTTP/1.1\r\nHost: a\nUpgrade: websocket\r\n":    HandshakeHeader,
		"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n":               HandshakeRequestLine,
		"GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\nno colon\r\n": HandshakeOK, // when it is whole
		"GET / HTTP/1.0\r\n":                                   HandshakeOK,
		"GET / HTTP/1.1\r\nHost: a\r\n":                        HandshakeOK,
		"GET / HTTP/1.1":                                       HandshakeOK,
		"\r\n\r":                                               HandshakeOK, // a PROXY header of version 2
		"":                                                     HandshakeOK,
	} {
		at, scanned := -1, 0
		for i := range len(head) + 1 {
			if at < 0 && HandshakeBroken([]byte(head[:i]), scanned) {
				at = i
			}
			scanned = i
		}
		if broken := at >= 0; broken != (want != HandshakeOK) || broken != HandshakeBroken([]byte(head), 0) {
			t.Errorf("%q: broken after %d bytes", head, at)
			continue
		}
		if at < 0 {
			continue
		}
		if _, result := new(Upgrader).Upgrade(nil, []byte(head[:at])); result != want {
			t.Errorf("%q: %v, want %v", head[:at], result, want)
		}
	}
}

// A head that is too large is told how large it may be.
func TestTooLargeSaysTheLimit(t *testing.T) {
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(AppendTooLarge(nil, 12345))), nil)
	if err != nil || resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge || !resp.Close {
		t.Fatalf("%+v, %v", resp, err)
	}
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "the request head is larger than 12345 bytes [too_large]\n" {
		t.Errorf("%q, %v", body, err)
	}
}
