package control

import (
	"log/slog"

	"castgate/server/control/internal/callers"
	"castgate/server/gateway"
	"castgate/server/internal/audit"
)

// did records what a request has done. Callers check audit.On first.
func (r *incoming) did(action string, attrs ...slog.Attr) {
	r.server.audit.Write(slog.LevelInfo, action, r.caller.Name, r.from(), append(r.caller.Attrs(), attrs...)...)
}

// refused records that the request had no key, a wrong one, or one without the
// right. Every refusal is also counted in control_requests_total.
func (r *incoming) refused(err error) {
	if !r.server.audit.On() {
		return
	}
	name, what := "-", "none"
	if r.caller != nil {
		name = r.caller.Name
	}
	if r.route != nil {
		what = r.route.method + " " + r.route.path
	}
	_, code, _ := problemOf(err)
	attrs := append(r.caller.Attrs(), slog.String("request", what), slog.String("code", code))
	r.server.audit.Refused(name, r.from(), attrs...)
}

// from is the caller's address, or "unix".
func (r *incoming) from() string { return callers.From(r.http.RemoteAddr()) }

// auditTargets are the targets of a kick: the first names of each kind, and how
// many there are.
func auditTargets(t *gateway.Targets) []slog.Attr {
	if t.All {
		return []slog.Attr{slog.Bool("all", true)}
	}
	attrs := []slog.Attr{slog.Int("targets", len(t.ClientIDs)+len(t.UIDs)+len(t.Groups))}
	for _, kind := range []struct {
		name  string
		names []string
	}{{"client_ids", t.ClientIDs}, {"uids", t.UIDs}, {"groups", t.Groups}} {
		if len(kind.names) > 0 {
			attrs = append(attrs, slog.Any(kind.name, audit.List(kind.names)))
		}
	}
	return attrs
}
