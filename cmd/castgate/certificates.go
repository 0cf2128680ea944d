package main

import (
	"crypto/sha256"
	"fmt"

	"castgate/cmd/castgate/internal/knob"
)

// certificateFiles are the files of certificates and keys, by the setting that
// names them.
func (s *settings) certificateFiles() map[string][]string {
	files := map[string][]string{"tls-cert": knob.Trimmed(s.TLSCert), "tls-key": knob.Trimmed(s.TLSKey)}
	for name, path := range map[string]string{
		"control-tls-cert": s.ControlTLSCert, "control-tls-key": s.ControlTLSKey, "control-client-ca": s.ControlClientCA,
	} {
		if path != "" {
			files[name] = []string{path}
		}
	}
	return files
}

// markCertificates records the files' checksums, so that a reload can tell
// which have changed. Their users report what is wrong with them.
func (s *settings) markCertificates(e *effective) {
	e.certificates = map[string][sha256.Size]byte{}
	for name, paths := range s.certificateFiles() {
		sum := sha256.New()
		for _, path := range paths {
			e.files = append(e.files, path)
			if text, err := knob.ReadRegular(path); err == nil {
				fmt.Fprintf(sum, "%d\n%s", len(text), text)
			}
		}
		e.certificates[name] = [sha256.Size]byte(sum.Sum(nil))
	}
}
