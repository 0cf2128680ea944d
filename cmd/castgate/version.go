package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version and commit are set by the linker: see the Makefile.
var (
	version = "dev"
	commit  = ""
)

// versionCommand is `castgate version`.
type versionCommand struct{}

// Run prints the version, the commit, Go's version and those of the libraries
// whose behaviour matters most.
func (versionCommand) Run(p *process) error {
	info, _ := debug.ReadBuildInfo()
	fmt.Fprintf(p.stdout, "castgate %s\ncommit   %s\ngo       %s %s/%s\n", version, builtFrom(info), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	for _, lib := range []struct{ name, path string }{
		{"gnet", "github.com/panjf2000/gnet/v2"},
		{"gobwas", "github.com/gobwas/ws"},
		{"fasthttp", "github.com/valyala/fasthttp"},
	} {
		fmt.Fprintf(p.stdout, "%-8s %s\n", lib.name, moduleVersion(info, lib.path))
	}
	return nil
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
