package castgate_test

import (
	"go/ast"
	"go/build/constraint"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// asked is what a test looks at to do less under the race detector; wstest
// exports it, with a capital.
const asked = "raceEnabled"

// testName is a name that go test runs; TestMain is none.
var testName = regexp.MustCompile(`^Test[A-Z0-9_]`)

// TestCountingTests: ci/counting.sh runs without the race detector every test
// that the detector leaves out or makes milder, and no other.
func TestCountingTests(t *testing.T) {
	var want []string
	for _, s := range sources(t) {
		if !s.isTest() || within(s.dir(), "bench/rivals") {
			continue
		}
		left := leftOutByRace(t, s)
		for _, d := range s.ast.Decls {
			f, isFunc := d.(*ast.FuncDecl)
			isTest := isFunc && f.Recv == nil && testName.MatchString(f.Name.Name) && f.Name.Name != "TestMain"
			switch asks := isFunc && asksForRace(f); {
			case isTest && (left || asks):
				want = append(want, "./"+s.dir()+" "+f.Name.Name)
			case asks:
				t.Errorf("%s: %s looks at %s; a test has to, for ci/counting.sh to run it", s.path, f.Name.Name, asked)
			}
		}
	}
	slices.Sort(want)
	out, err := exec.Command("ci/counting.sh", "list").Output()
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(strings.TrimSpace(string(out)), "\n")
	slices.Sort(got)
	if !slices.Equal(got, want) || len(want) == 0 {
		t.Errorf("ci/counting.sh runs\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// leftOutByRace tells whether a file is part of a build without the race
// detector only.
func leftOutByRace(t *testing.T, s *source) bool {
	t.Helper()
	for line := range strings.Lines(string(s.text)) {
		if line = strings.TrimSpace(line); !constraint.IsGoBuild(line) {
			continue
		}
		expr, err := constraint.Parse(line)
		if err != nil {
			t.Fatalf("%s: %v", s.path, err)
		}
		others := func(tag string) bool { return tag != "race" }
		return expr.Eval(others) && !expr.Eval(func(string) bool { return true })
	}
	return false
}

// asksForRace tells whether a function does something else under the race
// detector.
func asksForRace(f *ast.FuncDecl) (asks bool) {
	ast.Inspect(f, func(n ast.Node) bool {
		if id, is := n.(*ast.Ident); is && strings.EqualFold(id.Name, asked) {
			asks = true
		}
		return true
	})
	return asks
}
