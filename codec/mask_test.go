package codec

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/gobwas/ws"
)

// TestUnmask compares with the formula of RFC 6455 section 5.3, at all small
// lengths, alignments and positions.
func TestUnmask(t *testing.T) {
	mask := [4]byte{0x11, 0x22, 0x44, 0x88}
	for length := range 70 {
		for offset := range 9 {
			for pos := range 9 {
				buf := make([]byte, offset+length+1)
				for i := range buf {
					buf[i] = byte(i * 7)
				}
				want := bytes.Clone(buf)
				for i := range length {
					want[offset+i] ^= mask[(pos+i)%4]
				}
				ws.Cipher(buf[offset:offset+length], mask, pos)
				if !bytes.Equal(buf, want) {
					t.Fatalf("length %d, offset %d, pos %d:\n got %x\nwant %x", length, offset, pos, buf, want)
				}
			}
		}
	}
}

// TestUnmaskPieces checks that pieces with their position give the whole.
func TestUnmaskPieces(t *testing.T) {
	mask := [4]byte{1, 2, 3, 4}
	want := bytes.Repeat([]byte("payload "), 40)
	for cut := range want {
		got := bytes.Clone(want)
		ws.Cipher(got, mask, 0)
		ws.Cipher(got[:cut], mask, 0)
		ws.Cipher(got[cut:], mask, cut)
		if !bytes.Equal(got, want) {
			t.Fatalf("cut at %d", cut)
		}
	}
}

func BenchmarkUnmask(b *testing.B) {
	for _, size := range []int{16, 125, 1024, 16384, 65536} {
		for _, pos := range []int{0, 1} {
			b.Run(fmt.Sprintf("size=%d/pos=%d", size, pos), func(b *testing.B) {
				p := make([]byte, size)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					ws.Cipher(p, [4]byte{1, 2, 3, 4}, pos)
				}
			})
		}
	}
}
