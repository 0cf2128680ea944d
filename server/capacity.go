package server

import (
	"castgate/server/capacity"
)

// SetCapacity replaces the limits. Each loop takes them up in its turn, before
// any push that is asked for later. An error names the setting that is wrong
// and changes nothing. Any goroutine.
func (s *Server) SetCapacity(n capacity.Capacity) error {
	c := s.config
	c.Capacity = n
	if err := c.validate(); err != nil {
		return err
	}
	files, err := c.files()
	if err != nil {
		return err
	}
	s.maxConns.Store(int64(files.MaxConns))
	for _, n := range s.listeners {
		n.SetLiveness(liveness(&c.Capacity))
	}
	s.admission.SetMaxMessage(n.MaxMessage)
	s.loops.SetLimits(n)
	return nil
}
