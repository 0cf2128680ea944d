package server

import (
	"context"

	"castgate/server/gateway"
	"castgate/server/transport"
	"castgate/server/verbs"
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

// peers is a Server as other nodes ask it.
type peers struct {
	*verbs.Verbs
	server *Server
}

// Stats implements Gateway.
func (p peers) Stats(ctx context.Context) (gateway.Stats, error) { return p.server.Stats(ctx) }

// Peers implements gateway.Home.
func (s *Server) Peers() gateway.Asked { return peers{s.ForPeers(), s} }

// CheckNames implements gateway.Home.
func (s *Server) CheckNames(uids, groups []string) error {
	if err := s.names.CheckAll("uid", uids); err != nil {
		return err
	}
	return s.names.CheckAll("group", groups)
}
