package codectest

import (
	"bytes"
	"testing"
)

// A head has the size that was asked for, and ends once.
func TestHead(t *testing.T) {
	for _, fields := range []string{"", "Origin: o\r\n"} {
		h := Head(400, fields)
		if len(h) != 400 || bytes.Count(h, []byte("\r\n\r\n")) != 1 || !bytes.HasSuffix(h, []byte("\r\n\r\n")) || !bytes.Contains(h, []byte(fields)) {
			t.Errorf("%d bytes: %q", len(h), h)
		}
	}
}
