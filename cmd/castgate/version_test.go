package main

import (
	"runtime/debug"
	"strings"
	"testing"
)

func TestVersionFlag(t *testing.T) {
	code, out, errs := runIn([]string{"--version"}, nil, "")
	if _, want, _ := runIn([]string{"version"}, nil, ""); code != 0 || errs != "" || out != want || !strings.HasPrefix(out, "castgate ") {
		t.Errorf("exit %d, %q, %q", code, out, errs)
	}
}

// The licences of what the admin page is made of are in the program, or it says that there
// is no page in it.
func TestLicenses(t *testing.T) {
	code, out, errs := runIn([]string{"version", "--licenses"}, nil, "")
	if code != 0 || errs != "" {
		t.Fatalf("exit %d, %q", code, errs)
	}
	if strings.HasPrefix(out, "the admin page is not in this program") {
		return
	}
	for _, bundled := range []string{"preact", "htm", "uplot", "swagger-ui", "Permission is hereby granted", "Apache License"} {
		if !strings.Contains(out, bundled) {
			t.Errorf("%s is missing in %d bytes", bundled, len(out))
		}
	}
}

func TestModuleVersion(t *testing.T) {
	info := &debug.BuildInfo{
		Deps:     []*debug.Module{{Path: "example.com/a", Version: "v1.2.3"}},
		Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}},
	}
	if got := moduleVersion(info, "example.com/a"); got != "v1.2.3" {
		t.Errorf("%q", got)
	}
	if moduleVersion(info, "example.com/b") != "unknown" || moduleVersion(nil, "example.com/a") != "unknown" {
		t.Error("a version from nowhere")
	}
	if builtFrom(info) != "abc" || builtFrom(nil) != "unknown" {
		t.Errorf("built from %q and %q", builtFrom(info), builtFrom(nil))
	}
}
