package loadtest

import (
	"fmt"

	"github.com/gobwas/ws"

	"castgate/codec"
)

// maxKeptMessage is the largest buffer, in bytes, that a loop keeps for the
// next compressed message.
const maxKeptMessage = 1 << 20

// inflate returns the inflated message, valid until the next call.
// Config.MaxMessage is enforced before memory is allocated.
func (l *loop) inflate(op ws.OpCode, packed []byte) ([]byte, error) {
	l.counts.deflated++
	x := codec.NewInflation(op, packed, false, int64(l.swarm.cfg.MaxMessage))
	defer x.Close()
	if cap(l.inflated) == 0 || cap(l.inflated) > maxKeptMessage {
		l.inflated = make([]byte, 0, 4<<10)
	}
	b := l.inflated[:0]
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
			l.inflated = b
			return b, nil
		}
	}
}
