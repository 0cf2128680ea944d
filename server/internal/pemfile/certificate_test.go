package pemfile

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// signed makes a self-signed certificate and its key, as PEM.
func signed(t *testing.T, name string) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	pk, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: certificateType, Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pk})
}

func written(t *testing.T, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A truncated chain is never accepted as a shorter chain.
func TestPairCutAnywhere(t *testing.T) {
	leaf, private := signed(t, "leaf")
	next, _ := signed(t, "next")
	chain := append(bytes.Clone(leaf), next...)
	cert, key := written(t, "cert", chain), written(t, "key", private)
	for at := len(chain); at >= 0; at-- {
		if at < len(chain) {
			if err := os.WriteFile(cert, chain[:at], 0o600); err != nil {
				t.Fatal(err)
			}
		}
		pair, err := Pair(cert, key)
		want := 0
		switch {
		case at >= len(chain)-1:
			want = 2
		case at == len(leaf), at == len(leaf)-1: // same as a file that holds only the leaf
			want = 1
		}
		if len(pair.Certificate) != want || (err == nil) != (want > 0) {
			t.Fatalf("truncated at %d of %d: a chain of %d, %v", at, len(chain), len(pair.Certificate), err)
		}
	}
}

func TestPair(t *testing.T) {
	cert, key := signed(t, "a")
	_, other := signed(t, "b")
	parameters := pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte{6, 8}})
	both := written(t, "both", append(bytes.Clone(key), cert...))
	if _, err := Pair(both, both); err != nil {
		t.Errorf("both in one file: %v", err)
	}
	if _, err := Pair(written(t, "cert", cert), written(t, "key", append(parameters, key...))); err != nil {
		t.Errorf("a key with its parameters: %v", err)
	}
	garbage := pem.EncodeToMemory(&pem.Block{Type: certificateType, Bytes: []byte("garbage")})
	for want, texts := range map[string][2][]byte{
		"no certificate":      {key, key},
		"PEM block 2":         {append(bytes.Clone(cert), garbage...), key},
		"does not match":      {cert, other},
		"the key: PEM block":  {cert, key[:len(key)/2]},
		"larger than 1 MiB":   {append(bytes.Clone(cert), make([]byte, maxFile)...), key},
		"failed to find any ": {cert, nil},
	} {
		c := written(t, "cert", texts[0])
		if _, err := Pair(c, written(t, "key", texts[1])); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), c+" with ") {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if _, err := Pair("/nowhere/cert", both); err == nil {
		t.Error("no certificate file")
	}
}

// A truncated file of authorities is never accepted with fewer authorities.
func TestAuthoritiesCutAnywhere(t *testing.T) {
	first, key := signed(t, "first")
	second, _ := signed(t, "second")
	text := append(append([]byte("# ours\n"), first...), second...)
	boundary := len(text) - len(second)
	file := written(t, "ca", nil)
	for at := range len(text) + 1 {
		if err := os.WriteFile(file, text[:at], 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Authorities(file)
		whole := at >= len(text)-1 || at == boundary || at == boundary-1
		if (err == nil) != whole {
			t.Fatalf("truncated at %d of %d: %v", at, len(text), err)
		}
	}
	if _, err := Authorities(written(t, "mixed", append(bytes.Clone(first), key...))); err == nil {
		t.Error("a private key was ignored")
	}
}
