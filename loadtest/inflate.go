package loadtest

import (
	"fmt"

	"github.com/gobwas/ws"

	"castgate/codec"
)

// maxKeptPlain is the largest buffer that a loop keeps for the next compressed
// message, in bytes.
const maxKeptPlain = 1 << 20

// inflate is the message that a compressed one stands for, valid until the
// next call. Config.MaxMessage limits it before its memory is taken.
func (l *loop) inflate(op ws.OpCode, packed []byte) ([]byte, error) {
	l.counts.deflated++
	x := codec.NewInflation(op, packed, false, int64(l.swarm.cfg.MaxMessage))
	defer x.Close()
	if cap(l.plain) == 0 || cap(l.plain) > maxKeptPlain {
		l.plain = make([]byte, 0, 4<<10)
	}
	b := l.plain[:0]
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
			l.plain = b
			return b, nil
		}
	}
}
