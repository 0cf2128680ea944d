package server

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"net"
	"strings"
	"testing"
)

// sealedHello makes a ClientHello under the keys of a TLS 1.2 connection with
// AES-128-GCM and SHA-256, which crypto/tls itself never sends: it asks to
// negotiate anew. It is the connection below, and remembers what the server
// said in the clear.
type sealedHello struct {
	net.Conn
	log   bytes.Buffer // a KeyLogWriter's
	heard []byte
}

func (s *sealedHello) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	s.heard = append(s.heard, p[:n]...)
	return n, err
}

// hello returns a record to be sent as the client's next one.
func (s *sealedHello) hello(t *testing.T) []byte {
	t.Helper()
	// CLIENT_RANDOM <client random> <master secret>
	fields := strings.Fields(s.log.String())
	if len(fields) != 3 {
		t.Fatalf("key log %q", s.log.String())
	}
	clientRandom, _ := hex.DecodeString(fields[1])
	master, _ := hex.DecodeString(fields[2])
	const at = 5 + 4 + 2 // record, message, version (RFC 5246 section 7.4.1.3)
	server := s.heard[at : at+32]
	block := prf12(master, "key expansion", append(append([]byte(nil), server...), clientRandom...), 2*16+2*4)
	key, salt := block[:16], block[32:36]
	hello := []byte{1, 0, 0, 41, 3, 3}
	hello = append(hello, make([]byte, 32)...)
	hello = append(hello, 0, 0, 2, 0xc0, 0x2b, 1, 0)
	const seq = 2 // Finished and the request came before
	var nonce, ad []byte
	nonce = binary.BigEndian.AppendUint64(append(nonce, salt...), seq)
	ad = binary.BigEndian.AppendUint64(ad, seq)
	ad = append(ad, 22, 3, 3, 0, byte(len(hello)))
	b, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(b)
	if err != nil {
		t.Fatal(err)
	}
	body := gcm.Seal(nonce[4:12:12], nonce, hello, ad)
	return append([]byte{22, 3, 3, 0, byte(len(body))}, body...)
}

// prf12 is the PRF of RFC 5246 section 5.
func prf12(secret []byte, label string, seed []byte, n int) (out []byte) {
	seed = append([]byte(label), seed...)
	mac := func(b ...[]byte) []byte {
		h := hmac.New(sha256.New, secret)
		for _, p := range b {
			h.Write(p)
		}
		return h.Sum(nil)
	}
	for a := mac(seed); len(out) < n; a = mac(a) {
		out = append(out, mac(a, seed)...)
	}
	return out[:n]
}
