package transport

import (
	"crypto/cipher"
	"crypto/tls"
	"encoding/binary"
	"net"
	"reflect"
	"slices"
	"testing"
	"unsafe"
)

// sealing is a TLS client that sends what crypto/tls never would: records of
// its own making, under the connection's keys. It is the net.Conn of its
// tls.Conn.
type sealing struct {
	net.Conn
	t     testing.TB
	tls   *tls.Conn
	asked []byte // what the tls.Conn is to read next, instead of the server's
	deaf  bool   // the server's bytes are left unread
}

// dialSealing is such a client, whose handshake is done, and the rig's side of it.
func (r *rig) dialSealing(version uint16) (*sealing, *served) {
	r.t.Helper()
	conn, o := r.dial()
	c := &sealing{Conn: conn, t: r.t}
	c.tls = tls.Client(c, &tls.Config{
		InsecureSkipVerify: true, MinVersion: version, MaxVersion: version,
		CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
	})
	if err := c.tls.Handshake(); err != nil {
		r.t.Fatal(err)
	}
	r.await("the handshake", func() bool { return o.ended })
	return c, o
}

// Read implements net.Conn.
func (c *sealing) Read(p []byte) (int, error) {
	if !c.deaf {
		return c.Conn.Read(p)
	}
	if len(c.asked) == 0 {
		return 0, errAgain
	}
	n := copy(p, c.asked)
	c.asked = c.asked[n:]
	return n, nil
}

// seal makes the record that is next in one direction of the tls.Conn, "in" or
// "out".
func (c *sealing) seal(direction string, typ byte, body []byte) []byte {
	half := reflect.ValueOf(c.tls).Elem().FieldByName(direction)
	aead := (*(*any)(unsafe.Pointer(half.FieldByName("cipher").UnsafeAddr()))).(cipher.AEAD)
	seq := (*[8]byte)(unsafe.Pointer(half.FieldByName("seq").UnsafeAddr()))
	nonce := slices.Clone(seq[:])
	var out []byte
	if c.tls.ConnectionState().Version == tls.VersionTLS13 {
		body = append(slices.Clone(body), typ)
		n := len(body) + aead.Overhead()
		out = []byte{23, 3, 3, byte(n >> 8), byte(n)}
		out = aead.Seal(out, nonce, body, slices.Clone(out))
	} else {
		n := len(nonce) + len(body) + aead.Overhead()
		out = append([]byte{typ, 3, 3, byte(n >> 8), byte(n)}, nonce...)
		ad := append(slices.Clone(nonce), typ, 3, 3, byte(len(body)>>8), byte(len(body)))
		out = aead.Seal(out, nonce, body, ad)
	}
	if direction == "out" { // the tls.Conn itself counts what it reads
		binary.BigEndian.PutUint64(seq[:], binary.BigEndian.Uint64(seq[:])+1)
	}
	return out
}

// say sends a message of the handshake, or part of one, in a record.
func (c *sealing) say(body []byte) error {
	_, err := c.Conn.Write(c.seal("out", recordHandshake, body))
	return err
}

// rekey makes the client change its keys. crypto/tls does when it is asked to
// (RFC 8446 section 4.6.3), so it is, in the server's name; from then on it
// cannot read what the server itself says.
func (c *sealing) rekey() {
	c.t.Helper()
	c.deaf = true
	c.asked = c.seal("in", recordHandshake, []byte{24, 0, 0, 1, 1})
	if _, err := c.tls.Read(make([]byte, 1)); err != errAgain {
		c.t.Fatal(err)
	}
	// Its own limit of key updates must not count these.
	retries := reflect.ValueOf(c.tls).Elem().FieldByName("retryCount")
	*(*int)(unsafe.Pointer(retries.UnsafeAddr())) = 0
}
