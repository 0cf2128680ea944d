package server

import (
	"encoding/binary"

	"github.com/gobwas/ws"

	"castgate/codec"
	"castgate/server/frames"
	"castgate/server/internal/clientid"
	"castgate/server/internal/table"
)

// SuspendInit says whether new clients go without LoopsConfig.InitMessage: while a
// worker is attached, its application sends its own. Any goroutine.
func (s *Loops) SuspendInit(suspended bool) { s.initOff.Store(suspended) }

// appendInit appends the init message for a client, in its form.
func (e *entrance) appendInit(dst []byte, h table.Handle, connection uint32, m frames.Form) []byte {
	s := e.loop.srv
	if s.initText == nil || s.initOff.Load() {
		return dst
	}
	var idBuf [clientid.Len]byte
	id := s.ids.Append(idBuf[:0], h, connection)
	length := (len(s.initText) - 1) * len(id)
	for _, part := range s.initText {
		length += len(part)
	}
	switch {
	case m == frames.Counted:
		dst = binary.BigEndian.AppendUint32(dst, uint32(codec.CountLen+length))
	case !m.Plain():
		dst = codec.AppendHeader(dst, ws.OpText, true, length)
	}
	for i, part := range s.initText {
		if i > 0 {
			dst = append(dst, id...)
		}
		dst = append(dst, part...)
	}
	if m == frames.Line {
		dst = append(dst, '\n')
	}
	return dst
}
