package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/goreleaser/nfpm/v2/files"
)

// stage is a directory in which files are made that the packages hold.
type stage struct {
	release *release
	dir     string
	format  string // deb or rpm
	all     files.Contents
}

// source is a file of this directory.
func (r *release) source(name string) string {
	return filepath.Join(r.root, "deploy", "packages", "files", name)
}

// contents are the files of a package.
func (r *release) contents(dir, arch, format string) (files.Contents, error) {
	s := &stage{release: r, dir: dir, format: format}
	s.add(r.program(arch), "/usr/bin/castgate", "", 0o755)
	s.add(r.source("castgate.service"), "/usr/lib/systemd/system/castgate.service", "", 0o644)
	s.add(r.source("castgate.socket"), "/usr/lib/systemd/system/castgate.socket", "", 0o644)
	s.add(r.source("castgate.sysusers"), "/usr/lib/sysusers.d/castgate.conf", "", 0o644)
	s.add(r.source("castgate.toml"), "/etc/castgate/castgate.toml", files.TypeConfigNoReplace, 0o644)
	zsh := "/usr/share/zsh/vendor-completions/_castgate"
	if format == "rpm" {
		zsh = "/usr/share/zsh/site-functions/_castgate"
	}
	for to, args := range map[string][]string{
		"/usr/share/man/man1/castgate.1.gz":               {"man"},
		"/usr/share/bash-completion/completions/castgate": {"completion", "bash"},
		zsh: {"completion", "zsh"},
		"/usr/share/fish/vendor_completions.d/castgate.fish": {"completion", "fish"},
	} {
		if err := s.printed(to, args...); err != nil {
			return nil, err
		}
	}
	if err := s.documents(); err != nil {
		return nil, err
	}
	return s.all, nil
}

func (s *stage) add(source, to, kind string, mode fs.FileMode) {
	s.all = append(s.all, &files.Content{
		Source: source, Destination: to, Type: kind,
		FileInfo: &files.ContentFileInfo{Owner: "root", Group: "root", Mode: mode, MTime: s.release.at},
	})
}

// written puts a text into the package, compressed if its name says so.
func (s *stage) written(to string, text []byte, kind string) error {
	if filepath.Ext(to) == ".gz" {
		var b bytes.Buffer
		w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
		if _, err := w.Write(text); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
		text = b.Bytes()
	}
	file := filepath.Join(s.dir, fmt.Sprintf("%s-%d", s.format, len(s.all)))
	s.add(file, to, kind, 0o644)
	return os.WriteFile(file, text, 0o644)
}

// printed puts into the package what castgate prints. The program for this machine says
// it for all.
func (s *stage) printed(to string, args ...string) error {
	text, err := exec.Command(s.release.program(runtime.GOARCH), args...).Output()
	if err != nil {
		return fmt.Errorf("castgate %v: %w", args, err)
	}
	kind := ""
	if s.format == "rpm" && args[0] == "man" {
		kind = files.TypeRPMDoc
	}
	return s.written(to, text, kind)
}

// documents puts licence and changes where each kind of package has them.
func (s *stage) documents() error {
	licence, err := os.ReadFile(filepath.Join(s.release.root, "LICENSE"))
	if err != nil {
		return err
	}
	changes, err := os.ReadFile(filepath.Join(s.release.root, "CHANGELOG.md"))
	if err != nil {
		return err
	}
	if s.format == "rpm" {
		if err := s.written("/usr/share/licenses/castgate/LICENSE", licence, files.TypeRPMLicense); err != nil {
			return err
		}
		return s.written("/usr/share/doc/castgate/CHANGELOG.md", changes, files.TypeRPMDoc)
	}
	for to, text := range map[string]string{
		"/usr/share/doc/castgate/copyright":     copyright,
		"/usr/share/doc/castgate/NEWS.gz":       string(changes),
		"/usr/share/doc/castgate/changelog.gz":  s.release.debianChange(),
		"/usr/share/lintian/overrides/castgate": overrides,
	} {
		if err := s.written(to, []byte(text), ""); err != nil {
			return err
		}
	}
	return nil
}

// copyright is in Debian's machine-readable format.
const copyright = `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: castgate

Files: *
Copyright: 2026 The authors of castgate
License: Apache-2.0
 On Debian systems the full text of the Apache License, version 2.0, can be found in
 /usr/share/common-licenses/Apache-2.0.
`

// overrides tell lintian what is as it should be.
const overrides = `# A Go program without cgo: one file that needs no library of the system.
castgate: statically-linked-binary [usr/bin/castgate]
`

// debianChange is the one entry of Debian's changelog: NEWS has the changes.
func (r *release) debianChange() string {
	return fmt.Sprintf("castgate (%s) unstable; urgency=medium\n\n  * Built from commit %.12s. NEWS.gz has the changes.\n\n -- %s  %s\n",
		packageVersion(r.version, r.at), r.commit, maintainer, r.at.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
}
