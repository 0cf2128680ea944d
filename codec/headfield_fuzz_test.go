package codec

import (
	"bytes"
	"strings"
	"testing"
)

// Whatever stands in a head that is let in, what is found in it is a part of
// it, and a value never holds what ends it.
func FuzzHeadFields(f *testing.F) {
	f.Add([]byte(fieldsHead), "t")
	for _, path := range vectorPaths(f, "handshake") {
		head, _ := readHead(f, path)
		f.Add(head, "token")
	}
	f.Fuzz(func(t *testing.T, head []byte, name string) {
		var u Upgrader
		if _, result := u.Upgrade(nil, head); result != HandshakeOK {
			return
		}
		before := bytes.Clone(head)
		lines := 0
		for field, value := range Fields(head) {
			lines++
			if len(field) == 0 || !isToken(field) || bytes.ContainsAny(value, "\r\n") {
				t.Fatalf("field %q: %q", field, value)
			}
			if v, ok := CookieValue(value, name); ok && (bytes.ContainsRune(v, ';') || !bytes.Contains(value, v)) {
				t.Fatalf("cookie %q in %q: %q", name, value, v)
			}
		}
		if want := bytes.Count(head, []byte("\r\n")) - 2; lines != want {
			t.Fatalf("%d fields of %d", lines, want)
		}
		query := Query(head)
		if v, ok := QueryValue(query, name); ok && (bytes.ContainsAny(v, "& \r\n") || !strings.Contains(string(query), string(v))) {
			t.Fatalf("parameter %q in %q: %q", name, query, v)
		}
		if !bytes.Equal(head, before) {
			t.Fatal("the head was changed")
		}
	})
}
