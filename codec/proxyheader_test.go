package codec

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
)

// proxyBinary is a header of version 2 with this body.
func proxyBinary(command, family byte, body string) string {
	b := append([]byte(proxyV2), command, family)
	return string(binary.BigEndian.AppendUint16(b, uint16(len(body)))) + body
}

const (
	proxyBody4 = "\xcb\x00\x71\x07\x7f\x00\x00\x01\x30\x39\x1c\x68"
	proxyBody6 = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" +
		"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" + "\x30\x39\x1c\x68"
)

func TestParseProxyHeader(t *testing.T) {
	for _, try := range []struct{ header, source string }{ // no source: the socket's address counts
		{"PROXY TCP4 203.0.113.7 127.0.0.1 12345 7272\r\n", "203.0.113.7:12345"},
		{"PROXY TCP6 2001:db8::1 ::1 12345 7272\r\n", "[2001:db8::1]:12345"},
		{"PROXY TCP6 ::ffff:203.0.113.7 ::1 0 65535\r\n", "203.0.113.7:0"},
		{"PROXY UNKNOWN\r\n", ""},
		{"PROXY UNKNOWN what ever 1 2 3 4 5\r\n", ""},
		{proxyBinary(0x21, 0x11, proxyBody4), "203.0.113.7:12345"},
		{proxyBinary(0x21, 0x11, proxyBody4+"\x02\x00\x02ab"), "203.0.113.7:12345"},
		{proxyBinary(0x21, 0x21, proxyBody6), "[2001:db8::1]:12345"},
		{proxyBinary(0x21, 0x00, ""), ""},
		{proxyBinary(0x21, 0x31, strings.Repeat("\x00", 216)), ""},
		{proxyBinary(0x20, 0x00, ""), ""},
		{proxyBinary(0x20, 0x11, proxyBody4), ""},
		{proxyBinary(0x20, 0x7f, "anything"), ""},
		{proxyBinary(0x21, 0x11, proxyBody4+strings.Repeat("x", MaxProxyHeader-16-12)), "203.0.113.7:12345"},
	} {
		whole := []byte(try.header + "GET / HTTP/1.1\r\n")
		source, n, err := ParseProxyHeader(whole)
		got := ""
		if source.IsValid() {
			got = source.String()
		}
		if err != nil || n != len(try.header) || got != try.source {
			t.Errorf("%.60q: %v, %d bytes, %v, want %q, %d bytes", try.header, source, n, err, try.source, len(try.header))
		}
		for i := range try.header {
			if _, n, err := ParseProxyHeader(whole[:i]); n != 0 || err != nil {
				t.Fatalf("%.60q cut at %d: %d bytes, %v", try.header, i, n, err)
			}
		}
	}
}

func TestParseProxyHeaderRefuses(t *testing.T) {
	for _, header := range []string{
		"GET / HTTP/1.1\r\n\r\n",
		"PROXY\r\n",
		"PROXY \r\n",
		"PROXY TCP4 203.0.113.7 127.0.0.1 12345 7272\n",
		"PROXY TCP4  203.0.113.7 127.0.0.1 12345 7272\r\n",
		"PROXY TCP4 203.0.113.7 127.0.0.1 12345 7272 \r\n",
		"PROXY TCP4 203.0.113.7 127.0.0.1 12345\r\n",
		"PROXY TCP4 203.0.113.7 127.0.0.1 12345 65536\r\n",
		"PROXY TCP4 203.0.113.7 127.0.0.1 012 7272\r\n",
		"PROXY TCP4 203.0.113.7 127.0.0.1 +12 7272\r\n",
		"PROXY TCP4 203.0.113.7 127.0.0.1 -1 7272\r\n",
		"PROXY TCP4 203.0.113.07 127.0.0.1 1 7272\r\n",
		"PROXY TCP4 2001:db8::1 ::1 1 2\r\n",
		"PROXY TCP6 203.0.113.7 127.0.0.1 1 2\r\n",
		"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
		"PROXY UDP4 203.0.113.7 127.0.0.1 1 2\r\n",
		"PROXY UNKNOWNS\r\n",
		"proxy TCP4 203.0.113.7 127.0.0.1 1 2\r\n",
		"PROXY UNKNOWN " + strings.Repeat("x", proxyV1Len),
		proxyBinary(0x11, 0x11, proxyBody4),
		proxyBinary(0x22, 0x11, proxyBody4),
		proxyBinary(0x21, 0x12, proxyBody4),
		proxyBinary(0x21, 0x41, proxyBody4),
		proxyBinary(0x21, 0x11, proxyBody4[:11]),
		proxyBinary(0x21, 0x21, proxyBody6[:35]),
		proxyBinary(0x21, 0x11, proxyBody4+strings.Repeat("x", MaxProxyHeader)),
		"\r\n\r\n\x00\r\nQUIT\r",
	} {
		if source, n, err := ParseProxyHeader([]byte(header)); err != ErrProxyHeader || n != 0 || source.IsValid() {
			t.Errorf("%.60q: %v, %d bytes, %v", header, source, n, err)
		}
	}
}

// However the bytes are split, the outcome is that of the whole: no part of a
// good header is refused, none of a bad one ends early as good.
func FuzzProxyHeader(f *testing.F) {
	f.Add([]byte("PROXY TCP4 203.0.113.7 127.0.0.1 12345 7272\r\nGET"))
	f.Add([]byte("PROXY UNKNOWN\r\n"))
	f.Add([]byte(proxyBinary(0x21, 0x11, proxyBody4) + "GET"))
	f.Add([]byte(proxyBinary(0x21, 0x21, proxyBody6)))
	f.Add([]byte(proxyBinary(0x20, 0x00, "")))
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		source, n, err := ParseProxyHeader(b)
		if n < 0 || n > len(b) || n > MaxProxyHeader || err != nil && n != 0 || source != (netip.AddrPort{}) && n == 0 {
			t.Fatalf("%q: %v, %d, %v", b, source, n, err)
		}
		if source.IsValid() && (source.Addr().Zone() != "" || source.Addr().Is4In6()) {
			t.Fatalf("%q: %v", b, source)
		}
		failed := false
		for i := range b {
			s, m, e := ParseProxyHeader(b[:i])
			switch {
			case e != nil:
				failed = true
			case failed:
				t.Fatalf("%q: refused, and then taken at %d", b, i)
			case n > 0 && (i < n) != (m == 0):
				t.Fatalf("%q: %d bytes at %d, %d in whole", b, m, i, n)
			case m > 0 && (m != n || s != source):
				t.Fatalf("%q: %v at %d, %v in whole", b, s, i, source)
			}
		}
		if failed && err == nil {
			t.Fatalf("%q: a part is refused, the whole is not", b)
		}
		if !bytes.Equal(b, before) {
			t.Fatal("the input was changed")
		}
	})
}
