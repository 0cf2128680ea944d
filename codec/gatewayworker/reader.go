package gatewayworker

// keepBuffer is the capacity, in bytes, up to which a reader keeps its buffer
// for the next frame or line that comes in pieces.
const keepBuffer = 16 << 10

// FrameReader makes frames out of bytes as they come. The zero value is ready.
// It holds only the bytes of a frame that came in part, never room for those
// still to come, whatever length the frame announces.
type FrameReader struct {
	held []byte // the frame that came in part
	used bool   // held was returned as a frame and is free again
	err  error
}

// Next takes bytes from in and returns the first frame in them, if it is whole,
// and the bytes after it, to be handed in again. ok is false if all of in was taken and
// more is needed. An error is that of [ParseFrame] and stays. The frame points
// into in or into the reader and lives until the next call or the reuse of in.
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

// free gives up the frame that the last call returned.
func (r *FrameReader) free() {
	if !r.used {
		return
	}
	r.used = false
	if r.held = r.held[:0]; cap(r.held) > keepBuffer {
		r.held = nil
	}
}

// Held is the number of bytes kept of a frame that is not whole yet.
func (r *FrameReader) Held() int {
	if r.used {
		return 0
	}
	return len(r.held)
}
