package server

import (
	"context"

	"castgate/server/gateway"
	"castgate/server/transport"
)

// Stats implements Gateway.
func (s *Server) Stats(context.Context) (gateway.Stats, error) {
	st := gateway.Stats{
		Node: s.config.Node, StartedAt: s.began, Loops: s.config.Loops,
		MaxConns: s.MaxConns(),
		Accepted: s.accepted.Load(), Delayed: s.delayed.Load(), Addresses: s.admission.Addresses(),
		Handshakes: map[string]uint64{}, Closes: map[string]uint64{}, Dropped: map[string]uint64{},
		TLSHandshakes: map[string]uint64{}, TokensRefused: map[string]uint64{},
		InflateErrors: map[string]uint64{}, TLSInternals: transport.InternalsFound(),
	}
	if keys, on := s.admission.Keys(); on {
		fetches := gateway.KeyFetches(keys)
		st.KeysFetched = &fetches
	}
	for _, n := range s.listeners {
		st.AcceptErrors += n.Errors()
	}
	st.Certificates = s.certs.Expiries()
	st.CertificateReloads, st.CertificateFailures = s.certs.Counts()
	s.Verbs.AddTo(&st)
	s.loops.AddTo(&st)
	return st, nil
}

// Miss implements gateway.Historian.
func (s *Server) Miss(to *gateway.Targets) { s.loops.Registry.History.Miss(to) }
