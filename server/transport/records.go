package transport

import (
	"bytes"
	"crypto/tls"
	"errors"
	"runtime"
	"time"
	"unsafe"

	"castgate/server/internal/quota"
)

// Records decrypts and encrypts for the connections of one event loop, one after the
// other, and owns the buffers that they share. It belongs to the loop's goroutine.
type Records struct {
	now       func() int64 // ns
	received  []byte       // by the loop, not yet read by the connection that is being opened
	plaintext []byte       // decrypted; nil until there is a connection
	cipher    []byte       // encrypted
	lent      bytes.Buffer // see lend
}

// NewRecords returns the Records of a loop. now is a clock in nanoseconds.
func NewRecords(now func() int64) Records { return Records{now: now} }

const (
	// openLen is how much plaintext Open returns at once: more than the largest record.
	openLen = 32 << 10
	// SealLen is how many bytes are sealed at once, two records. The ciphertext of
	// so much is kept, beside the frames, while a client's socket is full.
	SealLen = 32 << 10
	// maxUnsent limits the ciphertext that waits for one socket. Frames are sealed only
	// when nothing waits, SealLen at a time. A peer gets here that asks for new
	// keys without end and does not read.
	maxUnsent = 2 * SealLen
	// maxLent is how large a buffer Records keeps for lending: a record, its header
	// and what bytes.Buffer wants free beyond them.
	maxLent = 32 << 10
)

const (
	// maxHand is how many bytes of a handshake message a client may leave unfinished.
	// After the handshake there are two honest ones: a key update, 5 bytes, and the
	// request of TLS 1.2 to renegotiate, a few hundred, which crypto/tls refuses
	// once it is complete. Of others it would keep 256 KiB for as long as the client
	// likes.
	maxHand = 4 << 10
	// rekeyBurst is how many reads with key updates a client may save up, one
	// each rekeyEvery. A read ends with data or with the last byte there is, and
	// crypto/tls allows 16 updates in one. No honest client updates its keys
	// more than once a minute; each update costs ten times what a small record does,
	// and no limit of messages or bytes counts it.
	rekeyBurst = 16
	rekeyEvery = 10 * time.Second
)

var (
	rekeyRate      = quota.NewRate(float64(time.Second)/float64(rekeyEvery), rekeyBurst)
	errLongMessage = errors.New("handshake message too long")
	errRekeys      = errors.New("too many key updates")
	errTooFull     = errors.New("too many TLS control messages wait for the peer")
)

// errAgain tells tls.Conn that there is nothing to read at the moment. The connection
// stays usable after a temporary error (crypto/tls remembers all others).
var errAgain error = againError{}

type againError struct{}

func (againError) Error() string   { return "no bytes at the moment" }
func (againError) Timeout() bool   { return true }
func (againError) Temporary() bool { return true }

// readReceived is Read of a Conn whose handshake has ended.
func (r *Records) readReceived(p []byte) (int, error) {
	if len(r.received) == 0 {
		return 0, errAgain
	}
	n := copy(p, r.received)
	r.received = r.received[n:]
	return n, nil
}

// Begin takes up ciphertext that was received for c. Open then returns what is in it,
// part by part, and Finish, with what Begin has returned, must follow. b must stay as it
// is until then. No other connection may be opened meanwhile.
func (r *Records) Begin(c *Conn, b []byte) (lent bool) {
	if r.plaintext == nil {
		r.plaintext = make([]byte, openLen)
	}
	r.received = b
	return r.lend(c.tls)
}

// Opened is a part of what a peer has sent.
type Opened struct {
	Plaintext []byte // valid until the next call of Open
	Said      bool   // TLS itself has queued something for the peer, an alert for one
	More      bool   // Open is to be called again
	// Err ends the connection: io.EOF after close_notify, or the rule of TLS or of this
	// package that the peer has broken. Plaintext came before it.
	Err error
}

// Open decrypts the next part of what Begin was given.
func (r *Records) Open(c *Conn) (o Opened) {
	r.cipher = r.cipher[:0]
	n := 0
	var err error
	for n < len(r.plaintext) && err == nil {
		var m int
		m, err = r.read(c, r.plaintext[n:])
		n += m
	}
	o.Plaintext, o.Said = r.plaintext[:n], len(r.cipher) > 0
	c.unsent = append(c.unsent, r.cipher...)
	switch {
	case err == nil:
		o.More = true
	case err != errAgain:
		c.dead = true
		o.Err = err
	}
	return o
}

// Overfull returns an error if too much of what TLS itself has to say waits for the
// peer of c, which does not read.
func (c *Conn) Overfull() error {
	if len(c.unsent) > maxUnsent {
		return errTooFull
	}
	return nil
}

// read is Read of c.tls within maxHand and rekeyRate.
func (r *Records) read(c *Conn, p []byte) (int, error) {
	in, ok := internalsOf(c.tls)
	if !ok {
		return c.tls.Read(p)
	}
	key := unsafe.SliceData(*in.key) // held, so that no other comes to its place
	n, err := c.tls.Read(p)
	switch {
	case err != nil && err != errAgain:
	case in.hand.Len() > maxHand:
		err = errLongMessage
	case unsafe.SliceData(*in.key) != key && !c.rekeys.Take(rekeyRate, 1, r.now()):
		err = errRekeys
	}
	runtime.KeepAlive(key)
	return n, err
}

// Finish takes the shared buffer back from c, with what Begin has returned.
func (r *Records) Finish(c *Conn, lent bool) { r.reclaim(c.tls, lent) }

// lend gives c the shared buffer for the records that come, unless it has part
// of one in its own; then false.
func (r *Records) lend(c *tls.Conn) bool {
	in, ok := internalsOf(c)
	if !ok || in.raw.Len() > 0 || in.text.Len() > 0 {
		return false
	}
	*in.raw, r.lent = r.lent, bytes.Buffer{}
	return true
}

// reclaim takes what c does not need out of it; lent is what lend has returned.
func (r *Records) reclaim(c *tls.Conn, lent bool) {
	in, ok := internalsOf(c)
	if !ok {
		return
	}
	if in.hand.Len() == 0 {
		*in.hand = bytes.Buffer{}
	}
	if in.text.Len() > 0 {
		return // only if reading has failed
	}
	*in.text = bytes.Reader{} // it still points into raw
	if part := in.raw.Bytes(); len(part) > 0 && !lent {
		return // its own already
	}
	raw := *in.raw
	*in.raw = bytes.Buffer{}
	if raw.Len() > 0 {
		in.raw.Write(raw.Bytes())
	}
	if raw.Reset(); raw.Cap() <= maxLent {
		r.lent = raw
	}
}

// Seal encrypts as much of plaintext as is sealed at once. The ciphertext is valid until
// the next call of Open, Seal or SealClose. Only if CanSeal and nothing is Unsent.
func (r *Records) Seal(c *Conn, plaintext []byte) ([]byte, error) {
	r.cipher = r.cipher[:0]
	n, err := c.tls.Write(plaintext[:min(len(plaintext), SealLen)])
	if err != nil {
		return nil, err
	}
	c.sealed = uint32(n)
	return r.cipher, nil
}

// SealClose encrypts close_notify, behind which nothing can be sealed. Otherwise as Seal.
func (r *Records) SealClose(c *Conn) []byte {
	r.cipher = r.cipher[:0]
	c.closeSealed = true
	_ = c.tls.CloseWrite() // it can only fail with an earlier error
	return r.cipher
}
