package pemfile

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

const certificateType = "CERTIFICATE"

// certificates parses the certificates of a text. Other blocks are skipped, or are
// an error if only is set.
func certificates(text []byte, only bool) (all []*x509.Certificate, err error) {
	blocks, err := Blocks(text)
	if err != nil {
		return nil, err
	}
	for i, b := range blocks {
		if b.Type != certificateType {
			if only {
				return nil, fmt.Errorf("PEM block %d is %q, not a certificate", i+1, b.Type)
			}
			continue
		}
		c, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, fmt.Errorf("PEM block %d: %w", i+1, err)
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, errors.New("no certificate in PEM form")
	}
	return all, nil
}

// Pair reads a certificate with its chain, and its private key. Both may be in the
// same file.
func Pair(cert, key string) (tls.Certificate, error) {
	pair, err := readPair(cert, key)
	if err != nil {
		err = fmt.Errorf("%s with %s: %w", cert, key, err)
	}
	return pair, err
}

func readPair(cert, key string) (none tls.Certificate, err error) {
	chain, err := read(cert)
	if err != nil {
		return none, err
	}
	if _, err := certificates(chain, false); err != nil {
		return none, fmt.Errorf("the certificate: %w", err)
	}
	private, err := read(key)
	if err != nil {
		return none, err
	}
	if _, err := Blocks(private); err != nil {
		return none, fmt.Errorf("the key: %w", err)
	}
	return tls.X509KeyPair(chain, private)
}

// WarnOfTime logs a warning if a certificate is not valid now. It is served all the
// same, since refusing it is up to the clients.
func WarnOfTime(log *slog.Logger, file string, c *x509.Certificate) {
	if now := time.Now(); now.After(c.NotAfter) || now.Before(c.NotBefore) {
		log.Warn("a certificate is not valid now", "file", file, "from", c.NotBefore, "until", c.NotAfter)
	}
}

// Authorities reads a file of CA certificates.
func Authorities(path string) (*x509.CertPool, error) {
	text, err := read(path)
	if err != nil {
		return nil, err
	}
	all, err := certificates(text, true)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	pool := x509.NewCertPool()
	for _, c := range all {
		pool.AddCert(c)
	}
	return pool, nil
}

// CertificateName returns the first DNS name or IP address of a certificate, or
// else the common name of its subject.
func CertificateName(c *x509.Certificate) string {
	switch {
	case len(c.DNSNames) > 0:
		return strings.ToValidUTF8(c.DNSNames[0], "\uFFFD")
	case len(c.IPAddresses) > 0:
		return c.IPAddresses[0].String()
	}
	return strings.ToValidUTF8(c.Subject.CommonName, "\uFFFD")
}
