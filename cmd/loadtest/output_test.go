package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The page is written in addition to the table or the JSON, and the JSON makes
// the same page again.
func TestPageIsWritten(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "report.html")
	var stdout, stderr bytes.Buffer
	args := []string{"connect", "-n", "3", "--settle", "0", "--json", "--control-key", "hush", "--html", path, "--url", server(t, true)}
	if code := run(t.Context(), args, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	page, err := os.ReadFile(path)
	if err != nil || !bytes.Contains(page, []byte("connect, 3 connections")) || !bytes.Contains(page, []byte("<svg")) {
		t.Fatalf("%v\n%s", err, page)
	}
	if bytes.Contains(page, []byte("hush")) || strings.Contains(stdout.String(), "hush") {
		t.Error("the control key is shown")
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	kept := filepath.Join(dir, "result.json")
	if err := os.WriteFile(kept, stdout.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	var again bytes.Buffer
	if code := run(t.Context(), []string{"page", kept}, &again, &stderr); code != exitOK || !bytes.Equal(again.Bytes(), page) {
		t.Errorf("exit code %d, %d bytes, want %d: %s", code, again.Len(), len(page), stderr.String())
	}
	if code := run(t.Context(), []string{"page", kept, "--html", path}, &again, &stderr); code != exitOK {
		t.Errorf("exit code %d: %s", code, stderr.String())
	}
	if files, _ := filepath.Glob(filepath.Join(dir, ".loadtest-*")); len(files) > 0 {
		t.Errorf("left behind: %v", files)
	}
}

// If no page can be written, or none can be made, nothing starts and nothing is
// left behind.
func TestPageIsRefused(t *testing.T) {
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken.json")
	if err := os.WriteFile(broken, []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	page := filepath.Join(dir, "page.html")
	for want, args := range map[string][]string{
		"no such file or directory":  {"connect", "--html", filepath.Join(dir, "not", "there.html")},
		"is not a regular file":      {"connect", "--html", dir},
		"not a record":               {"page", broken, "--html", page},
		"open " + dir + "/none.json": {"page", dir + "/none.json", "--html", page},
		"nothing listens there":      {"connect", "-n", "1", "--settle", "0", "--html", page, "--url", "ws://127.0.0.1:1/"},
		`expected "<file>"`:          {"page"},
	} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), args, &stdout, &stderr); code == exitOK || !strings.Contains(stderr.String(), want) {
			t.Errorf("%v: exit code %d, %s", args, code, stderr.String())
		}
	}
	if files, _ := os.ReadDir(dir); len(files) > 2 { // a run that failed may have its page
		t.Errorf("left behind: %v", files)
	}
}

func TestSecretsAreHidden(t *testing.T) {
	got := withoutSecrets([]string{"idle", "--control-key", "a", "--control-key=b", "--control-key", "--control-key", "-n", "1"})
	want := []string{"loadtest", "idle", "--control-key", "***", "--control-key=***", "--control-key", "***", "-n", "1"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
