package server

// Capacity is what c has.
func (c *Config) Capacity() Capacity {
	return Capacity{
		MaxConns: c.MaxConns, MaxMessage: c.MaxMessage, MaxHandshake: c.MaxHandshake,
		SendQueue: c.SendQueue, SlowPolicy: c.SlowPolicy, PushQueue: c.PushQueue,
		HandshakeTimeout: c.HandshakeTimeout, UnboundTimeout: c.UnboundTimeout,
		PingInterval: c.PingInterval, PingTimeout: c.PingTimeout,
	}
}

// with is c with what n has.
func (c Config) with(n Capacity) Config {
	c.MaxConns, c.MaxMessage, c.MaxHandshake = n.MaxConns, n.MaxMessage, n.MaxHandshake
	c.SendQueue, c.SlowPolicy, c.PushQueue = n.SendQueue, n.SlowPolicy, n.PushQueue
	c.HandshakeTimeout, c.UnboundTimeout = n.HandshakeTimeout, n.UnboundTimeout
	c.PingInterval, c.PingTimeout = n.PingInterval, n.PingTimeout
	return c
}

// SetCapacity replaces the limits. Each loop takes them up in its turn, before
// any push that is asked for later. An error names the setting that is wrong
// and changes nothing. Any goroutine.
func (s *Server) SetCapacity(n Capacity) error {
	c := s.config.with(n)
	if err := c.validate(); err != nil {
		return err
	}
	files, err := c.files()
	if err != nil {
		return err
	}
	s.maxConns.Store(int64(files.MaxConns))
	for _, n := range s.listeners {
		n.SetPings(c.PingInterval, c.PingTimeout)
	}
	s.admission.SetMaxMessage(n.MaxMessage)
	s.setLimits(n)
	return nil
}
