package server

// What the front of GatewayWorker asks of the loops themselves; see gateway.Host and
// gateway.GatewayWorker. Any goroutine.

// WantMessages implements gateway.Host.
func (s *Server) WantMessages(wanted bool) { s.loops.WantMessages(wanted) }

// SuspendInit implements gateway.Host.
func (s *Server) SuspendInit(suspended bool) { s.loops.SuspendInit(suspended) }

// Readmit implements gateway.Host.
func (s *Server) Readmit() { s.loops.Readmit() }

// Resume implements gateway.Host.
func (s *Server) Resume(connections []uint32) { s.loops.Resume(connections) }

// Abandon implements gateway.Host.
func (s *Server) Abandon(connections []uint32) { s.loops.Abandon(connections) }

// Wake implements gateway.GatewayWorker.
func (s *Server) Wake() { s.loops.Wake() }

// ResumeKeys has clients read again of which a Watcher's Message has said TakenEnough.
func (s *Server) ResumeKeys(keys []uint64) { s.loops.ResumeKeys(keys) }

// Waiting is how many connections wait to be admitted.
func (s *Server) Waiting() int { return s.loops.Waiting() }
