package codec

import "unicode/utf8"

// utf8Stream checks text that comes in pieces. The zero value is between two
// characters. It remembers what may follow, not the bytes that came before.
type utf8Stream struct {
	need   uint8 // continuation bytes still missing from a character
	lo, hi uint8 // range of the next one; valid while need > 0
}

// write adds the next piece and reports whether the text can still be UTF-8.
// After false the stream must not be used.
func (s *utf8Stream) write(b []byte) bool {
	i := 0
	for ; s.need > 0 && i < len(b); i++ {
		if !s.next(b[i]) {
			return false
		}
	}
	b = b[i:]
	tail := begun(b)
	if !utf8.Valid(b[:len(b)-tail]) {
		return false
	}
	for _, c := range b[len(b)-tail:] {
		if s.need == 0 {
			s.need, s.lo, s.hi = follow(c)
		} else if !s.next(c) {
			return false
		}
	}
	return true
}

// whole reports whether the text may end here.
func (s *utf8Stream) whole() bool { return s.need == 0 }

// next adds a continuation byte.
func (s *utf8Stream) next(c byte) bool {
	if c < s.lo || c > s.hi {
		return false
	}
	s.need, s.lo, s.hi = s.need-1, 0x80, 0xbf
	return true
}

// begun returns how many bytes at the end of b, 0 to 3, belong to a character
// that is incomplete.
func begun(b []byte) int {
	for i := 1; i <= min(len(b), utf8.UTFMax-1); i++ {
		c := b[len(b)-i]
		if c < utf8.RuneSelf {
			return 0
		}
		if !utf8.RuneStart(c) {
			continue
		}
		if need, _, _ := follow(c); int(need) >= i {
			return i
		}
		return 0
	}
	return 0
}

// follow returns how many continuation bytes follow the first byte c of a
// character, and the range of the first of them, which rules out overlong
// forms, surrogates and what is above U+10FFFF (RFC 3629 section 4). need is 0
// for bytes that begin no such character.
func follow(c byte) (need, lo, hi uint8) {
	switch {
	case c < 0xc2 || c > 0xf4:
		return 0, 0, 0
	case c < 0xe0:
		return 1, 0x80, 0xbf
	case c == 0xe0:
		return 2, 0xa0, 0xbf
	case c == 0xed:
		return 2, 0x80, 0x9f
	case c < 0xf0:
		return 2, 0x80, 0xbf
	case c == 0xf0:
		return 3, 0x90, 0xbf
	case c == 0xf4:
		return 3, 0x80, 0x8f
	}
	return 3, 0x80, 0xbf
}
