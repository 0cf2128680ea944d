package codec

import (
	"errors"
	"strings"
	"testing"
)

func TestAppendRequest(t *testing.T) {
	got := AppendRequest([]byte("before"), "a:80", "/b?c", rfcKey, "Origin: http://a\r\nX-Y: z\r\n")
	want := "beforeGET /b?c HTTP/1.1\r\nHost: a:80\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://a\r\nX-Y: z\r\n\r\n"
	if string(got) != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestCheckResponse(t *testing.T) {
	const (
		status     = "HTTP/1.1 101 Switching Protocols\r\n"
		upgrade    = "Upgrade: websocket\r\n"
		connection = "Connection: Upgrade\r\n"
		accept     = "Sec-WebSocket-Accept: " + rfcAccept + "\r\n"
	)
	for _, test := range []struct {
		name, head string
		want       error
	}{
		{"usual", status + upgrade + connection + accept + "\r\n", nil},
		{"case and order", status + "sec-websocket-accept: " + rfcAccept + "\r\nUPGRADE: WebSocket\r\nconnection: x, upgrade\r\n\r\n", nil},
		{"no phrase", "HTTP/1.1 101\r\n" + upgrade + connection + accept + "\r\n", nil},
		{"more headers", status + "Server: x\r\n" + upgrade + connection + accept + "\r\n", nil},
		{"no upgrade", status + connection + accept + "\r\n", ErrUpgrade},
		{"other upgrade", status + "Upgrade: h2c\r\n" + connection + accept + "\r\n", ErrUpgrade},
		{"no connection", status + upgrade + accept + "\r\n", ErrUpgrade},
		{"other connection", status + upgrade + "Connection: close\r\n" + accept + "\r\n", ErrUpgrade},
		{"no accept", status + upgrade + connection + "\r\n", ErrAccept},
		{"accept in lower case", status + upgrade + connection + strings.ToLower(accept) + "\r\n", ErrAccept},
		{"two accepts", status + upgrade + connection + accept + accept + "\r\n", ErrAccept},
		{"bare LF", status + "X: y\n" + upgrade + connection + accept + "\r\n", ErrResponse},
		{"folding", status + upgrade + connection + accept + " x: y\r\n\r\n", ErrResponse},
		{"not ended", status + upgrade + connection + accept, ErrResponse},
		{"bytes after it", status + upgrade + connection + accept + "\r\n\x81\x00", ErrResponse},
		{"HTTP/1.0", "HTTP/1.0 101 x\r\n" + upgrade + connection + accept + "\r\n", ErrResponse},
		{"status of four digits", "HTTP/1.1 1010\r\n" + upgrade + connection + accept + "\r\n", ErrResponse},
		{"status of letters", "HTTP/1.1 1o1 x\r\n" + upgrade + connection + accept + "\r\n", ErrResponse},
		{"cut status", "HTTP/1.1 10\r\n\r\n", ErrResponse},
		{"empty", "", ErrResponse},
	} {
		if got := CheckResponse([]byte(test.head), rfcKey); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// TestCheckResponseStatus checks that a client learns which refusal it got.
func TestCheckResponseStatus(t *testing.T) {
	for r := HandshakeOK + 1; int(r) < NumHandshakeResults; r++ {
		answer := AppendRefusal(nil, r)
		err := CheckResponse(answer[:HandshakeEnd(answer, 0)], rfcKey)
		var status *StatusError
		if !errors.As(err, &status) || status.Status != r.Status() {
			t.Errorf("%v: %v", r, err)
		}
	}
	const want = "codec: the handshake was answered with status 503"
	if got := (&StatusError{503}).Error(); got != want {
		t.Errorf("Error() = %q", got)
	}
}

func BenchmarkCheckResponse(b *testing.B) {
	answer, _ := new(Upgrader).Upgrade(nil, AppendRequest(nil, "a.example:80", "/b", rfcKey, ""))
	b.SetBytes(int64(len(answer)))
	b.ReportAllocs()
	for b.Loop() {
		if err := CheckResponse(answer, rfcKey); err != nil {
			b.Fatal(err)
		}
	}
}
