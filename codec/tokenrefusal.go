package codec

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
