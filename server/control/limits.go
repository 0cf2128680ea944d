package control

import (
	"time"

	"castgate/server/control/internal/callers"
	"castgate/server/setting"
)

// Limits is what SetLimits can change while the port serves. A change ends no request and
// closes no connection: connections above a lower MaxConns stay until they are idle and a
// new one needs the place.
type Limits struct {
	// MaxBody is the largest request body in bytes, 1 KiB to 1 GiB. Each
	// connection may hold one in memory, and the replies to a batch may hold 8
	// times as much, or 1 MiB if that is more.
	MaxBody int
	// MaxConns is the largest number of open connections of callers, those
	// whose last request was authorized. Half as many more, at least 8, are
	// open to strangers, who become callers with their first complete
	// authorized request. When all callers' places are taken, a connection in
	// the middle of a request makes room, or else an idle one, of the key and
	// address that have the most. If all are serving requests, or a key or an
	// address has seven eighths of them, the request is answered 503. 1 to
	// 1,048,576.
	MaxConns int
	// RequestTimeout limits a request, 10 ms to 1 h: then waiting for deliveries ends
	// with the counts so far, and a query or the rest of a batch is answered 503. In
	// a streamed listing it applies to each page.
	RequestTimeout time.Duration
}

// Validate reports the first limit that is out of its range, by its name on the command line.
func (n *Limits) Validate() error {
	if n.MaxBody < leastBody || n.MaxBody > mostBody {
		return setting.Errorf("control-max-body", "%d is not between %d and %d", n.MaxBody, leastBody, mostBody)
	}
	if n.MaxConns < 1 || n.MaxConns > mostConns {
		return setting.Errorf("control-max-conns", "%d is not between 1 and %d", n.MaxConns, mostConns)
	}
	return checkTimeout("control-timeout", n.RequestTimeout)
}

// checkTimeout is the error of a timeout that is out of its range.
func checkTimeout(name string, d time.Duration) error {
	if d < leastTimeout || d > mostTimeout {
		return setting.Errorf(name, "%v is not between %v and %v", d, leastTimeout, mostTimeout)
	}
	return nil
}

// SetLimits replaces the limits for requests that begin from now on. An error
// names the setting that is wrong and changes nothing. It may be called from
// any goroutine.
func (s *Server) SetLimits(n Limits) error {
	if err := n.Validate(); err != nil {
		return err
	}
	s.limits.Store(&n)
	return nil
}

// PlacesFor is the largest Config.MaxConns, at least 1, for which that many
// descriptors suffice: callers without a key need some too.
func PlacesFor(descriptors int) int { return callers.PlacesFor(descriptors) }
