package transport

// Result is how a TLS handshake ended.
type Result uint8

// The results of a handshake.
const (
	Full       Result = iota // done
	Resumed                  // done, with a session ticket
	Failed                   // the two could not agree, or the peer broke a rule
	Plaintext                // the peer spoke HTTP
	Garbage                  // the first bytes are no ClientHello
	Busy                     // too many handshakes were waiting
	Evicted                  // it kept others waiting
	TooLarge                 // it took more of its peer than a handshake may
	Gone                     // the peer left, or its time was up
	NumResults               // is how many there are
)

var labels = [NumResults]string{
	Full: "full", Resumed: "resumed", Failed: "failed", Plaintext: "plaintext",
	Garbage: "garbage", Busy: "busy", Evicted: "evicted", TooLarge: "too_large", Gone: "gone",
}

// String is the result's name in metrics and logs.
func (r Result) String() string { return labels[r] }

// Refused is a fatal alert, internal_error, in the clear: all that can be said to
// a peer that gets no handshake (RFC 8446 section 6).
var Refused = []byte{21, 3, 3, 0, 2, 2, 80}

// SpeaksTLS is for who speaks HTTP to a listener of TLS.
var SpeaksTLS = []byte("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain\r\n" +
	"Content-Length: 46\r\n\r\nthis port speaks TLS: use wss://host [no_tls]\n")

// LastWords is what a peer without a handshake is told in the clear.
func (r Result) LastWords() []byte {
	if r == Plaintext {
		return SpeaksTLS
	}
	return Refused
}
