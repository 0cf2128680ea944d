package server

// Capacity is what of Config SetCapacity can change while the server runs. A
// change closes nobody: clients above a lower MaxConns stay, frames that
// wait beyond a lower SendQueue are written, the next one is judged.
type Capacity struct {
	MaxConns   int
	SendQueue  int
	SlowPolicy SlowPolicy
}

// Capacity is what c has.
func (c *Config) Capacity() Capacity {
	return Capacity{MaxConns: c.MaxConns, SendQueue: c.SendQueue, SlowPolicy: c.SlowPolicy}
}

// SetCapacity replaces the limits. Each loop takes them up in its turn, before
// any push that is asked for later. An error names the setting that is wrong
// and changes nothing. Any goroutine.
func (s *Server) SetCapacity(n Capacity) error {
	c := s.config
	c.MaxConns, c.SendQueue, c.SlowPolicy = n.MaxConns, n.SendQueue, n.SlowPolicy
	if err := c.Validate(); err != nil {
		return err
	}
	files, err := newFileLimits(&c)
	if err != nil {
		return err
	}
	s.maxConns.Store(int64(files.maxConns))
	for _, l := range s.loops {
		l.post(command{kind: cmdFunc, run: func(l *loop) { l.limit(n) }})
	}
	return nil
}

// limit takes up new limits.
func (l *loop) limit(n Capacity) {
	l.sendQueue = uint32(n.SendQueue)
	l.sendFrames = uint32(max(minFrames, n.SendQueue/frameOverhead))
	l.slowDrop = n.SlowPolicy == SlowDrop
}
