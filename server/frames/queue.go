package frames

// Queue is what waits for one client: frames in its loop's pool, oldest first, and the
// account of their bytes in the form that the client takes them in. Each of its methods is
// for the same pool and form. The zero value is empty.
type Queue struct {
	first, last uint32 // nodes; 0 is none
	sent        uint32 // bytes of the first that are written
	frames      uint32
	bytes       uint32 // that are not written
}

// Empty reports whether nothing waits.
func (q *Queue) Empty() bool { return q.first == 0 }

// Len is how many frames wait, the one that is half written included.
func (q *Queue) Len() uint32 { return q.frames }

// Bytes is how many bytes wait.
func (q *Queue) Bytes() uint32 { return q.bytes }

// Push adds a frame and returns how many bytes more wait.
func (q *Queue) Push(p *Pool, form Form, f *Frame) int {
	n := p.Get(f)
	if q.first == 0 {
		q.first = n
	} else {
		p.At(q.last).Next = n
	}
	q.last = n
	return q.grown(form, f)
}

func (q *Queue) grown(form Form, f *Frame) int {
	q.frames++
	n := len(f.As(form))
	q.bytes += uint32(n)
	return n
}

func (q *Queue) shrunk(form Form, f *Frame) int {
	q.frames--
	n := len(f.As(form))
	q.bytes -= uint32(n)
	return n
}

// Begun is the last of the frames of which the peer has a part, or will have one because the
// next sealed bytes that are not written can't be changed any more; 0 if there is none. What
// stands behind it may still be overtaken or dropped.
func (q *Queue) Begun(p *Pool, form Form, sealed int) (node uint32) {
	node = q.first
	part := int(q.sent) + sealed
	if node == 0 || part == 0 {
		return 0
	}
	for {
		nd := p.At(node)
		if part -= len(nd.Frame.As(form)); part <= 0 || nd.Next == 0 {
			return node
		}
		node = nd.Next
	}
}

// Insert adds a frame behind a node, 0 for in front of all. It returns its own node, and how
// many bytes more wait.
func (q *Queue) Insert(p *Pool, form Form, behind uint32, f *Frame) (node uint32, more int) {
	n := p.Get(f)
	if q.first == 0 || q.last == behind {
		q.last = n
	}
	if behind == 0 {
		p.At(n).Next = q.first
		q.first = n
	} else {
		before := p.At(behind)
		p.At(n).Next = before.Next
		before.Next = n
	}
	return n, q.grown(form, f)
}

// Behind is the frame behind a node, 0 for the first of all; nil if there is none.
func (q *Queue) Behind(p *Pool, node uint32) *Frame {
	if node = q.next(p, node); node == 0 {
		return nil
	}
	return p.At(node).Frame
}

func (q *Queue) next(p *Pool, node uint32) uint32 {
	if node == 0 {
		return q.first
	}
	return p.At(node).Next
}

// Replace puts a frame in the place of the one behind a node, which nobody has a part of. It
// returns how many bytes more wait.
func (q *Queue) Replace(p *Pool, form Form, behind uint32, f *Frame) (more int) {
	nd := p.At(q.next(p, behind))
	less := q.shrunk(form, nd.Frame)
	nd.Frame = f
	return q.grown(form, f) - less
}

// Remove drops the frame behind a node, 0 for the first of all, of which nobody has a part.
// It returns the frame, and how many bytes it was; nil if there is none.
func (q *Queue) Remove(p *Pool, form Form, behind uint32) (f *Frame, less int) {
	n := q.next(p, behind)
	if n == 0 {
		return nil, 0
	}
	nd := p.At(n)
	f = nd.Frame
	if behind == 0 {
		q.first = nd.Next
	} else {
		p.At(behind).Next = nd.Next
	}
	if q.last == n {
		q.last = behind
	}
	p.Put(n)
	return f, q.shrunk(form, f)
}

// Pop drops the oldest frame, even if it is half written. It returns the frame, and how many
// bytes less wait.
func (q *Queue) Pop(p *Pool, form Form) (f *Frame, less int) {
	sent := q.sent
	q.bytes += sent // Remove takes the whole frame away
	q.sent = 0
	f, less = q.Remove(p, form, 0)
	return f, less - int(sent)
}

// Wrote takes n bytes off the account that are written. Take gives the frames that end with
// them.
func (q *Queue) Wrote(n int) { q.bytes -= uint32(n) }

// Take takes the oldest frame off, of which, with n bytes more, all is written, and returns it
// with those of the n bytes that are of later frames; nil if it has not ended.
func (q *Queue) Take(p *Pool, form Form, n int) (f *Frame, rest int) {
	head := q.first
	nd := p.At(head)
	left := len(nd.Frame.As(form)) - int(q.sent)
	if n < left {
		q.sent += uint32(n)
		return nil, 0
	}
	f = nd.Frame
	if q.first, q.sent = nd.Next, 0; q.first == 0 {
		q.last = 0
	}
	q.frames--
	p.Put(head)
	return f, n - left
}

// Gather returns the next bytes to write: those of the oldest frame, or several frames joined
// in buf, as many as fit into most. A frame of at least half of that is given from where it
// lies. buf is for the next call.
func (q *Queue) Gather(p *Pool, form Form, buf []byte, most int) (b, kept []byte) {
	nd := p.At(q.first)
	b = nd.Frame.As(form)[q.sent:]
	if nd.Next == 0 || len(b) >= most/2 {
		return b, buf
	}
	buf = append(buf[:0], b...)
	for n := nd.Next; n != 0; n = nd.Next {
		nd = p.At(n)
		b := nd.Frame.As(form)
		if len(buf)+len(b) > most {
			break
		}
		buf = append(buf, b...)
	}
	return buf, buf
}

// Followed reports whether the frame behind a node, which there must be, has another one
// behind it for which is is true.
func (q *Queue) Followed(p *Pool, node uint32, is func(*Frame) bool) bool {
	n := p.At(q.next(p, node)).Next
	return n != 0 && is(p.At(n).Frame)
}
