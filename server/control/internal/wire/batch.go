package wire

import "bytes"

// Span is a part of a body, from Start to before End.
type Span struct{ Start, End int }

// SplitBatch finds the commands of {"commands":[...]} and appends their
// positions. The envelope is checked to the last byte, so that a truncated
// batch does nothing; the commands themselves are not checked. Errors are
// *Fault.
func (c *Command) SplitBatch(body []byte, spans []Span) ([]Span, error) {
	s := &c.scan
	s.reset(body)
	s.unique = false // Decode checks the names of each command
	if err := s.open('{', "the body", "an object"); err != nil {
		return spans, err
	}
	for has := false; ; has = true {
		key, ok, err := s.key()
		switch {
		case err != nil:
			return spans, err
		case !ok && !has:
			return spans, Faultf(CodeMissingField, "commands is missing")
		case !ok:
			return spans, s.end()
		case key != "commands":
			return spans, Faultf(CodeUnknownField, "unknown field %.64q in a batch, whose only field is commands; "+
				"for one command per line, send Content-Type: application/x-ndjson", key)
		case has:
			return spans, Faultf(CodeDuplicateField, "the field commands appears twice")
		}
		if err := s.open('[', "commands", "an array of objects"); err != nil {
			return spans, err
		}
		for {
			ok, err := s.more(']')
			if err != nil {
				return spans, err
			}
			if !ok {
				break
			}
			if len(spans) == MaxCommands {
				return spans, tooManyCommands()
			}
			s.space()
			start := s.pos
			if err := s.skip(0); err != nil {
				return spans, err
			}
			spans = append(spans, Span{start, s.pos})
		}
	}
}

// SplitLines finds the commands of an NDJSON body, one per line, and appends
// their positions. Lines of white space are skipped.
func SplitLines(body []byte, spans []Span) ([]Span, error) {
	for start := 0; start < len(body); {
		end := start + bytes.IndexByte(body[start:], '\n')
		if end < start {
			end = len(body)
		}
		if line := bytes.Trim(body[start:end], " \t\r"); len(line) > 0 {
			if len(spans) == MaxCommands {
				return spans, tooManyCommands()
			}
			spans = append(spans, Span{start, end})
		}
		start = end + 1
	}
	return spans, nil
}

func tooManyCommands() error {
	return Faultf(CodeTooMany, "a batch has at most %d commands", MaxCommands)
}

// CheckObject requires that body is exactly one JSON object and returns it
// without the white space around it. Errors are *Fault.
func (c *Command) CheckObject(body []byte) ([]byte, error) {
	s := &c.scan
	s.reset(body)
	if s.peek() != '{' {
		return nil, s.wrongType("the body", "an object")
	}
	raw, err := s.raw()
	if err != nil {
		return nil, err
	}
	return raw, s.end()
}
