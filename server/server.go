package server

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"castgate/server/acceptor"
	"castgate/server/admission"
	"castgate/server/gateway"
	"castgate/server/internal/clientid"
	"castgate/server/internal/giveback"
	"castgate/server/kernel"
	"castgate/server/loop"
	"castgate/server/openfiles"
	"castgate/server/transport"
	"castgate/server/verbs"
)

var _ interface {
	gateway.Gateway
	gateway.GatewayWorker
	gateway.Host
	gateway.Historian
} = (*Server)(nil)

// Server is one gateway process: listeners, event loops and the registry.
// It implements gateway.Gateway and gateway.GatewayWorker.
type Server struct {
	*verbs.Verbs

	// Static after New.
	config    Config
	names     verbs.NameLimit
	loops     *loop.Loops
	log       *slog.Logger
	sys       *kernel.Calls
	began     time.Time
	ids       *clientid.IDs
	limits    openfiles.Limits
	listeners []*listener // by index of Config.Listen
	certs     *transport.Certificates
	tlsPool   *transport.Handshakes // nil without a wss listener
	admission *admission.Control

	probe    atomic.Pointer[func() bool] // SetProbe
	delayed  atomic.Uint64               // times that the acceptor waited for Policy.HandshakeRate
	maxConns atomic.Int64
	accepted atomic.Uint64

	running  atomic.Bool // Run serves
	stopping atomic.Bool // Shutdown or Stop was called
	stop     sync.Once
}

// New makes a server and binds its listeners; nothing is served before Run.
// Errors name the setting that is wrong or the address that is taken.
func New(c Config) (*Server, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s, err := newServer(c, &kernel.Linux)
	if err == nil {
		logPollers(s.log)
	}
	return s, err
}

func newServer(c Config, sys *kernel.Calls) (*Server, error) {
	s := &Server{
		config: c, log: c.Logger, sys: sys, began: time.Now(),
	}
	if s.names = gateway.MaxNameLen; c.PeerAddress.IsValid() {
		s.names = gateway.MaxPeerNameLen
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if s.limits, err = c.files(); err != nil {
		return nil, err
	}
	if err := s.newAdmission(&c); err != nil {
		return nil, err
	}
	s.maxConns.Store(int64(s.limits.MaxConns))
	if s.ids, err = newIDs(&c); err != nil {
		return nil, err
	}
	if c.PeerAddress.IsValid() {
		if s.ids.Peers, err = clientid.NewPeers(c.PeerAddress, c.ConnectionIDs); err != nil {
			return nil, err
		}
	}
	endpoints, err := acceptor.Parse(c.Listen)
	if err != nil {
		return nil, err
	}
	s.certs = transport.NewCertificates(s.log)
	if _, err := s.SetCertificates(c.TLSCerts, c.TLSKeys); err != nil {
		return nil, err
	}
	if c.TLSProcessors() > 0 {
		transport.WarnOfInternals(s.log)
		s.tlsPool = transport.NewHandshakes(s.certs.Config(c.TLSMinVersion), c.TLSHandshakes, c.TLSProcessors(), func() int64 { return s.now() + 1 })
	}
	s.loops, err = loop.New(loop.Config{
		Loops: c.Loops, OnMessage: c.OnMessage, InitMessage: c.InitMessage,
		Compress: c.Compress, CompressMin: c.CompressMin, CompressLevel: c.CompressLevel,
		Capacity: c.Capacity, Heartbeat: c.Heartbeat, Events: c.Events, Watchers: c.Watchers, Names: c.Names, Hook: c.Hook, Plain: plainForms(endpoints),
		Files: s.limits.Open, IDs: s.ids, Admission: s.admission, TLS: s.tlsPool, Ready: s.probes, Log: s.log, System: sys,
	})
	if err != nil {
		return nil, err
	}
	if err := s.listen(endpoints); err != nil {
		s.loops.Discard()
		return nil, err
	}
	s.Verbs = verbs.New(s.loops, verbs.Config{Names: s.names, Node: c.Node, Shared: c.ClientIDs != nil})
	return s, nil
}

func newIDs(c *Config) (*clientid.IDs, error) {
	if c.ClientIDs == nil {
		return clientid.New(c.Node)
	}
	return clientid.NewShared(c.Node, c.ClientIDs.Key, c.ClientIDs.Start)
}

// now is the time for quotas, in nanoseconds.
func (s *Server) now() int64 { return int64(s.sys.Elapsed()) }

// MaxConns is how many client sockets are served at once.
func (s *Server) MaxConns() int { return int(s.maxConns.Load()) }

// load is what there is to do for clients. Any goroutine.
func (s *Server) load() giveback.Load {
	return giveback.Load{Sockets: s.loops.OpenSockets(), Queued: s.loops.Queued()}
}

// ReserveFiles is how many descriptors MaxConns leaves free.
func (s *Server) ReserveFiles() int { return s.limits.Reserve }

// Ready tells whether new clients are taken.
func (s *Server) Ready() bool { return s.running.Load() && !s.stopping.Load() }

// Quiet is for how long the loop has not ticked that ticked first: more than a few
// seconds mean that it hangs. Any goroutine.
func (s *Server) Quiet() time.Duration {
	return s.loops.Quiet()
}

// SetProbe sets what probes on the client listeners are told of, Ready unless it
// is set: a gateway that is about to stop says so while it still takes clients.
// ready is called on event loops and must not block. Any goroutine.
func (s *Server) SetProbe(ready func() bool) { s.probe.Store(&ready) }

// probes is what a probe is told.
func (s *Server) probes() bool {
	if ready := s.probe.Load(); ready != nil {
		return (*ready)()
	}
	return s.Ready()
}

// Run serves until Shutdown or Stop is done, once in a Server's life. It
// returns an error when an event loop or an acceptor ended without being
// asked; every client is gone then.
func (s *Server) Run() error {
	errs := make(chan error, 1+len(s.listeners))
	var serving sync.WaitGroup
	s.loops.Start(s.ports())
	serving.Go(func() { errs <- s.loops.Wait() })
	for _, n := range s.listeners {
		serving.Go(func() { errs <- n.run() })
	}
	quiet := make(chan struct{})
	go giveback.Run(quiet, s.load)
	go s.certs.Watch(quiet)
	s.admission.Run()
	s.running.Store(true)

	var first error
	for range cap(errs) {
		err := <-errs
		if err != nil && first == nil {
			first = err
			s.running.Store(false)
			s.Stop()
		}
	}
	serving.Wait()
	if s.tlsPool != nil {
		s.tlsPool.Wait()
	}
	close(quiet)
	s.admission.End()
	s.running.Store(false)
	s.loops.Close() // the acceptors have used them too
	if err := s.loops.Leftover(); err != nil {
		s.log.Error("defect while stopping", "err", err)
	}
	return first
}

// Stop ends the server at once: sockets are closed as they are. Any goroutine.
func (s *Server) Stop() {
	s.stop.Do(func() {
		s.stopping.Store(true)
		s.RefusePushes()
		s.stopAccepting()
		s.loops.Stop()
	})
}

// Shutdown ends the server in order. Sockets that wait to be accepted are accepted, and
// then no more. Config.DrainRate clients a second are closed with 1001, behind what waits
// for them; those that are still there get pushes meanwhile. Then the loops end.
//
// It returns when that is done. If it takes too long, what is left is cut off soon after
// ctx is done, or DrainTimeout has passed where ctx has no deadline, and the error is
// ctx's or context.DeadlineExceeded. A loop that has not ended endGrace later is not waited
// for, and the error says so. Any goroutine.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stopping.Store(true)
	s.finishAccepting(ctx)
	before, began := s.loops.Ends(), time.Now()
	err := s.drain(ctx)
	s.Stop()
	err = s.awaitEnd(ctx, err)
	s.logEnds(before, began)
	return err
}

// awaitEnd waits for the loops to end, but for those that hang. err is the
// error so far.
func (s *Server) awaitEnd(ctx context.Context, err error) error {
	if !s.running.Load() {
		return err
	}
	select {
	case <-s.loops.WhenEnded():
		return err
	case <-ctx.Done():
	}
	select {
	case <-s.loops.WhenEnded():
		return err
	case <-time.After(endGrace):
		return errors.Join(ctx.Err(), errors.New("an event loop does not stop"))
	}
}

// endGrace is how long loops may take to close what is left once the time for a
// stop has passed.
const endGrace = time.Second
