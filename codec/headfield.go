package codec

import (
	"bytes"
	"iter"
)

// Fields goes through the header lines of a complete request head that
// Upgrader.Upgrade has taken, in their order: name as sent, value without white
// space around it. Both are parts of head.
func Fields(head []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		_, rest, ok := nextLine(head)
		for ok {
			var line []byte
			if line, rest, ok = nextLine(rest); !ok || len(line) == 0 {
				return
			}
			if name, value, good := cutField(line); !good || !yield(name, value) {
				return
			}
		}
	}
}

// IsField reports whether name is that of a field, whose name in lower case is
// lower. Letters of other alphabets never match.
func IsField(name []byte, lower string) bool { return equalFold(name, lower) }

// IsToken reports whether b is a token (RFC 9110 section 5.6.2), as a
// subprotocol must be.
func IsToken(b []byte) bool { return isToken(b) }

// Query is what stands behind the first ? of the request's target, nil if
// there is none; a part of head.
func Query(head []byte) []byte {
	line, _, _ := nextLine(head)
	_, target, _ := bytes.Cut(line, []byte{' '})
	target, _, _ = bytes.Cut(target, []byte{' '})
	_, query, _ := bytes.Cut(target, []byte{'?'})
	return query
}

// QueryValue is the value of the first parameter of that name in a query, as
// it stands, %-escapes included; found is false if there is none. Names are
// compared to the letter.
func QueryValue(query []byte, name string) (value []byte, found bool) {
	for more := true; more; {
		var pair []byte
		pair, query, more = bytes.Cut(query, []byte{'&'})
		k, v, _ := bytes.Cut(pair, []byte{'='})
		if string(k) == name {
			return v, true
		}
	}
	return nil, false
}

// CookieValue is the value of the first cookie of that name in a Cookie field
// (RFC 6265 section 4.2.1), without the quotes that may be around it.
func CookieValue(field []byte, name string) (value []byte, found bool) {
	for more := true; more; {
		var pair []byte
		pair, field, more = bytes.Cut(field, []byte{';'})
		k, v, ok := bytes.Cut(bytes.Trim(pair, " \t"), []byte{'='})
		if !ok || string(k) != name {
			continue
		}
		if len(v) >= 2 && v[0] == '"' && v[len(v)-1] == '"' {
			v = v[1 : len(v)-1]
		}
		return v, true
	}
	return nil, false
}

// AddField puts a header line in front of the empty line that ends an answer's
// head, which must be complete and without a body. value must be a valid one.
func AddField(answer []byte, name string, value []byte) []byte {
	answer = append(answer[:len(answer)-len("\r\n")], name...)
	answer = append(answer, ": "...)
	answer = append(answer, value...)
	return append(answer, headEnd...)
}
