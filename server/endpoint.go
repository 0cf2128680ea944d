package server

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"

	"castgate/server/frames"
	"castgate/server/hostport"
	"castgate/server/internal/listen"
	"castgate/server/setting"
)

// maxEndpoints is how many listeners of clients there may be.
const maxEndpoints = 16

// scheme is what clients of a listener speak.
type scheme string

const (
	schemeWS    scheme = "ws"    // RFC 6455
	schemeWSS   scheme = "wss"   // the same through TLS
	schemeText  scheme = "text"  // a message to a line
	schemeFrame scheme = "frame" // messages behind their length
	schemeTCP   scheme = "tcp"   // bytes as they come
)

// schemes are those a listener may have.
var schemes = []scheme{schemeWS, schemeWSS, schemeText, schemeFrame, schemeTCP}

// form is how its clients are sent messages before anything is agreed.
func (s scheme) form() frames.Form {
	switch s {
	case schemeText:
		return frames.Line
	case schemeFrame:
		return frames.Counted
	case schemeTCP:
		return frames.Bytes
	}
	return frames.WebSocket
}

// endpoint is one listener of clients: scheme://host:port, ws:// if no scheme
// is named.
type endpoint struct {
	scheme  scheme
	address string // host:port, or fd:NAME of Config.Passed
}

// parseEndpoint reads an item of Config.Listen.
func parseEndpoint(s string) (endpoint, error) {
	e := endpoint{schemeWS, s}
	if name, address, ok := strings.Cut(s, "://"); ok {
		e = endpoint{scheme(name), address}
	}
	if !slices.Contains(schemes, e.scheme) {
		return e, setting.Errorf("listen", "%q is not one of the schemes %v", e.scheme, schemes)
	}
	if _, ok := listen.Name(e.address); ok {
		return e, nil
	}
	if err := hostport.Check(e.address); err != nil {
		return e, setting.Errorf("listen", "%q %w", s, err)
	}
	return e, nil
}

// parseEndpoints reads Config.Listen.
func parseEndpoints(list []string) (all []endpoint, err error) {
	if len(list) == 0 || len(list) > maxEndpoints {
		return nil, setting.Errorf("listen", "%d listeners are not between 1 and %d", len(list), maxEndpoints)
	}
	for _, s := range list {
		e, err := parseEndpoint(s)
		if err != nil {
			return nil, err
		}
		if i := slices.IndexFunc(all, func(other endpoint) bool { return hostport.Same(e.address, other.address) }); i >= 0 {
			return nil, setting.Errorf("listen", "%q and %q are the same port", list[i], s)
		}
		all = append(all, e)
	}
	return all, nil
}

// plainForms are the forms that the clients of some listeners need and that
// none agrees on: each push is made in them, whoever is connected.
func plainForms(all []endpoint) (set frames.Set) {
	for _, e := range all {
		if m := e.scheme.form(); m.Plain() {
			set |= 1 << m
		}
	}
	return set
}

// listen opens the listeners; with an error all of them are closed.
func (s *Server) listen(endpoints []endpoint) error {
	for i, e := range endpoints {
		a, err := newAcceptor(s, e, uint8(i))
		if err != nil {
			for _, open := range s.acceptors {
				open.discard()
			}
			return fmt.Errorf("listen %s: %w", e.address, err)
		}
		s.acceptors = append(s.acceptors, a)
	}
	return nil
}

// Addr is the address of the first listener of clients.
func (s *Server) Addr() net.Addr { return s.acceptors[0].addr }

// Addrs are those of all, in the order of Config.Listen.
func (s *Server) Addrs() (all []net.Addr) {
	for _, a := range s.acceptors {
		all = append(all, a.addr)
	}
	return all
}

// ports are those of the listeners of clients, in their order.
func (s *Server) ports() (all []uint16) {
	for _, a := range s.acceptors {
		port := 0
		if tcp, ok := a.addr.(*net.TCPAddr); ok {
			port = tcp.Port
		}
		all = append(all, uint16(port))
	}
	return all
}

func (s *Server) stopAccepting() {
	for _, a := range s.acceptors {
		a.stop()
	}
}

// finishAccepting takes who waits at the listeners and closes them.
func (s *Server) finishAccepting(ctx context.Context) {
	for _, a := range s.acceptors {
		a.finish()
	}
	for _, a := range s.acceptors {
		if !s.running.Load() {
			return
		}
		select {
		case <-a.closed:
		case <-s.whenEnded():
		case <-ctx.Done():
			return
		}
	}
}
