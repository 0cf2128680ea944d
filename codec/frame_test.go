package codec

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/gobwas/ws"
)

func TestFrameBytes(t *testing.T) {
	for _, length := range []int{0, 1, 125, 126, 65535, 65536, 70000} {
		payload := bytes.Repeat([]byte("push"), length/4+1)[:length]
		want := ws.MustCompileFrame(ws.NewBinaryFrame(payload))
		got := AppendFrame([]byte("before"), ws.OpBinary, payload)
		if !bytes.Equal(got, append([]byte("before"), want...)) {
			t.Errorf("%d bytes: unmasked frame differs from gobwas/ws", length)
		}
		if FrameLen(length) != len(want) {
			t.Errorf("FrameLen(%d) = %d, want %d", length, FrameLen(length), len(want))
		}
		mask := [4]byte{0xde, 0xad, 0xbe, 0xef}
		want = ws.MustCompileFrame(ws.MaskFrameWith(ws.NewBinaryFrame(payload), mask))
		before := bytes.Clone(payload)
		if got := AppendMaskedFrame(nil, ws.OpBinary, payload, mask); !bytes.Equal(got, want) {
			t.Errorf("%d bytes: masked frame differs from gobwas/ws", length)
		}
		if !bytes.Equal(payload, before) {
			t.Errorf("%d bytes: AppendMaskedFrame changed its payload", length)
		}
	}
}

func BenchmarkAppendFrame(b *testing.B) {
	for _, size := range []int{16, 125, 1024, 16384, 65536} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			payload := bytes.Repeat([]byte{'a'}, size)
			dst := make([]byte, 0, FrameLen(size))
			b.SetBytes(int64(FrameLen(size)))
			b.ReportAllocs()
			for b.Loop() {
				dst = AppendFrame(dst[:0], ws.OpText, payload)
			}
			if len(dst) != FrameLen(size) {
				b.Fatalf("%d bytes", len(dst))
			}
		})
	}
}
