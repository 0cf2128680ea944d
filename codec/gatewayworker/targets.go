package gatewayworker

import (
	"bytes"
	"slices"
	"strconv"
)

// Decoder reads the JSON that commands carry in ext or body, with PHP's rules
// for keys (sections 3.1 to 3.4). The zero value is ready to use. It keeps its
// buffers, so one per loop saves allocations. Results are valid until the next
// call or until the input is reused.
type Decoder struct {
	// Pace, if not nil, is called while long inputs are read. Once it has
	// returned false, results are meaningless.
	Pace Pace
	text []byte // room for unescaped strings, never moved while in use
	keys [][]byte
	ids  []uint32
	seen map[string]bool
}

// valid checks b and makes room for its strings.
func (d *Decoder) valid(b []byte) bool {
	if !validJSON(b, d.Pace) {
		return false
	}
	if cap(d.text) > keepBuffer && len(b) < keepBuffer {
		*d = Decoder{Pace: d.Pace}
	}
	d.text, d.keys, d.ids = slices.Grow(d.text[:0], len(b)), d.keys[:0], d.ids[:0]
	return true
}

func (d *Decoder) reader(b []byte) jsonReader {
	return jsonReader{b: b, pacer: pacer{pace: d.Pace}}
}

// unescaped returns a string of the input without escapes.
func (d *Decoder) unescaped(raw []byte, escaped bool) []byte {
	if !escaped {
		return raw
	}
	start := len(d.text)
	d.text = appendUnescaped(d.text, raw)
	return d.text[start:len(d.text):len(d.text)]
}

var (
	keyNone  = []byte{}
	keyZero  = []byte("0")
	keyOne   = []byte("1")
	falsyKey = [...]string{"", "0"}
)

// scalar consumes one value and returns the array key that PHP turns it into.
// ok is false for arrays and objects.
func (d *Decoder) scalar(r *jsonReader, kind jsonKind) (key []byte, ok bool) {
	switch kind {
	case jsonString:
		raw, escaped, _ := r.text()
		return d.unescaped(raw, escaped), true
	case jsonNumber:
		text, whole, _ := r.number()
		if whole && IsIntKey(text) {
			return text, true
		}
		f, _ := strconv.ParseFloat(string(text), 64)
		return strconv.AppendInt(nil, floatKey(f), 10), true
	}
	_ = r.skip()
	switch kind {
	case jsonNull:
		return keyNone, true
	case jsonTrue:
		return keyOne, true
	case jsonFalse:
		return keyZero, true
	}
	return nil, false
}

// values appends the keys in a list, or those an object has as values, to keys.
// Nested arrays are skipped. A value that is not a list has no keys.
func (d *Decoder) values(r *jsonReader, kind jsonKind) [][]byte {
	start := len(d.keys)
	if kind != jsonArray && kind != jsonObject {
		_ = r.skip()
		return nil
	}
	d.eachOnce(r, kind, func(_ []byte, kind jsonKind) {
		if key, ok := d.scalar(r, kind); ok {
			d.keys = append(d.keys, key)
		}
	})
	return d.keys[start:len(d.keys):len(d.keys)]
}

// eachOnce calls f at each value of an array or object, where PHP keeps the last
// value of a key that an object has twice, at the place of the first.
func (d *Decoder) eachOnce(r *jsonReader, kind jsonKind, f func(key []byte, kind jsonKind)) {
	if kind == jsonArray {
		_ = r.each(func(_ []byte, _ bool, kind jsonKind) error { f(nil, kind); return nil })
		return
	}
	type member struct {
		key  []byte
		kind jsonKind
		at   int
	}
	var members []member
	var index map[string]int
	_ = r.each(func(raw []byte, escaped bool, kind jsonKind) error {
		m := member{d.unescaped(raw, escaped), kind, r.i}
		found := -1
		if index != nil {
			if i, ok := index[string(m.key)]; ok {
				found = i
			}
		} else {
			found = slices.IndexFunc(members, func(o member) bool { return bytes.Equal(o.key, m.key) })
		}
		switch {
		case found >= 0:
			members[found] = m
		default:
			members = append(members, m)
			if index != nil {
				index[string(m.key)] = len(members) - 1
			} else if len(members) > 16 {
				index = make(map[string]int, 64)
				for i, o := range members {
					index[string(o.key)] = i
				}
			}
		}
		return r.skip()
	})
	end, depth := r.i, r.depth
	for _, m := range members {
		r.i, r.pacer.done = m.at, m.at
		if r.pacer.value() != nil {
			break
		}
		f(m.key, m.kind)
	}
	r.i, r.depth = end, depth
}

// Keys reads the uids or groups of commands 14, 16 and 28 out of ext: the
// values of a list or object, in order, duplicates included. Any other input
// has none.
func (d *Decoder) Keys(ext []byte) [][]byte {
	if !d.valid(ext) {
		return nil
	}
	r := d.reader(ext)
	kind, _ := r.kind()
	return d.values(&r, kind)
}

// DistinctKeys is [Decoder.Keys] with each key once, at its first place, as
// the replies to 16 and 28 have it.
func (d *Decoder) DistinctKeys(ext []byte) [][]byte { return d.distinct(d.Keys(ext)) }

// distinct removes the later ones of equal keys, in place.
func (d *Decoder) distinct(keys [][]byte) [][]byte {
	if len(keys) < 2 {
		return keys
	}
	if d.seen == nil || len(keys) > 4096 {
		d.seen = make(map[string]bool, len(keys))
	}
	clear(d.seen)
	kept, pace := keys[:0], pacer{pace: d.Pace}
	for _, key := range keys {
		if pace.value() != nil {
			break
		}
		if !d.seen[string(key)] {
			d.seen[string(key)] = true
			kept = append(kept, key)
		}
	}
	if len(keys) > 4096 {
		d.seen = nil
	}
	return kept
}

// Broadcast says who gets a SEND_TO_ALL or SEND_TO_GROUP (section 3.1).
type Broadcast struct {
	Listed  bool     // SEND_TO_ALL: only Connections, else everyone
	Only    List     // connection ids in order, duplicates included
	Groups  List     // SEND_TO_GROUP: in order, duplicates included
	Exclude []uint32 // connection ids that are left out, ascending
}

// SendToAll reads the ext of command 6. Empty or invalid JSON means everyone.
func (d *Decoder) SendToAll(ext []byte) Broadcast {
	if len(ext) == 0 {
		return Broadcast{}
	}
	b, _ := d.broadcast(ext)
	if b.Groups = (List{}); b.Listed {
		b.Exclude = nil
	}
	return b
}

// SendToGroup reads the ext of command 22. Invalid JSON means nobody.
func (d *Decoder) SendToGroup(ext []byte) Broadcast {
	b, _ := d.broadcast(ext)
	return Broadcast{Groups: b.Groups, Exclude: b.Exclude}
}

func (d *Decoder) broadcast(ext []byte) (b Broadcast, ok bool) {
	if !d.valid(ext) {
		return b, false
	}
	r := d.reader(ext)
	if kind, _ := r.kind(); kind != jsonObject {
		return b, false
	}
	d.eachOnce(&r, jsonObject, func(key []byte, kind jsonKind) {
		switch string(key) {
		case "connections":
			b.Listed = kind != jsonNull
			b.Only = d.list(&r, kind)
		case "group":
			b.Groups = d.list(&r, kind)
		case "exclude":
			b.Exclude = d.excluded(&r, kind)
		}
	})
	return b, true
}

// excluded reads the keys of exclude that have a value other than null.
func (d *Decoder) excluded(r *jsonReader, kind jsonKind) []uint32 {
	start := len(d.ids)
	if kind != jsonArray && kind != jsonObject {
		return nil
	}
	place := uint32(0)
	d.eachOnce(r, kind, func(key []byte, value jsonKind) {
		id, ok := place, place > 0
		if place++; kind == jsonObject {
			id, ok = connectionID(key)
		}
		if ok && value != jsonNull {
			d.ids = append(d.ids, id)
		}
		_ = r.skip()
	})
	ids := d.ids[start:len(d.ids):len(d.ids)]
	slices.Sort(ids)
	return ids
}

// Excludes reports whether the connection id is left out.
func (b *Broadcast) Excludes(id uint32) bool {
	if len(b.Exclude) == 0 {
		return false
	}
	_, found := slices.BinarySearch(b.Exclude, id)
	return found
}

// Auth is the body of GATEWAY_CLIENT_CONNECT or WORKER_CONNECT (section 2.1). A
// key that is absent or not a string is nil; an empty one is not.
type Auth struct{ WorkerKey, SecretKey []byte }

// Auth reads the body of command 200 or 202. Anything but a JSON object has no
// keys.
func (d *Decoder) Auth(body []byte) (a Auth) {
	if !d.valid(body) {
		return a
	}
	r := jsonReader{b: body}
	if kind, _ := r.kind(); kind != jsonObject {
		return a
	}
	d.eachOnce(&r, jsonObject, func(key []byte, kind jsonKind) {
		name := string(key)
		value, _ := d.scalar(&r, kind)
		if kind != jsonString {
			return
		}
		switch name {
		case "secret_key":
			a.SecretKey = value
		case "worker_key":
			a.WorkerKey = value
		}
	})
	return a
}

// AppendAuth appends the body of command 202, or of 200 if workerKey is not empty.
func AppendAuth(dst []byte, workerKey, secretKey string) []byte {
	dst = append(dst, '{')
	if workerKey != "" {
		dst = append(appendJSONString(append(dst, `"worker_key":`...), workerKey), ',')
	}
	return append(appendJSONString(append(dst, `"secret_key":`...), secretKey), '}')
}

// truthy consumes the value at r and reports whether PHP considers it true.
func (d *Decoder) truthy(r *jsonReader, kind jsonKind) bool {
	switch kind {
	case jsonArray, jsonObject:
		empty := true
		_ = r.each(func([]byte, bool, jsonKind) error { empty = false; return r.skip() })
		return !empty
	case jsonNumber:
		text, _, _ := r.number()
		f, _ := strconv.ParseFloat(string(text), 64)
		return f != 0
	}
	key, _ := d.scalar(r, kind)
	return !slices.Contains(falsyKey[:], string(key))
}
