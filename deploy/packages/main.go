// Command packages makes what castgate is installed from: .deb and .rpm packages
// (linux.go), an OCI image (image.go), a bill of materials (bom.go) and checksums
// (checksums.go). It is run by make packages, which has built the programs: those of
// --programs, one in each directory linux_ARCH. What it writes depends on nothing but
// these and the commit, so that anybody can make the same bytes.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// release is what all packages are made from.
type release struct {
	root     string    // of the repository
	programs string    // directory of the programs
	out      string    // where packages are written to
	version  string    // as git describe says it
	commit   string    // in full
	at       time.Time // of the commit
}

// architectures are those that packages are made for, as Go names them.
var architectures = []string{"amd64", "arm64"}

func main() {
	r := release{}
	var at int64
	flag.StringVar(&r.root, "root", "..", "the repository")
	flag.StringVar(&r.programs, "programs", "", "directory with linux_ARCH/castgate")
	flag.StringVar(&r.out, "out", "", "directory for the packages; it is emptied")
	flag.StringVar(&r.version, "version", "dev", "version, as git describe says it")
	flag.StringVar(&r.commit, "commit", "unknown", "the commit")
	flag.Int64Var(&at, "at", 0, "Unix time of the commit")
	flag.Parse()
	r.at = time.Unix(at, 0).UTC()
	if err := r.make(); err != nil {
		fmt.Fprintln(os.Stderr, "packages:", err)
		os.Exit(1)
	}
}

// make writes everything.
func (r *release) make() error {
	if r.programs == "" || r.out == "" {
		return fmt.Errorf("--programs and --out are needed")
	}
	if err := os.RemoveAll(r.out); err != nil {
		return err
	}
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	for _, arch := range architectures {
		if err := r.packagesFor(arch); err != nil {
			return fmt.Errorf("%s: %w", arch, err)
		}
		if err := r.billOf(arch); err != nil {
			return fmt.Errorf("%s: %w", arch, err)
		}
	}
	if err := r.image(); err != nil {
		return fmt.Errorf("image: %w", err)
	}
	return r.checksums()
}

// program is the path of a program.
func (r *release) program(arch string) string {
	return filepath.Join(r.programs, "linux_"+arch, "castgate")
}
