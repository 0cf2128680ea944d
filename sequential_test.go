package castgate_test

import (
	"go/ast"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// starters are calls after which code of ours may run in another goroutine.
var starters = []string{"AddCleanup", "AfterFunc", "Go", "Parallel", "RunParallel", "SetFinalizer"}

// calling are packages of the standard library that call ours from goroutines of
// their own, and unsafe, whose use the race detector's build checks as well.
var calling = []string{"net", "net/http", "net/http/httptest", "net/rpc", "os/exec", "os/signal", "testing/synctest", "unsafe"}

// quiet are modules of others that start no goroutine.
var quiet = []string{
	"github.com/HdrHistogram/hdrhistogram-go", "github.com/gobwas/httphead", "github.com/gobwas/ws",
	"github.com/golang-jwt/jwt", "github.com/klauspost/compress", "golang.org/x/net/idna", "golang.org/x/sys",
}

// TestSequential: the packages that make test runs without the race detector start no
// goroutine, nor do their tests, nor what either of them imports. There is no race to detect.
func TestSequential(t *testing.T) {
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^SEQUENTIAL := ((?:.*\\\n)*.*)`).FindSubmatch(makefile)
	if found == nil {
		t.Fatal("the Makefile has no list SEQUENTIAL")
	}
	listed := strings.Fields(strings.ReplaceAll(string(found[1]), "\\\n", " "))
	if len(listed) < 10 || !slices.IsSorted(listed) {
		t.Fatalf("SEQUENTIAL is %q, want a sorted list of packages", listed)
	}
	files := map[string][]*source{}
	for _, s := range sources(t) {
		files[s.dir()] = append(files[s.dir()], s)
	}
	for _, dir := range listed {
		dir = strings.TrimPrefix(dir, "./")
		if len(files[dir]) == 0 {
			t.Errorf("SEQUENTIAL: no Go files in %s", dir)
		}
		if why := concurrent(files, dir, true, map[string]bool{}); why != "" {
			t.Errorf("SEQUENTIAL: %s needs the race detector: %s", dir, why)
		}
	}
	for _, dir := range []string{"server/loop", "server/internal/table", "cmd/castgate/internal/logs", "internal/chart"} {
		if concurrent(files, dir, true, map[string]bool{}) == "" {
			t.Errorf("nothing in %s starts a goroutine: this test sees too little", dir)
		}
	}
}

// concurrent says what may run in another goroutine if the package of a directory is used,
// with its tests or without. It returns "" if nothing may.
func concurrent(files map[string][]*source, dir string, tests bool, seen map[string]bool) (why string) {
	seen[dir] = true
	for _, s := range files[dir] {
		if s.isTest() && !tests {
			continue
		}
		if why := starts(s); why != "" {
			return why
		}
		for _, imported := range imports(s) {
			ours, inside := strings.CutPrefix(imported, "castgate/")
			foreign := strings.Contains(strings.Split(imported, "/")[0], ".") && !within(imported, quiet...)
			switch {
			case foreign, slices.Contains(calling, imported):
				return s.path + " imports " + imported
			case inside && !seen[ours]:
				if why := concurrent(files, ours, false, seen); why != "" {
					return why
				}
			}
		}
	}
	return ""
}

// starts is what in a file may start a goroutine, or "".
func starts(s *source) (why string) {
	ast.Inspect(s.ast, func(n ast.Node) bool {
		at := 0
		switch n := n.(type) {
		case *ast.GoStmt:
			at = s.fset.Position(n.Pos()).Line
		case *ast.SelectorExpr:
			if slices.Contains(starters, n.Sel.Name) {
				at = s.fset.Position(n.Pos()).Line
			}
		}
		if at != 0 {
			why = path.Join(s.path) + ":" + strconv.Itoa(at)
		}
		return why == ""
	})
	return why
}
