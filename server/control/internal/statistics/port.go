package statistics

import (
	"time"

	"castgate/server/control/internal/callers"
	"castgate/server/gateway"
)

// Port is a reading of the port's own numbers.
type Port struct {
	Panics uint64
	// BatchRefused counts commands of batches that were not executed, by the code
	// of their reply.
	BatchRefused map[string]uint64
	// ReloadsApplied and ReloadsRefused are reloads of the configuration.
	ReloadsApplied, ReloadsRefused uint64
	// LastReload is when one was last applied or, before the first, the start of
	// the port; ReloadFailing says that the last one was refused.
	LastReload    time.Time
	ReloadFailing bool
	// Certificates are those that the port shows, CertificateReloads and
	// CertificateFailures their reloads.
	Certificates                            []gateway.Certificate
	CertificateReloads, CertificateFailures uint64
	// AuditWritten and AuditLost are audit records.
	AuditWritten, AuditLost uint64
	// Callers are the connections of the port; zero before it listens.
	Callers callers.Counts
}

// portStatistics are those of the port itself.
var portStatistics = described([]statistic[*Port]{
	{metric: "panics_total", label: "part", value: "control",
		help: panicsHelp,
		read: func(p *Port) any { return p.Panics }},
	{metric: "control_batch_refused_total", label: "code",
		help: "Batch commands that were not carried out, by the code of their reply.",
		read: func(p *Port) any { return p.BatchRefused }},
	{metric: "reloads_total", label: "result", value: "ok",
		help: "Reloads of the configuration, by result.",
		read: func(p *Port) any { return p.ReloadsApplied }},
	{metric: "reloads_total", label: "result", value: "refused",
		read: func(p *Port) any { return p.ReloadsRefused }},
	{metric: "control_certificate_reloads_total", label: "result",
		help: "Reloads of the control port's certificates, by result; after a failure the old ones stay in use.",
		read: func(p *Port) any {
			return map[string]uint64{"ok": p.CertificateReloads, "failed": p.CertificateFailures}
		}},
	{metric: "last_reload_success_timestamp_seconds",
		help: "Unix time of the last reload that was applied; before the first, of the start of the control port.",
		read: func(p *Port) any { return p.LastReload }},
	{metric: "last_reload_success",
		help: "Whether the last reload was applied; 1 before the first.",
		read: func(p *Port) any { return !p.ReloadFailing }},
	{metric: "audit_records_total", label: "result", value: "written",
		help: "Audit records, by result.",
		read: func(p *Port) any { return p.AuditWritten }},
	{metric: "audit_records_total", label: "result", value: "lost",
		read: func(p *Port) any { return p.AuditLost }},
	{metric: "control_connections",
		help: "Open connections of the control port.",
		read: func(p *Port) any { return p.Callers.Callers + p.Callers.Strangers }},
	{metric: "control_idle_closed_total",
		help: "Control connections closed to make room for others.",
		read: func(p *Port) any { return p.Callers.MadeRoom }},
	{metric: "control_crowded_total",
		help: "Requests refused because all caller connections were busy, or the caller had its share of them.",
		read: func(p *Port) any { return p.Callers.Crowded }},
	{metric: "control_denied_total",
		help: "Control connections closed because control-allow does not contain their address.",
		read: func(p *Port) any { return p.Callers.Denied }},
	{metric: "control_refused_total",
		help: "Control connections refused because there was no room.",
		read: func(p *Port) any { return p.Callers.Refused }},
	{metric: "control_accept_errors_total",
		help: "Errors of accept on the control port; each is retried.",
		read: func(p *Port) any { return p.Callers.Failed }},
	{metric: "control_certificates_refused_total", label: "reason", value: "missing",
		help: "Control connections refused because the caller showed no certificate, or none signed by control-client-ca.",
		read: func(p *Port) any { return p.Callers.Missing }},
	{metric: "control_certificates_refused_total", label: "reason", value: "wrong",
		read: func(p *Port) any { return p.Callers.Wrong }},
})
