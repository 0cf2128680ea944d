package server

import "time"

// Capacity holds the fields of Config that SetCapacity can change while the
// server runs. A change closes nobody: clients above a lower MaxConns stay, frames
// and pushes that wait beyond a lower queue are written, the next one is judged.
// HandshakeTimeout and UnboundTimeout are for those who connect from then on, and
// an UnboundTimeout of 0 for all; pings take up their times at a client's next
// deadline, within two minutes, and a client has all of PingTimeout from the ping
// that it gets. MaxMessage is for the next bytes of every client, also of a
// message under way; what rates of bytes let pass at once grows with it.
// MaxHandshake is for the next bytes of every request, also of one under way.
type Capacity struct {
	MaxConns         int
	MaxMessage       int
	MaxHandshake     int
	SendQueue        int
	SlowPolicy       SlowPolicy
	PushQueue        int
	HandshakeTimeout time.Duration
	UnboundTimeout   time.Duration
	PingInterval     time.Duration
	PingTimeout      time.Duration
}

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
	s.ticks.Store(newTickConfig(&c))
	s.setKeepAlive(c.PingInterval, c.PingTimeout)
	s.admission.SetMaxMessage(n.MaxMessage)
	// What pushes have taken of the room stays taken.
	more := int64(n.PushQueue) - s.pushQueue.Swap(int64(n.PushQueue))
	for _, l := range s.loops {
		l.mail.release(more)
		l.mail.post(command{kind: cmdFunc, run: func(l *loop) { l.limit(n) }})
	}
	return nil
}

// limit takes up new limits.
func (l *loop) limit(n Capacity) {
	l.entrance.limit(n)
	l.reader.limit(n)
	l.writer.limit(n)
}
