package wire

import (
	"unicode/utf16"
	"unicode/utf8"
)

// escape checks the escape at pos and moves past it; a surrogate pair is one
// escape.
func (s *scanner) escape(field string) error {
	if s.pos+1 >= len(s.data) {
		s.pos = len(s.data)
		return s.syntax("in an escape")
	}
	switch s.data[s.pos+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.pos += 2
		return nil
	case 'u':
	default:
		s.pos++
		return s.syntax("in an escape")
	}
	r, err := s.hex()
	if err != nil || !utf16.IsSurrogate(r) {
		return err
	}
	if s.pos+1 < len(s.data) && s.data[s.pos] == '\\' && s.data[s.pos+1] == 'u' {
		low, err := s.hex()
		if err != nil {
			return err
		}
		if utf16.DecodeRune(r, low) != utf8.RuneError {
			return nil
		}
	}
	return Faultf(CodeInvalidUTF8, "%s contains half of a surrogate pair, which is not UTF-8", field)
}

// hex reads the \uXXXX at pos.
func (s *scanner) hex() (rune, error) {
	end := s.pos + 6
	for s.pos += 2; s.pos < end; s.pos++ {
		if s.pos >= len(s.data) || unhex(s.data[s.pos]) < 0 {
			return 0, s.syntax("in a \\u escape")
		}
	}
	return hex4(s.data[end-4:]), nil
}

func hex4(b []byte) (r rune) {
	for _, c := range b[:4] {
		r = r<<4 | unhex(c)
	}
	return r
}

func unhex(c byte) rune {
	switch {
	case '0' <= c && c <= '9':
		return rune(c - '0')
	case 'a' <= c && c <= 'f':
		return rune(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return rune(c-'A') + 10
	}
	return -1
}

// unescape decodes the escapes of text, which quoted has checked, in place. An
// escape is never shorter than the character it stands for.
func unescape(text []byte) []byte {
	w := 0
	for r := 0; r < len(text); {
		c := text[r]
		if c != '\\' {
			text[w] = c
			w, r = w+1, r+1
			continue
		}
		if text[r+1] != 'u' {
			text[w] = unescaped(text[r+1])
			w, r = w+1, r+2
			continue
		}
		char := hex4(text[r+2:])
		r += 6
		if utf16.IsSurrogate(char) {
			char = utf16.DecodeRune(char, hex4(text[r+2:]))
			r += 6
		}
		w += utf8.EncodeRune(text[w:r], char)
	}
	return text[:w]
}

// unescaped returns the character that \c stands for.
func unescaped(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}
