package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"castgate/server/internal/pemfile"
)

// tlsVersions are the values of Config.TLSMinVersion.
var tlsVersions = map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

// validateListen is the part of Validate about listeners and their TLS.
func (c *Config) validateListen() error {
	all, err := parseEndpoints(c.Listen)
	if err != nil {
		return err
	}
	if len(c.TLSCerts) != len(c.TLSKeys) {
		return fmt.Errorf("tls-cert: %d certificates and %d keys (tls-key) make no pairs", len(c.TLSCerts), len(c.TLSKeys))
	}
	if _, ok := tlsVersions[c.TLSMinVersion]; !ok {
		return fmt.Errorf("tls-min-version: %q is neither 1.2 nor 1.3", c.TLSMinVersion)
	}
	for _, e := range all {
		if e.scheme == schemeWSS && len(c.TLSCerts) == 0 {
			return fmt.Errorf("tls-cert: the listener wss://%s needs a certificate", e.address)
		}
	}
	return nil
}

// certificates are those of the wss listeners. They can be read anew while
// handshakes go on.
type certificates struct {
	files [][2]string // certificate and key
	log   *slog.Logger
	now   atomic.Pointer[[]tls.Certificate]

	reloads, failures atomic.Uint64

	mu   sync.Mutex // one reload at a time
	seen []fileMark // of files, when they were last looked at; guarded by mu
}

// fileMark changes when a file does.
type fileMark struct {
	size  int64
	time  time.Time
	other os.FileInfo // for its inode: see os.SameFile
}

func (m fileMark) equal(o fileMark) bool {
	if m.other == nil || o.other == nil {
		return m.other == nil && o.other == nil
	}
	return m.size == o.size && m.time.Equal(o.time) && os.SameFile(m.other, o.other)
}

// certPoll is how often the files are looked at for a change.
const certPoll = 10 * time.Second

// newCertificates reads the pairs for the first time. The error begins with
// the name of the setting.
func newCertificates(certs, keys []string, log *slog.Logger) (*certificates, error) {
	cs := &certificates{log: log}
	for i := range certs {
		cs.files = append(cs.files, [2]string{certs[i], keys[i]})
	}
	cs.seen = cs.marks()
	if err := cs.load(); err != nil {
		return nil, fmt.Errorf("tls-cert: %w", err)
	}
	return cs, nil
}

// load reads all pairs; with an error in any of them the old ones stay.
func (cs *certificates) load() error {
	var all []tls.Certificate
	for _, pair := range cs.files {
		c, err := pemfile.Pair(pair[0], pair[1])
		if err != nil {
			return err
		}
		if now := time.Now(); now.After(c.Leaf.NotAfter) || now.Before(c.Leaf.NotBefore) {
			cs.log.Warn("a certificate is not valid now", "file", pair[0], "from", c.Leaf.NotBefore, "until", c.Leaf.NotAfter)
		}
		all = append(all, c)
	}
	cs.now.Store(&all)
	return nil
}

// reload reads the files anew. Any goroutine.
func (cs *certificates) reload() error {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return cs.reloadLocked(cs.marks())
}

func (cs *certificates) reloadLocked(marks []fileMark) error {
	cs.seen = marks
	if err := cs.load(); err != nil {
		cs.failures.Add(1)
		cs.log.Warn("certificates stay as they were", "error", err)
		return err
	}
	cs.reloads.Add(1)
	cs.log.Info("certificates read anew", "pairs", len(cs.files))
	return nil
}

// look reloads if a file has changed since the last look: once for each
// change, so that a broken file is one line in the log.
func (cs *certificates) look() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	marks := cs.marks()
	for i := range marks {
		if !marks[i].equal(cs.seen[i]) {
			_ = cs.reloadLocked(marks)
			return
		}
	}
}

func (cs *certificates) marks() []fileMark {
	var all []fileMark
	for _, pair := range cs.files {
		for _, name := range pair {
			var m fileMark
			if info, err := os.Stat(name); err == nil {
				m = fileMark{info.Size(), info.ModTime(), info}
			}
			all = append(all, m)
		}
	}
	return all
}

// watch looks at the files until quiet is closed.
func (cs *certificates) watch(quiet <-chan struct{}) {
	t := time.NewTicker(certPoll)
	defer t.Stop()
	for {
		select {
		case <-quiet:
			return
		case <-t.C:
			cs.look()
		}
	}
}

var errNoCertificate = errors.New("no certificate")

// pick answers the first certificate that the client can use, by the name it
// asks for and what it can verify; else the first of all.
func (cs *certificates) pick(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	all := *cs.now.Load()
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

// ReloadCertificates reads the files of Config.TLSCerts and TLSKeys anew, for
// handshakes that begin from now on. With an error in any of them all stay as
// they were. Without a wss listener it does nothing. Any goroutine.
func (s *Server) ReloadCertificates() error {
	if s.certs == nil {
		return nil
	}
	return s.certs.reload()
}

// newTLSConfig answers what all handshakes use. Session tickets are under keys
// that crypto/tls makes and changes each day; they outlive a reload of the
// certificates, since it stays the same Config.
func newTLSConfig(c *Config, certs *certificates) *tls.Config {
	return &tls.Config{
		GetCertificate: certs.pick,
		MinVersion:     tlsVersions[c.TLSMinVersion],
		NextProtos:     []string{"http/1.1"},
		// What decides is the cost of a push, not the first byte's delay.
		DynamicRecordSizingDisabled: true,
	}
}
