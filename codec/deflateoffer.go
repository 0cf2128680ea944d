package codec

import "errors"

// DeflateOffer is the header line with which a client offers permessage-deflate
// without context takeover, so that it need not keep a window between messages.
// It goes into the header of [AppendRequest].
const DeflateOffer = "Sec-WebSocket-Extensions: " + deflateTerms + "\r\n"

// ErrExtension says that an answer accepts something that was not offered.
var ErrExtension = errors.New("codec: the answer accepts an extension that was not offered")

// DeflateAgreed reports whether a server's answer to a request with
// [DeflateOffer] accepts permessage-deflate; pass the result to
// [Parser.Deflate]. head has passed [CheckResponse]. On [ErrExtension] a client
// must fail the connection (RFC 7692 section 5.1). A limit of the server's own
// window is fine (section 7.1.2.1).
func DeflateAgreed(head []byte) (agreed bool, err error) {
	_, rest, ok := nextLine(head)
	for ok {
		var line []byte
		if line, rest, ok = nextLine(rest); !ok || len(line) == 0 {
			break
		}
		name, value, fine := cutField(line)
		if !fine || !equalFold(name, "sec-websocket-extensions") {
			continue
		}
		if agreed || !isDeflateAnswer(value) {
			return false, ErrExtension
		}
		agreed = true
	}
	return agreed, nil
}

// isDeflateAnswer reports whether a value is the one term that DeflateOffer
// allows. An answer may have the parameters of an offer, except that
// server_no_context_takeover is required and client_max_window_bits, which was
// not offered, is forbidden.
func isDeflateAnswer(value []byte) bool {
	var o offers
	rest, ok := o.readOffer(value)
	d := o.deflate
	return ok && len(rest) == 0 && d.offered && d.ServerNoContextTakeover && !d.ClientMaxWindowBits.Defined()
}
