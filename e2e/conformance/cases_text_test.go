package conformance

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// invalidText are byte sequences that are not UTF-8 (RFC 3629 section 4), each with
// the number of bytes after which that is certain.
var invalidText = []struct {
	name  string
	bytes string
	seen  int
}{
	{"a continuation byte", "\x80", 1},
	{"the last continuation byte", "\xbf", 1},
	{"two continuation bytes", "\x80\xbf", 1},
	{"byte C0", "\xc0", 1},
	{"byte C1", "\xc1", 1},
	{"byte F5", "\xf5", 1},
	{"byte F8", "\xf8", 1},
	{"byte FC", "\xfc", 1},
	{"byte FE", "\xfe", 1},
	{"byte FF", "\xff", 1},
	{"overlong / in two bytes", "\xc0\xaf", 1},
	{"overlong / in three bytes", "\xe0\x80\xaf", 2},
	{"overlong / in four bytes", "\xf0\x80\x80\xaf", 2},
	{"overlong NUL", "\xc0\x80", 1},
	{"overlong U+007F", "\xc1\xbf", 1},
	{"overlong U+07FF", "\xe0\x9f\xbf", 2},
	{"overlong U+FFFF", "\xf0\x8f\xbf\xbf", 2},
	{"first surrogate", "\xed\xa0\x80", 2},
	{"last high surrogate", "\xed\xaf\xbf", 2},
	{"first low surrogate", "\xed\xb0\x80", 2},
	{"last surrogate", "\xed\xbf\xbf", 2},
	{"a pair of surrogates", "\xed\xa0\xbd\xed\xb8\x80", 2},
	{"U+110000", "\xf4\x90\x80\x80", 2},
	{"five bytes", "\xf8\x88\x80\x80\x80", 1},
	{"six bytes", "\xfc\x84\x80\x80\x80\x80", 1},
	{"two bytes, the second not a continuation", "\xc3A", 2},
	{"three bytes, the second not a continuation", "\xe2A\x80", 2},
	{"three bytes, the third not a continuation", "\xe2\x82A", 3},
	{"four bytes, the second not a continuation", "\xf0A\x80\x80", 2},
	{"four bytes, the third not a continuation", "\xf0\x9fA\x80", 3},
	{"four bytes, the fourth not a continuation", "\xf0\x9f\x98A", 4},
	{"two bytes, then a new character", "\xc3\xc3", 2},
	{"UTF-16", "\xff\xfeH\x00", 1},
	{"ISO 8859-1", "caf\xe9!", 5},
}

// unfinishedText is an incomplete prefix of valid UTF-8.
var unfinishedText = []string{"\xc3", "\xe2", "\xe2\x82", "\xf0", "\xf0\x9f", "\xf0\x9f\x98", "good \xce", "\xf4\x8f\xbf"}

// borderRunes are code points at the limits of the encoded lengths.
var borderRunes = []rune{
	0x00, 0x01, 0x0a, 0x1f, 0x20, 0x7e, 0x7f, 0x80, 0xa0, 0xff, 0x7ff, 0x800, 0xfff, 0x1000, 0xcfff, 0xd000, 0xd7ff, 0xe000, 0xfdd0,
	0xfeff, 0xfffd, 0xfffe, 0xffff, 0x10000, 0x1fffe, 0x1ffff, 0x2ffff, 0x3ffff, 0x40000, 0x7ffff, 0x8ffff, 0xeffff, 0xf0000, 0xfffff, 0x100000, 0x10fffd, 0x10fffe, 0x10ffff,
}

// textCases: chapter 6, text is UTF-8.
func textCases(b *book) {
	b.begin(6, 1, "RFC 6455 5.6")
	for _, r := range borderRunes {
		b.add(testCase{name: fmt.Sprintf("%U", r), send: once(text(string(r))), echo: echoOf(opText, string(r))})
	}
	const mixed = "Grüße, κόσμε — 日本 𝄞😀!"
	b.begin(6, 2, "RFC 6455 5.6, 5.4")
	for i := range len(mixed) + 1 {
		b.add(testCase{name: fmt.Sprintf("characters of one to four bytes, cut into fragments at byte %d", i),
			send: once(join(frame(opText, []byte(mixed[:i])), frame(fin, []byte(mixed[i:])))), echo: echoOf(opText, mixed)})
	}
	for _, chop := range []int{0, 1, 2, 3} {
		b.add(testCase{name: "such characters in fragments of a byte, written " + inPieces(chop), chop: chop, send: once(fragments(opText, []byte(mixed), 1)), echo: echoOf(opText, mixed)})
		b.add(testCase{name: "such characters in one frame, written " + inPieces(chop), chop: chop, send: once(text(mixed)), echo: echoOf(opText, mixed)})
	}
	long := strings.Repeat(mixed, 3000)
	for _, step := range []int{1021, 4096, 65535} {
		b.add(testCase{name: fmt.Sprintf("%d bytes of them in fragments of %d", len(long), step), send: once(fragments(opText, []byte(long), step)), echo: echoOf(opText, long)})
	}
	b.begin(6, 3, "RFC 6455 8.1")
	for _, c := range invalidText {
		b.add(testCase{name: c.name, send: once(text(c.bytes)), code: 1007})
		b.add(testCase{name: c.name + ", within good text, byte by byte", chop: 1, send: once(text("κό" + c.bytes + "σμε")), code: 1007})
		b.add(testCase{name: c.name + ", seen before the message is complete", send: once(frame(opText, []byte("ok"+c.bytes[:c.seen]))), code: 1007})
	}
	b.begin(6, 4, "RFC 6455 8.1")
	for _, s := range unfinishedText {
		b.add(testCase{name: fmt.Sprintf("text that ends in %q", s), send: once(text(s)), code: 1007})
		b.add(testCase{name: fmt.Sprintf("fragments that end in %q", s), send: once(fragments(opText, []byte(s), 1)), code: 1007})
		b.add(testCase{rule: "RFC 6455 5.6", name: fmt.Sprintf("binary that ends in %q", s), send: once(frame(fin|opBinary, []byte(s))), echo: echoOf(opBinary, s)})
	}
	b.begin(6, 5, "RFC 6455 8.1")
	for _, at := range []int{0, 65534, 65535, 65536, 200_000} {
		bad := []byte(filler(300_000))
		bad[at] = 0xff
		b.add(testCase{name: fmt.Sprintf("a bad byte at %d of 300,000", at), send: once(text(string(bad))), code: 1007})
	}
}

// closeCases: chapter 7, the end of a connection.
func closeCases(b *book) {
	b.begin(7, 1, "RFC 6455 7.4")
	for _, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3001, 3999, 4000, 4001, 4999} {
		for _, reason := range []string{"", "bye"} {
			b.add(testCase{name: fmt.Sprintf("close with %d %q", code, reason), send: once(closeFrame(code, reason)), ended: code})
		}
	}
	b.begin(7, 2, "RFC 6455 7.4")
	for _, code := range []int{0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 1999, 2000, 2999, 5000, 9999, 65535} {
		for _, reason := range []string{"", "bye"} {
			b.add(testCase{name: fmt.Sprintf("close with %d %q, which must not be sent", code, reason), send: once(closeFrame(code, reason)), code: 1002})
		}
	}
	b.begin(7, 3, "RFC 6455 5.5.1")
	b.add(testCase{name: "close without a code", send: once(frame(fin|opClose, nil)), ended: 1005})
	b.add(testCase{name: "close with half a code", send: once(frame(fin|opClose, []byte{3})), code: 1002})
	for _, n := range []int{1, 122, 123} {
		b.add(testCase{name: fmt.Sprintf("close with a reason of %d bytes", n), send: once(closeFrame(1000, filler(n))), ended: 1000})
	}
	b.add(testCase{name: "close with a reason of 124 bytes", send: once(closeFrame(1000, filler(124))), code: 1002})
	b.add(testCase{name: "close with a reason of many alphabets", send: once(closeFrame(1000, "Grüße κόσμε 日本 😀")), ended: 1000})
	for _, s := range []string{"\xff", "\xc3", "ok\xed\xa0\x80", "\xf0\x9f\x98"} {
		b.add(testCase{rule: "RFC 6455 8.1", name: fmt.Sprintf("close with reason %q", s), send: once(closeFrame(1000, s)), code: 1007})
	}
	b.begin(7, 4, "RFC 6455 5.5.1")
	for _, chop := range []int{0, 1} {
		how := ", written " + inPieces(chop)
		bye := closeFrame(1000, "")
		b.add(testCase{name: "a message, then close" + how, chop: chop, send: once(join(text("last"), bye)), echo: echoOf(opText, "last"), ended: 1000})
		b.add(testCase{name: "a ping, then close" + how, chop: chop, send: once(join(frame(fin|opPing, []byte("p")), bye)), echo: echoOf(opPong, "p"), ended: 1000})
		b.add(testCase{name: "a message after close" + how, chop: chop, send: once(join(bye, text("late"))), ended: 1000})
		b.add(testCase{name: "a ping after close" + how, chop: chop, send: once(join(bye, frame(fin|opPing, nil))), ended: 1000})
		b.add(testCase{name: "two close frames" + how, chop: chop, send: once(join(bye, closeFrame(1001, ""))), ended: 1000})
		b.add(testCase{name: "rubbish after close" + how, chop: chop, send: once(join(bye, []byte("\xff\xff\xff\xff"))), ended: 1000})
		b.add(testCase{name: "a large message after close" + how, chop: chop * 1000, send: once(join(bye, text(filler(100_000)))), ended: 1000})
	}
	b.begin(7, 5, "RFC 6455 7.1.7")
	broken := frame(fin|3, nil)
	for _, c := range []struct {
		name  string
		after []byte
	}{
		{"a message", text("late")}, {"a ping", frame(fin|opPing, nil)}, {"a close frame", closeFrame(1000, "")}, {"another violation", broken}, {"much", text(filler(100_000))},
	} {
		b.add(testCase{name: "anything after a violation has no effect: " + c.name, send: once(join(text("before"), broken, c.after)), echo: echoOf(opText, "before"), code: 1002})
	}
	b.add(testCase{name: "a code in the wrong byte order", send: once(frame(fin|opClose, binary.LittleEndian.AppendUint16(nil, 1000))), code: 1002})
}
