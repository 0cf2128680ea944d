package loop

import (
	"bytes"
	"compress/flate"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/gobwas/ws"
	"github.com/golang-jwt/jwt/v5"

	"castgate/codec"
	"castgate/server/token"
)

const offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"

func compressedFrame(op ws.OpCode, payload []byte) []byte {
	b := codec.AppendMaskedFrame(nil, op, payload, [4]byte{1, 2, 3, 4})
	b[0] |= 0x40
	return b
}

// deflated is what a client sends for plain, as compress/flate makes it.
func deflated(plain []byte) []byte {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression)
	_, _ = w.Write(plain)
	_ = w.Flush()
	return bytes.TrimSuffix(b.Bytes(), []byte("\x00\x00\xff\xff"))
}

// noise is bytes that nothing makes shorter.
func noise(n int) string {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return string(b)
}

var testSecret = []byte("a secret of more than thirty-two bytes")

func testKeys(t testing.TB) []token.Key {
	t.Helper()
	k, err := token.Secret(testSecret)
	if err != nil {
		t.Fatal(err)
	}
	return []token.Key{k}
}

func testToken(t testing.TB, claims jwt.MapClaims) string {
	t.Helper()
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(testSecret)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func trusting(networks ...string) []netip.Prefix {
	var list []netip.Prefix
	for _, n := range networks {
		list = append(list, netip.MustParsePrefix(n))
	}
	return list
}

const upgradeRequest = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: Y2FzdGdhdGUgcmVhZG1lIQ==\r\n\r\n"
