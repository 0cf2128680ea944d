package main

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
)

// Packages are named after version and architecture, hold every file once, and are the
// same byte by byte if they are made again.
func TestPackages(t *testing.T) {
	r := forged(t)
	again := *r
	again.out = t.TempDir()
	for _, each := range []*release{r, &again} {
		for _, arch := range architectures {
			if err := each.packagesFor(arch); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, name := range []string{
		"castgate_1.2.3_amd64.deb", "castgate_1.2.3_arm64.deb", "castgate-1.2.3-1.x86_64.rpm", "castgate-1.2.3-1.aarch64.rpm",
	} {
		one, err := sha256Of(filepath.Join(r.out, name))
		if err != nil {
			t.Error(err)
			continue
		}
		if other, _ := sha256Of(filepath.Join(again.out, name)); one != other {
			t.Errorf("%s made twice is not the same", name)
		}
	}
	for _, format := range []string{"deb", "rpm"} {
		contents, err := r.contents(t.TempDir(), runtime.GOARCH, format)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, c := range contents {
			names = append(names, c.Destination)
			if c.FileInfo.Owner != "root" || c.FileInfo.Mode&0o022 != 0 {
				t.Errorf("%s: %s is %s's, mode %o", format, c.Destination, c.FileInfo.Owner, c.FileInfo.Mode)
			}
		}
		slices.Sort(names)
		if len(slices.Compact(names)) != len(contents) || !slices.Contains(names, "/usr/bin/castgate") {
			t.Errorf("%s: %q", format, names)
		}
	}
}

// Checksums name every file but their own.
func TestChecksums(t *testing.T) {
	r := &release{out: t.TempDir()}
	for _, name := range []string{"b", "a/c"} {
		path := filepath.Join(r.out, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	for range 2 { // the second time the file is there already
		if err := r.checksums(); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(r.out, checksumsFile))
		if want := empty + "  a/c\n" + empty + "  b\n"; string(text) != want || err != nil {
			t.Errorf("%q, %v", text, err)
		}
	}
}
