package wstest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A result of a test that runs a program is taken from go test's cache only while
// the program's sources are the same, those of a package that it imports included.
func TestCacheKnowsWhatIsBuilt(t *testing.T) {
	if testing.Short() {
		t.Skip("builds tests")
	}
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	source, err := os.ReadFile("sources.go")
	if err != nil {
		t.Fatal(err)
	}
	write("go.mod", "module m\n\ngo 1.26\n")
	write("part/part.go", "package part\n\nfunc F() int { return 1 }\n")
	write("program/main.go", "package main\n\nimport \"m/part\"\n\nfunc main() { part.F() }\n")
	write("test/sources.go", strings.Replace(string(source), "package wstest", "package test", 1))
	write("test/root.go", "package test\n\nimport \"testing\"\n\nfunc Root(testing.TB) string { return \"..\" }\n")
	write("test/program_test.go", "package test\n\nimport \"testing\"\n\nfunc Test(t *testing.T) { GoBuild(t, t.TempDir()+\"/\", \"./program\") }\n")
	cached := func() bool {
		t.Helper()
		cmd := exec.Command("go", "test", "./test")
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return strings.Contains(string(out), "(cached)")
	}
	eventuallyCached := func() {
		t.Helper()
		Await(t, func() string { // not as long as the files are new
			if !cached() {
				return "not cached"
			}
			return ""
		})
	}
	eventuallyCached()
	write("part/part.go", "package part\n\nfunc F() int { return 20 }\n")
	if cached() {
		t.Error("cached, after a change to what the program imports")
	}
	eventuallyCached()
	write("part/more.go", "package part\n")
	if cached() {
		t.Error("cached, after a file more")
	}
}
