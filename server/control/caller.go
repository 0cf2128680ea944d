package control

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"

	"castgate/server/internal/audit"
)

// callers counts those who could not show a good certificate where one is asked
// for, and writes them down like those without a good key.
type callers struct {
	audit          *audit.Log
	missing, wrong atomic.Uint64
}

// refuse tells whether that is what a TLS handshake has ended with.
func (c *callers) refuse(from net.Addr, err error) bool {
	code, count := "", &c.wrong
	var verification *tls.CertificateVerificationError
	switch text := err.Error(); { // two of crypto/tls's errors have no type
	case errors.As(err, &verification), strings.Contains(text, "signature by the client certificate"):
		code = "wrong_certificate"
	case strings.Contains(text, "client didn't provide a certificate"):
		code, count = "no_certificate", &c.missing
	default:
		return false
	}
	count.Add(1)
	if c.audit.On() {
		c.audit.Refused("-", fromOf(from), slog.String("request", "none"), slog.String("code", code))
	}
	return true
}
