package control

import "time"

// Limits is what of Config SetLimits can change while the port serves, its
// fields as there. A change ends no request and closes no connection: those above
// a lower MaxConns stay until they idle in the way of a new one.
type Limits struct {
	MaxBody        int
	MaxConns       int
	RequestTimeout time.Duration
}

// Limits is what c has.
func (c *Config) Limits() Limits {
	return Limits{MaxBody: c.MaxBody, MaxConns: c.MaxConns, RequestTimeout: c.RequestTimeout}
}

// SetLimits replaces the limits for requests that begin from now on. An error
// names the setting that is wrong and changes nothing. Any goroutine.
func (s *Server) SetLimits(n Limits) error {
	c := s.config
	c.MaxBody, c.MaxConns, c.RequestTimeout = n.MaxBody, n.MaxConns, n.RequestTimeout
	if err := c.validateLimits(); err != nil {
		return err
	}
	s.limits.Store(&n)
	return nil
}
