package wire

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// MaxDepth is how deep objects and arrays may nest in a body.
const MaxDepth = 100

// scanner reads JSON from a buffer that it owns: strings are unescaped in
// place. The zero value with data set is ready to use.
type scanner struct {
	data []byte
	pos  int
	// first is true between the start of an object or array and its first
	// element. One flag serves all levels: when the scanner returns to a level,
	// that level has had an element.
	first bool
	// unique makes skip refuse objects with two equal names.
	unique bool
	// spaced is set by space when it has skipped something.
	spaced bool
	names  []string // of the objects around pos, innermost last
}

func (s *scanner) reset(data []byte) {
	*s = scanner{data: data, names: resetNames(s.names), unique: true}
}

// space moves to the next byte that is not white space.
func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
			s.spaced = true
		default:
			return
		}
	}
}

// peek moves to the next byte that is not white space and returns it, 0 at the
// end. A 0 byte in the data is not valid JSON either.
func (s *scanner) peek() byte {
	s.space()
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

// end requires that only white space is left.
func (s *scanner) end() error {
	if s.space(); s.pos < len(s.data) {
		return s.syntax("after the end of the value")
	}
	return nil
}

// byteOrderMarks begin the texts of some programs, which RFC 8259 section 8.1
// forbids.
var byteOrderMarks = map[string]string{"\xef\xbb\xbf": "UTF-8", "\xff\xfe": "UTF-16", "\xfe\xff": "UTF-16"}

// syntax is the fault of an unexpected byte at pos.
func (s *scanner) syntax(where string) error {
	if s.pos >= len(s.data) {
		return Faultf(CodeInvalidJSON, "the JSON ends early, %s", where)
	}
	for mark, name := range byteOrderMarks {
		if s.pos == 0 && strings.HasPrefix(string(s.data[:min(len(s.data), 3)]), mark) {
			return Faultf(CodeInvalidJSON, "the JSON begins with a byte order mark (%s); send UTF-8 without one", name)
		}
	}
	return Faultf(CodeInvalidJSON, "unexpected %q at byte %d, %s", s.data[s.pos:s.pos+1], s.pos, where)
}

// wrongType is the fault of a value at pos whose type is not the field's. A
// value that is not JSON at all is a syntax fault.
func (s *scanner) wrongType(field, want string) error {
	var is string
	switch c := s.peek(); {
	case c == '"':
		is = "a string"
	case c == '{':
		is = "an object"
	case c == '[':
		is = "an array"
	case c == 't' || c == 'f':
		is = "a boolean"
	case c == 'n':
		is = "null"
	case c == '-' || c >= '0' && c <= '9':
		is = "a number"
	}
	at := s.pos
	if err := s.skip(0); is == "" || err != nil {
		return err
	}
	s.pos = at
	return Faultf(CodeWrongType, "%s must be %s, not %s", field, want, is)
}

// open enters an object ('{') or array ('['), the type of field.
func (s *scanner) open(bracket byte, field, want string) error {
	if s.peek() != bracket {
		return s.wrongType(field, want)
	}
	s.pos++
	s.first = true
	return nil
}

// more moves to the next element of the array or object that ends with closing,
// or leaves it and returns false.
func (s *scanner) more(closing byte) (bool, error) {
	c := s.peek()
	if c == closing {
		s.pos++
		s.first = false
		return false, nil
	}
	if s.first {
		s.first = false
		return true, nil
	}
	if c != ',' {
		return false, s.syntax("where a comma or the end is expected")
	}
	s.pos++
	return true, nil
}

// key reads the next name of an object and its colon, or leaves the object and
// returns false.
func (s *scanner) key() (key string, ok bool, err error) {
	if ok, err = s.more('}'); !ok {
		return "", false, err
	}
	if s.peek() != '"' {
		return "", false, s.syntax("where a field name is expected")
	}
	if key, err = s.text("the name of a field"); err != nil {
		return "", false, err
	}
	return key, true, s.colon()
}

func (s *scanner) colon() error {
	if s.peek() != ':' {
		return s.syntax("where a colon is expected")
	}
	s.pos++
	return nil
}

// str reads the string value of field.
func (s *scanner) str(field string) (string, error) {
	if s.peek() != '"' {
		return "", s.wrongType(field, "a string")
	}
	return s.text(field)
}

// text reads the string at pos, unescaped in place.
func (s *scanner) text(field string) (string, error) {
	start, escaped, err := s.quoted(field)
	if err != nil {
		return "", err
	}
	body := s.data[start : s.pos-1]
	if escaped {
		body = unescape(body)
	}
	return unsafe.String(unsafe.SliceData(body), len(body)), nil
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// quoted moves past the string at pos and returns where its text begins (it
// ends before pos-1) and whether it contains escapes. It checks everything;
// decoding the escapes is left to unescape.
func (s *scanner) quoted(field string) (start int, escaped bool, err error) {
	s.pos++
	start = s.pos
	ascii := true
	for i := start; ; {
		// Skip eight bytes at a time while none is a quote, a backslash, a
		// control character or above 127.
		for i+8 <= len(s.data) {
			x := binary.LittleEndian.Uint64(s.data[i:])
			quote, back := x^(ones*'"'), x^(ones*'\\')
			if (x|(x-ones*0x20)|(quote-ones)|(back-ones))&highs != 0 {
				break
			}
			i += 8
		}
		if i >= len(s.data) {
			s.pos = i
			return 0, false, s.syntax("in a string")
		}
		switch c := s.data[i]; {
		case c == '"':
			if !ascii && !utf8.Valid(s.data[start:i]) {
				return 0, false, Faultf(CodeInvalidUTF8, "%s is not UTF-8", field)
			}
			s.pos = i + 1
			return start, escaped, nil
		case c == '\\':
			escaped = true
			s.pos = i
			if err := s.escape(field); err != nil {
				return 0, false, err
			}
			i = s.pos
		case c < 0x20:
			s.pos = i
			return 0, false, s.syntax("in a string: control characters must be escaped")
		default:
			ascii = ascii && c < utf8.RuneSelf
			i++
		}
	}
}
