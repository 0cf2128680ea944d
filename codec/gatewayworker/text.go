package gatewayworker

import (
	"bytes"
	"errors"
	"math"
	"strconv"
	"unicode/utf8"
)

// ErrText says that a body has no text form: it is an array with a string that
// is not UTF-8 or a float that is not finite.
var ErrText = errors.New("PHP-serialized value without a text form")

// Message returns the bytes a frame has for a client (section 2): the body
// itself if it is plain or raw, else what workerman 5 turns the serialized
// value into, appended to dst: strings as they are, numbers in decimal, true as
// "1", false as "", and null, arrays and objects as JSON (section 7.1). null
// says that the value is null, in which case KICK closes without a message. On
// an error there is nothing to send; some of these kill PHP.
func Message(dst []byte, f *Frame) (message []byte, null bool, err error) {
	return new(Decoder).Message(dst, f)
}

// Message is the function of that name, at the Decoder's pace.
func (d *Decoder) Message(dst []byte, f *Frame) (message []byte, null bool, err error) {
	if f.Flags&FlagPlain != 0 {
		return f.Body, false, nil
	}
	return appendText(dst, f.Body, d.Pace)
}

// AppendText appends the text form of a serialized value, as [Message] does.
func AppendText(dst, value []byte) (text []byte, null bool, err error) {
	return appendText(dst, value, nil)
}

func appendText(dst, value []byte, pace Pace) (text []byte, null bool, err error) {
	s := scanner{b: value}
	kind, err := s.kind()
	if err != nil {
		return dst, false, err
	}
	switch kind {
	case 's':
		content, err := s.text()
		if err != nil || !s.lit(";") {
			return dst, false, ErrSerialized
		}
		return append(dst, content...), false, nil
	case 'b':
		if s.lit("1;") {
			return append(dst, '1'), false, nil
		}
		if s.lit("0;") {
			return dst, false, nil
		}
		return dst, false, ErrSerialized
	case 'd':
		f, err := s.float()
		if err != nil {
			return dst, false, err
		}
		return appendFloat(dst, f, 'E', 14), false, nil
	}
	t, err := parse(value, true, len(value)+maxInlined, pace)
	if err != nil {
		return dst, false, err
	}
	if text, err = t.appendJSON(dst, 0); err != nil {
		return dst, false, err
	}
	return text, kind == 'N', nil
}

// maxInlined is how many bytes the references in a message may add.
const maxInlined = 1 << 20

// appendJSON appends the value at i as json_encode does with
// JSON_UNESCAPED_UNICODE. On an error dst may contain part of it.
func (t *tree) appendJSON(dst []byte, i int) ([]byte, error) {
	if err := t.pacer.value(); err != nil {
		return dst, err
	}
	value := t.bytes(i)
	s := scanner{b: value, i: 2}
	switch t.nodes[i].kind {
	case 'N':
		return append(dst, "null"...), nil
	case 'b':
		return strconv.AppendBool(dst, value[2] == '1'), nil
	case 'i':
		n, err := s.integer()
		return append(dst, n...), err
	case 'd':
		f, err := s.float()
		if err == nil && (math.IsInf(f, 0) || math.IsNaN(f)) {
			err = ErrText
		}
		if err != nil {
			return dst, err
		}
		return appendFloat(dst, f, 'e', 17), nil
	case 's':
		text, err := s.text()
		if err != nil {
			return dst, err
		}
		return appendPHPString(dst, text)
	case 'a':
		if !t.list(i) {
			return t.appendPairs(append(dst, '{'), i, "")
		}
		dst = append(dst, '[')
		var err error
		for at := i + 1; at < t.nodes[i].next; at = t.nodes[at].next {
			if at > i+1 {
				dst = append(dst, ',')
			}
			if dst, err = t.appendJSON(dst, at); err != nil {
				return dst, err
			}
		}
		return append(dst, ']'), nil
	case 'O':
		class, err := s.text()
		if err != nil {
			return dst, err
		}
		dst = append(dst, `{"__PHP_Incomplete_Class_Name":`...)
		if dst, err = appendPHPString(dst, class); err != nil {
			return dst, err
		}
		return t.appendPairs(dst, i, ",")
	}
	return dst, ErrText
}

// appendPairs appends the keys and values of the array or object at i, with sep
// before the first, and the closing brace. Properties that are not public,
// whose names start with a zero byte, are skipped.
func (t *tree) appendPairs(dst []byte, i int, sep string) (_ []byte, err error) {
	for _, at := range t.distinct(i) {
		key := t.nodes[at].key
		if t.nodes[i].kind == 'O' && len(key) > 0 && key[0] == 0 {
			continue
		}
		dst, sep = append(dst, sep...), ","
		if dst, err = appendPHPString(dst, key); err != nil {
			return dst, err
		}
		if dst, err = t.appendJSON(append(dst, ':'), at); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

// appendPHPString appends a string as json_encode does with
// JSON_UNESCAPED_UNICODE: slashes are escaped, and so are the line separators
// U+2028 and U+2029. Bytes that are not UTF-8 are an error.
func appendPHPString(dst, text []byte) ([]byte, error) {
	dst = append(dst, '"')
	for i := 0; i < len(text); {
		c, n := utf8.DecodeRune(text[i:])
		if c == utf8.RuneError && n == 1 {
			return dst, ErrText
		}
		i += n
		switch c {
		case '/':
			dst = append(dst, '\\', '/')
		case 0x2028, 0x2029:
			dst = append(append(dst, `\u`...), strconv.FormatInt(int64(c), 16)...)
		default:
			dst = appendJSONRune(dst, c)
		}
	}
	return append(dst, '"'), nil
}

// appendFloat appends a float as PHP prints it: the fewest digits that identify
// it, at most digits of them, with an exponent (e or E) if that is below -4 or
// at least digits.
func appendFloat(dst []byte, f float64, e byte, digits int) []byte {
	switch {
	case math.IsInf(f, 1):
		return append(dst, "INF"...)
	case math.IsInf(f, -1):
		return append(dst, "-INF"...)
	case math.IsNaN(f):
		return append(dst, "NAN"...)
	}
	precision := -1
	if digits < 17 {
		precision = digits - 1
	}
	var room [32]byte
	text := strconv.AppendFloat(room[:0], f, 'e', precision, 64)
	mantissa, exponent, _ := bytes.Cut(text, []byte{'e'})
	if bytes.IndexByte(mantissa, '.') >= 0 {
		mantissa = bytes.TrimRight(bytes.TrimRight(mantissa, "0"), ".")
	}
	n, _ := strconv.Atoi(string(exponent))
	if n < -4 || n >= digits {
		dst = append(dst, mantissa...)
		if bytes.IndexByte(mantissa, '.') < 0 {
			dst = append(dst, '.', '0')
		}
		dst = append(dst, e, "+-"[b2i(n < 0)])
		return strconv.AppendInt(dst, int64(max(n, -n)), 10)
	}
	rounded, _ := strconv.ParseFloat(string(append(append(mantissa, 'e'), strconv.Itoa(n)...)), 64)
	return strconv.AppendFloat(dst, rounded, 'f', -1, 64)
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
