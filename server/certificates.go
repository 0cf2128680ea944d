package server

import (
	"log/slog"
	"slices"
	"strconv"

	"castgate/server/acceptor"
	"castgate/server/setting"
	"castgate/server/transport"
)

// TLSProcessors is how many processors TLS handshakes may use at once: half as many as
// there are loops, so that a flood of handshakes leaves the other half to the clients
// that are connected; 0 without a wss listener. For a Config that Validate has passed.
func (c *Config) TLSProcessors() int {
	all, _ := acceptor.Parse(c.Listen)
	if !slices.ContainsFunc(all, func(e acceptor.Endpoint) bool { return e.Scheme == acceptor.WSS }) {
		return 0
	}
	return max(1, c.Loops/2)
}

// validateListen is the part of Validate about listeners and their TLS.
func (c *Config) validateListen() error {
	all, err := acceptor.Parse(c.Listen)
	if err != nil {
		return err
	}
	if len(c.TLSCerts) != len(c.TLSKeys) {
		return setting.Errorf("tls-cert", "%s but %s: each tls-cert needs its tls-key", plural(len(c.TLSCerts), "certificate"), plural(len(c.TLSKeys), "key"))
	}
	if !transport.IsVersion(c.TLSMinVersion) {
		return setting.Errorf("tls-min-version", "%q is neither 1.2 nor 1.3", c.TLSMinVersion)
	}
	for _, e := range all {
		if e.Scheme == acceptor.WSS && len(c.TLSCerts) == 0 {
			return setting.Errorf("tls-cert", "the listener wss://%s needs a certificate", e.Address)
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

// CheckCertificates reads the files of TLSCerts and TLSKeys as New does.
func (c *Config) CheckCertificates() error {
	log := c.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return setting.Named("tls-cert", transport.CheckFiles(c.TLSCerts, c.TLSKeys, log))
}

// SetCertificates reads other certificates and keys, or reloads the same files, for
// handshakes that begin from now on. If it fails, the error begins with the name of a
// setting, and nothing changes. undo restores the previous certificates. Any goroutine.
func (s *Server) SetCertificates(certs, keys []string) (undo func(), err error) {
	c := s.config
	c.TLSCerts, c.TLSKeys = certs, keys
	if err := c.validateListen(); err != nil {
		return nil, err
	}
	undo, err = s.certs.Set(certs, keys)
	if err != nil {
		return nil, setting.Named("tls-cert", err)
	}
	return undo, nil
}
