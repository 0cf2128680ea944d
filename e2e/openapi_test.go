package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"castgate/internal/wstest"
)

// openAPITools is where the generators and the linter are pinned.
const openAPITools = "e2e/openapi"

// document writes the OpenAPI document of a gateway with keys, requested without a
// key, into a folder.
func document(t *testing.T, g *wstest.Gateway, dir string) (path string) {
	t.Helper()
	resp, err := http.Get("http://" + g.ControlAddr + "/v1/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("without a key: %d %s, %v", resp.StatusCode, text, err)
	}
	path = filepath.Join(dir, "openapi.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// ran runs a program in a folder. If the program fails, the test fails with its
// output.
func ran(t *testing.T, dir, name string, arguments ...string) string {
	t.Helper()
	cmd := exec.Command(name, arguments...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off", "REDOCLY_TELEMETRY=off", "REDOCLY_SUPPRESS_UPDATE_NOTICE=true")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", filepath.Base(name), arguments, err, out)
	}
	return string(out)
}

// copied copies files of e2e/openapi into a folder.
func copied(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(wstest.Root(t), openAPITools, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// nodeTools is the folder of the programs in package-lock.json, which are installed
// if necessary. Without npm or a registry the test is skipped, but fails if CI is
// set.
func nodeTools(t *testing.T) string {
	t.Helper()
	program(t, "node", "nodejs")
	npm := program(t, "npm")
	dir := filepath.Join(wstest.Root(t), openAPITools)
	nodeModules.Do(func() { nodeModulesErr = installed(npm, dir) })
	if err := nodeModulesErr; err != nil && os.Getenv("CI") != "" {
		t.Fatal(err)
	} else if err != nil {
		t.Skipf("npm cannot install what %s/package-lock.json names: %v", openAPITools, err)
	}
	return filepath.Join(dir, "node_modules", ".bin")
}

var (
	nodeModules    sync.Once
	nodeModulesErr error
)

// installed installs what package-lock.json lists, unless exactly that is installed
// already.
func installed(npm, dir string) error {
	lock, err := os.Stat(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return err
	}
	if mark, err := os.Stat(filepath.Join(dir, "node_modules", ".package-lock.json")); err == nil && !mark.ModTime().Before(lock.ModTime()) {
		return nil
	}
	cmd := exec.Command(npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w\n%s", err, out)
	}
	return nil
}

// TestOpenAPIGoClient generates a Go client from the document and uses it.
func TestOpenAPIGoClient(t *testing.T) {
	t.Parallel()
	g := wstest.StartWith(t, wstest.Options{Key: controlKey, Flags: []string{"--control-key", controlKey}})
	dir := t.TempDir()
	doc := document(t, g, dir)
	copied(t, dir, "go.mod", "go.sum", "testdata/main.go")
	if err := os.Mkdir(filepath.Join(dir, "api"), 0o700); err != nil {
		t.Fatal(err)
	}
	ran(t, dir, "go", "tool", "oapi-codegen", "-generate", "types,client", "-package", "api", "-o", "api/api.go", doc)
	ran(t, dir, "go", "vet", "./...")
	c := g.Dial(t)
	ran(t, dir, "go", "run", ".", "http://"+g.ControlAddr, controlKey, c.ID)
	c.Expect("hello")
}

// TestOpenAPITypeScript generates types from the document and compiles code
// that uses them.
func TestOpenAPITypeScript(t *testing.T) {
	t.Parallel()
	tools := nodeTools(t)
	dir := t.TempDir()
	doc := document(t, wstest.StartWith(t, wstest.Options{Key: controlKey, Flags: []string{"--control-key", controlKey}}), dir)
	copied(t, dir, "testdata/usage.ts")
	ran(t, dir, filepath.Join(tools, "openapi-typescript"), doc, "-o", "api.ts")
	ran(t, dir, filepath.Join(tools, "tsc"), "--noEmit", "--strict", "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler", "usage.ts")
}

// TestOpenAPILint: the linter's recommended rules find nothing, not even a warning.
func TestOpenAPILint(t *testing.T) {
	t.Parallel()
	tools := nodeTools(t)
	dir := t.TempDir()
	doc := document(t, wstest.Start(t), dir)
	out := ran(t, dir, filepath.Join(tools, "redocly"), "lint", "--extends", "recommended", "--format", "json", doc)
	if !strings.Contains(out, `"errors": 0`) || !strings.Contains(out, `"warnings": 0`) {
		t.Error(out)
	}
}
