package main

import (
	"archive/tar"
	"bytes"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// forged is a release with programs that are none.
func forged(t *testing.T) *release {
	t.Helper()
	r := &release{root: "../..", programs: t.TempDir(), out: t.TempDir(), version: "v1.2.3", commit: "abc", at: time.Unix(1_795_000_000, 0).UTC()}
	for _, arch := range architectures {
		if err := os.MkdirAll(filepath.Dir(r.program(arch)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(r.program(arch), []byte("#!/bin/sh\necho "+arch+" $*\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// The image has a program for each architecture, runs as nobody in particular, and is the
// same byte by byte if it is made again.
func TestImage(t *testing.T) {
	r := forged(t)
	if err := r.image(); err != nil {
		t.Fatal(err)
	}
	index, err := layout.ImageIndexFromPath(filepath.Join(r.out, "image"))
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil || len(manifest.Manifests) != len(architectures) {
		t.Fatalf("%v, %v", manifest, err)
	}
	for i, arch := range architectures {
		image, err := index.Image(manifest.Manifests[i].Digest)
		if err != nil {
			t.Fatal(err)
		}
		config, err := image.ConfigFile()
		if err != nil || config.Architecture != arch || config.Config.User != "65532:65532" || manifest.Manifests[i].Platform.Architecture != arch {
			t.Errorf("%s: %+v, %v", arch, config, err)
		}
		layers, err := image.Layers()
		if err != nil || len(layers) != 1 {
			t.Fatalf("%d layers, %v", len(layers), err)
		}
		content, err := layers[0].Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		files := unpacked(t, content)
		if !bytes.Contains(files["castgate"], []byte(arch)) || !bytes.Contains(files["etc/passwd"], []byte(":65532:")) {
			t.Errorf("%s: %d files, the program is %q", arch, len(files), files["castgate"])
		}
		if n := certificates(files["etc/ssl/certs/ca-certificates.crt"]); n < 50 {
			t.Errorf("%s: %d certificates", arch, n)
		}
	}
	again := *r
	again.out = t.TempDir()
	if err := again.image(); err != nil {
		t.Fatal(err)
	}
	one, _ := sha256Of(filepath.Join(r.out, "image", "index.json"))
	other, err := sha256Of(filepath.Join(again.out, "image", "index.json"))
	if one != other || err != nil {
		t.Errorf("made twice: %s and %s, %v", one, other, err)
	}
}

// unpacked are the files of an archive, read to its end.
func unpacked(t *testing.T, from io.Reader) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for r := tar.NewReader(from); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if files[h.Name], err = io.ReadAll(r); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func certificates(text []byte) (n int) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return n
		}
		n++
	}
}
