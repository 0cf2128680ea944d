// Package linetest runs command lines in tests.
package linetest

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"castgate/cmd/castgate/internal/commandline"
	"castgate/cmd/castgate/internal/process"
)

// Run runs a command line of a grammar in this process.
func Run(grammar any, args, environ []string, stdin string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	p := process.Process{Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &errs, Environ: environ}
	code = commandline.Run(args, p, func([]string) any { return grammar })
	return code, out.String(), errs.String()
}

// File puts a file into a directory of the test and returns its path.
func File(t *testing.T, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}
