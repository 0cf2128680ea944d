package control

import (
	"log/slog"

	"castgate/server/control/internal/callers"
	"castgate/server/gateway"
	"castgate/server/internal/audit"
)

// did records what a request has done. Callers check audit.On first.
func (c *call) did(action string, attrs ...slog.Attr) {
	c.server.audit.Write(slog.LevelInfo, action, c.caller.Name, c.from(), append(c.caller.Attrs(), attrs...)...)
}

// refused records that the request had no key, a wrong one, or one without the
// right. Every refusal is also counted in control_requests_total.
func (c *call) refused(err error) {
	if !c.server.audit.On() {
		return
	}
	name, what := "-", "none"
	if c.caller != nil {
		name = c.caller.Name
	}
	if c.route != nil {
		what = c.route.method + " " + c.route.path
	}
	_, code, _ := problemOf(err)
	attrs := append(c.caller.Attrs(), slog.String("request", what), slog.String("code", code))
	c.server.audit.Refused(name, c.from(), attrs...)
}

// from is the caller's address, or "unix".
func (c *call) from() string { return callers.From(c.http.RemoteAddr()) }

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
