package frames

import (
	"encoding/binary"
	"strings"

	"github.com/gobwas/ws"

	"castgate/codec"
)

// Greeting is the first message for every client, with the client's id in it: the text
// between the places of the id.
type Greeting []string

// NewGreeting makes it of a text in which each %s stands for the id.
func NewGreeting(text string) Greeting { return strings.Split(text, "%s") }

// Append appends the message for a client, in its form.
func (g Greeting) Append(dst, id []byte, m Form) []byte {
	length := (len(g) - 1) * len(id)
	for _, part := range g {
		length += len(part)
	}
	switch {
	case m == Counted:
		dst = binary.BigEndian.AppendUint32(dst, uint32(codec.CountLen+length))
	case !m.Plain():
		dst = codec.AppendHeader(dst, ws.OpText, true, length)
	}
	for i, part := range g {
		if i > 0 {
			dst = append(dst, id...)
		}
		dst = append(dst, part...)
	}
	if m == Line {
		dst = append(dst, '\n')
	}
	return dst
}
