package gatewayworker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"
)

// frameOf is a frame of n bytes in all with ext bytes of ext, as far as it fits
// into memory sensibly: the lengths are as told.
func frameOf(total, ext uint32) []byte {
	b := make([]byte, min(max(total, HeaderLen), 4096))
	binary.BigEndian.PutUint32(b, total)
	b[4] = byte(SendToOne)
	binary.BigEndian.PutUint32(b[24:], ext)
	return b
}

func TestFrameLimits(t *testing.T) {
	for _, c := range []struct {
		total, ext uint32
		shown      int // bytes that show the error
		err        error
	}{
		{0, 0, 4, ErrFrameShort}, {1, 0, 4, ErrFrameShort}, {27, 0, 4, ErrFrameShort}, {28, 0, 0, nil},
		{28, 1, 28, ErrFrameExt}, {30, 2, 0, nil}, {30, 3, 28, ErrFrameExt}, {1000, 1<<32 - 1, 28, ErrFrameExt},
		{MaxFrame, 0, 0, nil}, {MaxFrame, MaxFrame - HeaderLen, 0, nil}, {MaxFrame + 1, 0, 4, ErrFrameLong}, {1<<32 - 1, 0, 4, ErrFrameLong},
	} {
		b := frameOf(c.total, c.ext)
		for n := range HeaderLen + 1 {
			f, used, err := ParseFrame(b[:n])
			want := c.err
			if n < c.shown {
				want = nil
			}
			if !errors.Is(err, want) || used > 0 && (n < HeaderLen || int(c.total) != n || len(f.Ext)+len(f.Body) != n-HeaderLen) {
				t.Errorf("total %d, ext %d, %d bytes: %d, %v", c.total, c.ext, n, used, err)
			}
		}
	}
}

func TestFrameFields(t *testing.T) {
	h := Header{
		Command: SendToGroup, LocalIP: [4]byte{1, 2, 3, 4}, LocalPort: 5, ClientIP: [4]byte{6, 7, 8, 9}, ClientPort: 10,
		ConnectionID: 0xfffffffe, Flags: FlagPlain | FlagRaw, GatewayPort: 65535,
	}
	b := AppendFrame([]byte("before"), &h, []byte("ext"), []byte("body"))[6:]
	f, n, err := ParseFrame(append(b, "after"...))
	if err != nil || n != HeaderLen+7 || f.Header != h || string(f.Ext) != "ext" || string(f.Body) != "body" {
		t.Errorf("%+v, %d, %v", f, n, err)
	}
	if cap(f.Ext) != 3 || cap(f.Body) != 4 {
		t.Error("appending to a part would overwrite what is after it")
	}
}

// readAll hands pieces to a reader and returns what it made of them, written anew.
func readAll(pieces [][]byte) (out []byte, err error) {
	var r FrameReader
	for _, in := range pieces {
		for {
			f, rest, ok, err := r.Next(in)
			if err != nil {
				return out, err
			}
			if !ok {
				break
			}
			if r.Held() != 0 {
				panic("holds a whole frame")
			}
			out, in = AppendFrame(out, &f.Header, f.Ext, f.Body), rest
		}
	}
	return out, nil
}

// split cuts b at places that the seed says.
func split(b []byte, seed uint64) (pieces [][]byte) {
	random := rand.New(rand.NewPCG(seed, 1))
	for len(b) > 0 {
		n := min(1+random.IntN(40), len(b))
		pieces, b = append(pieces, bytes.Clone(b[:n])), b[n:]
	}
	return pieces
}

// sameSplit checks that split input gives what the whole gives.
func sameSplit(t *testing.T, b []byte, seed uint64) {
	t.Helper()
	whole, wholeErr := readAll([][]byte{bytes.Clone(b)})
	parts, partsErr := readAll(split(b, seed))
	if !bytes.Equal(whole, parts) || !errors.Is(partsErr, wholeErr) {
		t.Errorf("%x: whole %x, %v; split %x, %v", b, whole, wholeErr, parts, partsErr)
	}
	if !bytes.HasPrefix(b, whole) {
		t.Errorf("%x became %x", b, whole)
	}
}

func TestFrameReader(t *testing.T) {
	var all []byte
	for _, v := range vectors(t) {
		if v.Direction == "client->gateway" || v.Direction == "worker->gateway" {
			if v.Group != "register" {
				all = append(all, v.bytes...)
			}
		}
	}
	for seed := range uint64(50) {
		sameSplit(t, all, seed)
		sameSplit(t, append(bytes.Clone(all), frameOf(27, 0)...), seed)
	}
	if out, err := readAll(split(all, 1)); err != nil || len(out) != len(all) {
		t.Errorf("%d of %d bytes, %v", len(out), len(all), err)
	}
}

// TestFrameReaderMemory: a frame that says it is 10 MiB costs what has come of
// it, and a long one that came in pieces leaves no buffer behind.
func TestFrameReaderMemory(t *testing.T) {
	var r FrameReader
	if _, _, ok, err := r.Next(frameOf(MaxFrame, 0)[:100]); ok || err != nil || r.Held() != 100 || cap(r.held) > 4096 {
		t.Errorf("%v, %v, holds %d with room for %d", ok, err, r.Held(), cap(r.held))
	}
	in := make([]byte, 64<<10)
	for left := MaxFrame - 100; left > 0; {
		n := min(left, len(in))
		left -= n
		f, _, ok, err := r.Next(in[:n])
		if err != nil || ok != (left == 0) || ok && len(f.Body) != MaxFrame-HeaderLen {
			t.Fatal(left, ok, err)
		}
	}
	if _, _, ok, err := r.Next(nil); ok || err != nil || r.held != nil {
		t.Errorf("keeps %d bytes, %v", cap(r.held), err)
	}
}

// TestFrameReaderError: an error stays.
func TestFrameReaderError(t *testing.T) {
	var r FrameReader
	for _, in := range [][]byte{{0, 0}, {0, 1}, frameOf(28, 0)} {
		_, _, ok, err := r.Next(in)
		if ok || (len(in) != 2 || in[1] == 1) && !errors.Is(err, ErrFrameShort) {
			t.Errorf("%v, %v", ok, err)
		}
	}
}

func TestFrameAllocations(t *testing.T) {
	b := AppendFrame(nil, &Header{Command: SendToOne, Flags: FlagPlain}, []byte("e"), []byte("body"))
	out := make([]byte, 0, 256)
	var r FrameReader
	whole := testing.AllocsPerRun(100, func() {
		f, _, ok, err := r.Next(b)
		if !ok || err != nil {
			t.Fatal(err)
		}
		out = AppendFrame(out[:0], &f.Header, f.Ext, f.Body)
	})
	halves := testing.AllocsPerRun(100, func() {
		_, _, _, _ = r.Next(b[:20])
		if _, _, ok, err := r.Next(b[20:]); !ok || err != nil {
			t.Fatal(err)
		}
	})
	if whole != 0 || halves != 0 {
		t.Errorf("%v allocations for a whole frame, %v for one in halves", whole, halves)
	}
}

func TestReply(t *testing.T) {
	b, mark := BeginReply([]byte("before"))
	b = EndReply(AppendInt(b, 1), mark)
	if string(b) != "before\x00\x00\x00\x04i:1;" {
		t.Errorf("%q", b)
	}
}

func FuzzFrameReader(f *testing.F) {
	for _, v := range vectors(f) {
		if v.Group == "auth" || v.Group == "query" {
			f.Add(v.bytes, uint64(1))
		}
	}
	f.Add(frameOf(27, 0), uint64(2))
	f.Add(frameOf(30, 3), uint64(3))
	f.Fuzz(func(t *testing.T, b []byte, seed uint64) { sameSplit(t, b, seed) })
}
