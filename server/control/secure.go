package control

import (
	"crypto/tls"
	"errors"
	"fmt"

	"castgate/server/internal/pemfile"
)

// TLS says how the port speaks TLS. Without files it does not.
type TLS struct {
	// Cert and Key are files in PEM.
	Cert, Key string
	// ClientCA is a file of certificates; callers must show one that these
	// have signed, for client authentication, beside a key where one is set.
	ClientCA string
}

func (t *TLS) on() bool { return t.Cert != "" }

func (t *TLS) validate() error {
	switch {
	case (t.Cert == "") != (t.Key == ""):
		return errors.New("control-tls-cert: it needs control-tls-key, and the other way round")
	case t.ClientCA != "" && !t.on():
		return errors.New("control-client-ca: it needs control-tls-cert")
	}
	return nil
}

// load reads the files. The error begins with the name of a setting.
func (t *TLS) load() (*tls.Config, error) {
	pair, err := pemfile.Pair(t.Cert, t.Key)
	if err != nil {
		return nil, fmt.Errorf("control-tls-cert: %w", err)
	}
	c := &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12}
	if t.ClientCA == "" {
		return c, nil
	}
	c.ClientAuth = tls.RequireAndVerifyClientCert
	// A ticket would let in who has shown a certificate once, also after the
	// authorities have been changed.
	c.SessionTicketsDisabled = true
	if c.ClientCAs, err = pemfile.Authorities(t.ClientCA); err != nil {
		return nil, fmt.Errorf("control-client-ca: %w", err)
	}
	return c, nil
}

// RenewTLS reads the files of Config.TLS anew, for connections that begin from
// now on, until undo. With an error, which begins with the name of a setting,
// all stays as it was. Any goroutine.
func (s *Server) RenewTLS() (undo func(), err error) {
	if !s.config.TLS.on() {
		return func() {}, nil
	}
	c, err := s.config.TLS.load()
	if err != nil {
		return nil, err
	}
	before := s.tls.Swap(c)
	return func() { s.tls.Store(before) }, nil
}

// tlsConfig is for a listener; each handshake takes what holds then.
func (s *Server) tlsConfig() *tls.Config {
	return &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.tls.Load(), nil }}
}
