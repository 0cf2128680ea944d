package gatewayworker

import "errors"

// MaxElements is the most values that a value may contain, at any depth, to be
// taken apart.
const MaxElements = 1 << 18

// tree is a parsed value. It lists all values in it in reading order, so that
// parsing and writing take one pass each at any depth.
type tree struct {
	b       []byte
	objects bool   // objects are taken apart as arrays are
	nodes   []node // nodes[0] is the whole value
	pacer   pacer
}

// node is one value in a tree.
type node struct {
	key        []byte // its key in the array it is in
	start, end int    // its bytes
	next       int    // index of the node after it and all in it
	kind       byte   // the letter it starts with
}

// bytes returns the bytes of the value at i.
func (t *tree) bytes(i int) []byte { return t.b[t.nodes[i].start:t.nodes[i].end] }

// parse parses a value of at most limit bytes, counted after its references
// have been replaced.
func parse(b []byte, objects bool, limit int, pace Pace) (*tree, error) {
	p := pacer{pace: pace}
	t := &tree{b: b, objects: objects, pacer: p}
	err := t.value(&scanner{b: b}, nil)
	if !errors.Is(err, ErrReference) {
		return t, err
	}
	if b, err = inline(b, limit, pace); err != nil {
		return nil, err
	}
	t = &tree{b: b, objects: objects, pacer: p}
	return t, t.value(&scanner{b: b}, nil)
}

// parseArray parses an array; objects in it stay whole.
func parseArray(b []byte, limit int, pace Pace) (*tree, error) {
	t, err := parse(b, false, limit, pace)
	if err == nil && t.nodes[0].kind != 'a' {
		return nil, ErrNotArray
	}
	return t, err
}

// value parses the next value, which has this key.
func (t *tree) value(s *scanner, key []byte) error {
	start, at := s.i, len(t.nodes)
	if at == MaxElements {
		return ErrTooLarge
	}
	if err := t.pacer.value(); err != nil {
		return err
	}
	kind, err := s.kind()
	if err != nil {
		return err
	}
	t.nodes = append(t.nodes, node{key: key, start: start, kind: kind})
	switch {
	case kind == 'a':
		err = t.elements(s)
	case kind == 'O' && t.objects:
		if _, err = s.text(); err != nil || !s.lit(":") {
			return ErrSerialized
		}
		err = t.elements(s)
	default:
		err = s.opaque(kind)
	}
	t.nodes[at].end, t.nodes[at].next = s.i, len(t.nodes)
	return err
}

func (t *tree) elements(s *scanner) error {
	n, err := s.enter()
	if err != nil {
		return err
	}
	for range n {
		key, err := s.key()
		if err != nil {
			return err
		}
		if err := t.value(s, key); err != nil {
			return err
		}
	}
	return s.leave()
}

// list reports whether the array at i has the keys 0, 1, 2 and so on.
func (t *tree) list(i int) bool {
	place := 0
	for at := i + 1; at < t.nodes[i].next; at = t.nodes[at].next {
		if !isPlace(t.nodes[at].key, place) {
			return false
		}
		place++
	}
	return true
}

// isPlace reports whether key is place in decimal.
func isPlace(key []byte, place int) bool {
	i := len(key)
	for {
		if i--; i < 0 || key[i] != byte('0'+place%10) {
			return false
		}
		if place /= 10; place == 0 {
			return i == 0
		}
	}
}

// distinct returns the indices of the values in the array or object at i: the
// last of each key, in the place of the first.
func (t *tree) distinct(i int) []int {
	var places []int
	index := map[string]int{}
	for at := i + 1; at < t.nodes[i].next; at = t.nodes[at].next {
		key := t.nodes[at].key
		if place, ok := index[string(key)]; ok {
			places[place] = at
			continue
		}
		index[string(key)] = len(places)
		places = append(places, at)
	}
	return places
}
