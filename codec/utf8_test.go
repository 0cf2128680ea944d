package codec

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// failAt feeds b byte by byte and returns the index of the byte that was
// refused, or len(b). Until then it checks that a continuation exists: what
// write lets through can become UTF-8, so nothing is found late.
func failAt(tb testing.TB, b []byte) int {
	tb.Helper()
	var s utf8Stream
	for i := range b {
		if !s.write(b[i : i+1]) {
			return i
		}
		completed := append([]byte{}, b[:i+1]...)
		for n, c := 0, s.lo; n < int(s.need); n, c = n+1, 0x80 {
			completed = append(completed, c)
		}
		if !utf8.Valid(completed) {
			tb.Fatalf("%x was let through, but can not become UTF-8", b[:i+1])
		}
	}
	return len(b)
}

// checkSplits cuts b in two at every place and compares with utf8.Valid and
// with the byte where it has to fail.
func checkSplits(tb testing.TB, b []byte) {
	tb.Helper()
	bad := failAt(tb, b)
	for cut := range len(b) + 1 {
		var s utf8Stream
		first := s.write(b[:cut])
		if first != (bad >= cut) {
			tb.Fatalf("%x cut at %d: first piece %t, but byte %d is the bad one", b, cut, first, bad)
		}
		if !first {
			continue
		}
		if second := s.write(b[cut:]); second != (bad == len(b)) {
			tb.Fatalf("%x cut at %d: second piece %t, but byte %d is the bad one", b, cut, second, bad)
		}
		if bad == len(b) && s.whole() != utf8.Valid(b) {
			tb.Fatalf("%x cut at %d: whole = %t", b, cut, s.whole())
		}
	}
	if bad < len(b) && utf8.Valid(b) {
		tb.Fatalf("%x is UTF-8, but was refused at byte %d", b, bad)
	}
}

// TestUTF8Sequences goes through the first two bytes of all sequences, with
// border cases after them.
func TestUTF8Sequences(t *testing.T) {
	edge := []byte{0x00, 0x7f, 0x80, 0xbf, 0xc0, 0xff}
	for first := 0xbf; first < 256; first++ {
		for second := range 256 {
			for _, third := range edge {
				for _, fourth := range edge {
					b := []byte{byte(first), byte(second), third, fourth}
					bad := failAt(t, b)
					var s utf8Stream
					if got := s.write(b) && s.whole(); got != utf8.Valid(b) {
						t.Fatalf("%x: %t, refused at %d", b, got, bad)
					}
				}
			}
		}
	}
}

// TestUTF8Runes takes characters through every split: all of the basic plane,
// of the others only some, but the first and the last.
func TestUTF8Runes(t *testing.T) {
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if !utf8.ValidRune(r) || r > 0x10000 && r < utf8.MaxRune && r%61 != 0 {
			continue
		}
		b := utf8.AppendRune(nil, r)
		for cut := range b {
			var s utf8Stream
			if !s.write(b[:cut]) || cut > 0 && s.whole() || !s.write(b[cut:]) || !s.whole() {
				t.Fatalf("%U cut at %d", r, cut)
			}
		}
	}
}

func TestUTF8Splits(t *testing.T) {
	for _, s := range []string{
		"", "a", "plain text", "é", "aé", "€uro", "x😀y", strings.Repeat("😀", 20), "\xff", "a\xc3", "a\xc3(", "\xe2\x82", "\xf0\x9f\x98",
		"\xed\xa0\x80", "\xf4\x90\x80\x80", "ok\x80", strings.Repeat("a", 40) + "\xe2\x82\xac\xe2", "\xe0\x80", "\xf0\x80", "\xc0", "\xf5",
	} {
		checkSplits(t, []byte(s))
	}
}

// FuzzUTF8 compares with utf8.Valid at all split positions.
func FuzzUTF8(f *testing.F) {
	for _, v := range readFrameVectors(f) {
		if v.want.code == ws.StatusInvalidFramePayloadData && len(v.input) > 6 {
			payload := append([]byte{}, v.input[6:]...)
			ws.Cipher(payload, [4]byte(v.input[2:6]), 0)
			f.Add(payload)
		}
	}
	f.Add([]byte("\U0010ffff\ud7ff\ue000\u07ff\u0080€"))
	f.Fuzz(func(t *testing.T, b []byte) {
		checkSplits(t, b[:min(len(b), 512)]) // the work is quadratic
	})
}

func BenchmarkUTF8(b *testing.B) {
	for _, text := range []struct{ name, letter string }{{"ascii", "a"}, {"latin", "é"}, {"cjk", "語"}, {"emoji", "😀"}} {
		for _, size := range []int{125, 1024, 16384} {
			b.Run(fmt.Sprintf("text=%s/size=%d", text.name, size), func(b *testing.B) {
				// Cut anywhere, so that pieces begin and end inside a character.
				p := []byte(strings.Repeat(text.letter, size))[:size]
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					var s utf8Stream
					if !s.write(p) {
						b.Fatal("refused")
					}
				}
			})
		}
	}
}
