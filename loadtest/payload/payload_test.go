package payload

import (
	"errors"
	"testing"
	"unicode/utf8"

	"castgate/loadtest/clock"
)

func TestPayloadRoundTrip(t *testing.T) {
	for i, size := range []int{MinSize, 64, 125, 126, 4096 + MinSize, 64 << 10, 1 << 20, MinSize, 64, 64 << 10, 1 << 20} {
		want := Stamp{Run: 0xdeadbeef, Kind: Unicast, Stream: 17, Target: 18_999, Seq: 4_000_000_001, Sent: clock.Now(), Size: size, Padding: Padding(i / 7)}
		b := Append([]byte("before"), want)[len("before"):]
		if len(b) != size || !utf8.Valid(b) {
			t.Fatalf("size %d: %d bytes, valid UTF-8 %v", size, len(b), utf8.Valid(b))
		}
		got, err := Parse(b)
		if err != nil || got != want {
			t.Fatalf("size %d: %+v, %v; want %+v", size, got, err, want)
		}
	}
}

// Every changed byte is noticed, padding included.
func TestPayloadChangedByte(t *testing.T) {
	for _, padding := range []Padding{Alphabet, Prices} {
		good := Append(nil, Stamp{Run: 1, Target: Everyone, Seq: 9, Sent: 1 << 40, Size: 200, Padding: padding})
		for i := range good {
			bad := append([]byte(nil), good...)
			bad[i] ^= 1
			if _, err := Parse(bad); err == nil {
				t.Fatalf("padding %d: byte %d changed and not noticed", padding, i)
			}
		}
	}
}

func TestPayloadWrong(t *testing.T) {
	good := Append(nil, Stamp{Size: 100})
	next := Append(nil, Stamp{Size: 100, Seq: 1})
	for name, c := range map[string]struct {
		b    []byte
		want error
	}{
		"empty":                {nil, ErrForeign},
		"another text":         {[]byte(`{"type":"news","text":"a message long enough to be one of our payloads"}`), ErrForeign},
		"shortened":            {good[:99], ErrCorrupt},
		"stamp only":           {good[:MinSize], ErrCorrupt},
		"lengthened":           {append(append([]byte(nil), good...), 'x'), ErrCorrupt},
		"padding of the next":  {append(append([]byte(nil), good[:MinSize]...), next[MinSize:]...), ErrCorrupt},
		"upper-case in fields": {append([]byte("cgA"), good[3:]...), ErrCorrupt},
	} {
		if _, err := Parse(c.b); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestPayloadDoesNotAllocate(t *testing.T) {
	b := make([]byte, 0, 64)
	if n := testing.AllocsPerRun(100, func() {
		b = Append(b[:0], Stamp{Size: 64})
		if _, err := Parse(b); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
