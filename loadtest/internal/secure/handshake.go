package secure

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"sync"

	"golang.org/x/sys/unix"

	"castgate/loadtest/internal/oneline"
)

// Explain says why a TLS handshake failed.
func Explain(err error) error {
	var first tls.RecordHeaderError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("TLS handshake: the server closed the connection; it may not speak TLS")
	case !errors.As(err, &first):
		return fmt.Errorf("TLS handshake: %w", err)
	case string(first.RecordHeader[:]) == "HTTP/":
		return errors.New("TLS handshake: the server speaks plain HTTP: use a ws:// URL")
	}
	return fmt.Errorf("TLS handshake: the server does not speak TLS: %s", oneline.Excerpt(first.RecordHeader[:]))
}

// handshake is a TLS handshake in progress. crypto/tls cannot suspend one, so
// it has a goroutine; there are as many as connections being opened. Loop and
// goroutine synchronize with mu.
type handshake struct {
	fd int

	mu   sync.Mutex
	more sync.Cond
	in   []byte // from the server, not read yet
	over error  // why no more input will arrive, nil while it may
}

// maxHandshakeInput limits what a server may send before the handshake reads
// it.
const maxHandshakeInput = 1 << 20

func newHandshake(fd int) *handshake {
	h := &handshake{fd: fd}
	h.more.L = &h.mu
	return h
}

// read is the goroutine's Read: it blocks.
func (h *handshake) read(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.in) == 0 && h.over == nil {
		h.more.Wait()
	}
	if len(h.in) == 0 {
		return 0, h.over
	}
	n := copy(p, h.in)
	h.in = h.in[n:]
	return n, nil
}

// write is the goroutine's Write. What it writes fits into an empty socket. The
// lock keeps the loop from closing the descriptor meanwhile.
func (h *handshake) write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over != nil {
		return 0, h.over
	}
	n, err := unix.Write(h.fd, p)
	if err == nil && n < len(p) {
		err = ErrFull
	}
	return max(n, 0), err
}

// give passes on what the server has sent.
func (h *handshake) give(b []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.in)+len(b) > maxHandshakeInput {
		return fmt.Errorf("TLS handshake: the server has sent more than %d bytes", maxHandshakeInput)
	}
	h.in = append(h.in, b...)
	h.more.Signal()
	return nil
}

// end says that no more input will arrive, and why. Earlier input is still
// read.
func (h *handshake) end(why error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over == nil {
		h.over = why
	}
	h.more.Signal()
}

// ErrFull ends a connection whose socket does not accept the little that a
// client sends.
var ErrFull = errors.New("it does not fit into the socket")
