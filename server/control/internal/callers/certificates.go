package callers

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"

	"castgate/server/internal/audit"
)

// certificates counts and audits connections that fail to show a valid client
// certificate where one is required, as is done for requests without a valid
// key.
type certificates struct {
	audit          *audit.Log
	missing, wrong atomic.Uint64
}

// refuse reports whether a TLS handshake failed for that reason.
func (c *certificates) refuse(from net.Addr, err error) bool {
	code, count := "", &c.wrong
	var verification *tls.CertificateVerificationError
	switch text := err.Error(); { // two errors of crypto/tls have no type
	case errors.As(err, &verification), strings.Contains(text, "signature by the client certificate"):
		code = "wrong_certificate"
	case strings.Contains(text, "client didn't provide a certificate"):
		code, count = "no_certificate", &c.missing
	default:
		return false
	}
	count.Add(1)
	if c.audit.On() {
		c.audit.Refused("-", From(from), slog.String("request", "none"), slog.String("code", code))
	}
	return true
}
