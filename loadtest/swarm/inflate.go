package swarm

import (
	"fmt"

	"github.com/gobwas/ws"

	"castgate/codec"
)

// maxKeptMessage is the largest buffer, in bytes, that a loop keeps for the
// next compressed message.
const maxKeptMessage = 1 << 20

// inflater inflates the messages of a loop.
type inflater struct {
	limit int64  // Config.MaxMessage
	buf   []byte // of the last message
}

// inflate returns the inflated message, valid until the next call. The limit is
// enforced before memory is allocated.
func (f *inflater) inflate(op ws.OpCode, packed []byte) ([]byte, error) {
	x := codec.NewInflation(op, packed, false, f.limit)
	defer x.Close()
	if cap(f.buf) == 0 || cap(f.buf) > maxKeptMessage {
		f.buf = make([]byte, 0, 4<<10)
	}
	b := f.buf[:0]
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, last, err := x.Next(b[len(b):cap(b)])
		if err != nil {
			return nil, fmt.Errorf("the server broke the protocol: %w", err)
		}
		b = b[:len(b)+n]
		if last {
			f.buf = b
			return b, nil
		}
	}
}
