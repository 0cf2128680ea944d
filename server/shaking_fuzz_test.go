package server

import (
	"bytes"
	"testing"
)

// Of a peer's first bytes, however they are cut: what has been decided stays
// decided when more come, nothing waits for more than a record, and a
// handshake begins with the byte that makes its first record whole.
func FuzzInspectHello(f *testing.F) {
	for _, seed := range []string{
		"", "\x16", "\x16\x03\x01\x00\x02xy", "\x16\x03\x01\x00\x02xyz", "\x16\x03\x01\x00\x00", "\x16\x03\x03\x40\x00", "\x16\x03\x03\x40\x01",
		"\x16\x02\x00\x00\x01x", "GET / HTTP/1.1\r\n", "\x80\x2e\x01\x03\x01", "\x15\x03\x01\x00\x02\x02\x28",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		whole := inspectHello(b)
		was := helloPart
		for n := range len(b) + 1 {
			is := inspectHello(b[:n])
			if was != helloPart && is != was {
				t.Fatalf("%d bytes of %x are %d, one more makes it %d", n-1, b, was, is)
			}
			if is == helloPart && n >= recordHeader+maxRecord {
				t.Fatalf("after %d bytes it still waits", n)
			}
			if is == helloWhole && was == helloPart {
				if want := recordHeader + int(b[3])<<8 + int(b[4]); n != want {
					t.Fatalf("begun after %d bytes of %x, want %d", n, b, want)
				}
			}
			was = is
		}
		if was != whole {
			t.Fatalf("%x is %d, and %d byte by byte", b, whole, was)
		}
		if http := len(b) > 0 && bytes.ContainsAny(b[:1], "ABCDEFGHIJKLMNOPQRSTUVWXYZ"); http != (whole == helloHTTP) {
			t.Fatalf("%x is %d", b, whole)
		}
	})
}
