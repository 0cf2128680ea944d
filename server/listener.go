package server

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"castgate/codec"
	"castgate/server/acceptor"
	"castgate/server/capacity"
	"castgate/server/frames"
	"castgate/server/loop"
	"castgate/server/transport"
)

// listener is one listener of clients, and the way of its sockets to the loops. Its methods
// are for its acceptor's goroutine, unless they say otherwise.
type listener struct {
	*acceptor.Acceptor
	srv    *Server
	index  uint8       // in Server.listeners
	form   frames.Form // what its clients are sent before anything is agreed
	secure bool        // its clients speak TLS
	next   int         // the loop that gets the next socket, modulo their number
}

const (
	// maxPace is how long an acceptor waits at most before it looks again whether
	// Policy.HandshakeRate lets a socket in.
	maxPace = 50 * time.Millisecond
	// refuseWait is how long an acceptor waits for one of the sockets being
	// refused to be done, before it turns one away roughly.
	refuseWait = 20 * time.Millisecond
)

// formOf is how clients of a scheme are sent messages before anything is agreed.
func formOf(s acceptor.Scheme) frames.Form {
	switch s {
	case acceptor.Text:
		return frames.Line
	case acceptor.Frame:
		return frames.Counted
	case acceptor.TCP:
		return frames.Bytes
	}
	return frames.WebSocket
}

// plainForms are the forms that the clients of some listeners need and that
// none agrees on: each push is made in them, whoever is connected.
func plainForms(all []acceptor.Endpoint) (set frames.Set) {
	for _, e := range all {
		if m := formOf(e.Scheme); m.Plain() {
			set |= 1 << m
		}
	}
	return set
}

// listen opens the listeners; with an error all of them are closed.
func (s *Server) listen(endpoints []acceptor.Endpoint) error {
	c := &s.config
	for i, e := range endpoints {
		a, err := acceptor.Listen(acceptor.Config{
			Endpoint: e, ReusePort: c.ReusePort, Passed: c.Passed, Settle: c.Settle, Log: s.log,
			Sockets: acceptor.Sockets{NotsentLowat: c.NotsentLowat, IdleProbe: capacity.IdleProbe, Liveness: liveness(&c.Capacity)},
			Kernel:  acceptor.Kernel{Accept: s.sys.Accept, Bell: s.sys.Bell, Spare: s.sys.Spare},
		})
		if err != nil {
			for _, open := range s.listeners {
				open.Discard()
			}
			return fmt.Errorf("listen %s: %w", e.Address, err)
		}
		s.listeners = append(s.listeners, &listener{Acceptor: a, srv: s, index: uint8(i), form: formOf(e.Scheme), secure: e.Scheme == acceptor.WSS})
	}
	return nil
}

// liveness are the times of it among the limits.
func liveness(c *capacity.Capacity) acceptor.Liveness {
	return acceptor.Liveness{PingInterval: c.PingInterval, PingTimeout: c.PingTimeout, KeepAlive: c.TCPKeepalive}
}

// Addr is the address of the first listener of clients.
func (s *Server) Addr() net.Addr { return s.listeners[0].Addr() }

// Addrs are those of all, in the order of Config.Listen.
func (s *Server) Addrs() (all []net.Addr) {
	for _, n := range s.listeners {
		all = append(all, n.Addr())
	}
	return all
}

// ports are those of the listeners of clients, in their order.
func (s *Server) ports() (all []uint16) {
	for _, n := range s.listeners {
		port := 0
		if tcp, ok := n.Addr().(*net.TCPAddr); ok {
			port = tcp.Port
		}
		all = append(all, uint16(port))
	}
	return all
}

// stopAccepting closes the listeners. Any goroutine.
func (s *Server) stopAccepting() {
	for _, n := range s.listeners {
		n.Stop()
	}
}

// finishAccepting accepts the sockets that wait at the listeners, and closes them. Any
// goroutine.
func (s *Server) finishAccepting(ctx context.Context) {
	for _, n := range s.listeners {
		n.Finish()
	}
	for _, n := range s.listeners {
		if !s.running.Load() {
			return
		}
		select {
		case <-n.Closed():
		case <-s.loops.WhenEnded():
		case <-ctx.Done():
			return
		}
	}
}

// run accepts until it is stopped. It returns an error only if the listener is broken.
func (n *listener) run() error {
	return n.Run(acceptor.Owner{Take: n.place, TurnAway: func(fd int, peer netip.AddrPort) {
		n.turnAway(fd, peer, codec.HandshakeBusy)
	}})
}

// place hands a socket to its loop.
func (n *listener) place(fd int, peer netip.AddrPort) {
	s := n.srv
	defer func() { n.next++ }()
	s.accepted.Add(1)
	socket := loop.Arrival{FD: fd, Addr: peer, Form: n.form, Endpoint: n.index, Secure: n.secure}
	d := s.admission.Connect(peer.Addr())
	if d.Crowded {
		n.turnAway(fd, peer, d.Refusal)
		return
	}
	socket.Refusal, socket.Counted, socket.Proxied = d.Refusal, d.Counted, d.Proxied
	if socket.Refusal == codec.HandshakeOK {
		n.pace()
	}
	over := s.loops.SocketAccepted() - int(s.maxConns.Load())
	for end := time.Now().Add(refuseWait); over > s.limits.Refusing && !n.Stopped(); {
		if time.Now().After(end) {
			n.tell(fd, peer, codec.HandshakeBusy)
			s.loops.Dismiss(socket)
			return
		}
		time.Sleep(refuseWait / 20)
		over = s.loops.OpenSockets() - int(s.maxConns.Load())
	}
	if over > 0 && socket.Refusal == codec.HandshakeOK {
		socket.Refusal = codec.HandshakeBusy
	}
	if !s.loops.Arrive(socket, n.next) {
		s.loops.Dismiss(socket)
	}
}

// turnAway refuses a socket without waiting for the request. The request may be
// unread when the socket closes, and the answer be lost to a reset; below the
// limit of sockets being refused, loops do it properly.
func (n *listener) turnAway(fd int, peer netip.AddrPort, why codec.HandshakeResult) {
	n.tell(fd, peer, why)
	n.srv.sys.Close(fd)
}

// tell writes and counts a refusal, as much of it as the socket takes.
func (n *listener) tell(fd int, peer netip.AddrPort, why codec.HandshakeResult) {
	s := n.srv
	s.loops.TurnedAway(peer, why)
	switch {
	case n.secure:
		_, _ = s.sys.Write(fd, transport.Refused)
	case !n.form.Plain():
		_, _ = s.sys.Write(fd, codec.AppendRefusal(nil, why))
	}
	s.sys.Shutdown(fd)
}

// pace waits until Policy.HandshakeRate lets one more socket in. Those that
// come meanwhile wait in the kernel's queue, which costs nothing; a refusal
// would cost a handshake, and bring the client back.
func (n *listener) pace() {
	for waited := false; !n.Ending(); waited = true {
		wait := n.srv.admission.Pace()
		if wait == 0 {
			return
		}
		if !waited {
			n.srv.delayed.Add(1)
		}
		time.Sleep(min(wait, maxPace))
	}
}
