package server

import (
	"strings"

	"castgate/codec"
	"castgate/server/internal/table"
)

// splitInit cuts Config.InitMessage at each %s; nil if there is none.
func splitInit(message string) []string {
	if message == "" {
		return nil
	}
	return strings.Split(message, "%s")
}

// SuspendInit says whether new clients go without Config.InitMessage: while a
// worker is attached, its application sends its own. Any goroutine.
func (s *Server) SuspendInit(suspended bool) { s.initOff.Store(suspended) }

// appendInit appends the frame of the init message for a client.
func (s *Server) appendInit(dst []byte, h table.Handle, connection uint32) []byte {
	if s.initText == nil || s.initOff.Load() {
		return dst
	}
	var idBuf [clientIDLen]byte
	id := s.ids.append(idBuf[:0], h, connection)
	length := (len(s.initText) - 1) * len(id)
	for _, part := range s.initText {
		length += len(part)
	}
	dst = codec.AppendHeader(dst, codec.OpText, true, length)
	for i, part := range s.initText {
		if i > 0 {
			dst = append(dst, id...)
		}
		dst = append(dst, part...)
	}
	return dst
}
