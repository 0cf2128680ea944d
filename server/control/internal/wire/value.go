package wire

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"strings"
	"unsafe"

	"castgate/server/internal/integer"
)

// bytesOf returns the bytes of a string that points into a body.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// list appends the strings of an array.
func (s *scanner) list(field string, names []string) ([]string, error) {
	if err := s.open('[', field, "an array of strings"); err != nil {
		return names, err
	}
	for n := 0; ; n++ {
		ok, err := s.more(']')
		if !ok {
			return names, err
		}
		if n == MaxNames {
			return names, Faultf(CodeTooMany, "%s has more than %d elements", field, MaxNames)
		}
		if s.peek() != '"' {
			return names, s.wrongType(field+"["+strconv.Itoa(n)+"]", "a string")
		}
		name, err := s.text(field)
		if err != nil {
			return names, err
		}
		names = append(names, name)
	}
}

// only reads a string with one allowed value.
func (s *scanner) only(field, allowed string) (bool, error) {
	v, err := s.str(field)
	if err != nil {
		return false, err
	}
	if v != allowed {
		return false, Faultf(CodeInvalidValue, "%s must be %q, not %.64q", field, allowed, v)
	}
	return true, nil
}

// closeCode reads the code of a kick, a JSON integer, which may be written
// 1000.0 or 1e3. The gateway decides which codes are allowed; here it must only
// be a close code.
func (s *scanner) closeCode() (int, error) {
	c := s.peek()
	if c != '-' && (c < '0' || c > '9') {
		return 0, s.wrongType("code", "an integer")
	}
	start := s.pos
	if err := s.number(); err != nil {
		return 0, err
	}
	text := s.data[start:s.pos]
	digits, ok := integer.Digits(text, len(text)+len("65535"))
	if !ok && bytes.ContainsAny(text, ".eE") {
		return 0, Faultf(CodeWrongType, "code must be an integer up to 4999, not %.32s", text)
	}
	n, err := strconv.ParseUint(string(digits), 10, 16)
	if err != nil || n == 0 {
		return 0, Faultf(CodeInvalidClose, "code must be 1000 or 3000 to 4999, not %.32s", text)
	}
	return int(n), nil
}

// to reads the targets of a push or a kick.
func (c *Command) to() error {
	return c.names("to", func(f Fields) (err error) {
		c.inTo |= f
		switch s := &c.scan; f {
		case FieldClientIDs:
			c.To.ClientIDs, err = s.list("to.client_ids", c.To.ClientIDs)
		case FieldUIDs:
			c.To.UIDs, err = s.list("to.uids", c.To.UIDs)
		case FieldGroups:
			c.To.Groups, err = s.list("to.groups", c.To.Groups)
		case FieldAll:
			c.To.All, err = s.boolean("to.all")
		}
		return err
	}, targetFields)
}

// exclude reads the clients that a push or a kick leaves out.
func (c *Command) exclude() error {
	return c.names("exclude", func(f Fields) (err error) {
		if f == FieldClientIDs {
			c.ExcludeClientIDs, err = c.scan.list("exclude.client_ids", c.ExcludeClientIDs)
		} else {
			c.ExcludeUIDs, err = c.scan.list("exclude.uids", c.ExcludeUIDs)
		}
		return err
	}, FieldClientIDs|FieldUIDs)
}

// names reads an object of lists of names.
func (c *Command) names(object string, value func(Fields) error, allowed Fields) error {
	s := &c.scan
	if err := s.open('{', object, "an object"); err != nil {
		return err
	}
	for has := Fields(0); ; {
		key, ok, err := s.key()
		if !ok {
			return err
		}
		f := field(key)
		if f&allowed == 0 {
			return Faultf(CodeUnknownField, "unknown field %.64q in %s; known fields: %s", key, object, allowed)
		}
		if f&has != 0 {
			return Faultf(CodeDuplicateField, "the field %s.%s appears twice", object, key)
		}
		has |= f
		if err := value(f); err != nil {
			return err
		}
	}
}

// json reads the payload of that name: any value, unchanged except for white
// space between tokens.
func (c *Command) json() error {
	c.scan.space()
	c.scan.spaced = false
	raw, err := c.scan.raw()
	if err == nil && c.scan.spaced {
		c.scratch = appendCompact(c.scratch[:0], raw)
		raw = c.scratch
	}
	c.Payload = raw
	return err
}

var strictBase64 = base64.StdEncoding.Strict()

// base64 reads the payload of that name: RFC 4648 section 4, padded.
func (c *Command) base64() error {
	text, err := c.scan.str("base64")
	if err != nil {
		return err
	}
	src := bytesOf(text)
	n := strictBase64.DecodedLen(len(src))
	if cap(c.scratch) < n {
		c.scratch = make([]byte, n)
	}
	// The decoder would skip line breaks.
	if strings.ContainsAny(text, "\r\n") {
		return Faultf(CodeInvalidBase64, "base64 contains line breaks")
	}
	n, err = strictBase64.Decode(c.scratch[:n], src)
	if err != nil {
		return Faultf(CodeInvalidBase64, "base64 is not padded standard base64: %v", err)
	}
	c.scratch = c.scratch[:n]
	c.Payload, c.Binary = c.scratch, true
	return nil
}
