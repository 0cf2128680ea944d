package gatewayworker

import "strconv"

// inliner writes a serialized value anew with the value itself in place of each
// reference to it, so that parts of it can be taken out and moved (section 5.4).
type inliner struct {
	scanner
	out   []byte
	limit int
	slots []span // what a reference's number means, from 1
}

// span is where a value is in the output; end is 0 while it is being written.
type span struct{ start, end int }

// inline returns b's value without references. A reference to something it is
// itself in, or to what is not there, is ErrReference; the output may have
// limit bytes. Shared objects become equal ones.
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

// value writes the value that comes next. All but R take a number.
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

// reference writes the value whose number comes next.
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
