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

// appendInit appends the frame of the init message for a client.
func (s *Server) appendInit(dst []byte, h table.Handle) []byte {
	if s.initText == nil {
		return dst
	}
	var idBuf [clientIDLen]byte
	id := s.ids.append(idBuf[:0], h)
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
