package gatewayworker

// List is a list in the input of a [Decoder], or an object used as one. It is
// read on demand, since a frame can name five million ids. The zero value is
// empty. It is valid as long as what a Decoder returns.
type List struct {
	d    *Decoder
	b    []byte
	at   int
	kind jsonKind
}

// List finds the uids or groups of commands 14, 16 and 28 in ext: the values of
// a list or object, in order, duplicates included. Any other input gives an
// empty list.
func (d *Decoder) List(ext []byte) List {
	if !d.valid(ext) {
		return List{}
	}
	r := d.reader(ext)
	kind, _ := r.kind()
	return d.list(&r, kind)
}

// list consumes the next list and returns it.
func (d *Decoder) list(r *jsonReader, kind jsonKind) List {
	at := r.i
	_ = r.skip()
	if kind != jsonArray && kind != jsonObject {
		return List{}
	}
	return List{d, r.b, at, kind}
}

// Each calls do with each key until do returns false. A key is valid until do
// returns. do must not call the Decoder.
func (l List) Each(do func(key []byte) bool) {
	if l.d == nil {
		return
	}
	r := l.d.reader(l.b)
	r.i, r.pacer.done = l.at, l.at
	more := true
	one := func(kind jsonKind) {
		used := len(l.d.text)
		if key, ok := l.d.scalar(&r, kind); ok && more {
			more = do(key)
		}
		l.d.text = l.d.text[:used]
	}
	if l.kind == jsonObject {
		l.d.eachOnce(&r, l.kind, func(_ []byte, kind jsonKind) {
			if more {
				one(kind)
			}
		})
		return
	}
	_ = r.each(func(_ []byte, _ bool, kind jsonKind) error {
		if one(kind); !more {
			return ErrStopped
		}
		return nil
	})
}

// EachID is Each for connection ids. Other values are skipped.
func (l List) EachID(do func(id uint32) bool) {
	l.Each(func(key []byte) bool {
		id, ok := connectionID(key)
		return !ok || do(id)
	})
}
