package server

import (
	"crypto/cipher"
	"crypto/tls"
	"encoding/binary"
	"net"
	"reflect"
	"slices"
	"time"
	"unsafe"
)

// sealing is a TLS client that sends what crypto/tls never would: records of
// its own making, under the connection's keys. It is the net.Conn of its
// tls.Conn.
type sealing struct {
	net.Conn
	tls *tls.Conn
}

// dialSealing is a client of TLS that has done its WebSocket handshake.
func (s *testServer) dialSealing(version uint16) *sealing {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	c := &sealing{Conn: conn}
	c.tls = tls.Client(c, &tls.Config{
		InsecureSkipVerify: true, MinVersion: version, MaxVersion: version,
		CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
	})
	s.upgradeRaw(c.tls)
	return c
}

// seal makes the client's next record.
func (c *sealing) seal(typ byte, body []byte) []byte {
	half := reflect.ValueOf(c.tls).Elem().FieldByName("out")
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
	binary.BigEndian.PutUint64(seq[:], binary.BigEndian.Uint64(seq[:])+1)
	return out
}

// say sends a message of the handshake, or part of one, in a record.
func (c *sealing) say(body []byte) error {
	_, err := c.Conn.Write(c.seal(recordHandshake, body))
	return err
}
