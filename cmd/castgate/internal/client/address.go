package client

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"castgate/cmd/castgate/internal/knob"
	"castgate/server/setting"
)

// controlURL is the location of a control API.
type controlURL struct {
	network, address string // for net.Dial
	host             string // of the URL
	secure           bool
}

// base is the URL that paths of requests are appended to.
func (u *controlURL) base() string {
	if u.secure {
		return "https://" + u.host
	}
	return "http://" + u.host
}

// parseControl parses host:port, unix:/path, http://host[:port] or
// https://host[:port].
func parseControl(text string) (*controlURL, error) {
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		if path == "" {
			return nil, errors.New("unix: has no path")
		}
		return &controlURL{network: "unix", address: path, host: "unix"}, nil
	}
	if !strings.Contains(text, "://") {
		if _, _, err := net.SplitHostPort(text); err != nil {
			return nil, fmt.Errorf("%q is not host:port, unix:/path, http://host:port or https://host:port", text)
		}
		return &controlURL{network: "tcp", address: text, host: text}, nil
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("not a URL such as https://host:port")
	}
	port := map[string]string{"http": "80", "https": "443"}[u.Scheme]
	switch {
	case port == "":
		return nil, fmt.Errorf("%s:// is not supported; use http:// or https://", u.Scheme)
	case u.User != nil:
		return nil, errors.New("the URL contains a user or password; put the key into --control-key")
	case u.Hostname() == "":
		return nil, errors.New("the URL has no host")
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("the URL has a path or query; give only the host")
	}
	if u.Port() != "" {
		port = u.Port()
	}
	address := net.JoinHostPort(u.Hostname(), port)
	return &controlURL{network: "tcp", address: address, host: u.Host, secure: u.Scheme == "https"}, nil
}

// port is one of a gateway's two for backends and people.
type port struct{ name, flag, start string }

var (
	controlPort = port{"the control API", "--control", "castgate serve starts it"}
	adminPort   = port{"the admin page", "--admin", "castgate serve --admin HOST:PORT starts it with its admin page"}
)

// trust is the TLS configuration of a client of a port, nil for the default. An error is a
// *setting.Error that names the wrong flag.
func (c *Connection) trust(secure bool, of port) (trust *tls.Config, err error) {
	for name, file := range map[string]string{"ca-file": c.CAFile, "client-cert": c.ClientCert, "client-key": c.ClientKey} {
		if file != "" && !secure {
			return nil, setting.Errorf(name, "needs %s https://…", of.flag)
		}
	}
	if !secure {
		return nil, nil
	}
	trust = &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		text, err := knob.ReadLimited(c.CAFile)
		if err != nil {
			return nil, setting.Named("ca-file", err)
		}
		trust.RootCAs = x509.NewCertPool()
		if !trust.RootCAs.AppendCertsFromPEM(text) {
			return nil, setting.Errorf("ca-file", "%s holds no certificate in PEM", c.CAFile)
		}
	}
	switch {
	case c.ClientCert == "" && c.ClientKey == "":
		return trust, nil
	case c.ClientKey == "":
		return nil, setting.Errorf("client-cert", "needs --client-key")
	case c.ClientCert == "":
		return nil, setting.Errorf("client-key", "needs --client-cert")
	}
	pair, err := tls.LoadX509KeyPair(c.ClientCert, c.ClientKey)
	if err != nil {
		return nil, setting.Named("client-cert", err)
	}
	trust.Certificates = []tls.Certificate{pair}
	return trust, nil
}

// Explained adds advice to the most common errors of a connection.
func (cl *Client) Explained(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // its text also has the method and the whole URL
		if e.Timeout() {
			err = fmt.Errorf("no response in time: %w", err)
		}
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return fmt.Errorf("%w; --ca-file names the certificates to trust", err)
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%w; is the gateway running? %s, and %s names another address", err, cl.of.start, cl.of.flag)
	}
	if errors.Is(err, http.ErrSchemeMismatch) {
		return fmt.Errorf("%s does not speak TLS; use %s http://%s", cl.of.name, cl.of.flag, cl.host())
	}
	return err
}
