package gatewayworker

import (
	"errors"
	"strconv"
)

// MaxNesting is how deep arrays and objects may nest in a value that is read.
// PHP allows 4096; sessions have a few levels.
const MaxNesting = 512

// Reasons to reject a serialized value.
var (
	ErrSerialized = errors.New("not a PHP-serialized value")
	ErrNesting    = errors.New("PHP-serialized value nested too deeply")
	ErrReference  = errors.New("PHP-serialized value with a reference to a value that contains it, or to no value")
	ErrNotArray   = errors.New("PHP-serialized value is not an array")
	ErrTooLarge   = errors.New("PHP-serialized value too large")
)

// scanner reads PHP serialization (section 5.1) in one pass.
type scanner struct {
	b     []byte
	i     int
	depth int
	pacer pacer
}

// lit consumes the literal w.
func (s *scanner) lit(w string) bool {
	if len(s.b)-s.i < len(w) || string(s.b[s.i:s.i+len(w)]) != w {
		return false
	}
	s.i += len(w)
	return true
}

// kind consumes the letter and colon at the start of a value; for null, 'N',
// that is the whole value.
func (s *scanner) kind() (byte, error) {
	if s.lit("N;") {
		return 'N', nil
	}
	if len(s.b)-s.i < 2 || s.b[s.i+1] != ':' {
		return 0, ErrSerialized
	}
	s.i += 2
	return s.b[s.i-2], nil
}

// until consumes everything up to and including end.
func (s *scanner) until(end byte) ([]byte, error) {
	for i := s.i; i < len(s.b) && i-s.i < 512; i++ {
		if s.b[i] == end {
			text := s.b[s.i:i]
			s.i = i + 1
			return text, nil
		}
	}
	return nil, ErrSerialized
}

// length consumes a number of bytes or elements and the colon after it. It
// cannot exceed what is left, since each takes at least a byte.
func (s *scanner) length() (int, error) {
	text, err := s.until(':')
	if err != nil || len(text) == 0 || len(text) > 18 {
		return 0, ErrSerialized
	}
	n := 0
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, ErrSerialized
		}
		n = n*10 + int(c-'0')
	}
	if n > len(s.b)-s.i {
		return 0, ErrSerialized
	}
	return n, nil
}

// text consumes a counted, quoted string.
func (s *scanner) text() ([]byte, error) {
	n, err := s.length()
	if err != nil || !s.lit(`"`) || n > len(s.b)-s.i {
		return nil, ErrSerialized
	}
	text := s.b[s.i : s.i+n : s.i+n]
	if s.i += n; !s.lit(`"`) {
		return nil, ErrSerialized
	}
	return text, nil
}

// key consumes the key of an array's or object's element, as text.
func (s *scanner) key() ([]byte, error) {
	kind, err := s.kind()
	if err != nil {
		return nil, err
	}
	switch kind {
	case 'i':
		n, err := s.integer()
		if err != nil {
			return nil, err
		}
		return n, nil
	case 's':
		text, err := s.text()
		if err != nil || !s.lit(";") {
			return nil, ErrSerialized
		}
		return text, nil
	}
	return nil, ErrSerialized
}

// integer consumes the rest of an integer and returns it in its canonical form.
func (s *scanner) integer() ([]byte, error) {
	text, err := s.until(';')
	if err != nil {
		return nil, err
	}
	if IsIntKey(text) {
		return text, nil
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return nil, ErrSerialized
	}
	return strconv.AppendInt(nil, n, 10), nil
}

// float consumes the rest of a float.
func (s *scanner) float() (float64, error) {
	text, err := s.until(';')
	if err != nil || len(text) == 0 {
		return 0, ErrSerialized
	}
	switch string(text) {
	case "INF", "-INF", "NAN":
	default:
		for _, c := range text {
			if (c < '0' || c > '9') && c != '.' && c != 'e' && c != 'E' && c != '+' && c != '-' {
				return 0, ErrSerialized
			}
		}
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, ErrSerialized
	}
	return f, nil
}

// enter begins the elements of an array, after a:, or of an object, after the
// class: it consumes their number and the brace.
func (s *scanner) enter() (n int, err error) {
	if n, err = s.length(); err != nil {
		return 0, err
	}
	if s.depth++; s.depth > MaxNesting {
		return 0, ErrNesting
	}
	if !s.lit("{") {
		return 0, ErrSerialized
	}
	return n, nil
}

// leave ends what enter started.
func (s *scanner) leave() error {
	if s.depth--; !s.lit("}") {
		return ErrSerialized
	}
	return nil
}

// opaque consumes the rest of a value of this kind, which is not an array.
func (s *scanner) opaque(kind byte) (err error) {
	switch kind {
	case 'N':
		return nil
	case 'b':
		if s.lit("0;") || s.lit("1;") {
			return nil
		}
	case 'i':
		_, err = s.integer()
		return err
	case 'd':
		_, err = s.float()
		return err
	case 's', 'E':
		if _, err = s.text(); err == nil && s.lit(";") {
			return nil
		}
	case 'C':
		return s.custom()
	case 'O':
		if _, err = s.text(); err != nil || !s.lit(":") {
			return ErrSerialized
		}
		return s.elements()
	case 'r', 'R':
		return ErrReference
	}
	return ErrSerialized
}

// custom consumes the rest of an object that serialized itself.
func (s *scanner) custom() error {
	if _, err := s.text(); err != nil || !s.lit(":") {
		return ErrSerialized
	}
	n, err := s.length()
	if err != nil || !s.lit("{") || n > len(s.b)-s.i {
		return ErrSerialized
	}
	if s.i += n; !s.lit("}") {
		return ErrSerialized
	}
	return nil
}

// elements consumes keys and values, from their number to the closing brace.
func (s *scanner) elements() error {
	n, err := s.enter()
	if err != nil {
		return err
	}
	for range n {
		if _, err := s.key(); err != nil {
			return err
		}
		kind, err := s.kind()
		if err != nil {
			return err
		}
		if kind == 'a' {
			err = s.elements()
		} else {
			err = s.opaque(kind)
		}
		if err == nil {
			err = s.pacer.at(s.i)
		}
		if err != nil {
			return err
		}
	}
	return s.leave()
}
