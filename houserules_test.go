package castgate_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

// Limits of the house, in lines.
const (
	fileLines     = 350
	testFileLines = 600
	functionLines = 70
)

// source is one Go file of the tree.
type source struct {
	path string // from the root, with slashes
	text []byte
	ast  *ast.File
	fset *token.FileSet
}

func (s *source) dir() string  { return path.Dir(s.path) }
func (s *source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }

// generated is the comment that go generate's tools leave.
var generated = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

// foreignFolders hold files that are not ours, or not written by hand.
var foreignFolders = []string{"bin", "node_modules", "testdata", "tmp", "vendor"}

// sources are all Go files below the root that are written by hand, nested
// modules included. They are parsed once, and nobody changes them.
func sources(t *testing.T) []*source {
	t.Helper()
	all, err := parsed()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 50 {
		t.Fatalf("only %d Go files found", len(all))
	}
	return all
}

var parsed = sync.OnceValues(func() (all []*source, err error) {
	err = fs.WalkDir(os.DirFS("."), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if base := d.Name(); name != "." && (strings.HasPrefix(base, ".") || slices.Contains(foreignFolders, base)) {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil || generated.Match(text) {
			return err
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, text, parser.ParseComments)
		if err != nil {
			return err
		}
		all = append(all, &source{path: name, text: text, ast: file, fset: fset})
		return nil
	})
	return all, err
})

// within tells whether a directory or import path is one of the trees or
// below one.
func within(p string, trees ...string) bool {
	return slices.ContainsFunc(trees, func(tree string) bool { return p == tree || strings.HasPrefix(p, tree+"/") })
}

// importers lists who may import what. Directories are from the root; tests
// need not follow a rule that has tests set.
var importers = []struct {
	imported string
	by       []string // these directories, exactly
	trees    []string // these and all below
	tests    bool     // test files anywhere may too
	why      string
}{
	{"github.com/panjf2000/gnet/v2", []string{"server", "server/kernel", "server/loop"}, []string{"bench/rivals"}, false, "one owner of the event loops"},
	{"github.com/valyala/fasthttp", []string{"server/control"}, []string{"bench/rivals"}, true, "one owner of the control port"},
	{"github.com/gobwas/ws", []string{"codec", "codec/codectest", "bench/floor"}, []string{"bench/rivals", "loadtest", "server"}, false, "its words for opcodes and close codes, and compiled frames"},
	{"github.com/gobwas/ws/wsflate", []string{"codec"}, nil, false, "bytes of RFC 7692 live in one place"},
	{"github.com/gobwas/httphead", []string{"codec"}, nil, false, "bytes of RFC 6455 live in one place"},
	{"github.com/golang-jwt/jwt", []string{"server/token"}, nil, true, "one place that decides which tokens are good"},
	{"github.com/nats-io", []string{"server/cluster/internal/natslink"}, nil, false, "one owner of what carries a cluster's messages"},
	{"castgate/server/cluster", []string{"cmd/castgate"}, []string{"server/cluster"}, false, "another Gateway, joined to the server by the program"},
	{"gonum.org", []string{"internal/chart"}, nil, false, "one owner of how charts look"},
	{"castgate/server/gatewayworker", []string{"cmd/castgate"}, []string{"server/gatewayworker"}, true, "a front, not a library"},
	{"castgate/server/control", []string{"cmd/castgate", "cmd/castgate/internal/keys", "server/admin"}, []string{"e2e", "server/control"}, true, "a front, not a library"},
}

func TestImporters(t *testing.T) {
	used := make([]bool, len(importers))
	for _, s := range sources(t) {
		for _, imported := range imports(s) {
			for i, rule := range importers {
				if !within(imported, rule.imported) {
					continue
				}
				used[i] = true
				if !slices.Contains(rule.by, s.dir()) && !within(s.dir(), rule.trees...) && !(rule.tests && s.isTest()) {
					t.Errorf("%s imports %s, which is for %q: %s", s.path, imported, rule.by, rule.why)
				}
			}
		}
	}
	for i, rule := range importers {
		if !used[i] {
			t.Errorf("nobody imports %s: the rule is out of date", rule.imported)
		}
	}
}

// reach lists what the packages of ours may import of ours. A package that is
// not named may import all that importers leaves it.
var reach = []struct {
	dir   string // this directory and all below
	tests bool   // the rule holds for test files too
	may   []string
}{
	{"codec", true, []string{"castgate/codec"}},
	{"server/internal", true, []string{"castgate/server/internal"}},
	{"server", false, []string{"castgate/codec", "castgate/server"}},
	{"server/gateway", true, []string{"castgate/server/gateway"}},
	{"server/setting", true, []string{"castgate/server/setting"}},
	{"server/origin", true, []string{"castgate/server/origin"}},
	{"server/admin", false, []string{"castgate/codec", "castgate/server/admin", "castgate/server/control/access", "castgate/server/gateway", "castgate/server/hostport", "castgate/server/setting", "castgate/server/internal"}},
	{"server/acceptor", false, []string{"castgate/server/hostport", "castgate/server/setting", "castgate/server/internal/bell", "castgate/server/internal/listen", "castgate/server/internal/rush"}},
	{"server/admission", false, []string{"castgate/codec", "castgate/server/keyset", "castgate/server/origin", "castgate/server/setting", "castgate/server/token", "castgate/server/internal/quota"}},
	{"server/history", true, []string{"castgate/server/gateway", "castgate/server/history"}},
	{"server/capacity", true, []string{"castgate/codec", "castgate/server/capacity", "castgate/server/kernel", "castgate/server/setting", "castgate/server/internal/table"}},
	{"server/client", true, []string{"castgate/server/client", "castgate/server/frames", "castgate/server/gateway", "castgate/server/history", "castgate/server/internal"}},
	{"server/reason", true, []string{"castgate/codec", "castgate/server/frames", "castgate/server/reason"}},
	{"server/loop", false, []string{"castgate/codec", "castgate/server/admission", "castgate/server/capacity", "castgate/server/client", "castgate/server/frames", "castgate/server/gateway", "castgate/server/heartbeat", "castgate/server/history", "castgate/server/kernel", "castgate/server/reason", "castgate/server/tally", "castgate/server/token", "castgate/server/transport", "castgate/server/internal"}},
	{"server/tally", true, []string{"castgate/server/frames", "castgate/server/gateway", "castgate/server/reason", "castgate/server/token", "castgate/server/transport"}},
	{"server/verbs", false, []string{"castgate/codec", "castgate/server/client", "castgate/server/frames", "castgate/server/gateway", "castgate/server/history", "castgate/server/loop", "castgate/server/reason", "castgate/server/internal"}},
	{"server/heartbeat", true, []string{"castgate/server/setting"}},
	{"server/transport", false, []string{"castgate/server/gateway", "castgate/server/internal"}},
	{"server/openfiles", true, []string{"castgate/server/openfiles", "castgate/server/setting"}},
	{"server/frames", true, []string{"castgate/codec", "castgate/server/frames", "castgate/server/gateway"}},
	{"server/kernel", true, []string{"castgate/server/internal", "castgate/server/kernel"}},
	{"server/hostport", true, []string{"castgate/server/hostport", "castgate/server/internal/listen"}},
	{"server/events", false, []string{"castgate/server/gateway", "castgate/server/setting", "castgate/server/internal/audit", "castgate/server/internal/object", "castgate/server/events"}},
	{"server/events/internal", true, []string{"castgate/server/events/internal"}},
	{"server/cluster", true, []string{"castgate/server/gateway", "castgate/server/internal", "castgate/server/cluster"}},
	{"server/cluster/internal/message", true, []string{"castgate/server/gateway", "castgate/server/cluster/internal/message", "castgate/server/cluster/internal/names"}},
	{"server/cluster/internal/names", true, []string{"castgate/server/cluster/internal/names"}},
	{"server/cluster/internal/natslink", true, []string{"castgate/server/cluster/internal/natslink"}},
	{"server/cluster/internal/simnet", true, []string{"castgate/server/cluster/internal/simnet"}},
	{"server/control", false, []string{"castgate/server/gateway", "castgate/server/origin", "castgate/server/hostport", "castgate/server/setting", "castgate/server/internal", "castgate/server/control"}},
	{"server/control/access", true, []string{"castgate/server/control/access", "castgate/server/control/internal/wire", "castgate/server/origin", "castgate/server/setting"}},
	{"server/control/internal/callers", true, []string{"castgate/server/control/internal/callers", "castgate/server/internal"}},
	{"server/control/internal/statistics", true, []string{"castgate/server/gateway", "castgate/server/control/internal"}},
	{"server/gatewayworker", false, []string{"castgate/codec/gatewayworker", "castgate/server/gateway", "castgate/server/gatewayworker/internal", "castgate/server/hostport", "castgate/server/setting", "castgate/server/internal"}},
	{"internal/chart", true, []string{"castgate/internal/chart"}},
	{"loadtest", false, []string{"castgate/codec", "castgate/internal/chart", "castgate/internal/machine", "castgate/loadtest"}},
	{"internal/wstest", false, []string{"castgate/internal/wstest"}},
	{"stress", false, []string{"castgate/internal/wstest", "castgate/stress"}},
	{"e2e", false, []string{"castgate/internal/wstest"}},
	{"examples", false, []string{"castgate/examples", "castgate/clients/js"}},
}

func TestReach(t *testing.T) {
	for _, s := range sources(t) {
		for _, rule := range reach {
			if !within(s.dir(), rule.dir) || s.isTest() && !rule.tests {
				continue
			}
			for _, imported := range imports(s) {
				if within(imported, "castgate") && !within(imported, rule.may...) {
					t.Errorf("%s imports %s; %s may import only %q of ours", s.path, imported, rule.dir, rule.may)
				}
			}
		}
	}
}

func imports(s *source) []string {
	var paths []string
	for _, spec := range s.ast.Imports {
		p, _ := strconv.Unquote(spec.Path.Value)
		paths = append(paths, p)
	}
	return paths
}

func TestLengths(t *testing.T) {
	for _, s := range sources(t) {
		limit := fileLines
		if s.isTest() {
			limit = testFileLines
		}
		if n := bytes.Count(s.text, []byte("\n")); n > limit {
			t.Errorf("%s has %d lines, more than %d: split it by its nouns", s.path, n, limit)
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			f, ok := n.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				return true
			}
			if lines := s.fset.Position(f.End()).Line - s.fset.Position(f.Pos()).Line + 1; lines > functionLines && !isTable(s, f) {
				t.Errorf("%s: %s has %d lines, more than %d", s.fset.Position(f.Pos()), f.Name.Name, lines, functionLines)
			}
			return true
		})
	}
}

// Limits of packages and types, test files left out.
const (
	packageFiles = 30
	packageLines = 6000
	typeMethods  = 40
)

func TestPackagesAndTypesAreSmall(t *testing.T) {
	sizes := map[string][]int{}
	for _, s := range sources(t) {
		if s.isTest() {
			continue
		}
		pkg := sizes[s.dir()]
		if pkg == nil {
			pkg = make([]int, 2)
			sizes[s.dir()] = pkg
		}
		pkg[0]++
		pkg[1] += bytes.Count(s.text, []byte("\n"))
		for _, d := range s.ast.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv == nil {
				continue
			}
			name := s.dir() + "." + receiver(f.Recv.List[0].Type)
			if sizes[name] == nil {
				sizes[name] = make([]int, 1)
			}
			sizes[name][0]++
		}
	}
	for name, size := range sizes {
		limit := []int{packageFiles, packageLines}
		if len(size) == 1 {
			limit = []int{typeMethods}
		}
		if size[0] > limit[0] || len(size) == 2 && size[1] > limit[1] {
			t.Errorf("%s: %d, more than %d (files and lines of a package, or methods of a type): split it", name, size, limit)
		}
	}
}

// receiver is the name of a method's type.
func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.IndexListExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

// isTable tells whether a test is long only for its table of cases, which
// reads no easier in pieces.
func isTable(s *source, f *ast.FuncDecl) bool {
	if !s.isTest() {
		return false
	}
	lines := s.fset.Position(f.End()).Line - s.fset.Position(f.Pos()).Line + 1
	ast.Inspect(f.Body, func(n ast.Node) bool {
		table, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		lines -= s.fset.Position(table.End()).Line - s.fset.Position(table.Pos()).Line
		return false
	})
	return lines <= functionLines
}

// Names that say nothing of what is in a file or package.
var emptyNames = regexp.MustCompile(`^(utils?|common|helpers?|types|managers?|misc)$`)

func TestNames(t *testing.T) {
	for _, s := range sources(t) {
		base := strings.TrimSuffix(strings.TrimSuffix(path.Base(s.path), ".go"), "_test")
		if emptyNames.MatchString(base) || emptyNames.MatchString(strings.TrimSuffix(s.ast.Name.Name, "_test")) {
			t.Errorf("%s (package %s): name it after what it holds", s.path, s.ast.Name.Name)
		}
	}
}

// Marks of unfinished work. Spelt in parts, since this file is searched too.
var unfinished = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`)

func TestNothingIsLeftForLater(t *testing.T) {
	for _, s := range sources(t) {
		for _, group := range s.ast.Comments {
			for _, c := range group.List {
				if unfinished.MatchString(c.Text) {
					t.Errorf("%s: %s: do it, or open an issue", s.fset.Position(c.Pos()), c.Text)
				}
			}
		}
	}
}

// protocolReference is a reference to a section of the document of
// GatewayWorker's protocol. It may go over the end of a comment's line.
var protocolReference = regexp.MustCompile(`([\w/.-]*)protocol\.md(?:[\s/*]+sections?[\s/*]+(\d+(?:\.\d+)?)(?:[\s/*]+and[\s/*]+(\d+(?:\.\d+)?))?)?`)

func TestProtocolReferences(t *testing.T) {
	const document = "docs/gatewayworker-protocol.md"
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	sections := make(map[string]bool)
	for _, m := range regexp.MustCompile(`(?m)^#+ (\d+(?:\.\d+)?)\.? `).FindAllSubmatch(text, -1) {
		sections[string(m[1])] = true
	}
	found := 0
	for _, s := range sources(t) {
		if s.path == "houserules_test.go" {
			continue
		}
		for _, m := range protocolReference.FindAllSubmatch(s.text, -1) {
			if !bytes.HasSuffix(m[1], []byte("docs/gatewayworker-")) {
				t.Errorf("%s: %q does not name %s", s.path, m[0], document)
			}
			for _, section := range m[2:] {
				if section != nil && !sections[string(section)] {
					t.Errorf("%s: %s has no section %s", s.path, document, section)
				}
			}
			found++
		}
	}
	if found < 30 {
		t.Errorf("only %d references found", found)
	}
}

// Inputs that a fuzz target begins with are held by every go test: good ones,
// cuts, limits and hostile ones.
func TestFuzzTargetsHaveCorpora(t *testing.T) {
	const least = 5
	for _, s := range sources(t) {
		for _, d := range s.ast.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || !s.isTest() || f.Recv != nil || !strings.HasPrefix(f.Name.Name, "Fuzz") {
				continue
			}
			corpus, err := os.ReadDir(path.Join(s.dir(), "testdata/fuzz", f.Name.Name))
			if err != nil || len(corpus) < least {
				t.Errorf("%s: %s begins with %d files in testdata/fuzz, fewer than %d", s.path, f.Name.Name, len(corpus), least)
			}
		}
	}
}

// A program that go build has left at the root is 25 MB for everybody who
// clones.
func TestNoProgramIsCommitted(t *testing.T) {
	listed, err := exec.Command("git", "ls-files", "-z").Output()
	if err != nil {
		t.Skip("not a clone of the repository:", err)
	}
	for name := range strings.SplitSeq(strings.TrimRight(string(listed), "\x00"), "\x00") {
		head, err := readHead(name, 4)
		if err == nil && string(head) == "\x7fELF" {
			t.Errorf("%s is a compiled program: git rm --cached it", name)
		}
	}
}

// readHead reads the first n bytes of a file.
func readHead(name string, n int) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head := make([]byte, n)
	_, err = io.ReadFull(f, head)
	return head, err
}

// documentColumns is the longest line of a document, in characters. Tables, code
// and HTML cannot be wrapped. CHANGELOG.md is exempt: each entry is a paragraph.
const documentColumns = 100

func TestDocumentsAreNarrow(t *testing.T) {
	documents := 0
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() != "." && (strings.HasPrefix(d.Name(), ".") || slices.Contains(foreignFolders, d.Name())) {
			return fs.SkipDir
		}
		if path.Ext(name) != ".md" || name == "CHANGELOG.md" {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		documents++
		for _, n := range wideLines(string(text)) {
			t.Errorf("%s:%d is longer than %d characters: wrap it", name, n, documentColumns)
		}
		return nil
	})
	if err != nil || documents < 10 {
		t.Errorf("%d documents found: %v", documents, err)
	}
}

// wideLines are the numbers of the lines of a Markdown text that are too long
// and could be wrapped.
func wideLines(text string) (numbers []int) {
	code := false
	for i, line := range strings.Split(text, "\n") {
		content := strings.TrimSpace(line)
		fence := strings.HasPrefix(content, "```")
		if fence {
			code = !code
		}
		if code || fence || strings.HasPrefix(content, "|") || strings.HasPrefix(content, "<") ||
			strings.HasPrefix(line, "    ") || strings.HasPrefix(line, "\t") {
			continue
		}
		if utf8.RuneCountInString(line) > documentColumns {
			numbers = append(numbers, i+1)
		}
	}
	return numbers
}
