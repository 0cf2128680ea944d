package loop

import (
	"bytes"
	"compress/flate"
	"math/rand/v2"
	"net/netip"

	"github.com/gobwas/ws"

	"castgate/codec"
	"castgate/codec/codectest"
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

func trusting(networks ...string) []netip.Prefix {
	var list []netip.Prefix
	for _, n := range networks {
		list = append(list, netip.MustParsePrefix(n))
	}
	return list
}

const upgradeRequest = codectest.Upgrade
