package token

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"unicode/utf16"
	"unicode/utf8"
)

var (
	errObject = errors.New("no JSON object")
	errText   = errors.New("not UTF-8, or half of a surrogate pair")
	errNull   = errors.New("null is no value")
	errString = errors.New("no string")
	errList   = errors.New("no list")
)

// members reads a JSON object: value is called for each member whose name is
// one of those that count, letter by letter (RFC 7519 section 10.1.1), and none
// of these may stand twice. encoding/json would take "SUB" for "sub", the last
// of two, and what is no character for one and the same.
func members(text []byte, counts []string, value func(name string, raw []byte) error) error {
	if !json.Valid(text) {
		return errObject
	}
	if !utf8.Valid(text) || halfPair(text) {
		return errText
	}
	rest, ok := bytes.CutPrefix(bytes.TrimLeft(text, space), []byte{'{'})
	if !ok {
		return errObject
	}
	var seen uint // a bit for each of counts
	for {
		var quoted, raw []byte
		if rest = bytes.TrimLeft(rest, space+","); rest[0] == '}' {
			return nil
		}
		quoted, rest = cutValue(rest)
		raw, rest = cutValue(bytes.TrimLeft(rest, space+":"))
		name := unquoted(quoted)
		i := slices.IndexFunc(counts, func(one string) bool { return one == string(name) })
		if i < 0 {
			continue
		}
		if seen&(1<<i) != 0 {
			return twiceError(counts[i])
		}
		seen |= 1 << i
		if err := value(counts[i], raw); err != nil {
			return err
		}
	}
}

// twiceError is the name of a member that stands twice.
type twiceError string

// Error implements error.
func (e twiceError) Error() string { return string(e) + " stands twice" }

// space is what may stand between the tokens of JSON.
const space = " \t\r\n"

// ends are what may follow a number or word.
var ends = []byte(space + ",:]}")

// unquoted is the value of a string in JSON.
func unquoted(text []byte) []byte {
	if bytes.IndexByte(text, '\\') >= 0 {
		var s string
		if json.Unmarshal(text, &s) == nil {
			return []byte(s)
		}
	}
	return text[1 : len(text)-1]
}

// cutValue returns the value that a valid text begins with, and what follows.
func cutValue(text []byte) (value, rest []byte) {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			for i++; text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			depth++
			continue
		case '}', ']':
			depth--
		default: // within a number or word, whose end is what follows it
			if depth > 0 || i+1 < len(text) && bytes.IndexByte(ends, text[i+1]) < 0 {
				continue
			}
		}
		if depth == 0 {
			return text[:i+1], text[i+1:]
		}
	}
	return text, nil
}

// halfPair tells whether a string in a JSON text has an escape for half of a
// surrogate pair, which stands for no character. All of them would read as the
// same one.
func halfPair(text []byte) bool {
	for {
		at := bytes.IndexByte(text, '\\')
		if at < 0 || at+1 >= len(text) {
			return false
		}
		text = text[at:]
		r := escape(text)
		switch {
		case r < 0:
			text = text[2:]
		case !utf16.IsSurrogate(r):
			text = text[6:]
		case utf16.DecodeRune(r, escape(text[6:])) == utf8.RuneError:
			return true
		default:
			text = text[12:]
		}
	}
}

// escape is the UTF-16 unit of the \uXXXX that a text begins with, -1 if it
// begins with something else.
func escape(text []byte) rune {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return -1
	}
	var r rune
	for _, c := range text[2:6] {
		digit := bytes.IndexByte([]byte("0123456789abcdef"), c|0x20)
		if digit < 0 {
			return -1
		}
		r = r<<4 | rune(digit)
	}
	return r
}

// word decodes a string.
func word(raw []byte) (string, error) {
	if raw[0] != '"' {
		return "", errString
	}
	return string(unquoted(raw)), nil
}

// exactly decodes a value that has the type of to; null has none.
func exactly(raw []byte, to any) error {
	if string(raw) == "null" {
		return errNull
	}
	return json.Unmarshal(raw, to)
}
