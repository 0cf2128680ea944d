package control

import (
	"crypto/tls"
	"log/slog"

	"castgate/server/internal/pemfile"
	"castgate/server/setting"
)

// TLS configures TLS on the port. Without files it is off.
type TLS struct {
	// Cert and Key are PEM files.
	Cert, Key string
	// ClientCA is a file of CA certificates. Callers must show a client
	// certificate signed by one of them, in addition to a key if keys are set.
	ClientCA string
}

func (t *TLS) on() bool { return t.Cert != "" }

func (t *TLS) validate() error {
	switch {
	case (t.Cert == "") != (t.Key == ""):
		return setting.Errorf("control-tls-cert", "must be set together with control-tls-key")
	case t.ClientCA != "" && !t.on():
		return setting.Errorf("control-client-ca", "needs control-tls-cert")
	}
	return nil
}

// Check reads the files as New does. An error is a *setting.Error.
func (t *TLS) Check() error {
	if !t.on() {
		return nil
	}
	_, err := t.load(slog.New(slog.DiscardHandler))
	return err
}

// files are the configured files.
func (t *TLS) files() (list []string) {
	for _, file := range []string{t.Cert, t.Key, t.ClientCA} {
		if file != "" {
			list = append(list, file)
		}
	}
	return list
}

// load reads the files. An error is a *setting.Error.
func (t *TLS) load(log *slog.Logger) (*tls.Config, error) {
	pair, err := pemfile.Pair(t.Cert, t.Key)
	if err != nil {
		return nil, setting.Named("control-tls-cert", err)
	}
	pemfile.WarnOfTime(log, t.Cert, pair.Leaf)
	c := &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12}
	if t.ClientCA == "" {
		return c, nil
	}
	// On resumption, too, crypto/tls checks that the client certificate is
	// still valid and signed by one of ClientCAs.
	c.ClientAuth = tls.RequireAndVerifyClientCert
	if c.ClientCAs, err = pemfile.Authorities(t.ClientCA); err != nil {
		return nil, setting.Named("control-client-ca", err)
	}
	return c, nil
}

// SetTLS replaces Config.TLS, or reloads the same files, for connections that
// begin from now on; open ones are unaffected. On an error, which is a
// *setting.Error, nothing changes. undo restores the previous state. It may be
// called from any goroutine.
func (s *Server) SetTLS(t TLS) (undo func(), err error) {
	if err := t.validate(); err != nil {
		return nil, err
	}
	return s.tls.Set(pemfile.Source[tls.Config]{Files: t.files(), Load: func() (*tls.Config, error) {
		if !t.on() {
			return nil, nil
		}
		return t.load(s.log)
	}})
}
