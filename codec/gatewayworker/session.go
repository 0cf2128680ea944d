package gatewayworker

import "slices"

// MergeSession appends what UPDATE_SESSION makes of the stored session and the
// update (section 5.4): PHP's recursive replace. If old is empty or "0", the
// result is the update itself. Only arrays are taken apart. All other values
// keep their bytes, including objects of unknown classes and floats. If a side
// contains references, all of them are replaced by what they refer to.
//
// On an error the stored session stays. Reasons: a side is not an array (which
// kills PHP), is malformed, has a reference to a value that contains it, or
// nests deeper than [MaxNesting]; or the two together exceed limit bytes. Bytes
// after a value are ignored, as in PHP. dst must not overlap old or update.
func MergeSession(dst, old, update []byte, limit int) ([]byte, error) {
	return new(Decoder).MergeSession(dst, old, update, limit)
}

// MergeSession is the function of that name, at the Decoder's pace.
func (d *Decoder) MergeSession(dst, old, update []byte, limit int) ([]byte, error) {
	if len(old)+len(update) > limit {
		return dst, ErrTooLarge
	}
	if EmptyName(old) {
		return append(dst, update...), nil
	}
	base, err := parseArray(old, limit/2, d.Pace)
	if err != nil {
		return dst, err
	}
	over, err := parseArray(update, limit/2, d.Pace)
	if err != nil {
		return dst, err
	}
	dst = slices.Grow(dst, len(base.b)+len(over.b))
	return mergeArrays(dst, base, over, 0, 0)
}

// pair is an element of a merged array: the value of base, of over, or both
// merged; -1 for none.
type pair struct {
	key        []byte
	base, over int
}

// mergeArrays appends the array at o in over merged into the one at b in base.
func mergeArrays(dst []byte, base, over *tree, b, o int) (_ []byte, err error) {
	var pairs []pair
	index := map[string]int{}
	for i := b + 1; i < base.nodes[b].next; i = base.nodes[i].next {
		if err := base.pacer.value(); err != nil {
			return dst, err
		}
		key := base.nodes[i].key
		if at, ok := index[string(key)]; ok {
			pairs[at].base = i
			continue
		}
		index[string(key)] = len(pairs)
		pairs = append(pairs, pair{key, i, -1})
	}
	pairs = slices.Grow(pairs, 8)
	for i := o + 1; i < over.nodes[o].next; i = over.nodes[i].next {
		if err := base.pacer.value(); err != nil {
			return dst, err
		}
		key := over.nodes[i].key
		at, ok := index[string(key)]
		if !ok {
			at = len(pairs)
			index[string(key)] = at
			pairs = append(pairs, pair{key, -1, i})
		}
		pairs[at].over = i
	}
	dst = AppendArray(dst, len(pairs))
	for _, p := range pairs {
		if err := base.pacer.value(); err != nil {
			return dst, err
		}
		dst = AppendKey(dst, p.key)
		switch {
		case p.over < 0:
			dst, err = base.pacer.copy(dst, base.bytes(p.base))
		case p.base >= 0 && base.nodes[p.base].kind == 'a' && over.nodes[p.over].kind == 'a':
			dst, err = mergeArrays(dst, base, over, p.base, p.over)
		default:
			dst, err = base.pacer.copy(dst, over.bytes(p.over))
		}
		if err != nil {
			return dst, err
		}
	}
	return AppendEnd(dst), nil
}
