package codec

import "bytes"

// Lexical rules of an HTTP/1.1 head (RFC 9110 section 5, RFC 9112 section 5).
// They are applied strictly: anything that another server in front might read
// differently is refused.

// nextLine returns the first line of a head, without its CRLF, and the rest.
// Only CRLF ends a line, and the only other control character allowed is the
// tab.
func nextLine(b []byte) (line, rest []byte, ok bool) {
	i := bytes.IndexByte(b, '\n')
	if i < 1 || b[i-1] != '\r' {
		return nil, nil, false
	}
	line = b[:i-1]
	for _, c := range line {
		if c < ' ' && c != '\t' || c == 0x7f {
			return nil, nil, false
		}
	}
	return line, b[i+1:], true
}

// cutField splits a header line. A line that begins with white space (obsolete
// folding) has no name and is refused, as is white space before the colon.
func cutField(line []byte) (name, value []byte, ok bool) {
	i := bytes.IndexByte(line, ':')
	if i < 0 || !isToken(line[:i]) {
		return nil, nil, false
	}
	return line[:i], bytes.Trim(line[i+1:], " \t"), true
}

// tokenByte is the set of characters of a token (RFC 9110 section 5.6.2).
var tokenByte = func() (set [256]bool) {
	for _, c := range []byte("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		set[c] = true
	}
	return set
}()

func isToken(b []byte) bool {
	for _, c := range b {
		if !tokenByte[c] {
			return false
		}
	}
	return len(b) > 0
}

// equalFold compares ignoring the case of ASCII letters; lower is in lower
// case. bytes.EqualFold would also match the Kelvin sign to a k.
func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// hasToken reports whether the comma-separated list in value has a member
// equal to token, which is in lower case.
func hasToken(value []byte, token string) bool {
	for more := true; more; {
		var member []byte
		member, value, more = bytes.Cut(value, []byte{','})
		if equalFold(bytes.Trim(member, " \t"), token) {
			return true
		}
	}
	return false
}
