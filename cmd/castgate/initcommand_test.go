package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"castgate/cmd/castgate/internal/process"
	"castgate/server/control/access"
)

// The configuration of init is a good one, and so is it with each default written out;
// its keys are those that are shown.
func TestInit(t *testing.T) {
	dir := t.TempDir()
	code, out, errs := runIn([]string{"init", dir}, nil, "")
	if code != 0 || errs != "" {
		t.Fatalf("exit %d, %q", code, errs)
	}
	path := filepath.Join(dir, initConfig)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if code, out, errs := runIn([]string{"config", "check", "--config", path}, nil, ""); code != 0 || out != "ok\n" || errs != "" {
		t.Errorf("as it is written: exit %d, %q, %q", code, out, errs)
	}
	defaults := filepath.Join(dir, "defaults.toml")
	if err := os.WriteFile(defaults, []byte(strings.ReplaceAll(string(text), "\n#= ", "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := runIn([]string{"config", "check", "--config", defaults}, nil, ""); code != 0 || out != "ok\n" || errs != "" {
		t.Errorf("with its defaults: exit %d, %q, %q", code, out, errs)
	}
	_, plain, _ := runIn([]string{"config", "print", "--config", path}, nil, "")
	_, written, _ := runIn([]string{"config", "print", "--config", defaults}, nil, "")
	if linesThatSet(plain) != linesThatSet(written) {
		t.Errorf("the defaults of init are others:\n%s\nwant\n%s", linesThatSet(written), linesThatSet(plain))
	}

	keys, err := os.ReadFile(filepath.Join(dir, initKeys))
	if err != nil {
		t.Fatal(err)
	}
	known, err := access.ParseKeys(keys)
	if err != nil || len(known) != len(initialKeys) {
		t.Fatalf("%d keys: %v", len(known), err)
	}
	shown := 0
	for word := range strings.FieldsSeq(out) {
		if strings.HasPrefix(word, "castgate_") {
			if keyOf(known, word) == nil {
				t.Errorf("the key %s is not in the file", word)
			}
			shown++
		}
	}
	if shown != len(initialKeys) || strings.Contains(string(keys)+string(text), "castgate_") {
		t.Errorf("%d keys are shown; the files:\n%s\n%s", shown, keys, text)
	}
	if info, err := os.Stat(filepath.Join(dir, initKeys)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// linesThatSet are the lines of a configuration that set something.
func linesThatSet(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") && strings.TrimSpace(line) != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

func keyOf(keys []access.Key, secret string) *access.Key {
	c := access.NewChecker(access.Access{ScopedKeys: keys})
	key, err := c.Check(keyHeader(secret), false)
	if err != nil {
		return nil
	}
	return key
}

// keyHeader is a request that brings a key.
type keyHeader string

func (h keyHeader) Peek(name string) []byte {
	if name == "X-API-Key" {
		return []byte(h)
	}
	return nil
}

func (keyHeader) Host() []byte { return nil }

// Nothing is overwritten, and a folder that is not there is an error.
func TestInitOverwritesNothing(t *testing.T) {
	for _, name := range []string{initConfig, initKeys} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, name), []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
		code, out, errs := runIn([]string{"init", dir}, nil, "")
		text, _ := os.ReadFile(filepath.Join(dir, name))
		files, _ := os.ReadDir(dir)
		if code != process.ExitFailed || out != "" || !strings.Contains(errs, "exists already") || string(text) != "mine" || len(files) != 1 {
			t.Errorf("%s: exit %d, %q, %q, %d files", name, code, out, errs, len(files))
		}
	}
	if code, out, errs := runIn([]string{"init", filepath.Join(t.TempDir(), "none")}, nil, ""); code != process.ExitFailed || out != "" || errs == "" {
		t.Errorf("no folder: exit %d, %q, %q", code, out, errs)
	}
}
