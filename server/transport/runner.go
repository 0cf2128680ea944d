package transport

import (
	"crypto/tls"
	"iter"
)

// maxSpare is how many runners wait for the next handshakes while others are under way.
const maxSpare = 16

// runner is a coroutine that runs handshakes, one after the other: crypto/tls can't stop
// in the middle of one, but a goroutine can. A worker makes it go on, or a loop, on their
// own thread: that takes a tenth of a microsecond where waking a goroutine takes ten. The
// next handshake finds a stack that has grown already.
type runner struct {
	h *Handshake
	// resume makes h go on until it has ended or waits for its peer. One goroutine at
	// a time may call it, none that is locked to its thread.
	resume func() (ended, ok bool)
	// stop ends a runner that has no handshake.
	stop  func()
	yield func(ended bool) bool
}

func newRunner(config *tls.Config) *runner {
	r := &runner{}
	r.resume, r.stop = iter.Pull(func(yield func(bool) bool) {
		r.yield = yield
		for more := true; more; more = yield(true) {
			r.h.err = r.h.run(config)
		}
	})
	return r
}

// isSealed reports whether the last record for a peer is encrypted, so that the handshake
// of TLS 1.3 needs only its Finished.
func isSealed(out []byte) bool {
	sealed := false
	for len(out) >= recordHeader {
		sealed = out[0] == recordData
		out = out[min(len(out), recordHeader+int(out[3])<<8+int(out[4])):]
	}
	return sealed
}
