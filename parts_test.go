package castgate_test

import (
	"go/ast"
	"go/build"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// loopDir is where the event loop is, which is composed of parts. A part is a
// struct that loop holds by value and that leads back to it.
const loopDir = "server/loop"

// A part owns its fields: a file that touches them is one of its own, in which
// methods of no other part are. So a part is understood from its files, and what
// goes on between two of them are calls. Tests may look at everything.
func TestPartsOwnTheirFields(t *testing.T) {
	pkg, filesOf := ownedFields(t, loopDir, "loop", 10)
	verbs, _, _, _ := typecheck(t, "server/verbs")
	tally, _, _, _ := typecheck(t, "server/tally")
	checkParts(t, filesOf, "| part | files | owns |", "### A frame in")
	checkChains(t, pkg, verbs, tally)
}

// The loop that serves PHP is composed in the same way.
func TestPartsOfTheInnerLoopOwnTheirFields(t *testing.T) {
	_, filesOf := ownedFields(t, "server/gatewayworker", "innerLoop", 9)
	checkParts(t, filesOf, phpLoop, "\n## ")
}

// ownedFields checks the parts of a loop, of which there are at least so many, and
// returns the files of each.
func ownedFields(t *testing.T, dir, name string, least int) (*types.Package, map[string][]string) {
	t.Helper()
	pkg, files, info, fset := typecheck(t, dir)
	loop := pkg.Scope().Lookup(name).Type().Underlying().(*types.Struct)
	home := map[*types.Var]string{} // a part's field: the part
	for field := range loop.Fields() {
		part, ok := field.Type().Underlying().(*types.Struct)
		if !ok {
			continue
		}
		named := field.Type().(*types.Named).Obj()
		fields := slices.Collect(part.Fields())
		if named.Pkg() == pkg && slices.ContainsFunc(fields, func(f *types.Var) bool { return f.Name() == "loop" }) {
			for _, f := range fields {
				home[f] = named.Name()
			}
		}
	}
	parts := slices.Compact(slices.Sorted(maps.Values(home)))
	if len(parts) < least {
		t.Fatalf("only the parts %q found", parts)
	}
	filesOf := map[string][]string{}
	for path, file := range files {
		owners := map[string]bool{}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv != nil && slices.Contains(parts, receiver(f.Recv.List[0].Type)) {
				owners[receiver(f.Recv.List[0].Type)] = true
			}
		}
		for part := range owners {
			filesOf[part] = append(filesOf[part], filepath.Base(path))
		}
		if len(owners) > 1 {
			t.Errorf("%s has methods of the parts %q: a file is of one", path, slices.Sorted(maps.Keys(owners)))
		}
		ast.Inspect(file, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok || info.Selections[s] == nil {
				return true
			}
			if field, ok := info.Selections[s].Obj().(*types.Var); ok && home[field] != "" && !owners[home[field]] {
				t.Errorf("%s: %s is a field of the part %s: call a method of it", fset.Position(s.Pos()), field.Name(), home[field])
			}
			return true
		})
	}
	return pkg, filesOf
}

// phpLoop is the heading over the parts of the loop that serves PHP.
const phpLoop = "### The loop that serves PHP"

// architecture is the text of ARCHITECTURE.md between two others.
func architecture(t *testing.T, after, before string) string {
	t.Helper()
	text, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, part, begins := strings.Cut(string(text), after)
	part, _, ends := strings.Cut(part, before)
	if !begins || !ends {
		t.Fatalf("ARCHITECTURE.md has not %q, or behind it not %q", after, before)
	}
	return part
}

// A table of parts in ARCHITECTURE.md names each part and its files.
func checkParts(t *testing.T, filesOf map[string][]string, after, before string) {
	t.Helper()
	table := architecture(t, after, before)
	listed := map[string][]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| ([^|]*) \\|").FindAllStringSubmatch(table, -1) {
		listed[row[1]] = strings.Fields(strings.ReplaceAll(row[2], "`", ""))
	}
	for part, files := range filesOf {
		slices.Sort(files)
		slices.Sort(listed[part])
		if !slices.Equal(files, listed[part]) {
			t.Errorf("the part %s is in %q, and in ARCHITECTURE.md in %q", part, files, listed[part])
		}
		delete(listed, part)
	}
	for part := range listed {
		t.Errorf("%s, in the table of ARCHITECTURE.md, is no part", part)
	}
}

// The methods in ARCHITECTURE.md's chains of calls exist.
func checkChains(t *testing.T, packages ...*types.Package) {
	t.Helper()
	chains := architecture(t, "### A frame in", phpLoop)
	calls := regexp.MustCompile("`(\\w+)\\.(\\w+)`").FindAllStringSubmatch(chains, -1)
	if len(calls) < 20 {
		t.Errorf("only %d calls found in the chains of ARCHITECTURE.md", len(calls))
	}
	for _, call := range calls {
		found := false
		for _, pkg := range packages {
			if object := pkg.Scope().Lookup(call[1]); object != nil {
				method, _, _ := types.LookupFieldOrMethod(types.NewPointer(object.Type()), true, pkg, call[2])
				found = found || method != nil
			}
		}
		if !found {
			t.Errorf("ARCHITECTURE.md: there is no %s.%s", call[1], call[2])
		}
	}
}

// typecheck reads a package of ours, without its tests, as the compiler does.
func typecheck(t *testing.T, dir string) (*types.Package, map[string]*ast.File, *types.Info, *token.FileSet) {
	t.Helper()
	out, err := exec.Command("go", "list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}", "./"+dir).Output()
	if err != nil {
		t.Fatal("go list:", err)
	}
	exports := map[string]string{}
	for line := range strings.Lines(string(out)) {
		path, export, _ := strings.Cut(strings.TrimSpace(line), "\t")
		exports[path] = export
	}
	built, err := build.ImportDir(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	files := map[string]*ast.File{}
	var list []*ast.File
	for _, name := range built.GoFiles {
		name = filepath.Join(dir, name)
		file, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files[name], list = file, append(list, file)
	}
	config := types.Config{Importer: importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})}
	info := &types.Info{Selections: map[*ast.SelectorExpr]*types.Selection{}}
	pkg, err := config.Check("castgate/"+dir, fset, list, info)
	if err != nil {
		t.Fatal(err)
	}
	return pkg, files, info, fset
}
