package codec

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/gobwas/ws"
)

func ExampleParser() {
	var p Parser
	input := AppendMaskedFrame(nil, ws.OpText, []byte("hello"), [4]byte{1, 2, 3, 4})
	input = AppendMaskedFrame(input, ws.OpPing, []byte("are you there"), [4]byte{5, 6, 7, 8})
	for len(input) > 0 {
		n, ev, err := p.Next(input, 64<<10)
		if err != nil {
			fmt.Println(err) // send a close frame with the code of the *CloseError
			return
		}
		input = input[n:]
		switch ev.Kind {
		case EventData:
			fmt.Printf("%q text=%t first=%t last=%t\n", ev.Data, ev.Op == ws.OpText, ev.First, ev.Last)
		case EventPing:
			fmt.Printf("ping %q\n", ev.Data)
		}
	}
	// Output:
	// "hello" text=true first=true last=true
	// ping "are you there"
}

// TestParserPieces checks that payload is given as it comes, not when a frame
// is complete.
func TestParserPieces(t *testing.T) {
	mask := [4]byte{9, 8, 7, 6}
	input := AppendMaskedFrame(nil, ws.OpBinary, []byte("abcdefgh"), mask)
	var p Parser
	for i, step := range []struct {
		feed        int
		data        string
		kind        EventKind
		first, last bool
	}{
		{3, "", EventNone, false, false},
		{3, "", EventNone, false, false},
		{1, "a", EventData, true, false},
		{4, "bcde", EventData, false, false},
		{3, "fgh", EventData, false, true},
	} {
		n, ev, err := p.Next(input[:step.feed], 8)
		if n != step.feed || err != nil || ev.Kind != step.kind || string(ev.Data) != step.data ||
			ev.First != step.first || ev.Last != step.last {
			t.Fatalf("step %d: took %d, %+v, %v", i, n, ev, err)
		}
		input = input[n:]
		if p.AtRest() != (len(input) == 0) {
			t.Fatalf("step %d: AtRest = %t", i, p.AtRest())
		}
	}
}

// TestParserCopy checks that a Parser may be moved between any two calls, as
// an owner that keeps it only while something is pending does.
func TestParserCopy(t *testing.T) {
	for _, v := range readFrameVectors(t) {
		if len(v.input) > 1000 {
			continue
		}
		want := record(t, v.input, v.client, v.max)
		input := bytes.Clone(v.input)
		r := recorder{tb: t, p: Parser{Client: v.client}, max: v.max}
		for i := range input {
			moved := r.p
			for j := range r.p.held {
				r.p.held[j] = 0xaa
			}
			if moved.AtRest() {
				moved = Parser{Client: v.client}
			}
			r.p = moved
			r.feed(input[i : i+1])
		}
		if r.out.code != want.code || fmt.Sprint(r.out.events) != fmt.Sprint(want.events) {
			t.Errorf("%s:\n got %v\nwant %v", v.name, r.out, want)
		}
	}
}

// TestParserControlPayload checks that a ping's payload outlives the input.
func TestParserControlPayload(t *testing.T) {
	input := AppendMaskedFrame(nil, ws.OpPing, []byte("payload"), [4]byte{1, 2, 3, 4})
	var p Parser
	_, ev, err := p.Next(input, 0)
	clear(input)
	if err != nil || string(ev.Data) != "payload" {
		t.Fatalf("%q, %v", ev.Data, err)
	}
}

func TestParserNoInput(t *testing.T) {
	var p Parser
	if n, ev, err := p.Next(nil, 10); n != 0 || ev.Kind != EventNone || err != nil || !p.AtRest() {
		t.Fatalf("took %d, %+v, %v", n, ev, err)
	}
}

// TestParserLimit checks the limit around its edges, and that what is over it
// is refused before any payload.
func TestParserLimit(t *testing.T) {
	for _, test := range []struct {
		max    int64
		length int
		ok     bool
	}{
		{0, 0, true}, {0, 1, false}, {-1, 0, true}, {-1, 1, false}, {math.MinInt64, 0, true}, {math.MinInt64, 1, false},
		{125, 125, true}, {125, 126, false}, {65535, 65535, true}, {65535, 65536, false}, {math.MaxInt64, 1 << 20, true},
	} {
		var p Parser
		header := AppendMaskedHeader(nil, ws.OpBinary, true, test.length, [4]byte{})
		_, _, err := p.Next(header, test.max)
		if test.ok && err != nil || !test.ok && err != errTooBig {
			t.Errorf("%d bytes with limit %d: %v", test.length, test.max, err)
		}
	}
}

// TestParserSize keeps what a connection costs while something is pending.
func TestParserSize(t *testing.T) {
	if size := unsafe.Sizeof(Parser{}); size > 200 {
		t.Errorf("a Parser takes %d bytes, more than 200", size)
	}
}

// TestParserRandomMessages sends random messages in random fragments with
// random control frames between, cut at random.
func TestParserRandomMessages(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 300 {
		client := round%2 == 1
		input, want := randomStream(random, client)
		var cuts []int
		for at := 0; at < len(input); {
			cuts = append(cuts, at)
			at += random.IntN(40)
		}
		got := record(t, input, client, 1<<20, cuts...)
		if got.code != 0 || !got.rest || fmt.Sprint(got.events) != fmt.Sprint(want) {
			t.Fatalf("round %d:\n got %.500v\nwant %.500v", round, got, want)
		}
	}
}

func randomStream(random *rand.Rand, client bool) (stream []byte, want []string) {
	frame := func(op ws.OpCode, fin bool, payload []byte) {
		if client {
			stream = append(AppendHeader(stream, op, fin, len(payload)), payload...)
			return
		}
		var mask [4]byte
		for i := range mask {
			mask[i] = byte(random.Uint32())
		}
		stream = AppendMaskedHeader(stream, op, fin, len(payload), mask)
		stream = append(stream, payload...)
		ws.Cipher(stream[len(stream)-len(payload):], mask, 0)
	}
	letters := []rune("az\x00é߿ࠀ\ud7ff￿😀\U0010ffff")
	for range 1 + random.IntN(5) {
		var message []byte
		for range random.IntN(200) {
			message = append(message, string(letters[random.IntN(len(letters))])...)
		}
		whole, op := message, ws.OpText
		for {
			n := len(message)
			if random.IntN(3) > 0 {
				n = random.IntN(n + 1)
			}
			last := n == len(message)
			frame(op, last, message[:n])
			op, message = ws.OpContinuation, message[n:]
			if last {
				break
			}
			if random.IntN(2) == 0 {
				payload := bytes.Repeat([]byte{'p'}, random.IntN(ws.MaxControlFramePayloadSize+1))
				frame(ws.OpPing, true, payload)
				want = append(want, fmt.Sprintf("ping %q", payload))
			}
		}
		want = append(want, fmt.Sprintf("text %q", whole))
	}
	return stream, want
}

// FuzzParser checks that events don't depend on how the input is cut, and that
// they are those of a plain decoder on top of gobwas/ws.
func FuzzParser(f *testing.F) {
	for _, v := range readFrameVectors(f) {
		if len(v.input) < 300 {
			f.Add(v.input, v.client, uint16(min(v.max, math.MaxUint16)), uint64(7))
		}
	}
	f.Fuzz(func(t *testing.T, input []byte, client bool, max uint16, seed uint64) {
		input = input[:min(len(input), 512)] // the work is quadratic
		limit := int64(max)
		whole := record(t, input, client, limit)
		compareModel(t, input, client, limit, whole)
		if got := recordBytes(t, input, client, limit); !got.equal(whole) {
			t.Fatalf("byte by byte:\n  got %v\nwhole %v", got, whole)
		}
		for cut := range input {
			if got := record(t, input, client, limit, cut); !got.equal(whole) {
				t.Fatalf("cut at %d:\n  got %v\nwhole %v", cut, got, whole)
			}
		}
		var cuts []int
		random := rand.New(rand.NewPCG(seed, 0))
		for at := 0; at < len(input); at += random.IntN(20) {
			cuts = append(cuts, at)
		}
		if got := record(t, input, client, limit, cuts...); !got.equal(whole) {
			t.Fatalf("cut at %d:\n  got %v\nwhole %v", cuts, got, whole)
		}
	})
}

func BenchmarkParserNext(b *testing.B) {
	const read = 64 << 10 // what a server takes from a socket at once
	for _, op := range []ws.OpCode{ws.OpText, ws.OpBinary} {
		for _, size := range []int{16, 125, 1024, 16384, 65536} {
			b.Run(fmt.Sprintf("op=%s/size=%d", kindOf[op], size), func(b *testing.B) {
				frame := AppendMaskedFrame(nil, op, bytes.Repeat([]byte{'a'}, size), [4]byte{})
				count := max(1, read/len(frame))
				input := bytes.Repeat(frame, count)
				b.SetBytes(int64(len(frame)))
				b.ReportAllocs()
				var p Parser
				rest := input
				for b.Loop() {
					n, ev, err := p.Next(rest, read)
					if err != nil || !ev.Last || len(ev.Data) != size {
						b.Fatal(n, ev, err)
					}
					if rest = rest[n:]; len(rest) == 0 {
						rest = input
					}
				}
			})
		}
	}
	b.Run("op=ping/size=8", func(b *testing.B) {
		frame := AppendMaskedFrame(nil, ws.OpPing, []byte("12345678"), [4]byte{1, 2, 3, 4})
		b.SetBytes(int64(len(frame)))
		b.ReportAllocs()
		var p Parser
		for b.Loop() {
			if _, ev, err := p.Next(frame, 0); err != nil || ev.Kind != EventPing {
				b.Fatal(ev, err)
			}
		}
	})
}
