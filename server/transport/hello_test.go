package transport

import (
	"bytes"
	"testing"
)

func TestInspectHello(t *testing.T) {
	for s, want := range map[string]helloState{
		"": helloPart, "\x16": helloPart, "\x16\x03\x01\x00": helloPart, "\x16\x03\x01\x40\x00": helloPart,
		"\x16\x03\x01\x00\x06\x01\x00\x00\x02x":                    helloPart,
		"\x16\x03\x01\x00\x06\x01\x00\x00\x02xy":                   helloWhole,
		"\x16\x03\x01\x00\x06\x01\x00\x00\x02xyz":                  helloWhole,
		"\x16\x03\x01\x00\x09\x01\x00\x00\x02xy":                   helloWhole, // what follows is not looked at
		"\x16\x03\x01\x00\x04\x01\x00\x00\x02":                     helloPart,  // the next record has the rest
		"\x16\x03\x01\x00\x01\x01\x16\x03\x01\x00\x03\x00\x00":     helloPart,
		"\x16\x03\x01\x00\x01\x01\x16\x03\x01\x00\x03\x00\x00\x00": helloWhole,
		"\x16\x03\x01\x00\x01\x01\x17":                             helloNone,
		"\x16\x03\x01\x00\x01\x02":                                 helloNone, // no ClientHello
		"\x16\x03\x01\x00\x04\x01\x00\x3f\xfc":                     helloPart,
		"\x16\x03\x01\x00\x04\x01\x00\x3f\xfd":                     helloNone, // above maxHello
		"GET /":                                                    helloHTTP, "G": helloHTTP, "\x16\x02": helloNone, "\x16\x03\x01\x00\x00": helloNone,
		"\x16\x03\x01\x40\x01": helloNone, "x": helloNone, "\x80": helloNone,
	} {
		if got := inspectHello([]byte(s)); got != want {
			t.Errorf("%q: %d, want %d", s, got, want)
		}
	}
}

// handshakeBytes is what handshake records hold, as far as b has them.
func handshakeBytes(b []byte) (body []byte) {
	for len(b) >= recordHeader && b[0] == recordHandshake {
		end := min(recordHeader+int(b[3])<<8+int(b[4]), len(b))
		body = append(body, b[recordHeader:end]...)
		b = b[end:]
	}
	return body
}

// Of a peer's first bytes, however they are cut: what has been decided stays
// decided when more come, and a handshake begins with the byte that makes its
// ClientHello whole.
func FuzzInspectHello(f *testing.F) {
	for _, seed := range []string{
		"", "\x16", "\x16\x03\x01\x00\x06\x01\x00\x00\x02xy", "\x16\x03\x01\x00\x06\x01\x00\x00\x02xyz", "\x16\x03\x01\x00\x00", "\x16\x03\x03\x40\x00",
		"\x16\x03\x01\x00\x01\x01\x16\x03\x01\x00\x04\x00\x00\x01x", "\x16\x03\x03\x40\x01", "\x16\x02\x00\x00\x01x", "GET / HTTP/1.1\r\n",
		"\x80\x2e\x01\x03\x01", "\x15\x03\x01\x00\x02\x02\x28",
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
			if is == helloPart && len(handshakeBytes(b[:n])) >= maxHello {
				t.Fatalf("after %d bytes it still waits", n)
			}
			if is == helloWhole && was == helloPart {
				m := handshakeBytes(b[:n])
				if size := messageHeader + int(m[1])<<16 + int(m[2])<<8 + int(m[3]); len(m) != size {
					t.Fatalf("begun with %d bytes of a message of %d: %x", len(m), size, b)
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
