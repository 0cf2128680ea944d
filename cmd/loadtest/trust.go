package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// trustFlags are the client's TLS settings, for wss URLs.
type trustFlags struct {
	CAFile   string `help:"Certificates in PEM to trust for wss URLs, instead of the system's." name:"ca-file" placeholder:"FILE"`
	Insecure bool   `help:"Accept any certificate for wss URLs."`
	Resume   bool   `help:"Resume earlier TLS sessions, as browsers do; otherwise every handshake is a full one."`
}

// sessions is how many TLS sessions are kept, one per host.
const sessions = 64

// config is the TLS configuration for these URLs, nil without flags.
func (f *trustFlags) config(urls []string) (*tls.Config, error) {
	if *f == (trustFlags{}) {
		return nil, nil
	}
	if !slices.ContainsFunc(urls, func(u string) bool { return strings.HasPrefix(strings.ToLower(u), "wss:") }) {
		return nil, errors.New("--ca-file, --insecure and --resume need a wss:// URL")
	}
	if f.CAFile != "" && f.Insecure {
		return nil, errors.New("--insecure trusts everybody; use either it or --ca-file")
	}
	c := &tls.Config{InsecureSkipVerify: f.Insecure}
	if f.Resume {
		c.ClientSessionCache = tls.NewLRUClientSessionCache(sessions)
	}
	if f.CAFile == "" {
		return c, nil
	}
	text, err := os.ReadFile(f.CAFile)
	if err != nil {
		return nil, fmt.Errorf("--ca-file: %w", err)
	}
	if c.RootCAs = x509.NewCertPool(); !c.RootCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("--ca-file: no certificate in %s", f.CAFile)
	}
	return c, nil
}
