// Package mergepatch applies JSON merge patches (RFC 7396) to the bytes of a
// document: what a patch does not name keeps its bytes, and what it brings
// arrives as it was written. It knows no sockets, goroutines or clock.
//
// Numbers, escapes and the order of members stay: 1.0, 1e2 and
// 12345678901234567890 are never converted, "\u00e9" and "é" are left as they
// are, and nothing is escaped that was not. New members follow the old ones in
// the order of the patch. White space between tokens is removed, as
// encoding/json.Compact does.
package mergepatch

import (
	"bytes"
	"encoding/json"
)

// MaxDepth is how deep objects and arrays of a document or a patch may nest. A
// merge never makes a document deeper than the deeper of the two.
const MaxDepth = 100

// Apply returns the document with the patch applied, as the pseudocode of RFC
// 7396 section 2 has it: an object merges member by member and null removes a
// member; any other patch replaces the document. Neither argument is changed;
// the result shares no memory with them. Any goroutine.
//
// Names are compared after their escapes are undone. Two equal names in one
// object that is merged are an *Error, as is text that is not JSON or nests
// deeper than MaxDepth: RFC 8259 leaves open what a doubled name means, so no
// guess is made.
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

// member is a name and its value. The name is kept twice: as it was written,
// quotes included, and as what it means.
type member struct {
	quoted  []byte
	name    string
	value   value
	removed bool
}

// object is members in their order. Objects with more than a few members have
// an index, so that a patch takes time in proportion to its length.
type object struct {
	members []member
	index   map[string]int
}

const fewMembers = 16

// find returns the place of a name, -1 if there is none.
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

// add appends a member whose name the object does not have.
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

// parse reads a JSON text of which nothing but white space is left out.
func parse(text []byte, what string) (value, error) {
	var b bytes.Buffer
	b.Grow(len(text))
	if err := json.Compact(&b, text); err != nil {
		return value{}, &Error{what + " is not JSON: " + err.Error()}
	}
	r := reader{text: b.Bytes(), what: what}
	return r.value(0)
}
