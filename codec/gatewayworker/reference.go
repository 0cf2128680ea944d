package gatewayworker

import "strconv"

// inliner rewrites a serialized value with each reference replaced by the value
// that it refers to, so that parts can be taken out and moved (section 5.4).
type inliner struct {
	scanner
	out   []byte
	limit int
	slots []span // the value that each reference number means, from 1
}

// span is the place of a value in the output; end is 0 while it is being
// written.
type span struct{ start, end int }

// inline returns b's value without references. A reference to a value that
// contains it, or to no value, is ErrReference. The output may have up to limit
// bytes. Shared objects become equal copies.
func inline(b []byte, limit int, pace Pace) ([]byte, error) {
	in := inliner{scanner: scanner{b: b, pacer: pacer{pace: pace}}, limit: limit}
	if err := in.value(); err != nil {
		return nil, err
	}
	return in.out, nil
}

// put copies the input from start to here.
func (in *inliner) put(start int) error { return in.append(in.b[start:in.i]) }

func (in *inliner) append(b []byte) error {
	if len(in.out)+len(b) > in.limit {
		return ErrTooLarge
	}
	in.out = append(in.out, b...)
	return nil
}

// value writes the next value. Every kind except R takes a number.
func (in *inliner) value() error {
	start := in.i
	kind, err := in.kind()
	if err != nil {
		return err
	}
	if kind == 'R' {
		return in.reference()
	}
	if len(in.slots) == MaxElements {
		return ErrTooLarge
	}
	slot := len(in.slots)
	in.slots = append(in.slots, span{start: len(in.out)})
	switch kind {
	case 'r':
		err = in.reference()
	case 'O':
		if _, err = in.text(); err != nil || !in.lit(":") {
			return ErrSerialized
		}
		err = in.elements(start)
	case 'a':
		err = in.elements(start)
	default:
		if err = in.opaque(kind); err == nil {
			err = in.put(start)
		}
	}
	in.slots[slot].end = len(in.out)
	if err == nil {
		err = in.pacer.at(in.i)
	}
	return err
}

// reference writes the value whose number follows.
func (in *inliner) reference() error {
	text, err := in.until(';')
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(string(text))
	if err != nil || n < 1 || n > len(in.slots) || in.slots[n-1].end == 0 {
		return ErrReference
	}
	return in.append(in.out[in.slots[n-1].start:in.slots[n-1].end])
}

// elements writes an array or object that began at start.
func (in *inliner) elements(start int) error {
	n, err := in.enter()
	if err != nil {
		return err
	}
	if err := in.put(start); err != nil {
		return err
	}
	for range n {
		start := in.i
		if _, err := in.key(); err != nil {
			return err
		}
		if err := in.put(start); err != nil {
			return err
		}
		if err := in.value(); err != nil {
			return err
		}
	}
	start = in.i
	if err := in.leave(); err != nil {
		return err
	}
	return in.put(start)
}
