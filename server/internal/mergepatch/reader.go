package mergepatch

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// reader walks over valid JSON without white space between tokens.
type reader struct {
	text []byte
	at   int
	what string // for errors
}

// value reads the value at position at.
func (r *reader) value(depth int) (value, error) {
	start := r.at
	switch r.text[r.at] {
	case '{':
		o, err := r.object(depth + 1)
		return value{object: o}, err
	case '[':
		err := r.skipArray(depth)
		return value{raw: r.text[start:r.at]}, err
	case '"':
		r.skipString()
	default:
		for r.at < len(r.text) && bytes.IndexByte([]byte(",]}"), r.text[r.at]) < 0 {
			r.at++
		}
	}
	return value{raw: r.text[start:r.at]}, nil
}

// object reads the object at position at. depth is the nesting depth of its
// members.
func (r *reader) object(depth int) (*object, error) {
	if depth > MaxDepth {
		return nil, r.tooDeep()
	}
	o := new(object)
	for r.at++; r.text[r.at] != '}'; {
		if r.text[r.at] == ',' {
			r.at++
		}
		start := r.at
		r.skipString()
		quoted := r.text[start:r.at]
		name := nameOf(quoted)
		if o.find(name) >= 0 {
			return nil, &Error{fmt.Sprintf("duplicate name %.64q in an object of %s", name, r.what)}
		}
		r.at++ // the colon
		v, err := r.value(depth)
		if err != nil {
			return nil, err
		}
		o.add(member{quoted: quoted, name: name, value: v})
	}
	r.at++
	return o, nil
}

// skipArray moves past the array at position at. Arrays are copied whole and never
// merged.
func (r *reader) skipArray(depth int) error {
	for open := 0; ; {
		switch r.text[r.at] {
		case '"':
			r.skipString()
			continue
		case '[', '{':
			if open++; depth+open > MaxDepth {
				return r.tooDeep()
			}
		case ']', '}':
			open--
		}
		if r.at++; open == 0 {
			return nil
		}
	}
}

// skipString moves past the string at position at.
func (r *reader) skipString() {
	for r.at++; r.text[r.at] != '"'; r.at++ {
		if r.text[r.at] == '\\' {
			r.at++
		}
	}
	r.at++
}

// nameOf returns the unescaped name.
func nameOf(quoted []byte) string {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1])
	}
	var name string
	_ = json.Unmarshal(quoted, &name) // valid JSON, so it cannot fail
	return name
}

func (r *reader) tooDeep() error {
	return &Error{fmt.Sprintf("objects and arrays of %s nest deeper than %d", r.what, MaxDepth)}
}
