package conformance

import (
	"bytes"
	"fmt"
	"math/rand/v2"
)

const (
	offerDeflate  = "permessage-deflate"
	agreedDeflate = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
)

// contents are the kinds of payload that deflate treats differently.
var contents = []struct {
	name string
	op   byte
	make func(n int) []byte
	// shrinks: from 256 bytes, castgate's threshold, it must come back compressed.
	shrinks bool
}{
	{"text", opText, func(n int) []byte { return []byte(filler(n)) }, true},
	{"noise", opBinary, noise, false},
	{"zeros", opBinary, func(n int) []byte { return make([]byte, n) }, true},
}

func noise(n int) []byte {
	r := rand.New(rand.NewPCG(7, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// deflateCases: chapter 12, compressed messages of all sizes.
func deflateCases(b *book) {
	sizes := []int{0, 1, 16, 64, 125, 126, 127, 255, 256, 257, 1024, 4096, 8192, 16384, 32767, 32768, 32769, 65535, 65536, 131072, 1 << 20}
	offers := []struct{ offer, agreed string }{
		{offerDeflate, agreedDeflate},
		{offerDeflate + "; client_max_window_bits; server_no_context_takeover", agreedDeflate},
		{offerDeflate + "; server_max_window_bits=9", agreedDeflate + "; server_max_window_bits=9"},
	}
	for i, content := range contents {
		for j, o := range offers {
			b.begin(12, 1+i*len(offers)+j, "RFC 7692 7.2")
			for _, n := range sizes {
				b.add(testCase{name: fmt.Sprintf("%s of %d bytes, offer %q", content.name, n, o.offer), offer: o.offer, agreed: o.agreed,
					send: func() []byte { return frame(fin|rsv1|content.op, deflate(content.make(n))) },
					echo: echoOf(content.op, string(content.make(n))), packs: content.shrinks && n >= 256})
			}
		}
	}
	b.begin(12, 10, "RFC 7692 6.1")
	for _, n := range []int{1000, 65536, 300_000} {
		for _, step := range []int{1, 7, 64, 125, 1000, 32768} {
			if n/step > 100_000 {
				continue
			}
			payload := filler(n)
			packed := fragments(opText, deflate([]byte(payload)), step)
			packed[0] |= rsv1
			b.add(testCase{name: fmt.Sprintf("text of %d bytes, compressed, in fragments of %d", n, step), offer: offerDeflate, agreed: agreedDeflate,
				send: once(packed), echo: echoOf(opText, payload), packs: true})
		}
	}
	for _, chop := range []int{1, 3, 100, 1000} {
		payload := filler(20_000)
		b.add(testCase{name: "compressed text, written " + inPieces(chop), offer: offerDeflate, agreed: agreedDeflate, chop: chop,
			send: once(frame(fin|rsv1|opText, deflate([]byte(payload)))), echo: echoOf(opText, payload), packs: true})
	}
	for _, n := range []int{4 << 20, 16 << 20} {
		for _, content := range contents {
			b.add(testCase{name: fmt.Sprintf("%s of %d bytes", content.name, n), offer: offerDeflate, agreed: agreedDeflate,
				send: func() []byte { return frame(fin|rsv1|content.op, deflate(content.make(n))) },
				echo: echoOf(content.op, string(content.make(n))), packs: content.shrinks})
		}
	}
}

// deflateRuleCases: chapter 12 continued, what may be compressed and how.
func deflateRuleCases(b *book) {
	add := func(name string, c testCase) {
		c.name, c.offer, c.agreed = name, offerDeflate, agreedDeflate
		b.add(c)
		c.name, c.chop = name+", byte by byte", 1
		b.add(c)
	}
	packed := deflate([]byte("Hello"))
	b.begin(12, 11, "RFC 7692 6")
	add("a plain message", testCase{send: once(text("Hello")), echo: echoOf(opText, "Hello")})
	add("plain fragments", testCase{send: once(fragments(opText, []byte("Hello"), 2)), echo: echoOf(opText, "Hello")})
	add("plain and compressed in turn", testCase{send: once(join(text("a"), frame(fin|rsv1|opText, packed), text("b"), frame(fin|rsv1|opBinary, packed))),
		echo: []message{{op: opText, payload: "a"}, {op: opText, payload: "Hello"}, {op: opText, payload: "b"}, {op: opBinary, payload: "Hello"}}})
	add("the same compressed message again, no context kept", testCase{send: once(join(frame(fin|rsv1|opText, packed), frame(fin|rsv1|opText, packed))),
		echo: []message{{op: opText, payload: "Hello"}, {op: opText, payload: "Hello"}}})
	add("a ping within compressed fragments", testCase{send: once(join(frame(rsv1|opText, packed[:3]), frame(fin|opPing, []byte("p")), frame(fin, packed[3:]))),
		echo: []message{{op: opPong, payload: "p"}, {op: opText, payload: "Hello"}}})
	add("empty fragments around a compressed message", testCase{send: once(join(frame(rsv1|opText, nil), frame(0, packed), frame(fin, nil))), echo: echoOf(opText, "Hello")})
	for _, bits := range []byte{1, 2, 3, 5, 6, 7} {
		add(fmt.Sprintf("reserved bits %03b on text", bits), testCase{rule: "RFC 6455 5.2", send: once(frame(fin|bits<<4|opText, packed)), code: 1002})
	}
	for _, op := range []byte{opPing, opPong, opClose} {
		add("RSV1 on "+opNames[op], testCase{rule: "RFC 7692 6.1", send: once(frame(fin|rsv1|op, nil)), code: 1002})
	}
	add("RSV1 on the second frame of a compressed message", testCase{send: once(join(frame(rsv1|opText, packed[:3]), frame(fin|rsv1, packed[3:]))), code: 1002})
	add("RSV1 on the second frame of a plain message", testCase{send: once(join(frame(opText, []byte("a")), frame(fin|rsv1, []byte("b")))), code: 1002})

	b.begin(12, 12, "RFC 7692 7.2.3")
	for _, c := range []struct{ name, payload, want string }{
		{"a block with fixed codes", "\xf2\x48\xcd\xc9\xc9\x07\x00", "Hello"},
		{"a block without compression", "\x00\x05\x00\xfa\xffHello\x00", "Hello"},
		{"a block with BFINAL, and a byte behind it", "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "Hello"},
		{"two blocks", "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", "Hello"},
		{"an empty message in one byte", "\x00", ""},
		{"an empty block with fixed codes", "\x02\x00", ""},
	} {
		add(c.name, testCase{send: once(frame(fin|rsv1|opText, []byte(c.payload))), echo: echoOf(opText, c.want)})
	}
	b.begin(12, 13, "RFC 7692 7.2.2")
	half := deflate([]byte(filler(2000)))
	for _, c := range []struct {
		name    string
		payload []byte
	}{
		{"a reserved type of block", []byte{0x07}},
		{"a distance before the beginning", []byte("\x03\x01\xff")},
		{"a length and a complement that differ", []byte("\x00\x05\x00\xfb\xffHello\x00")},
		{"noise", []byte("\xff\xff\xff\xff\xff")},
		{"text that was not compressed", []byte("Hello, world")},
		{"a message that is cut in half", half[:len(half)/2]},
		{"a message that lacks a byte", half[:len(half)-1]},
		{"nothing at all", nil},
	} {
		add(c.name, testCase{send: once(frame(fin|rsv1|opText, c.payload)), code: 1007})
	}
	b.begin(12, 14, "RFC 6455 8.1")
	for _, c := range invalidText {
		b.add(testCase{name: "compressed: " + c.name, offer: offerDeflate, agreed: agreedDeflate, send: once(frame(fin|rsv1|opText, deflate([]byte("ok"+c.bytes)))), code: 1007})
	}
	for _, s := range unfinishedText {
		b.add(testCase{name: fmt.Sprintf("compressed text that ends in %q", s), offer: offerDeflate, agreed: agreedDeflate, send: once(frame(fin|rsv1|opText, deflate([]byte(s)))), code: 1007})
	}
	b.begin(12, 15, "RFC 6455 7.4.1")
	for _, n := range []int{16<<20 + 1, 256 << 20} {
		zeros := bomb(n)
		b.add(testCase{name: fmt.Sprintf("%d bytes that inflate to %d, above the limit", len(zeros), n), offer: offerDeflate, agreed: agreedDeflate,
			send: once(frame(fin|rsv1|opBinary, zeros)), code: 1009})
	}
	stuffed := append(bytes.Repeat([]byte("\x00\x00\x00\xff\xff"), 4<<20), 0)
	b.add(testCase{name: fmt.Sprintf("%d bytes of empty blocks", len(stuffed)), offer: offerDeflate, agreed: agreedDeflate,
		send: func() []byte { return frame(fin|rsv1|opBinary, stuffed) }, code: 1009})
}

// negotiationCases: chapter 13, offers and answers. An echoed message shows that
// the result works.
func negotiationCases(b *book) {
	add := func(offer, agreed string) {
		c := testCase{name: fmt.Sprintf("%.90q", offer), offer: offer, agreed: agreed, send: once(text(filler(600))), echo: echoOf(opText, filler(600)), packs: agreed != ""}
		b.add(c)
	}
	b.begin(13, 1, "RFC 7692 7.1.2.1")
	for _, bits := range append(numbers(0, 17), "08", "015", "+9", "-9", "9.0", "1e1", "0x9", "100", "x") {
		agreed := ""
		if isBits(bits) {
			agreed = agreedDeflate + "; server_max_window_bits=" + bits
		}
		add(offerDeflate+"; server_max_window_bits="+bits, agreed)
	}
	add(offerDeflate+"; server_max_window_bits", "")
	b.begin(13, 2, "RFC 7692 7.1.2.2")
	for _, bits := range append(numbers(0, 17), "08", "015", "+9", "-9", "9.0", "1e1", "0x9", "100", "x") {
		agreed := ""
		if isBits(bits) {
			agreed = agreedDeflate
		}
		add(offerDeflate+"; client_max_window_bits="+bits, agreed)
	}
	add(offerDeflate+"; client_max_window_bits", agreedDeflate)
	b.begin(13, 3, "RFC 7692 7.1.1")
	for _, name := range []string{"server_no_context_takeover", "client_no_context_takeover"} {
		add(offerDeflate+"; "+name, agreedDeflate)
		for _, value := range []string{"1", "true", "15", `""x`, `"true"`} {
			if value == `""x` {
				continue // violates the grammar: section 13.6
			}
			add(offerDeflate+"; "+name+"="+value, "")
		}
	}
	add(offerDeflate+"; server_no_context_takeover; client_no_context_takeover", agreedDeflate)
	b.begin(13, 4, "RFC 7692 7.1")
	for _, p := range []string{"server_no_context_takeover", "client_no_context_takeover", "client_max_window_bits", "client_max_window_bits=9", "server_max_window_bits=9"} {
		add(offerDeflate+"; "+p+"; "+p, "")
	}
	add(offerDeflate+"; client_max_window_bits; client_max_window_bits=10", "")
	add(offerDeflate+"; server_max_window_bits=9; server_max_window_bits=10", "")
	for _, p := range []string{"unknown", "unknown=1", "level=9", "server_max_window_bit=9", "server_max_window_bits_=9"} {
		add(offerDeflate+"; "+p, "")
		add(offerDeflate+"; client_max_window_bits; "+p, "")
	}
	b.begin(13, 5, "RFC 6455 9.1")
	add("Permessage-Deflate; CLIENT_MAX_WINDOW_BITS", agreedDeflate)
	add(offerDeflate+` ; client_max_window_bits = "10"`, agreedDeflate)
	add(offerDeflate+`;server_max_window_bits="15"`, agreedDeflate+"; server_max_window_bits=15")
	add(offerDeflate+`; server_max_window_bits="1\1"`, agreedDeflate+"; server_max_window_bits=11")
	add(offerDeflate+`; server_max_window_bits="7"`, "")
	add("x-webkit-deflate-frame", "")
	add("permessage-bzip2; x=1, permessage-foo; y=\"z\"", "")
	add("permessage-foo, permessage-deflate", agreedDeflate)
	add(offerDeflate+", permessage-foo", agreedDeflate)
	add(offerDeflate+"; server_max_window_bits=16, "+offerDeflate, agreedDeflate)
	add(offerDeflate+"; unknown, "+offerDeflate+"; server_max_window_bits=10", agreedDeflate+"; server_max_window_bits=10")
	add(offerDeflate+"; server_max_window_bits=9, "+offerDeflate, agreedDeflate+"; server_max_window_bits=9")
	add(offerDeflate+", "+offerDeflate+"; server_max_window_bits=9", agreedDeflate)
	add(offerDeflate+"\r\nSec-WebSocket-Extensions: permessage-foo", agreedDeflate)
	add("permessage-foo\r\nSec-WebSocket-Extensions: "+offerDeflate, agreedDeflate)
	add(string(bytes.Repeat([]byte("permessage-deflate; client_max_window_bits=7, "), 160))+offerDeflate, agreedDeflate)
	b.begin(13, 6, "RFC 6455 9.1")
	for _, offer := range []string{
		",", ";", "; a", offerDeflate + ";", offerDeflate + "; ; a", offerDeflate + "; =9", offerDeflate + "; a=", offerDeflate + `; a=""`, offerDeflate + `; a="9`,
		offerDeflate + `; a="9"9`, offerDeflate + `; a="a b"`, offerDeflate + " a", offerDeflate + "; a=b=c", offerDeflate + "/1", `"permessage-deflate"`, offerDeflate + "; a=(b)", offerDeflate + "\r\nSec-WebSocket-Extensions:",
	} {
		b.add(testCase{name: fmt.Sprintf("%q breaks the grammar", offer), offer: offer, refused: 400})
	}
}

func numbers(from, to int) (list []string) {
	for n := from; n <= to; n++ {
		list = append(list, fmt.Sprint(n))
	}
	return list
}

// isBits: 8 to 15, as RFC 7692 section 7.1.2 writes them.
func isBits(s string) bool {
	for _, n := range numbers(8, 15) {
		if s == n {
			return true
		}
	}
	return false
}
