package gatewayworker

import (
	"errors"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxJSONDepth is how deep json_decode allows arrays and objects to nest.
const maxJSONDepth = 511

// errJSON says that json_decode would reject the input.
var errJSON = errors.New("not JSON")

// jsonKind is the type of a JSON value.
type jsonKind byte

const (
	jsonNull jsonKind = iota
	jsonFalse
	jsonTrue
	jsonNumber
	jsonString
	jsonArray
	jsonObject
)

// jsonReader walks JSON by the rules of PHP's json_decode: RFC 8259, valid
// UTF-8, no lone surrogates, at most 511 levels. Walk only input that valid has
// accepted.
type jsonReader struct {
	b     []byte
	i     int
	depth int
	pacer pacer
}

// validJSON reports whether json_decode accepts b.
func validJSON(b []byte, pace Pace) bool {
	r := jsonReader{b: b, pacer: pacer{pace: pace}}
	if r.skip() != nil {
		return false
	}
	r.space()
	return r.i == len(b)
}

func (r *jsonReader) space() {
	for r.i < len(r.b) && (r.b[r.i] == ' ' || r.b[r.i] == '\t' || r.b[r.i] == '\n' || r.b[r.i] == '\r') {
		r.i++
	}
}

// is reports whether the next byte after white space is c, and consumes it if
// so.
func (r *jsonReader) is(c byte) bool {
	r.space()
	if r.i < len(r.b) && r.b[r.i] == c {
		r.i++
		return true
	}
	return false
}

// kind returns the type of the next value, judged by its first byte.
func (r *jsonReader) kind() (jsonKind, error) {
	r.space()
	if r.i == len(r.b) {
		return 0, errJSON
	}
	switch c := r.b[r.i]; {
	case c == '"':
		return jsonString, nil
	case c == '[':
		return jsonArray, nil
	case c == '{':
		return jsonObject, nil
	case c == 'n':
		return jsonNull, nil
	case c == 't':
		return jsonTrue, nil
	case c == 'f':
		return jsonFalse, nil
	case c == '-' || c >= '0' && c <= '9':
		return jsonNumber, nil
	}
	return 0, errJSON
}

// skip consumes one value and checks it.
func (r *jsonReader) skip() error {
	kind, err := r.kind()
	if err != nil {
		return err
	}
	switch kind {
	case jsonNull:
		return r.word("null")
	case jsonTrue:
		return r.word("true")
	case jsonFalse:
		return r.word("false")
	case jsonNumber:
		_, _, err = r.number()
	case jsonString:
		_, _, err = r.text()
	default:
		return r.each(func([]byte, bool, jsonKind) error { return r.skip() })
	}
	return err
}

func (r *jsonReader) word(w string) error {
	if len(r.b)-r.i < len(w) || string(r.b[r.i:r.i+len(w)]) != w {
		return errJSON
	}
	r.i += len(w)
	return nil
}

// each calls f at each value of the next array or object; f must consume it.
// key is the raw text between the quotes of an object's key, nil for an array;
// escaped says that it contains escapes.
func (r *jsonReader) each(f func(key []byte, escaped bool, kind jsonKind) error) error {
	if r.depth++; r.depth > maxJSONDepth {
		return errJSON
	}
	end := byte(']')
	if r.b[r.i] == '{' {
		end = '}'
	}
	r.i++
	for first := true; !r.is(end); first = false {
		if !first && !r.is(',') {
			return errJSON
		}
		var key []byte
		var escaped bool
		if end == '}' {
			r.space()
			var err error
			if key, escaped, err = r.text(); err != nil || !r.is(':') {
				return errJSON
			}
		}
		kind, err := r.kind()
		if err != nil {
			return err
		}
		if err := f(key, escaped, kind); err != nil {
			return err
		}
		if err := r.pacer.at(r.i); err != nil {
			return err
		}
	}
	r.depth--
	return nil
}

// number consumes a number; whole says that it has neither fraction nor
// exponent.
func (r *jsonReader) number() (text []byte, whole bool, err error) {
	start := r.i
	if r.b[r.i] == '-' {
		r.i++
	}
	first := r.i
	if r.digits() == 0 || r.b[first] == '0' && r.i-first > 1 {
		return nil, false, errJSON
	}
	whole = true
	if r.i < len(r.b) && r.b[r.i] == '.' {
		r.i++
		if whole = false; r.digits() == 0 {
			return nil, false, errJSON
		}
	}
	if r.i < len(r.b) && r.b[r.i]|0x20 == 'e' {
		if r.i++; r.i < len(r.b) && (r.b[r.i] == '+' || r.b[r.i] == '-') {
			r.i++
		}
		if whole = false; r.digits() == 0 {
			return nil, false, errJSON
		}
	}
	return r.b[start:r.i], whole, nil
}

func (r *jsonReader) digits() int {
	start := r.i
	for r.i < len(r.b) && r.b[r.i] >= '0' && r.b[r.i] <= '9' {
		r.i++
	}
	return r.i - start
}

// text consumes a string and returns the raw text between the quotes.
func (r *jsonReader) text() (raw []byte, escaped bool, err error) {
	if r.i == len(r.b) || r.b[r.i] != '"' {
		return nil, false, errJSON
	}
	r.i++
	start := r.i
	for r.i < len(r.b) {
		switch c := r.b[r.i]; {
		case c == '"':
			raw = r.b[start:r.i:r.i]
			r.i++
			return raw, escaped, nil
		case c < 0x20:
			return nil, false, errJSON
		case c == '\\':
			escaped = true
			n := escapeLen(r.b[r.i:])
			if n == 0 {
				return nil, false, errJSON
			}
			r.i += n
		case c < utf8.RuneSelf:
			r.i++
		default:
			char, n := utf8.DecodeRune(r.b[r.i:])
			if char == utf8.RuneError && n == 1 {
				return nil, false, errJSON
			}
			r.i += n
		}
	}
	return nil, false, errJSON
}

// escapeLen is the length of the escape at the start of b, counting both halves
// of a surrogate pair; 0 if it is not a valid escape.
func escapeLen(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
	default:
		return 0
	}
	unit, ok := hex4(b)
	if !ok {
		return 0
	}
	if !utf16.IsSurrogate(unit) {
		return 6
	}
	if low, ok := hex4(b[6:]); ok && utf16.DecodeRune(unit, low) != utf8.RuneError {
		return 12
	}
	return 0
}

// hex4 reads \uXXXX at the start of b.
func hex4(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(b[2:6]), 16, 16)
	return rune(n), err == nil
}

// appendUnescaped appends what a string of valid JSON means. It is never longer
// than raw.
func appendUnescaped(dst, raw []byte) []byte {
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			dst = append(dst, raw[i])
			i++
			continue
		}
		switch c := raw[i+1]; c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			unit, _ := hex4(raw[i:])
			if utf16.IsSurrogate(unit) {
				low, _ := hex4(raw[i+6:])
				unit = utf16.DecodeRune(unit, low)
			}
			dst = utf8.AppendRune(dst, unit)
		default:
			dst = append(dst, c)
		}
		i += escapeLen(raw[i:])
	}
	return dst
}
