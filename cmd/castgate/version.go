package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"castgate/cmd/castgate/internal/process"
	"castgate/server/admin"
)

// version and commit are set by the linker: see the Makefile.
var (
	version = "dev"
	commit  = ""
)

// versionCommand is `castgate version`.
type versionCommand struct {
	Licenses bool `help:"Print the licences of what the admin page is made of, instead."`
}

// Run prints the licences, or the version, the commit, Go's version and those of the libraries
// whose behaviour matters most.
func (c versionCommand) Run(p *process.Process) error {
	if c.Licenses {
		return printLicenses(p)
	}
	info, _ := debug.ReadBuildInfo()
	fmt.Fprintf(p.Stdout, "castgate %s\ncommit   %s\ngo       %s %s/%s\n", version, builtFrom(info), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	for _, lib := range []struct{ name, path string }{
		{"gnet", "github.com/panjf2000/gnet/v2"},
		{"gobwas", "github.com/gobwas/ws"},
		{"fasthttp", "github.com/valyala/fasthttp"},
	} {
		fmt.Fprintf(p.Stdout, "%-8s %s\n", lib.name, moduleVersion(info, lib.path))
	}
	return nil
}

// printLicenses prints the licences of what was bundled from npm.
func printLicenses(p *process.Process) error {
	text := admin.Licenses()
	if text == "" {
		text = "the admin page is not in this program, so nothing was bundled\n"
	}
	_, err := io.WriteString(p.Stdout, text)
	return err
}

// builtCommit is builtFrom of this program.
func builtCommit() string {
	info, _ := debug.ReadBuildInfo()
	return builtFrom(info)
}

// builtFrom is the commit that the linker or Go's own stamp gives.
func builtFrom(info *debug.BuildInfo) string {
	if commit != "" {
		return commit
	}
	if info != nil {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return s.Value
			}
		}
	}
	return "unknown"
}

func moduleVersion(info *debug.BuildInfo, path string) string {
	if info != nil {
		for _, m := range info.Deps {
			if m.Path == path {
				return m.Version
			}
		}
	}
	return "unknown"
}
