package control

import (
	"maps"
	"slices"
	"time"

	"castgate/server/control/internal/statistics"
	"castgate/server/gateway"
	"castgate/server/internal/pemfile"
)

// answered are the statuses that the port answers with, in ascending order.
var answered = func() []int {
	set := map[int]bool{200: true, 204: true}
	for _, status := range statuses {
		set[status] = true
	}
	return slices.Sorted(maps.Keys(set))
}()

func newMetrics(s *Server) *statistics.Metrics {
	c := statistics.Config{
		Gateway: s.gateway.Stats, Port: s.reading, Collectors: s.config.Collectors,
		Statuses: answered, Version: s.config.Version, Commit: s.config.Commit,
	}
	for _, r := range s.routes.routes {
		c.Routes = append(c.Routes, statistics.Route{Method: r.method, Path: r.path})
	}
	return statistics.New(c)
}

// count records an answered request and its duration; r is nil if it had no
// route.
func (s *Server) count(r *route, status int, took time.Duration) {
	index := statistics.NoRoute
	if r != nil {
		index = r.index
	}
	s.metrics.Count(index, status, took)
}

// reading reads the port's own numbers.
func (s *Server) reading() statistics.Port {
	p := statistics.Port{
		Panics:         s.panicked.Load(),
		BatchRefused:   map[string]uint64{codeDeadline: s.late.Load(), codeAnswerTooLarge: s.overlong.Load()},
		ReloadsApplied: s.reloads.ok.Load(), ReloadsRefused: s.reloads.refused.Load(),
		LastReload: time.Unix(0, s.reloads.last.Load()), ReloadFailing: s.reloads.failing.Load(),
		AuditWritten: s.audit.Written(), AuditLost: s.audit.Lost(),
	}
	p.CertificateReloads, p.CertificateFailures = s.tls.Counts()
	if now := s.tls.Now(); now != nil {
		for i := range now.Certificates {
			if leaf := now.Certificates[i].Leaf; leaf != nil {
				p.Certificates = append(p.Certificates, gateway.Certificate{Name: pemfile.CertificateName(leaf), NotAfter: leaf.NotAfter})
			}
		}
	}
	if s.listener != nil {
		p.Callers = s.listener.Counts()
	}
	return p
}

// scrape serves GET /metrics.
func (c *call) scrape() error {
	text, err := c.server.metrics.Text()
	if err != nil {
		return err
	}
	c.http.Response.Header.SetContentType(statistics.ContentType)
	c.http.Response.SetBodyRaw(text)
	return nil
}
