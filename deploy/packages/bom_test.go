package main

import (
	"os"
	"path/filepath"
	"testing"
)

// The bill of materials has the packages of npm that are in the admin page: those with a
// version, and those that one of them has bundled.
func TestBundled(t *testing.T) {
	list := filepath.Join(t.TempDir(), "packages.json")
	if _, err := bundled(list); err == nil {
		t.Error("a page that is not built has a bill")
	}
	text := `[{"name":"uplot","version":"1.6.32","license":"MIT"},{"name":"@scope/part","version":""}]`
	if err := os.WriteFile(list, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := bundled(list)
	if err != nil || len(got) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	if c := got[0]; c.URL != "pkg:npm/uplot@1.6.32" || c.Licenses[0].License.ID != "MIT" {
		t.Errorf("%+v", c)
	}
	if c := got[1]; c.URL != "pkg:npm/%40scope/part" || c.Version != "" || c.Licenses != nil {
		t.Errorf("%+v", c)
	}
}
