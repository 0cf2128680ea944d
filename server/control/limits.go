package control

import (
	"time"

	"castgate/server/control/internal/callers"
)

// Limits are the fields of Config that SetLimits can change while the port
// serves. A change ends no request and closes no connection: connections above
// a lower MaxConns stay until they are idle and a new one needs the place.
type Limits struct {
	MaxBody        int
	MaxConns       int
	RequestTimeout time.Duration
}

// Limits returns the limits of c.
func (c *Config) Limits() Limits {
	return Limits{MaxBody: c.MaxBody, MaxConns: c.MaxConns, RequestTimeout: c.RequestTimeout}
}

// SetLimits replaces the limits for requests that begin from now on. An error
// names the setting that is wrong and changes nothing. It may be called from
// any goroutine.
func (s *Server) SetLimits(n Limits) error {
	c := s.config
	c.MaxBody, c.MaxConns, c.RequestTimeout = n.MaxBody, n.MaxConns, n.RequestTimeout
	if err := c.validateLimits(); err != nil {
		return err
	}
	s.limits.Store(&n)
	return nil
}

// PlacesFor is the largest Config.MaxConns, at least 1, for which that many
// descriptors suffice: callers without a key need some too.
func PlacesFor(descriptors int) int { return callers.PlacesFor(descriptors) }
