package codec

import "strconv"

// AppendRefusalSaying is [AppendRefusal] with the caller's sentence and code in
// the body, for reasons that this package does not know, such as why a token is
// refused. Both must be printable ASCII.
func AppendRefusalSaying(dst []byte, r HandshakeResult, sentence, code string) []byte {
	if r == HandshakeOK || int(r) >= NumHandshakeResults {
		return dst
	}
	row := &handshakeTable[r]
	return append(dst, refusal(row.status, row.phrase, row.fields, sentence+" ["+code+"]\n")...)
}

// AppendRefusalOf appends a refusal that somebody else has decided on: 401, or else
// 403, with its body. contentType must be printable ASCII; "" is plain text.
func AppendRefusalOf(dst []byte, status int, contentType string, body []byte) []byte {
	line := "HTTP/1.1 403 Forbidden"
	if status == 401 {
		line = "HTTP/1.1 401 Unauthorized"
	}
	if contentType == "" {
		contentType = "text/plain; charset=utf-8"
	}
	dst = append(append(dst, line...), "\r\nConnection: close\r\nContent-Type: "...)
	dst = append(append(dst, contentType...), "\r\nContent-Length: "...)
	dst = append(strconv.AppendInt(dst, int64(len(body)), 10), "\r\n\r\n"...)
	return append(dst, body...)
}
