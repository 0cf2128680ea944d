package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"castgate/internal/wstest"
)

// clientRunners are the languages that run the vectors and the script.
var clientRunners = []clientRunner{
	{language: "go", run: runGo},
	{language: "python", run: func(t *testing.T, jobs []clientJob) []clientResult {
		return runJobs(t, jobs, program(t, "python3"), "clients/python/tests/vectors.py", "sync")
	}},
	{language: "python asyncio", run: func(t *testing.T, jobs []clientJob) []clientResult {
		return runJobs(t, jobs, program(t, "python3"), "clients/python/tests/vectors.py", "asyncio")
	}},
	{language: "node", run: func(t *testing.T, jobs []clientJob) []clientResult {
		return runJobs(t, jobs, program(t, "node", "nodejs"), "clients/node/test/vectors.mjs", "http")
	}},
	{language: "node fetch", over: []string{"tcp"}, run: func(t *testing.T, jobs []clientJob) []clientResult {
		return runJobs(t, jobs, program(t, "node", "nodejs"), "clients/node/test/vectors.mjs", "fetch")
	}},
	{language: "php", run: func(t *testing.T, jobs []clientJob) []clientResult {
		return runJobs(t, jobs, program(t, "php", "php-cli"), "clients/php/tests/vectors.php")
	}},
	{language: "shell", over: []string{}, lacks: shellLacks, run: runShell},
}

func runGo(t *testing.T, jobs []clientJob) []clientResult {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "vectors")
	dir := filepath.Join(wstest.Root(t), "clients/go")
	ran(t, dir, "go", "build", "-o", binary, "./internal/vectors")
	return runJobs(t, jobs, binary)
}

// runJobs gives a runner the file of its jobs and reads its results.
func runJobs(t *testing.T, jobs []clientJob, name string, arguments ...string) []clientResult {
	t.Helper()
	file := filepath.Join(t.TempDir(), "jobs.json")
	text, err := json.Marshal(jobs)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(name, append(arguments, file)...)
	cmd.Dir = wstest.Root(t)
	cmd.Env = append(os.Environ(), "CASTGATE_CONTROL=", "CASTGATE_CONTROL_KEY=", "http_proxy=http://127.0.0.1:9")
	var errors bytes.Buffer
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s\n%s", filepath.Base(name), arguments, err, errors.String(), out)
	}
	var results []clientResult
	for line := range bytes.Lines(out) {
		var r clientResult
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("%s printed %q: %v", filepath.Base(name), line, err)
		}
		results = append(results, r)
	}
	return results
}
