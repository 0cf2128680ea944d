package events

// shelf keeps the bodies of a lane's events in blocks that are used again: as garbage
// they had the collector run several times a second at a high rate, beside pushes.
type shelf struct {
	last *block // takes the next body; nil: a new one is begun
	free []*block
}

// block holds bodies one behind the other.
type block struct {
	b      []byte
	bodies int // that are still in the queue
}

// spoil is set by tests only. It overwrites bytes that nobody may read any more, so that a
// late reader is found.
var spoil func(b []byte)

// blockLen is how many bytes a block has; a longer body is memory of its own.
const blockLen = 32 << 10

// put copies a body. taken is nil for one that is in no block.
func (s *shelf) put(body []byte) (copied []byte, taken *block) {
	if len(body) > blockLen {
		return append([]byte(nil), body...), nil
	}
	if s.last == nil || len(s.last.b)+len(body) > blockLen {
		s.last = s.fresh()
	}
	k := s.last
	from := len(k.b)
	k.b = append(k.b, body...)
	k.bodies++
	return k.b[from:len(k.b):len(k.b)], k
}

func (s *shelf) fresh() *block {
	if n := len(s.free); n > 0 {
		k := s.free[n-1]
		s.free[n-1], s.free = nil, s.free[:n-1]
		return k
	}
	return &block{b: make([]byte, 0, blockLen)}
}

// took notes that a body is not read any more.
func (s *shelf) took(k *block) {
	if k == nil {
		return
	}
	if k.bodies--; k.bodies > 0 {
		return
	}
	if spoil != nil {
		spoil(k.b)
	}
	k.b = k.b[:0]
	if k != s.last {
		s.free = append(s.free, k)
	}
}

// leave has the blocks as they are, to whoever reads them still.
func (s *shelf) leave() { *s = shelf{} }
