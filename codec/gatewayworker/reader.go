package gatewayworker

// keepBuffer is the largest capacity, in bytes, of a buffer that a reader keeps
// for the next frame or line that arrives in pieces.
const keepBuffer = 16 << 10

// FrameReader assembles frames from bytes as they arrive. The zero value is
// ready to use. It holds only the bytes of a partial frame and allocates
// nothing for those still to come, whatever length the frame announces.
type FrameReader struct {
	held []byte // the partial frame
	used bool   // held was returned as a frame and is free again
	err  error
}

// Next consumes bytes of in and returns the first complete frame and the bytes
// after it, to be passed in again. ok is false if all of in was consumed and
// more is needed. An error is that of [ParseFrame]; further calls return it
// again. The frame points into in or into the reader: it is valid until the
// next call or until in is reused.
func (r *FrameReader) Next(in []byte) (f Frame, rest []byte, ok bool, err error) {
	if r.err != nil {
		return Frame{}, nil, false, r.err
	}
	r.free()
	if len(r.held) == 0 {
		f, n, err := ParseFrame(in)
		if err != nil || n > 0 {
			r.err = err
			return f, in[n:], n > 0, err
		}
		r.held = append(r.held, in...)
		return Frame{}, nil, false, nil
	}
	for _, want := range [2]int{HeaderLen, 0} {
		if want == 0 {
			if want, r.err = frameLen(r.held); r.err != nil {
				return Frame{}, nil, false, r.err
			}
		}
		n := min(max(want-len(r.held), 0), len(in))
		r.held, in = append(r.held, in[:n]...), in[n:]
		if _, r.err = frameLen(r.held); r.err != nil {
			return Frame{}, nil, false, r.err
		}
		if len(r.held) < want {
			return Frame{}, nil, false, nil
		}
	}
	f, _, r.err = ParseFrame(r.held)
	r.used = true
	return f, in, r.err == nil, r.err
}

// free releases the frame that the last call returned.
func (r *FrameReader) free() {
	if !r.used {
		return
	}
	r.used = false
	if r.held = r.held[:0]; cap(r.held) > keepBuffer {
		r.held = nil
	}
}

// Held is the number of bytes kept of an incomplete frame.
func (r *FrameReader) Held() int {
	if r.used {
		return 0
	}
	return len(r.held)
}
