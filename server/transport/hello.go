package transport

// Parts of a TLS record's header (RFC 8446 section 5.1), and of a message of
// the handshake (section 4).
const (
	recordHeader    = 5
	recordHandshake = 22
	recordData      = 23
	maxRecord       = 1 << 14
	messageHeader   = 4
	clientHello     = 1
	// maxHello bounds a ClientHello in bytes. Those of browsers have up to 2 KB.
	maxHello = 1 << 14
)

// helloState is what the first bytes of a peer are.
type helloState uint8

const (
	helloPart  helloState = iota // the beginning of a ClientHello
	helloWhole                   // a whole one
	helloHTTP                    // a request without TLS
	helloNone                    // something else
)

// inspectHello looks at the first bytes of a peer, so that no goroutine is
// begun for one that has sent less than a whole ClientHello. That may come in
// records of any size (RFC 8446 section 5.1).
func inspectHello(b []byte) helloState {
	if len(b) > 0 && b[0] >= 'A' && b[0] <= 'Z' {
		return helloHTTP
	}
	var message [messageHeader]byte
	have := 0
	for len(b) > 0 {
		if b[0] != recordHandshake || len(b) > 1 && b[1] != 3 {
			return helloNone
		}
		if len(b) < recordHeader {
			return helloPart
		}
		n := int(b[3])<<8 | int(b[4])
		if n == 0 || n > maxRecord {
			return helloNone
		}
		body := b[recordHeader:min(recordHeader+n, len(b))]
		if have < messageHeader {
			copy(message[have:], body)
		}
		have += len(body)
		if have > 0 && message[0] != clientHello {
			return helloNone
		}
		if have >= messageHeader {
			size := messageHeader + int(message[1])<<16 + int(message[2])<<8 + int(message[3])
			switch {
			case size > maxHello:
				return helloNone
			case have >= size:
				return helloWhole
			}
		}
		if len(body) < n {
			return helloPart
		}
		b = b[recordHeader+n:]
	}
	return helloPart
}
