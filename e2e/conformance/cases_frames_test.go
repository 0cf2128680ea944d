package conformance

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
)

// once turns bytes into a testCase.send.
func once(b []byte) func() []byte { return func() []byte { return bytes.Clone(b) } }

func echoOf(op byte, payload string) []message { return []message{{op: op, payload: payload}} }

// filler is n bytes of text.
func filler(n int) string { return strings.Repeat("The quick onyx goblin jumps. ", n/29+1)[:n] }

var opNames = map[byte]string{
	opContinuation: "continuation", opText: "text", opBinary: "binary", opClose: "close", opPing: "ping", opPong: "pong",
}

// lengthCases: chapter 1, lengths of frames in all three forms.
func lengthCases(b *book) {
	borders := []int{0, 1, 2, 124, 125, 126, 127, 128, 1000, 65534, 65535, 65536, 65537, 100_000}
	for i, op := range []byte{opText, opBinary} {
		b.begin(1, 1+i, "RFC 6455 5.2")
		for _, n := range borders {
			payload := filler(n)
			for _, chop := range []int{0, 997} {
				b.add(testCase{
					name: fmt.Sprintf("%s of %d bytes, written %s", opNames[op], n, inPieces(chop)), chop: chop,
					send: once(frame(fin|op, []byte(payload))), echo: echoOf(op, payload),
				})
			}
			if n <= 128 {
				b.add(testCase{
					name: fmt.Sprintf("%s of %d bytes, written byte by byte", opNames[op], n), chop: 1,
					send: once(frame(fin|op, []byte(payload))), echo: echoOf(op, payload),
				})
			}
		}
	}
	b.begin(1, 3, "RFC 6455 5.2")
	for _, op := range []byte{opText, opBinary} {
		for _, n := range []int{0, 1, 125} {
			long := binary.BigEndian.AppendUint16([]byte{fin | op, 0x80 | 126}, uint16(n))
			b.add(testCase{name: fmt.Sprintf("%s: %d bytes in the form of 16 bits", opNames[op], n), send: once(body(long, []byte(filler(n)), maskKey)), code: 1002})
		}
		for _, n := range []uint64{0, 1, 125, 126, 65535} {
			long := binary.BigEndian.AppendUint64([]byte{fin | op, 0x80 | 127}, n)
			b.add(testCase{name: fmt.Sprintf("%s: %d bytes in the form of 64 bits", opNames[op], n), send: once(body(long, []byte(filler(int(n))), maskKey)), code: 1002})
		}
		for _, n := range []uint64{1 << 63, 1<<64 - 1} {
			long := binary.BigEndian.AppendUint64([]byte{fin | op, 0x80 | 127}, n)
			b.add(testCase{name: fmt.Sprintf("%s: a length with its top bit set, %#x", opNames[op], n), send: once(body(long, nil, maskKey)), code: 1002})
		}
		for _, n := range []uint64{16<<20 + 1, 1 << 32, 1<<63 - 1} {
			long := binary.BigEndian.AppendUint64([]byte{fin | op, 0x80 | 127}, n)
			b.add(testCase{rule: "RFC 6455 7.4.1", name: fmt.Sprintf("%s: %d bytes announced, above the limit", opNames[op], n), send: once(body(long, nil, maskKey)), code: 1009})
		}
	}
}

func inPieces(chop int) string {
	if chop == 0 {
		return "at once"
	}
	return fmt.Sprintf("%d bytes at a time", chop)
}

// controlCases: chapter 2, pings and pongs.
func controlCases(b *book) {
	b.begin(2, 1, "RFC 6455 5.5.2")
	for _, payload := range []string{"", "x", "Are you there?", "\x00\xff\xfe\xfd\x00", strings.Repeat("\xfe", 124), strings.Repeat("\xfe", 125), "κόσμε"} {
		for _, chop := range []int{0, 1} {
			b.add(testCase{
				name: fmt.Sprintf("ping with %d bytes %.8q, written %s", len(payload), payload, inPieces(chop)), chop: chop,
				send: once(frame(fin|opPing, []byte(payload))), echo: echoOf(opPong, payload),
			})
		}
	}
	b.add(testCase{name: "a ping before and after a message", send: once(join(frame(fin|opPing, []byte("1")), text("m"), frame(fin|opPing, []byte("2")))),
		echo: []message{{op: opPong, payload: "1"}, {op: opText, payload: "m"}, {op: opPong, payload: "2"}}})
	for _, chop := range []int{0, 1, 7} {
		var send []byte
		var want []message
		for i := range 10 {
			payload := fmt.Sprintf("ping %d", i)
			send = append(send, frame(fin|opPing, []byte(payload))...)
			want = append(want, message{op: opPong, payload: payload})
		}
		b.add(testCase{name: "ten pings, written " + inPieces(chop), chop: chop, send: once(send), echo: want})
	}
	b.begin(2, 2, "RFC 6455 5.5.3")
	for _, payload := range []string{"", "unasked", strings.Repeat("\xff", 125)} {
		pong := frame(fin|opPong, []byte(payload))
		b.add(testCase{name: fmt.Sprintf("an unsolicited pong of %d bytes", len(payload)), send: once(pong)})
		b.add(testCase{name: fmt.Sprintf("an unsolicited pong of %d bytes, then a ping", len(payload)), send: once(join(pong, frame(fin|opPing, []byte("p")))), echo: echoOf(opPong, "p")})
		b.add(testCase{name: fmt.Sprintf("an unsolicited pong of %d bytes within a message", len(payload)), send: once(join(frame(opText, []byte("a")), pong, frame(fin, []byte("b")))), echo: echoOf(opText, "ab")})
	}
	b.begin(2, 3, "RFC 6455 5.5")
	for _, op := range []byte{opPing, opPong, opClose} {
		for _, n := range []int{126, 127, 65535, 65536} {
			b.add(testCase{name: fmt.Sprintf("%s of %d bytes", opNames[op], n), send: once(frame(fin|op, []byte(filler(n)))), code: 1002})
		}
		for _, n := range []int{0, 1, 125} {
			b.add(testCase{name: fmt.Sprintf("%s of %d bytes without FIN", opNames[op], n), send: once(frame(op, []byte(filler(n)))), code: 1002})
		}
		long := binary.BigEndian.AppendUint16([]byte{fin | op, 0x80 | 126}, 2)
		b.add(testCase{name: opNames[op] + " of 2 bytes in the form of 16 bits", send: once(body(long, []byte("ab"), maskKey)), code: 1002})
	}
}

// reservedCases: chapters 3 and 4, reserved bits and opcodes.
func reservedCases(b *book) {
	b.begin(3, 1, "RFC 6455 5.2")
	for bits := byte(1); bits < 8; bits++ {
		for _, op := range []byte{opText, opBinary, opContinuation, opPing, opPong, opClose} {
			send := join(text("before"), frame(fin|bits<<4|op, []byte("\x03\xe8")))
			if op == opContinuation {
				send = join(text("before"), frame(opText, []byte("a")), frame(fin|bits<<4, []byte("b")))
			}
			b.add(testCase{name: fmt.Sprintf("reserved bits %03b on %s, no extension negotiated", bits, opNames[op]), send: once(send), echo: echoOf(opText, "before"), code: 1002})
		}
	}
	b.begin(4, 1, "RFC 6455 5.2")
	for _, op := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		b.add(testCase{name: fmt.Sprintf("reserved opcode %d", op), send: once(frame(fin|op, nil)), code: 1002})
		b.add(testCase{name: fmt.Sprintf("reserved opcode %d with a payload", op), send: once(frame(fin|op, []byte("payload"))), code: 1002})
		b.add(testCase{name: fmt.Sprintf("reserved opcode %d after a message", op), send: once(join(text("m"), frame(fin|op, nil), frame(fin|opPing, nil))), echo: echoOf(opText, "m"), code: 1002})
		b.add(testCase{name: fmt.Sprintf("reserved opcode %d within a message", op), chop: 1, send: once(join(frame(opText, []byte("a")), frame(fin|op, nil), frame(fin, []byte("b")))), code: 1002})
	}
}

// fragmentCases: chapter 5, messages in several frames.
func fragmentCases(b *book) {
	ping := frame(fin|opPing, []byte("between"))
	pong := message{op: opPong, payload: "between"}
	b.begin(5, 1, "RFC 6455 5.4")
	for _, op := range []byte{opText, opBinary} {
		for _, step := range []int{1, 7, 64, 125, 126, 1000} {
			payload := filler(1000)
			for _, chop := range []int{0, 13} {
				b.add(testCase{name: fmt.Sprintf("%s in fragments of %d bytes, written %s", opNames[op], step, inPieces(chop)), chop: chop,
					send: once(fragments(op, []byte(payload), step)), echo: echoOf(op, payload)})
			}
		}
		for _, parts := range [][]string{{"", ""}, {"", "b"}, {"a", ""}, {"", "", ""}, {"a", "", "b"}, {"", "a", ""}} {
			send := frame(op, []byte(parts[0]))
			for i, part := range parts[1:] {
				first := byte(opContinuation)
				if i == len(parts)-2 {
					first |= fin
				}
				send = append(send, frame(first, []byte(part))...)
			}
			b.add(testCase{name: fmt.Sprintf("%s in fragments %q", opNames[op], parts), send: once(send), echo: echoOf(op, strings.Join(parts, ""))})
		}
	}
	b.begin(5, 2, "RFC 6455 5.4")
	for _, chop := range []int{0, 1} {
		b.add(testCase{name: "a ping between fragments, written " + inPieces(chop), chop: chop, send: once(join(frame(opText, []byte("one ")), ping, frame(fin, []byte("two")))),
			echo: []message{pong, {op: opText, payload: "one two"}}})
		b.add(testCase{name: "pings between five fragments, written " + inPieces(chop), chop: chop,
			send: once(join(frame(opBinary, []byte("1")), ping, frame(0, []byte("2")), frame(0, []byte("3")), ping, ping, frame(0, nil), frame(fin, []byte("4")))),
			echo: []message{pong, pong, pong, {op: opBinary, payload: "1234"}}})
		b.add(testCase{name: "a close frame between fragments, written " + inPieces(chop), chop: chop, send: once(join(frame(opText, []byte("one ")), closeFrame(1000, ""), frame(fin, []byte("two")))), ended: 1000})
	}
	b.begin(5, 3, "RFC 6455 5.4")
	for _, c := range []struct {
		name string
		send []byte
		echo []message
	}{
		{"a last continuation of nothing", frame(fin, []byte("a")), nil},
		{"a continuation of nothing", frame(0, []byte("a")), nil},
		{"an empty continuation of nothing", frame(fin, nil), nil},
		{"a continuation after a whole message", join(text("whole"), frame(fin, []byte("a"))), echoOf(opText, "whole")},
		{"a continuation after the last fragment", join(fragments(opText, []byte("ab"), 1), frame(fin, []byte("c"))), echoOf(opText, "ab")},
		{"a continuation of nothing, between two messages", join(text("1"), frame(0, []byte("a")), text("2")), echoOf(opText, "1")},
		{"a text within a text", join(frame(opText, []byte("a")), text("b")), nil},
		{"a binary within a text", join(frame(opText, []byte("a")), frame(fin|opBinary, []byte("b"))), nil},
		{"a text within a binary", join(frame(opBinary, []byte("a")), text("b")), nil},
		{"a first fragment within a message", join(frame(opText, []byte("a")), frame(opText, []byte("b"))), nil},
		{"an empty text within an empty text", join(frame(opText, nil), text("")), nil},
		{"a text within a message, after a ping", join(frame(opText, []byte("a")), ping, frame(0, []byte("b")), text("c")), []message{pong}},
	} {
		b.add(testCase{name: c.name, send: once(c.send), echo: c.echo, code: 1002})
		b.add(testCase{name: c.name + ", byte by byte", chop: 1, send: once(c.send), echo: c.echo, code: 1002})
	}
}

// maskCases: chapter 8, masks.
func maskCases(b *book) {
	b.begin(8, 1, "RFC 6455 5.1")
	for _, op := range []byte{opText, opBinary, opContinuation, opPing, opPong, opClose} {
		for _, payload := range []string{"", "ab"} {
			send := append(header(fin|op, 0, len(payload)), payload...)
			if op == opContinuation {
				send = append(frame(opText, nil), send...)
			}
			b.add(testCase{name: fmt.Sprintf("%s of %d bytes, not masked", opNames[op], len(payload)), send: once(send), code: 1002})
		}
	}
	for _, n := range []int{126, 65536} {
		b.add(testCase{name: fmt.Sprintf("text of %d bytes, not masked", n), send: once(append(header(fin|opText, 0, n), filler(n)...)), code: 1002})
	}
	b.begin(8, 2, "RFC 6455 5.3")
	for _, key := range [][4]byte{{}, {255, 255, 255, 255}, {0x37, 0xfa, 0x21, 0x3d}, {0, 0, 0, 1}} {
		for _, n := range []int{0, 1, 2, 3, 4, 5, 300} {
			b.add(testCase{name: fmt.Sprintf("mask %x on %d bytes", key, n), send: once(masked(fin|opText, []byte(filler(n)), key)), echo: echoOf(opText, filler(n))})
		}
		b.add(testCase{name: fmt.Sprintf("mask %x, byte by byte", key), chop: 1, send: once(masked(fin|opText, []byte(filler(67)), key)), echo: echoOf(opText, filler(67))})
	}
}

// largeCases: chapter 9, messages up to the limit of 16 MiB.
func largeCases(b *book) {
	const limit = 16 << 20
	for i, op := range []byte{opText, opBinary} {
		b.begin(9, 1+i, "RFC 6455 5.2")
		for _, n := range []int{256 << 10, 1 << 20, 4 << 20, 8 << 20, limit} {
			b.add(testCase{name: fmt.Sprintf("%s of %d bytes", opNames[op], n),
				send: func() []byte { return frame(fin|op, []byte(filler(n))) }, echo: echoOf(op, filler(n))})
		}
		for _, step := range []int{256, 1 << 10, 4 << 10, 64 << 10, 1 << 20} {
			const n = 4 << 20
			b.add(testCase{name: fmt.Sprintf("%s of %d bytes in fragments of %d", opNames[op], n, step),
				send: func() []byte { return fragments(op, []byte(filler(n)), step) }, echo: echoOf(op, filler(n))})
		}
		for _, chop := range []int{128, 1 << 10, 2 << 10, 64 << 10} {
			const n = 1 << 20
			b.add(testCase{name: fmt.Sprintf("%s of %d bytes, written %s", opNames[op], n, inPieces(chop)), chop: chop,
				send: func() []byte { return frame(fin|op, []byte(filler(n))) }, echo: echoOf(op, filler(n))})
		}
		b.add(testCase{rule: "RFC 6455 7.4.1", name: fmt.Sprintf("%s, fragments that add up to a byte above the limit", opNames[op]),
			send: func() []byte { return join(frame(op, []byte(filler(limit))), frame(fin, []byte("x"))) }, code: 1009})
		b.add(testCase{rule: "RFC 6455 7.4.1", name: fmt.Sprintf("%s, a fragment announced above the remaining limit", opNames[op]),
			send: func() []byte { return join(frame(op, []byte("x")), header(0, 0x80, limit), maskKey[:]) }, code: 1009})
	}
	b.begin(9, 3, "RFC 6455 5.2")
	for _, n := range []int{0, 125, 1000, 20_000} {
		send, want := []byte(nil), []message(nil)
		for i := range 200 {
			payload := fmt.Sprint(i) + filler(n)
			send, want = append(send, text(payload)...), append(want, message{op: opText, payload: payload})
		}
		b.add(testCase{name: fmt.Sprintf("200 messages of %d bytes and more at once", n), send: once(send), echo: want})
	}
}
