package codec

import (
	"bytes"
	"iter"
)

// Fields iterates over the header lines of a complete request head that
// Upgrader.Upgrade has accepted, in order. The name is as sent, the value
// without surrounding white space. Both are parts of head.
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

// IsField reports whether name equals lower, which is in lower case, ignoring
// the case of ASCII letters.
func IsField(name []byte, lower string) bool { return equalFold(name, lower) }

// IsToken reports whether b is a token (RFC 9110 section 5.6.2), as a
// subprotocol must be.
func IsToken(b []byte) bool { return isToken(b) }

// Query returns what follows the first ? of the request's target, nil if there
// is none. It is part of head.
func Query(head []byte) []byte {
	line, _, _ := nextLine(head)
	_, target, _ := bytes.Cut(line, []byte{' '})
	target, _, _ = bytes.Cut(target, []byte{' '})
	_, query, _ := bytes.Cut(target, []byte{'?'})
	return query
}

// QueryValue returns the value of the first parameter of that name in a query,
// still %-escaped; found is false if there is none. Names must match exactly.
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

// CookieValue returns the value of the first cookie of that name in a Cookie
// field (RFC 6265 section 4.2.1), without surrounding quotes.
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

// AddField adds a header line to an answer's head, which must be complete and
// have no body. value must be a valid field value.
func AddField(answer []byte, name string, value []byte) []byte {
	answer = append(answer[:len(answer)-len("\r\n")], name...)
	answer = append(answer, ": "...)
	answer = append(answer, value...)
	return append(answer, headEnd...)
}
