package codec

import (
	"bytes"
	"compress/flate"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"
)

// prices is JSON as a gateway pushes it, n bytes of it.
func prices(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	for b.Len() < n {
		fmt.Fprintf(&b, `{"type":"price","symbol":"%c%c%c","bid":%d.%02d,"ask":%d.%02d},`, 'A'+r.IntN(26), 'A'+r.IntN(26), 'A'+r.IntN(26),
			r.IntN(500), r.IntN(100), r.IntN(500), r.IntN(100))
	}
	return []byte(b.String()[:n])
}

func noise(n int) []byte {
	r := rand.New(rand.NewPCG(3, 4))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// oracle inflates a compressed payload with compress/flate.
func oracle(packed []byte, limit int64) ([]byte, error) {
	return io.ReadAll(io.LimitReader(flate.NewReader(io.MultiReader(bytes.NewReader(packed), strings.NewReader(inflateTail))), limit))
}

// inflate is a whole message through an Inflation, in pieces of step bytes.
func inflate(op ws.OpCode, packed []byte, give bool, limit int64, step int) ([]byte, error) {
	x := NewInflation(op, packed, give, limit)
	defer x.Close()
	var all []byte
	buf := make([]byte, step)
	for {
		n, last, err := x.Next(buf)
		all = append(all, buf[:n]...)
		if err != nil || last {
			return all, err
		}
		if n < step {
			return all, errors.New("a short piece that is not the last")
		}
	}
}

func TestDeflateRoundTrip(t *testing.T) {
	for _, level := range []int{MinDeflateLevel, 6, MaxDeflateLevel} {
		d := NewDeflater(level, 2)
		for _, bits := range []uint8{8, 9, 14, 15} {
			for _, n := range []int{255, 256, 257, 1024, 32767, 32768, 32769, 65535, 65536, 1 << 18} {
				payload := prices(n)
				frame := d.Frame(ws.OpText, payload, bits)
				if frame == nil {
					t.Fatalf("level %d, %d bytes: not shorter", level, n)
				}
				h, k, err := parseHeader(frame, rsv1)
				if err != nil || !h.Rsv1() || !h.Fin || h.OpCode != ws.OpText || int(h.Length) != len(frame)-k || len(frame) >= FrameLen(n) {
					t.Fatalf("level %d, %d bytes: header %+v, %v", level, n, h, err)
				}
				if cap(frame) != len(frame) {
					t.Errorf("%d bytes kept for %d", cap(frame), len(frame))
				}
				packed := frame[k:]
				if got, err := oracle(packed, int64(n)+1); err != nil || !bytes.Equal(got, payload) {
					t.Fatalf("level %d, bits %d, %d bytes: compress/flate reads %d bytes, %v", level, bits, n, len(got), err)
				}
				for _, step := range []int{1 + n/3, n, n + 1} {
					got, err := inflate(ws.OpText, packed, false, int64(n), step)
					if err != nil || !bytes.Equal(got, payload) {
						t.Fatalf("level %d, bits %d, %d bytes in steps of %d: %d bytes, %v", level, bits, n, step, len(got), err)
					}
				}
			}
		}
	}
}

// TestDeflateWindow checks that a small window is kept to: a repetition that is
// further away than 256 bytes must not be used.
func TestDeflateWindow(t *testing.T) {
	d := NewDeflater(MinDeflateLevel, 1)
	part := noise(600)
	payload := append(bytes.Clone(part), part...)
	if frame := d.Frame(ws.OpBinary, payload, MaxWindowBits); len(frame) == 0 || len(frame) > 700 {
		t.Errorf("full window: %d bytes", len(frame))
	}
	if frame := d.Frame(ws.OpBinary, payload, MinWindowBits); frame != nil {
		t.Errorf("window of 256 bytes: %d bytes, as if it reached further", len(frame))
	}
}

func TestDeflateNotShorter(t *testing.T) {
	d := NewDeflater(MinDeflateLevel, 1)
	for _, payload := range [][]byte{nil, {}, []byte("a"), []byte("abc"), noise(300), noise(100_000)} {
		if frame := d.Frame(ws.OpBinary, payload, MaxWindowBits); frame != nil {
			t.Errorf("%d bytes: %d bytes compressed", len(payload), len(frame))
		}
		if frame := d.Frame(ws.OpBinary, prices(1000), MaxWindowBits); frame == nil {
			t.Error("the next message is not compressed")
		}
	}
}

// TestDeflateTogether has many goroutines use one Deflater.
func TestDeflateTogether(t *testing.T) {
	d := NewDeflater(MinDeflateLevel, 2)
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			payload := prices(1000 + 100*i)
			for range 20 {
				frame := d.Frame(ws.OpText, payload, MaxWindowBits)
				if got, err := inflate(ws.OpText, frame[4:], false, 1<<20, 4096); err != nil || !bytes.Equal(got, payload) {
					t.Errorf("%d bytes: %v", len(payload), err)
				}
			}
		})
	}
	all.Wait()
}

// TestInflateForms has the ways of writing "Hello" of RFC 7692 section 7.2.3,
// and what is none.
func TestInflateForms(t *testing.T) {
	for _, test := range []struct {
		name, packed string // in hex
		want         string
		err          error
	}{
		{"one block", "f248cdc9c90700", "Hello", nil},
		{"no compression", "000500faff48656c6c6f00", "Hello", nil},
		{"a last block and a byte", "f348cdc9c9070000", "Hello", nil},
		{"a last block alone", "f348cdc9c90700", "Hello", nil},
		{"two blocks", "f248050000 00ffffcac9c90700", "Hello", nil},
		{"two last blocks", "f348cdc9c90700f348cdc9c9070000", "HelloHello", nil},
		{"empty", "00", "", nil},
		{"empty fixed block", "0200", "", nil},
		{"nothing", "", "", ErrInflate},
		{"cut", "f248cdc9", "", ErrInflate},
		{"cut stored block", "000500faff4865", "", ErrInflate},
		{"reserved block type", "07", "", ErrInflate},
		{"wrong complement of a length", "000500fffb48656c6c6f00", "", ErrInflate},
		{"distance before the start", "0301ff", "", ErrInflate},
		{"noise", "ffffffffff", "", ErrInflate},
		{"not compressed at all", hex.EncodeToString([]byte("Hello, world")), "", ErrInflate},
	} {
		packed, err := hex.DecodeString(strings.ReplaceAll(test.packed, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		for _, give := range []bool{false, true} {
			got, err := inflate(ws.OpText, bytes.Clone(packed), give, 100, 64)
			if test.err == nil && (err != nil || string(got) != test.want) || err != test.err {
				t.Errorf("%s: %q, %v, want %q, %v", test.name, got, err, test.want, test.err)
			}
		}
	}
}

// TestInflateLimits has bombs and text that is none.
func TestInflateLimits(t *testing.T) {
	bomb := deflated(bytes.Repeat([]byte("a"), 16<<20))
	if len(bomb) > 1<<16 {
		t.Fatalf("the bomb has %d bytes", len(bomb))
	}
	for _, limit := range []int64{0, 1, 1000, 65535, 65536, 16<<20 - 1} {
		got, err := inflate(ws.OpText, bomb, false, limit, 32<<10)
		if err != errTooBig || int64(len(got)) > limit {
			t.Errorf("limit %d: %d bytes, %v", limit, len(got), err)
		}
	}
	if got, err := inflate(ws.OpText, bomb, false, 16<<20, 32<<10); err != nil || len(got) != 16<<20 {
		t.Errorf("at the limit: %d bytes, %v", len(got), err)
	}
	for _, text := range []string{"\xff", "ab\xed\xa0\x80", "café"[:4], strings.Repeat("é", 40000) + "\xc3"} {
		if _, err := inflate(ws.OpText, deflated([]byte(text)), false, 1<<20, 777); err != errText {
			t.Errorf("%.20q: %v", text, err)
		}
		if got, err := inflate(ws.OpBinary, deflated([]byte(text)), false, 1<<20, 777); err != nil || string(got) != text {
			t.Errorf("binary %.20q: %v", text, err)
		}
	}
	if got, err := inflate(ws.OpText, deflated([]byte("é€😀")), false, 100, 1); err != nil || string(got) != "é€😀" {
		t.Errorf("characters cut between pieces: %q, %v", got, err)
	}
}

// deflated is a payload as compress/flate makes it.
func deflated(plain []byte) []byte {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, 6)
	_, _ = w.Write(plain)
	_ = w.Flush()
	return b.Bytes()[:b.Len()-len(syncTail)]
}

// TestParserDeflate holds the rules of RSV1 (RFC 7692 section 6).
func TestParserDeflate(t *testing.T) {
	packed := deflated([]byte("Hello"))
	frame := func(first byte, payload []byte) []byte {
		b := AppendMaskedFrame(nil, ws.OpCode(first&0x0f), payload, [4]byte{1, 2, 3, 4})
		b[0] = first
		return b
	}
	two := bytes.Join([][]byte{frame(0x41, packed[:3]), frame(0x89, nil), frame(0x80, packed[3:])}, nil)
	for _, test := range []struct {
		name  string
		input []byte
		on    bool
		want  error
	}{
		{"compressed", frame(0xc1, packed), true, nil},
		{"compressed, not agreed on", frame(0xc1, packed), false, errReservedBit},
		{"plain", frame(0x81, []byte("Hello")), true, nil},
		{"fragments, ping between", two, true, nil},
		{"RSV1 on a continuation", append(frame(0x41, packed[:3]), frame(0xc0, packed[3:])...), true, errReservedBit},
		{"RSV1 on a continuation of plain", append(frame(0x01, nil), frame(0xc0, nil)...), true, errReservedBit},
		{"RSV1 on a ping", frame(0xc9, nil), true, errReservedBit},
		{"RSV1 on a pong", frame(0xca, nil), true, errReservedBit},
		{"RSV1 on a close", frame(0xc8, nil), true, errReservedBit},
		{"RSV2", frame(0xa1, packed), true, errReservedBit},
		{"RSV3", frame(0x91, packed), true, errReservedBit},
		{"RSV1 and RSV2", frame(0xe1, packed), true, errReservedBit},
		{"reserved opcode with RSV1", frame(0xc3, nil), true, errReservedBit},
		{"as long as plain may be, and an eighth and 1 KiB", frame(0xc2, make([]byte, 8000+1000+1024)), true, nil},
		{"longer", frame(0xc2, make([]byte, 8000+1000+1025)), true, errTooBig},
		{"plain, longer", frame(0x82, make([]byte, 8001)), true, errTooBig},
		{"plain after compressed", append(frame(0xc1, packed), frame(0x82, make([]byte, 8001))...), true, errTooBig},
	} {
		for _, step := range []int{1, 5, len(test.input)} {
			p := Parser{Deflate: test.on}
			input := bytes.Clone(test.input)
			var err error
			var data []byte
			for len(input) > 0 && err == nil {
				piece := input[:min(step, len(input))]
				input = input[len(piece):]
				for len(piece) > 0 && err == nil {
					var n int
					var ev Event
					n, ev, err = p.Next(piece, 8000)
					piece = piece[n:]
					if ev.Kind == EventData && ev.Deflated {
						data = append(data, ev.Data...)
					}
				}
			}
			if err != test.want {
				t.Errorf("%s, %d bytes at a time: %v, want %v", test.name, step, err, test.want)
			}
			if strings.HasPrefix(test.name, "fragments") && !bytes.Equal(data, packed) {
				t.Errorf("%s: %x, want %x", test.name, data, packed)
			}
		}
	}
}

// FuzzInflate holds Inflation against compress/flate, and itself in small
// pieces.
func FuzzInflate(f *testing.F) {
	for _, seed := range [][]byte{deflated([]byte("Hello")), deflated(prices(3000)), deflated(bytes.Repeat([]byte("a"), 70000)), noise(50), {}, {0xf3, 0x48, 0xcd, 0xc9, 0xc9, 7, 0, 0}} {
		f.Add(seed, uint16(100))
	}
	f.Fuzz(func(t *testing.T, packed []byte, step uint16) {
		const limit = 1 << 17
		whole, err := inflate(ws.OpBinary, packed, false, limit, limit+1)
		pieces, again := inflate(ws.OpBinary, packed, false, limit, int(step)+1)
		if err != again || err == nil && !bytes.Equal(whole, pieces) {
			t.Fatalf("whole: %d bytes, %v; in pieces: %d bytes, %v", len(whole), err, len(pieces), again)
		}
		want, fail := oracle(packed, limit+1)
		switch {
		case err == nil && fail == nil && !bytes.HasPrefix(whole, want):
			t.Fatalf("%d bytes, compress/flate reads %d", len(whole), len(want))
		case err == nil && fail != nil:
			t.Fatalf("%d bytes; compress/flate: %v", len(whole), fail)
		}
	})
}

func BenchmarkDeflate(b *testing.B) {
	for _, n := range []int{300, 1024, 16 << 10, 64 << 10, 1 << 20} {
		for _, level := range []int{1, 3, 6, 9} {
			payload := prices(n)
			d := NewDeflater(level, 1)
			b.Run(fmt.Sprintf("size=%d/level=%d", n, level), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(n))
				var frame []byte
				for b.Loop() {
					frame = d.Frame(ws.OpText, payload, MaxWindowBits)
				}
				b.ReportMetric(float64(len(frame)), "wire-B")
			})
		}
		// The rival, without the frame around it.
		payload := prices(n)
		w, _ := flate.NewWriter(nil, 1)
		b.Run(fmt.Sprintf("size=%d/level=1/compress-flate", n), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(n))
			var out bytes.Buffer
			for b.Loop() {
				out.Reset()
				w.Reset(&out)
				_, _ = w.Write(payload)
				_ = w.Flush()
			}
			b.ReportMetric(float64(out.Len()), "wire-B")
		})
	}
}

func BenchmarkInflate(b *testing.B) {
	buf := make([]byte, 32<<10)
	for _, n := range []int{300, 1024, 16 << 10, 64 << 10, 1 << 20} {
		packed := deflated(prices(n))
		b.Run(fmt.Sprintf("size=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(n))
			for b.Loop() {
				x := NewInflation(ws.OpText, packed, false, int64(n))
				for last := false; !last; {
					var err error
					if _, last, err = x.Next(buf); err != nil {
						b.Fatal(err)
					}
				}
				x.Close()
			}
		})
		r := flate.NewReader(nil)
		src := bytes.NewReader(nil)
		whole := append(bytes.Clone(packed), inflateTail...)
		b.Run(fmt.Sprintf("size=%d/compress-flate", n), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(n))
			for b.Loop() {
				src.Reset(whole)
				_ = r.(flate.Resetter).Reset(src, nil)
				for {
					if _, err := r.Read(buf); err != nil {
						break
					}
				}
			}
		})
	}
}
