package wire

import (
	"bytes"
	"slices"
	"strings"
	"unsafe"
)

// raw reads any value and returns its bytes unchanged.
func (s *scanner) raw() ([]byte, error) {
	s.space()
	start := s.pos
	if err := s.skip(0); err != nil {
		return nil, err
	}
	return s.data[start:s.pos:s.pos], nil
}

// skip checks the value at pos without changing it, and moves past it.
func (s *scanner) skip(depth int) error {
	switch c := s.peek(); c {
	case '"':
		_, _, err := s.quoted("a string")
		return err
	case '{':
		return s.skipObject(depth + 1)
	case '[':
		return s.skipArray(depth + 1)
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	default:
		return s.number()
	}
}

func (s *scanner) deep(depth int) error {
	if depth > MaxDepth {
		return Faultf(CodeTooDeep, "objects and arrays nest deeper than %d", MaxDepth)
	}
	return nil
}

func (s *scanner) skipArray(depth int) error {
	if err := s.deep(depth); err != nil {
		return err
	}
	s.pos, s.first = s.pos+1, true
	for {
		ok, err := s.more(']')
		if !ok {
			return err
		}
		if err := s.skip(depth); err != nil {
			return err
		}
	}
}

func (s *scanner) skipObject(depth int) error {
	if err := s.deep(depth); err != nil {
		return err
	}
	s.pos, s.first = s.pos+1, true
	n := namesOf{s: s, base: len(s.names)}
	for {
		ok, err := s.more('}')
		if !ok {
			clear(s.names[n.base:])
			s.names = s.names[:n.base]
			return err
		}
		if s.peek() != '"' {
			return s.syntax("where a field name is expected")
		}
		start, escaped, err := s.quoted("the name of a field")
		if err != nil {
			return err
		}
		if s.unique {
			if err := n.add(s.data[start:s.pos-1], escaped); err != nil {
				return err
			}
		}
		if err := s.colon(); err != nil {
			return err
		}
		if err := s.skip(depth); err != nil {
			return err
		}
	}
}

// namesOf is the set of names in one object: on the scanner's stack while there
// are few, in a map once a linear search would be slow.
type namesOf struct {
	s    *scanner
	base int
	many map[string]struct{}
}

const fewNames = 16

func (n *namesOf) add(text []byte, escaped bool) error {
	if escaped {
		text = unescape(bytes.Clone(text))
	}
	name := unsafe.String(unsafe.SliceData(text), len(text))
	known := false
	if n.many == nil {
		own := n.s.names[n.base:]
		if known = slices.Contains(own, name); !known && len(own) < fewNames {
			n.s.names = append(n.s.names, name)
			return nil
		}
		n.many = make(map[string]struct{}, 2*fewNames)
		for _, o := range own {
			n.many[o] = struct{}{}
		}
	} else {
		_, known = n.many[name]
	}
	if known {
		return Faultf(CodeDuplicateField, "the name %.64q appears twice in one object", name)
	}
	n.many[name] = struct{}{}
	return nil
}

func (s *scanner) literal(want string) error {
	if !strings.HasPrefix(unsafe.String(unsafe.SliceData(s.data[s.pos:]), len(s.data)-s.pos), want) {
		return s.syntax("where a value is expected")
	}
	s.pos += len(want)
	return nil
}

// boolean reads true or false.
func (s *scanner) boolean(field string) (bool, error) {
	switch s.peek() {
	case 't':
		return true, s.literal("true")
	case 'f':
		return false, s.literal("false")
	}
	return false, s.wrongType(field, "a boolean")
}

// number moves past the number at pos (RFC 8259 section 6).
func (s *scanner) number() error {
	if s.at('-') {
		s.pos++
	}
	switch {
	case s.at('0'):
		s.pos++
	case !s.digits():
		return s.syntax("where a value is expected")
	}
	if s.at('.') {
		s.pos++
		if !s.digits() {
			return s.syntax("in a number")
		}
	}
	if s.at('e') || s.at('E') {
		s.pos++
		if s.at('+') || s.at('-') {
			s.pos++
		}
		if !s.digits() {
			return s.syntax("in a number")
		}
	}
	return nil
}

func (s *scanner) at(c byte) bool { return s.pos < len(s.data) && s.data[s.pos] == c }

// digits moves past digits and reports whether there were any.
func (s *scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.data) && s.data[s.pos]-'0' <= 9 {
		s.pos++
	}
	return s.pos > start
}

// appendCompact appends valid JSON without its white space.
func appendCompact(dst, json []byte) []byte {
	inside := false
	for i := 0; i < len(json); i++ {
		c := json[i]
		switch {
		case inside && c == '\\':
			dst = append(dst, c)
			i++
			c = json[i]
		case c == '"':
			inside = !inside
		case !inside && (c == ' ' || c == '\n' || c == '\t' || c == '\r'):
			continue
		}
		dst = append(dst, c)
	}
	return dst
}
