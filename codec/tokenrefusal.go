package codec

// AppendRefusalSaying appends the answer of r as AppendRefusal does, with a
// sentence and a code of the caller's in its body: why a token is refused is not
// this package's to know. Both must be printable ASCII.
func AppendRefusalSaying(dst []byte, r HandshakeResult, sentence, code string) []byte {
	if r == HandshakeOK || int(r) >= NumHandshakeResults {
		return dst
	}
	row := &handshakeTable[r]
	return append(dst, refusal(row.status, row.phrase, row.fields, sentence+" ["+code+"]\n")...)
}
