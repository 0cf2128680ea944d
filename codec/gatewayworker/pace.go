package gatewayworker

import "errors"

// ErrStopped says that a [Pace] stopped the work.
var ErrStopped = errors.New("stopped")

// Pace is called while a long input is processed, with the number of bytes
// since the last call, so that the caller can yield. Returning false stops the
// work.
type Pace func(bytes int) bool

// A Pace is called after every paceBytes bytes, or after every paceValues
// values of a tree, each of which counts as valueBytes.
const (
	paceBytes  = 4 << 10
	paceValues = 64
	valueBytes = 32
	copyBytes  = 64 << 10
)

// pacer calls a Pace, which may be nil.
type pacer struct {
	pace Pace
	done int // bytes reported
	n    int // values not yet reported
	kept int // bytes copied, not yet reported
}

// at records that the work has reached byte i.
func (p *pacer) at(i int) error {
	if p.pace == nil || i-p.done < paceBytes {
		return nil
	}
	n := i - p.done
	p.done = i
	return p.tell(n)
}

// value records one more value.
func (p *pacer) value() error {
	if p.n++; p.pace == nil || p.n < paceValues {
		return nil
	}
	p.n = 0
	return p.tell(paceValues * valueBytes)
}

// copy appends bytes to dst, in pieces of at most copyBytes between two calls of
// the Pace.
func (p *pacer) copy(dst, from []byte) ([]byte, error) {
	for len(from) > 0 {
		n := min(len(from), copyBytes)
		dst, from = append(dst, from[:n]...), from[n:]
		if p.kept += n; p.pace == nil || p.kept < paceBytes {
			continue
		}
		n, p.kept = p.kept, 0
		if err := p.tell(n); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

func (p *pacer) tell(n int) error {
	if !p.pace(n) {
		return ErrStopped
	}
	return nil
}
