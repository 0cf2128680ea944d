package post

import (
	"io"
	"net"
	"sync"
)

// conn is a connection to a backend. Without it net/http copies each body through 32 KiB
// of new memory, as it finds no way to write the body's bytes themselves. A connection
// with TLS does that still.
type conn struct{ net.Conn }

// ReadFrom implements io.ReaderFrom.
func (c conn) ReadFrom(r io.Reader) (n int64, err error) {
	b := copies.Get().(*[]byte)
	defer copies.Put(b)
	return io.CopyBuffer(onlyWriter{c.Conn}, r, *b)
}

// onlyWriter hides that there is a ReadFrom, which io.CopyBuffer would use.
type onlyWriter struct{ io.Writer }

// copies are what bodies are copied through.
var copies = sync.Pool{New: func() any {
	b := make([]byte, 32<<10)
	return &b
}}
