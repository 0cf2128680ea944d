package e2e

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"castgate/internal/wstest"
)

// pageLimit is how many bytes the client for pages may have, compressed as servers
// do, not minified.
const pageLimit = 3000

// TestPageClientPackage: the size of the client for pages, its unit tests, its
// types, and the package that npm makes of it.
func TestPageClientPackage(t *testing.T) {
	t.Parallel()
	root := wstest.Root(t)
	text, err := os.ReadFile(filepath.Join(root, "clients/js/castgate.js"))
	if err != nil {
		t.Fatal(err)
	}
	var compressed bytes.Buffer
	w, err := gzip.NewWriterLevel(&compressed, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(text)
	w.Close()
	t.Logf("%d bytes, %d compressed", len(text), compressed.Len())
	if compressed.Len() > pageLimit {
		t.Errorf("castgate.js has %d bytes compressed, more than %d", compressed.Len(), pageLimit)
	}
	out := ran(t, root, program(t, "node", "nodejs"), "--test", "clients/js/test/page.test.mjs")
	if !strings.Contains(out, "fail 0") || !regexp.MustCompile(`pass \d\d`).MatchString(out) {
		t.Error(out)
	}
	dir := packed(t, "clients/js", "castgate.d.ts", "castgate.js", "package.json", "README.md")
	usage := `import { connect, Message, type State } from '@castgate/page';
const c = connect('ws://x/', { bind: async (id, signal) => fetch('/b?' + id, { signal }), message: (m: Message) => m.text?.length, state: (s: State, d) => d.delay, token: (renew) => String(renew) });
// @ts-expect-error: no such option
connect('ws://x/', { bnid: '/b' });
c.open();
`
	if err := os.WriteFile(filepath.Join(dir, "usage.ts"), []byte(usage), 0o600); err != nil {
		t.Fatal(err)
	}
	ran(t, dir, filepath.Join(nodeTools(t), "tsc"), "--noEmit", "--strict", "--target", "es2022", "--lib", "es2022,dom", "--module", "esnext", "--moduleResolution", "bundler", "usage.ts")
	ran(t, dir, program(t, "node", "nodejs"), "--input-type=module", "-e", "import { connect } from '@castgate/page'; if (typeof connect !== 'function') process.exit(1)")
}

// packed makes npm's package of a folder, which must hold exactly these files, and
// installs it into an empty project.
func packed(t *testing.T, folder string, files ...string) (dir string) {
	t.Helper()
	npm := program(t, "npm")
	dir = t.TempDir()
	var packages []struct {
		Filename string
		Files    []struct{ Path string }
	}
	out := ran(t, filepath.Join(wstest.Root(t), folder), npm, "pack", "--silent", "--json", "--pack-destination", dir)
	if err := json.Unmarshal([]byte(out), &packages); err != nil || len(packages) != 1 {
		t.Fatalf("npm pack printed %s: %v", out, err)
	}
	var got []string
	for _, f := range packages[0].Files {
		got = append(got, f.Path)
	}
	slices.Sort(got)
	slices.Sort(files)
	if !slices.Equal(got, files) {
		t.Errorf("%s: the package has the files %q, want %q", folder, got, files)
	}
	if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte(`{"name":"newcomer","private":true}`), 0o600); err != nil {
		t.Fatal(err)
	}
	ran(t, dir, npm, "install", "--silent", "--offline", "--no-audit", "--no-fund", "./"+packages[0].Filename)
	return dir
}

// TestPythonClient runs the unit tests of clients/python.
func TestPythonClient(t *testing.T) {
	t.Parallel()
	out := ran(t, wstest.Root(t), program(t, "python3"), "-m", "unittest", "discover", "-s", "clients/python/tests")
	if !regexp.MustCompile(`Ran \d\d tests in`).MatchString(out) {
		t.Error(out)
	}
}

// TestNodeClient runs the unit tests of clients/node. One compares the verifier with
// the reference library of Standard Webhooks.
func TestNodeClient(t *testing.T) {
	t.Parallel()
	tools := filepath.Join(nodeTools(t), "..", "..", "package.json")
	cmd := exec.Command(program(t, "node", "nodejs"), "--test", "clients/node/test/client.test.mjs")
	cmd.Dir = wstest.Root(t)
	cmd.Env = append(os.Environ(), "TOOLS="+tools)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "fail 0") || !strings.Contains(string(out), "skipped 0") {
		t.Errorf("%v\n%s", err, out)
	}
}
