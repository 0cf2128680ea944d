// Package ownprocess runs a test in a process of its own: one that changes a limit of
// the whole process, or counts what the whole process does.
package ownprocess

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// variable is set in the environment of the process that runs a single test.
const variable = "CASTGATE_TEST_IN_OWN_PROCESS"

// Here reports whether this process runs only the calling test. If not, Here runs the
// test in such a process, and fails the caller unless it passes there; the caller then
// returns at once:
//
//	if !ownprocess.Here(t) {
//		return
//	}
//
// It is for top-level tests only.
func Here(t *testing.T) bool {
	t.Helper()
	if os.Getenv(variable) == t.Name() {
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.v", "-test.count=1", "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), variable+"="+t.Name())
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil:
		t.Errorf("in a process of its own: %v\n%s", err, out)
	case !strings.Contains(string(out), "--- PASS: "+t.Name()+" "):
		t.Errorf("in a process of its own: the test did not pass\n%s", out)
	}
	return false
}
