package e2e

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"castgate/internal/wstest"
)

// TestGatewayWorkerDocs compares docs/gatewayworker.md with the program: it lists
// exactly the existing settings, and the sequences that it lists as exceptions have
// been recorded.
func TestGatewayWorkerDocs(t *testing.T) {
	t.Parallel()
	root := wstest.Root(t)
	doc, err := os.ReadFile(filepath.Join(root, "docs/gatewayworker.md"))
	if err != nil {
		t.Fatal(err)
	}
	help, err := wstest.Command(t, "serve", "--help").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, help)
	}
	flag := regexp.MustCompile(`--gatewayworker-[a-z-]+`)
	named := func(text []byte) []string {
		set := make(map[string]bool)
		for _, f := range flag.FindAllString(string(text), -1) {
			set[f] = true
		}
		return slices.Sorted(maps.Keys(set))
	}
	if there, told := named(help), named(doc); len(there) < 5 || !slices.Equal(there, told) {
		t.Errorf("the program has %v, the document %v", there, told)
	}
	for _, f := range regexp.MustCompile("`--[a-z-]+`").FindAllString(string(doc), -1) {
		if !strings.Contains(string(help), strings.Trim(f, "`")) {
			t.Errorf("the document names %s, which does not exist", f)
		}
	}

	var vectors []struct{ Name string }
	readJSON(t, filepath.Join(root, "codec/gatewayworker/testdata/vectors.json"), &vectors)
	excepted := regexp.MustCompile("`((?:api|auth|register|ws|event)\\.[a-zA-Z0-9_.]+)`").FindAllStringSubmatch(string(doc), -1)
	for _, e := range excepted {
		if !slices.ContainsFunc(vectors, func(v struct{ Name string }) bool { return v.Name == e[1] }) {
			t.Errorf("%s is not among the vectors", e[1])
		}
	}
	var deviations []struct{ Vector string }
	readJSON(t, filepath.Join(root, "server/gatewayworker/testdata/deviations.json"), &deviations)
	for _, d := range deviations {
		if !slices.ContainsFunc(excepted, func(e []string) bool { return e[1] == d.Vector }) {
			t.Errorf("the document does not list %s, an exception in the tests", d.Vector)
		}
	}
	if len(deviations) == 0 {
		t.Error("there are no exceptions; there is at least that of docs/gatewayworker-protocol.md section 8.4")
	}
}

func readJSON(t *testing.T, path string, into any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}
