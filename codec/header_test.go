package codec

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/gobwas/ws"
)

// lengths are those around which the form of a header changes.
var lengths = []int{0, 1, 124, 125, 126, 127, 128, 255, 256, 65534, 65535, 65536, 65537, 1 << 24, 1<<31 - 1}

// TestHeaderBytes compares headers with those of gobwas/ws, and reads them
// again, whole and from every prefix.
func TestHeaderBytes(t *testing.T) {
	for _, op := range []ws.OpCode{ws.OpContinuation, ws.OpText, ws.OpBinary} {
		for _, fin := range []bool{false, true} {
			for _, length := range lengths {
				want := ws.Header{Fin: fin, OpCode: op, Length: int64(length)}
				checkHeader(t, AppendHeader(nil, op, fin, length), want)
				want.Masked, want.Mask = true, [4]byte{1, 2, 3, 0xff}
				checkHeader(t, AppendMaskedHeader(nil, op, fin, length, want.Mask), want)
			}
		}
	}
}

func checkHeader(t *testing.T, got []byte, h ws.Header) {
	t.Helper()
	var want bytes.Buffer
	err := ws.WriteHeader(&want, h)
	if err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%+v: wrote %x, want %x (%v)", h, got, want.Bytes(), err)
	}
	for i := range got {
		if back, n, err := ParseHeader(got[:i]); n != 0 || err != nil || back != (ws.Header{}) {
			t.Errorf("%d of %d bytes: %+v, %d, %v", i, len(got), back, n, err)
		}
	}
	if back, n, err := ParseHeader(append(got, 0xff)); back != h || n != len(got) || err != nil {
		t.Errorf("read %+v, %d, %v, want %+v", back, n, err, h)
	}
}

func TestHeaderRefused(t *testing.T) {
	for _, test := range []struct {
		name string
		b    []byte
		want error
	}{
		{"rsv1", []byte{0xc1}, errReservedBit},
		{"rsv2", []byte{0xa1}, errReservedBit},
		{"rsv3", []byte{0x91}, errReservedBit},
		{"opcode 3", []byte{0x83}, errOpcode},
		{"opcode 7", []byte{0x87}, errOpcode},
		{"opcode b", []byte{0x8b}, errOpcode},
		{"opcode f", []byte{0x8f}, errOpcode},
		{"ping without FIN", []byte{0x09}, errControlFragment},
		{"ping of 126", []byte{0x89, 0xfe}, errControlLength},
		{"close of 64 bits", []byte{0x88, 0x7f}, errControlLength},
		{"125 in 16 bits", []byte{0x82, 126, 0, 125}, errLengthForm},
		{"65535 in 64 bits", []byte{0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, errLengthForm},
		{"top bit", []byte{0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0}, errLengthTop},
	} {
		for i := range test.b {
			if h, n, err := ParseHeader(test.b[:i]); h != (ws.Header{}) || n != 0 || err != nil {
				t.Errorf("%s: %d bytes: %+v, %d, %v", test.name, i, h, n, err)
			}
		}
		if h, n, err := ParseHeader(test.b); h != (ws.Header{}) || n != 0 || err != test.want {
			t.Errorf("%s: %+v, %d, %v, want %v", test.name, h, n, err, test.want)
		}
	}
}

// FuzzHeader checks that what is read is written back to the same bytes, that
// no prefix is read in another way, and that gobwas/ws reads the same.
func FuzzHeader(f *testing.F) {
	for _, v := range readFrameVectors(f) {
		f.Add(v.input[:min(len(v.input), ws.MaxHeaderSize+1)])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, n, err := ParseHeader(b)
		for i := range b {
			ph, pn, perr := ParseHeader(b[:i])
			switch {
			case perr != nil && perr != err:
				t.Fatalf("%x: prefix of %d gives %v, the whole %v", b, i, perr, err)
			case pn != 0 && (pn != n || ph != h):
				t.Fatalf("%x: prefix of %d gives %+v, the whole %+v", b, i, ph, h)
			case n != 0 && i < n && pn != 0:
				t.Fatalf("%x: header of %d bytes read from %d", b, n, i)
			}
		}
		if n == 0 {
			if err == nil && len(b) >= ws.MaxHeaderSize {
				t.Fatalf("%x: %d bytes are no header and no error", b, len(b))
			}
			return
		}
		back := AppendHeader(nil, h.OpCode, h.Fin, int(h.Length))
		if h.Masked {
			back = AppendMaskedHeader(nil, h.OpCode, h.Fin, int(h.Length), h.Mask)
		}
		if err != nil || !bytes.Equal(back, b[:n]) {
			t.Fatalf("%x: read %+v (%v), written as %x", b[:n], h, err, back)
		}
		w, err := ws.ReadHeader(bytes.NewReader(b))
		if err != nil || w != h {
			t.Fatalf("%x: read %+v, gobwas/ws %+v, %v", b[:n], h, w, err)
		}
	})
}

func BenchmarkParseHeader(b *testing.B) {
	for _, size := range []int{125, 65535, 65536} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			header := AppendMaskedHeader(nil, ws.OpText, true, size, [4]byte{1, 2, 3, 4})
			b.SetBytes(int64(len(header)))
			b.ReportAllocs()
			for b.Loop() {
				if h, n, err := ParseHeader(header); n != len(header) || err != nil || h.Length != int64(size) {
					b.Fatal(h, n, err)
				}
			}
		})
	}
}
