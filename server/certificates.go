package server

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"slices"
	"strconv"

	"castgate/server/gateway"
	"castgate/server/internal/pemfile"
	"castgate/server/setting"
)

// tlsVersions are the values of Config.TLSMinVersion.
var tlsVersions = map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

// TLSProcessors is on how many processors TLS handshakes may run at once: half
// of the loops', so that a flood of them leaves the other half to those who are
// connected; 0 without a wss listener. For a Config that Validate has passed.
func (c *Config) TLSProcessors() int {
	all, _ := parseEndpoints(c.Listen)
	if !slices.ContainsFunc(all, func(e endpoint) bool { return e.scheme == schemeWSS }) {
		return 0
	}
	return max(1, c.Loops/2)
}

// validateListen is the part of Validate about listeners and their TLS.
func (c *Config) validateListen() error {
	all, err := parseEndpoints(c.Listen)
	if err != nil {
		return err
	}
	if len(c.TLSCerts) != len(c.TLSKeys) {
		return setting.Errorf("tls-cert", "%s but %s: each tls-cert needs its tls-key", plural(len(c.TLSCerts), "certificate"), plural(len(c.TLSKeys), "key"))
	}
	if _, ok := tlsVersions[c.TLSMinVersion]; !ok {
		return setting.Errorf("tls-min-version", "%q is neither 1.2 nor 1.3", c.TLSMinVersion)
	}
	for _, e := range all {
		if e.scheme == schemeWSS && len(c.TLSCerts) == 0 {
			return setting.Errorf("tls-cert", "the listener wss://%s needs a certificate", e.address)
		}
	}
	return nil
}

// plural is a number of things in words: 1 key, 2 keys.
func plural(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return strconv.Itoa(n) + " " + thing
}

// certificates are those of the wss listeners, in the order of the setting.
type certificates = pemfile.Watched[[]tls.Certificate]

// CheckCertificates reads the files of TLSCerts and TLSKeys as New does.
func (c *Config) CheckCertificates() error {
	log := c.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if _, err := certificatesOf(c.TLSCerts, c.TLSKeys, log).Load(); err != nil {
		return setting.Named("tls-cert", err)
	}
	return nil
}

// certificatesOf reads pairs of files, all of them or none.
func certificatesOf(certs, keys []string, log *slog.Logger) pemfile.Source[[]tls.Certificate] {
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

// SetCertificates reads other certificates and keys, or reloads the same files, for
// handshakes that begin from now on. With an error, which begins with the name of
// a setting, all stays as it was. undo brings back what there was before. Any
// goroutine.
func (s *Server) SetCertificates(certs, keys []string) (undo func(), err error) {
	c := s.config
	c.TLSCerts, c.TLSKeys = certs, keys
	if err := c.validateListen(); err != nil {
		return nil, err
	}
	undo, err = s.certs.Set(certificatesOf(certs, keys, s.log))
	if err != nil {
		return nil, setting.Named("tls-cert", err)
	}
	return undo, nil
}

// certificateTimes are the names of the certificates and when they end.
func (s *Server) certificateTimes() (all []gateway.Certificate) {
	now := s.certs.Now()
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

// pickCertificate returns the first certificate that the client can use, by the
// name it asks for and what it can verify; else the first of all.
func (s *Server) pickCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	all := *s.certs.Now()
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

// newTLSConfig returns what all handshakes use. Session tickets are under keys
// that crypto/tls makes and changes each day; they outlive a reload of the
// certificates, since it stays the same Config.
func (s *Server) newTLSConfig() *tls.Config {
	return &tls.Config{
		GetCertificate: s.pickCertificate,
		MinVersion:     tlsVersions[s.config.TLSMinVersion],
		NextProtos:     []string{"http/1.1"},
		// All that Go has but P-521, which costs five times what X25519 does.
		// Whoever offers it offers one of these too.
		CurvePreferences: []tls.CurveID{
			tls.X25519MLKEM768, tls.SecP256r1MLKEM768, tls.SecP384r1MLKEM1024, tls.X25519, tls.CurveP256, tls.CurveP384,
		},
		// What decides is the cost of a push, not the first byte's delay.
		DynamicRecordSizingDisabled: true,
	}
}
