package wstest

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// RaceEnabled reports that the binary that Build makes has the race detector: this program
// has it, or WSTEST_RACE=1 asks for it. A driver that has none plays the same on the same
// gateway, in a fraction of the time.
var RaceEnabled = detected || os.Getenv("WSTEST_RACE") == "1"

// built is the binary of this test process.
var built struct {
	once sync.Once
	dir  string
	path string
	err  error
}

// sideBySide is how many parallel tests run at once unless go test says otherwise.
// Tests wait for other processes most of the time, so the default, one per
// processor, would leave processors idle.
const sideBySide = "8"

// Main runs the tests and removes the binary that Build made. A package whose
// tests call Build or Start has
//
//	func TestMain(m *testing.M) { os.Exit(wstest.Main(m)) }
func Main(m *testing.M) int {
	defer Clean()
	if err := flag.Set("test.parallel", sideBySide); err != nil {
		panic(err) // go test's main has called testing.Init
	}
	return m.Run() // flags on the command line override it
}

// Clean removes the binary that Build made, at the end of a program that is not a
// test. No gateway may be started afterwards.
func Clean() {
	if built.dir != "" {
		os.RemoveAll(built.dir)
	}
}

// Build returns the path of the castgate binary. The first call in this process
// compiles it, with the race detector if RaceEnabled. A failed build fails
// every test that asks for the binary. With -short these tests are skipped: linking
// takes seconds in each package. Any goroutine that may call t.Fatal may call it.
func Build(t testing.TB) string {
	t.Helper()
	if testing.Testing() && testing.Short() {
		t.Skip("needs the real binary, which takes seconds to link")
	}
	built.once.Do(func() { built.err = build() })
	if built.err != nil {
		t.Fatalf("building castgate: %v", built.err)
	}
	return built.path
}

func build() error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	if err := SeeSources(root, "./cmd/castgate"); err != nil {
		return err
	}
	// Many packages of a run need the same binary, which takes seconds to link. go build
	// leaves one alone that is up to date, so they share it, in turn.
	shared := filepath.Join(root, "bin", "test")
	if err := os.MkdirAll(shared, 0o755); err != nil {
		return err
	}
	args, target := []string{"build", "-o"}, filepath.Join(shared, "castgate")
	if RaceEnabled {
		args, target = []string{"build", "-race", "-o"}, target+"-race"
	}
	// x/sys keeps the lock out of what go test takes for an input of the tests.
	lock, err := unix.Open(target+".lock", unix.O_CREAT|unix.O_RDWR|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return fmt.Errorf("%s.lock: %w", target, err)
	}
	defer unix.Close(lock)
	if err := unix.Flock(lock, unix.LOCK_EX); err != nil {
		return fmt.Errorf("%s.lock: %w", target, err)
	}
	cmd := exec.Command("go", append(args, target, "./cmd/castgate")...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%v\n%s", err, out)
	}
	// The next build may replace the binary while this process starts gateways.
	if built.dir, err = os.MkdirTemp(shared, "castgate-e2e-"); err != nil {
		return err
	}
	built.path = filepath.Join(built.dir, "castgate")
	return os.Link(target, built.path)
}

// GoBuildAs is GoBuild with files in place of others, as go build -overlay has them: path
// in the module to text. It builds with the race detector if Build does, since all that is
// the same was built so already.
func GoBuildAs(t testing.TB, files map[string][]byte, output, program string) {
	t.Helper()
	dir, replace := t.TempDir(), map[string]string{}
	for name, text := range files {
		replace[filepath.Join(Root(t), name)] = filepath.Join(dir, filepath.Base(name))
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	flags := []string{"-overlay", filepath.Join(dir, "overlay.json")}
	if RaceEnabled {
		flags = append(flags, "-race")
	}
	GoBuild(t, output, append(flags, program)...)
}

// moduleRoot is the folder of go.mod. Tests run in the folder of their package.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("no go.mod above the working directory")
		}
		dir = up
	}
}

// Root returns the folder of the module, for tests that start its examples.
func Root(t testing.TB) string {
	t.Helper()
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	return root
}
