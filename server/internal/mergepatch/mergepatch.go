// Package mergepatch applies JSON merge patches (RFC 7396) to the bytes of a
// document. Members that a patch does not name keep their bytes, and what the patch
// adds keeps the bytes of the patch. The package has no sockets, goroutines or
// clock.
//
// Numbers, escapes and the order of members do not change: 1.0, 1e2 and
// 12345678901234567890 are never converted, "\u00e9" and "é" stay as they are, and
// nothing else is escaped. New members follow the old ones in the order of the
// patch. White space between tokens is removed, as by encoding/json.Compact.
package mergepatch

import (
	"bytes"
	"encoding/json"
)

// MaxDepth is how deep objects and arrays may nest in a document or a patch. A
// merge never produces a document deeper than the deeper of the two.
const MaxDepth = 100

// Apply returns the document with the patch applied, by the pseudocode of RFC 7396
// section 2: an object merges member by member and null removes a member; any other
// patch replaces the document. The arguments are not changed, and the result shares
// no memory with them. It may be called from any goroutine.
//
// Names are compared after unescaping. An *Error is returned for text that is not
// JSON or nests deeper than MaxDepth, and for duplicate names in an object that is
// merged, since RFC 8259 leaves their meaning open.
func Apply(document, patch []byte) ([]byte, error) {
	doc, err := parse(document, "the document")
	if err != nil {
		return nil, err
	}
	change, err := parse(patch, "the patch")
	if err != nil {
		return nil, err
	}
	return merge(doc, change).append(nil), nil
}

// Error says what is wrong with a document or a patch.
type Error struct{ Detail string }

// Error implements the error interface.
func (e *Error) Error() string { return e.Detail }

// value is a JSON value: an object as its members, anything else as its bytes.
type value struct {
	raw    []byte
	object *object
}

func (v value) isNull() bool { return v.object == nil && string(v.raw) == "null" }

// append appends the value without white space.
func (v value) append(dst []byte) []byte {
	if v.object == nil {
		return append(dst, v.raw...)
	}
	dst = append(dst, '{')
	first := true
	for i := range v.object.members {
		m := &v.object.members[i]
		if m.removed {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(append(dst, m.quoted...), ':')
		dst = m.value.append(dst)
	}
	return append(dst, '}')
}

// merge is MergePatch of RFC 7396 section 2. It may change doc.
func merge(doc, patch value) value {
	if patch.object == nil {
		return patch
	}
	if doc.object == nil {
		doc = value{object: new(object)}
	}
	for i := range patch.object.members {
		doc.object.set(&patch.object.members[i])
	}
	return doc
}

// member is a name and its value. The name is kept twice: as written, including the
// quotes, and unescaped.
type member struct {
	quoted  []byte
	name    string
	value   value
	removed bool
}

// object holds its members in order. An object with more than a few members has an
// index, so that the time to apply a patch is proportional to its length.
type object struct {
	members []member
	index   map[string]int
}

const fewMembers = 16

// find returns the index of a name, -1 if there is none.
func (o *object) find(name string) int {
	if o.index != nil {
		if i, ok := o.index[name]; ok && !o.members[i].removed {
			return i
		}
		return -1
	}
	for i := range o.members {
		if o.members[i].name == name && !o.members[i].removed {
			return i
		}
	}
	return -1
}

// add appends a member whose name is not in the object.
func (o *object) add(m member) {
	o.members = append(o.members, m)
	switch n := len(o.members); {
	case o.index != nil:
		o.index[m.name] = n - 1
	case n > fewMembers:
		o.index = make(map[string]int, 2*n)
		for i := range o.members {
			o.index[o.members[i].name] = i
		}
	}
}

// set applies one member of a patch.
func (o *object) set(m *member) {
	at := o.find(m.name)
	switch {
	case m.value.isNull():
		if at >= 0 {
			o.members[at].removed = true
		}
	case at >= 0:
		o.members[at].value = merge(o.members[at].value, m.value)
	default:
		o.add(member{quoted: m.quoted, name: m.name, value: merge(value{}, m.value)})
	}
}

// parse parses a JSON text and removes white space between tokens.
func parse(text []byte, what string) (value, error) {
	var b bytes.Buffer
	b.Grow(len(text))
	if err := json.Compact(&b, text); err != nil {
		return value{}, &Error{what + " is not JSON: " + err.Error()}
	}
	r := reader{text: b.Bytes(), what: what}
	return r.value(0)
}
