package wstest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// GoBuild builds programs of the module, as go build -o does, for a test that runs
// them.
func GoBuild(t testing.TB, output string, packages ...string) {
	t.Helper()
	runGo(t, packages, "build", "-o", output)
}

// Compile compiles what programs are built from, for a test of a script that links them.
func Compile(t testing.TB, packages ...string) {
	t.Helper()
	runGo(t, packages, "list", "-export")
}

// runGo runs a command of go on packages of the module.
func runGo(t testing.TB, packages []string, command ...string) {
	t.Helper()
	cmd := exec.Command("go", slices.Concat(command, packages)...)
	cmd.Dir = Root(t)
	if err := SeeSources(cmd.Dir, packages...); err != nil {
		t.Fatal(err)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go %s of %q: %v\n%s", command[0], packages, err, out)
	}
}

// SeeSources looks at what programs are built from, in dir or above it, for a test
// that runs them. go test takes a result from its cache while all that the test
// imports and has looked at is the same: of what go build reads it does not know.
// Any goroutine.
func SeeSources(dir string, packages ...string) error {
	cmd := exec.Command("go", append([]string{"list", "-deps", "-f", "{{if not .Standard}}{{.Dir}}{{end}}"}, packages...)...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		if e, ok := errors.AsType[*exec.ExitError](err); ok {
			err = fmt.Errorf("%w\n%s", err, e.Stderr)
		}
		return fmt.Errorf("go list %q: %w", packages, err)
	}
	for folder := range strings.Lines(string(out)) {
		// Reading a folder is to look at all that is in it. go test leaves out what
		// is outside of the module.
		if _, err := os.ReadDir(strings.TrimSpace(folder)); err != nil {
			return err
		}
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		_, _ = os.Stat(filepath.Join(dir, name)) // where it is not, it may come
	}
	return nil
}
