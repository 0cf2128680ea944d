package acceptor

import (
	"slices"
	"strings"

	"castgate/server/hostport"
	"castgate/server/internal/listen"
	"castgate/server/setting"
)

// maxEndpoints is how many listeners of clients there may be.
const maxEndpoints = 16

// Scheme is what the clients of a listener speak.
type Scheme string

// The schemes that a listener may have.
const (
	WS    Scheme = "ws"    // RFC 6455
	WSS   Scheme = "wss"   // the same over TLS
	Text  Scheme = "text"  // a message is a line
	Frame Scheme = "frame" // a message comes behind its length
	TCP   Scheme = "tcp"   // bytes as they come
)

var schemes = []Scheme{WS, WSS, Text, Frame, TCP}

// WebSocket reports whether clients speak WebSocket, whose pings find peers that are gone.
func (s Scheme) WebSocket() bool { return s == WS || s == WSS }

// Endpoint is one listener of clients: scheme://host:port, or ws:// if no scheme
// is named.
type Endpoint struct {
	Scheme  Scheme
	Address string // host:port, or fd:NAME of a passed socket
}

// parseEndpoint reads an item of the setting listen.
func parseEndpoint(s string) (Endpoint, error) {
	e := Endpoint{WS, s}
	if name, address, ok := strings.Cut(s, "://"); ok {
		e = Endpoint{Scheme(name), address}
	}
	if !slices.Contains(schemes, e.Scheme) {
		return e, setting.Errorf("listen", "%q is not one of the schemes %v", e.Scheme, schemes)
	}
	if _, ok := listen.Name(e.Address); ok {
		return e, nil
	}
	if err := hostport.Check(e.Address); err != nil {
		return e, setting.Errorf("listen", "%q %w", s, err)
	}
	return e, nil
}

// Parse reads the setting listen. It finds endpoints that cannot be listened on at the same
// time.
func Parse(list []string) (all []Endpoint, err error) {
	if len(list) == 0 || len(list) > maxEndpoints {
		return nil, setting.Errorf("listen", "%d listeners are not between 1 and %d", len(list), maxEndpoints)
	}
	for _, s := range list {
		e, err := parseEndpoint(s)
		if err != nil {
			return nil, err
		}
		if i := slices.IndexFunc(all, func(other Endpoint) bool { return hostport.Same(e.Address, other.Address) }); i >= 0 {
			return nil, setting.Errorf("listen", "%q and %q are the same port", list[i], s)
		}
		all = append(all, e)
	}
	return all, nil
}
