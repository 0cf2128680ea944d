package gatewayworker

import "errors"

// ErrStopped says that a [Pace] has ended the work.
var ErrStopped = errors.New("stopped")

// Pace is called while a long input is worked on, with the bytes since the last
// call, so that the caller can let others have their turn. False ends the work.
type Pace func(bytes int) bool

// paceBytes is how many bytes are worked on between two calls of a Pace, paceValues
// how many values of a tree are, each of which counts as valueBytes.
const (
	paceBytes  = 4 << 10
	paceValues = 64
	valueBytes = 32
)

// pacer calls a Pace, which may be nil.
type pacer struct {
	pace Pace
	done int // bytes told
	n    int // values not told
}

// at notes that work has got to byte i.
func (p *pacer) at(i int) error {
	if p.pace == nil || i-p.done < paceBytes {
		return nil
	}
	n := i - p.done
	p.done = i
	return p.tell(n)
}

// value notes one more value.
func (p *pacer) value() error {
	if p.n++; p.pace == nil || p.n < paceValues {
		return nil
	}
	p.n = 0
	return p.tell(paceValues * valueBytes)
}

func (p *pacer) tell(n int) error {
	if !p.pace(n) {
		return ErrStopped
	}
	return nil
}
