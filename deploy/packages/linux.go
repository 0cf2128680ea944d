package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb" // registers the format
	_ "github.com/goreleaser/nfpm/v2/rpm" // registers the format
)

const (
	maintainer  = "The authors of castgate <packages@castgate.invalid>" // there is no address
	summary     = "push gateway for WebSocket clients"
	description = summary + `
Browsers and apps hold a plain WebSocket to castgate, and backends in any
language push to them over a small HTTP API: by client, by user, by group or
to all. castgate stores no messages and runs no code of the application.
.
The package has a systemd service with a socket of its own, which keeps the
port of clients open while the service restarts.`
)

// packagesFor writes the .deb and the .rpm for an architecture.
func (r *release) packagesFor(arch string) error {
	dir, err := os.MkdirTemp("", "castgate-packages-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "changes.yaml"), []byte(r.rpmChange()), 0o644); err != nil {
		return err
	}
	for _, format := range []string{"deb", "rpm"} {
		if err := r.packageOf(dir, arch, format); err != nil {
			return err
		}
	}
	return nil
}

func (r *release) packageOf(dir, arch, format string) error {
	contents, err := r.contents(dir, arch, format)
	if err != nil {
		return err
	}
	packager, err := nfpm.Get(format)
	if err != nil {
		return err
	}
	info := nfpm.WithDefaults(r.info(dir, arch, format))
	info.Contents = contents
	if err := nfpm.PrepareForPackager(info, format); err != nil {
		return err
	}
	to, err := os.Create(filepath.Join(r.out, packager.ConventionalFileName(info)))
	if err != nil {
		return err
	}
	defer to.Close()
	if err := packager.Package(info, to); err != nil {
		return err
	}
	return to.Close()
}

// info is what a package says of itself.
func (r *release) info(dir, arch, format string) *nfpm.Info {
	info := &nfpm.Info{
		Name: "castgate", Arch: arch, Platform: "linux", Version: packageVersion(r.version, r.at), VersionSchema: "none",
		Section: "net", Priority: "optional", Maintainer: maintainer, Description: description,
		MTime: r.at, DisableGlobbing: true,
	}
	switch format {
	case "deb":
		info.Depends = []string{"passwd"}
		info.Suggests = []string{"ca-certificates"}
		info.Deb.Compression = "xz"
		info.Scripts = nfpm.Scripts{
			PostInstall: r.source("postinst"), PreRemove: r.source("prerm"), PostRemove: r.source("postrm"),
		}
	case "rpm":
		info.Release, info.License, info.Changelog = "1", "Apache-2.0", filepath.Join(dir, "changes.yaml")
		info.RPM = nfpm.RPM{Summary: "Push gateway for WebSocket clients", Group: "System Environment/Daemons", BuildHost: "localhost", Compression: "xz"}
		info.Depends = []string{"shadow-utils"}
		info.Description = rpmDescription()
		info.Scripts = nfpm.Scripts{
			PreInstall: r.source("rpm-pre"), PostInstall: r.source("rpm-post"), PreRemove: r.source("rpm-preun"), PostRemove: r.source("rpm-postun"),
		}
	}
	return info
}

// rpmDescription is the description in rpm's form: paragraphs are empty lines, and the
// summary stands elsewhere.
func rpmDescription() string {
	_, text, _ := strings.Cut(description, "\n")
	return strings.ReplaceAll(text, "\n.\n", "\n\n")
}

// rpmChange is the one entry of the changelog of an .rpm.
func (r *release) rpmChange() string {
	return fmt.Sprintf("- semver: %q\n  date: %s\n  packager: %q\n  changes:\n    - note: Built from %s.\n",
		packageVersion(r.version, r.at)+"-1", r.at.Format(time.RFC3339), maintainer, r.commit)
}
