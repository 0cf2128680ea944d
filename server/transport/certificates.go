package transport

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"slices"

	"castgate/server/gateway"
	"castgate/server/internal/pemfile"
)

// versions are the values of a minimum version, as in settings.
var versions = map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

// IsVersion reports whether a setting names a version of TLS that can be the lowest one.
func IsVersion(name string) bool { _, ok := versions[name]; return ok }

// Certificates are the certificates of the TLS listeners, in the order of the setting.
// They are reloaded when their files change. Any goroutine may call the methods, once
// Set has succeeded.
type Certificates struct {
	log *slog.Logger
	*pemfile.Watched[[]tls.Certificate]
}

// NewCertificates returns Certificates that log their reloads.
func NewCertificates(log *slog.Logger) *Certificates {
	return &Certificates{log, pemfile.NewWatched[[]tls.Certificate](log)}
}

// Set reads certificates and their keys from pairs of files, or reloads the same files,
// for handshakes that begin from now on. If it fails, nothing changes. undo restores
// the previous certificates.
func (c *Certificates) Set(certs, keys []string) (undo func(), err error) {
	return c.Watched.Set(sourceOf(certs, keys, c.log))
}

// CheckFiles reads pairs of files as Set does, and reports what is wrong with them.
func CheckFiles(certs, keys []string, log *slog.Logger) error {
	_, err := sourceOf(certs, keys, log).Load()
	return err
}

// sourceOf reads pairs of files: all of them, or none.
func sourceOf(certs, keys []string, log *slog.Logger) pemfile.Source[[]tls.Certificate] {
	return pemfile.Source[[]tls.Certificate]{
		Files: slices.Concat(certs, keys),
		Load: func() (*[]tls.Certificate, error) {
			var all []tls.Certificate
			for i := range certs {
				c, err := pemfile.Pair(certs[i], keys[i])
				if err != nil {
					return nil, err
				}
				pemfile.WarnOfTime(log, certs[i], c.Leaf)
				all = append(all, c)
			}
			return &all, nil
		},
	}
}

// Expiries are the names of the certificates, and when they expire.
func (c *Certificates) Expiries() (all []gateway.Certificate) {
	now := c.Now()
	if now == nil {
		return nil
	}
	for i := range *now {
		if leaf := (*now)[i].Leaf; leaf != nil {
			all = append(all, gateway.Certificate{Name: pemfile.CertificateName(leaf), NotAfter: leaf.NotAfter})
		}
	}
	return all
}

var errNoCertificate = errors.New("no certificate")

// pick returns the first certificate that the client can use, by the name it asks for
// and what it can verify; otherwise the first of all.
func (c *Certificates) pick(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	all := *c.Now()
	if len(all) == 0 {
		return nil, errNoCertificate
	}
	for i := range all {
		if len(all) == 1 || hello.SupportsCertificate(&all[i]) == nil {
			return &all[i], nil
		}
	}
	return &all[0], nil
}

// Config is for all handshakes with these certificates; IsVersion must hold for
// minVersion. Session tickets are under keys that crypto/tls makes and changes each day;
// they outlive a reload of the certificates, since it stays the same Config.
func (c *Certificates) Config(minVersion string) *tls.Config {
	return &tls.Config{
		GetCertificate: c.pick,
		MinVersion:     versions[minVersion],
		NextProtos:     []string{"http/1.1"},
		// All that Go has except P-521, which costs five times as much as X25519.
		// Clients that offer it also offer one of these.
		CurvePreferences: []tls.CurveID{
			tls.X25519MLKEM768, tls.SecP256r1MLKEM768, tls.SecP384r1MLKEM1024, tls.X25519, tls.CurveP256, tls.CurveP384,
		},
		// What counts is the cost of a push, not the delay of the first byte.
		DynamicRecordSizingDisabled: true,
	}
}
