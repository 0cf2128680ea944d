package codec

import "errors"

// DeflateOffer is the header line by which a client offers permessage-deflate
// without context takeover, so that it need not keep a window for the messages
// to come. It goes into the header of [AppendRequest].
const DeflateOffer = "Sec-WebSocket-Extensions: " + deflateTerms + "\r\n"

// ErrExtension is an answer that agrees on something else than was offered.
var ErrExtension = errors.New("codec: the answer agrees on an extension that was not offered")

// DeflateAgreed tells whether a server's answer to a request with
// [DeflateOffer] agrees on permessage-deflate, which then is for
// [Parser.Deflate]. head has passed [CheckResponse]. The error is
// [ErrExtension]: a client then has to fail the connection (RFC 7692 section
// 5.1). A limit of the server's own window is fine (section 7.1.2.1).
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

// isDeflateAnswer tells whether a value is the one term that DeflateOffer
// allows. What an answer may have is what an offer may have, but that
// server_no_context_takeover has to be there and client_max_window_bits, which
// was not offered, must not.
func isDeflateAnswer(value []byte) bool {
	var o offers
	rest, ok := o.takeOffer(value)
	d := o.deflate
	return ok && len(rest) == 0 && d.offered && d.ServerNoContextTakeover && !d.ClientMaxWindowBits.Defined()
}
