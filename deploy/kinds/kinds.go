// Package kinds holds manifests against the sources of the types that Kubernetes decodes
// them into, and a configuration of Traefik against Traefik's. Compiling these types takes
// minutes; reading them takes a second.
package kinds

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// modules have the types, by the beginning of their packages' paths.
var modules = []string{"k8s.io/api", "k8s.io/apimachinery", "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring", traefik}

// Traefik is read and never compiled, so go.mod does not have it: its version is here, and
// the module's checksum database says what that is.
const (
	traefik        = "github.com/traefik/traefik/v3"
	traefikVersion = "v3.7.13"
)

// Kinds are types by package and name. It reads packages when they are needed.
type Kinds struct {
	dirs     map[string]string // of modules
	packages map[string]map[string]*kind
}

// kind is a type, and what the names of packages mean where it is declared.
type kind struct {
	in      string // its package
	imports map[string]string
	is      ast.Expr
}

// Load finds the modules of the types, as they are pinned.
func Load() (*Kinds, error) {
	k := &Kinds{dirs: map[string]string{}, packages: map[string]map[string]*kind{}}
	for _, module := range modules {
		wanted := module
		if module == traefik {
			wanted += "@" + traefikVersion
		}
		out, err := exec.Command("go", "mod", "download", "-json", wanted).Output()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", module, err)
		}
		_, dir, ok := strings.Cut(string(out), `"Dir": "`)
		if !ok {
			return nil, fmt.Errorf("%s: no folder in %s", module, out)
		}
		k.dirs[module], _, _ = strings.Cut(dir, `"`)
	}
	return k, nil
}

// read reads the types of a package.
func (k *Kinds) read(path string) (map[string]*kind, error) {
	if all := k.packages[path]; all != nil {
		return all, nil
	}
	i := slices.IndexFunc(modules, func(m string) bool { return strings.HasPrefix(path+"/", m+"/") })
	if i < 0 {
		return nil, fmt.Errorf("%s is in no module of %q", path, modules)
	}
	files, err := filepath.Glob(filepath.Join(k.dirs[modules[i]], strings.TrimPrefix(path, modules[i]), "*.go"))
	if err != nil {
		return nil, err
	}
	all := map[string]*kind{}
	for _, name := range files {
		if base := filepath.Base(name); strings.HasSuffix(base, "_test.go") || strings.HasPrefix(base, "generated") || strings.HasPrefix(base, "zz_") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		imports := map[string]string{}
		for _, i := range file.Imports {
			imported, _ := strconv.Unquote(i.Path.Value)
			name := imported[strings.LastIndexByte(imported, '/')+1:]
			if i.Name != nil {
				name = i.Name.Name
			}
			imports[name] = imported
		}
		for _, d := range file.Decls {
			if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.TYPE {
				for _, s := range g.Specs {
					t := s.(*ast.TypeSpec)
					all[t.Name.Name] = &kind{path, imports, t.Type}
				}
			}
		}
	}
	k.packages[path] = all
	return all, nil
}

// Check tells what of a decoded manifest its type does not have or takes in another form.
// path is the type's package, name the type, and at where the value stands.
func (k *Kinds) Check(path, name string, value any, at string) []string {
	all, err := k.read(path)
	if err != nil {
		return []string{err.Error()}
	}
	t := all[name]
	if t == nil {
		return []string{fmt.Sprintf("%s: there is no type %s in %s", at, name, path)}
	}
	return k.check(t, t.is, value, at)
}

// ownForms are types that read JSON by code of their own: what they take.
var ownForms = map[string][]reflect.Kind{
	"Quantity": {reflect.String, reflect.Float64}, "IntOrString": {reflect.String, reflect.Float64},
	"Time": {reflect.String}, "MicroTime": {reflect.String}, "Duration": {reflect.String},
}

var builtin = map[string]reflect.Kind{"string": reflect.String, "bool": reflect.Bool, "float64": reflect.Float64, "byte": reflect.Float64}

func (k *Kinds) check(in *kind, t ast.Expr, value any, at string) (wrong []string) {
	if value == nil {
		return nil
	}
	is := reflect.TypeOf(value).Kind()
	expect := func(kinds ...reflect.Kind) []string {
		if slices.Contains(kinds, is) {
			return nil
		}
		return []string{fmt.Sprintf("%s: %v is a %v, want %v", at, value, is, kinds)}
	}
	switch t := t.(type) {
	case *ast.StarExpr:
		return k.check(in, t.X, value, at)
	case *ast.SelectorExpr:
		if kinds := ownForms[t.Sel.Name]; kinds != nil {
			return expect(kinds...)
		}
		return k.Check(in.imports[t.X.(*ast.Ident).Name], t.Sel.Name, value, at)
	case *ast.Ident:
		if kind, ok := builtin[t.Name]; ok {
			return expect(kind)
		}
		if strings.HasPrefix(t.Name, "int") || strings.HasPrefix(t.Name, "uint") {
			return expect(reflect.Float64)
		}
		return k.Check(in.in, t.Name, value, at)
	case *ast.ArrayType:
		list, ok := value.([]any)
		if !ok {
			return expect(reflect.Slice)
		}
		for i, one := range list {
			wrong = append(wrong, k.check(in, t.Elt, one, fmt.Sprintf("%s[%d]", at, i))...)
		}
	case *ast.MapType:
		members, ok := value.(map[string]any)
		if !ok {
			return expect(reflect.Map)
		}
		for name, one := range members {
			wrong = append(wrong, k.check(in, t.Value, one, at+"."+name)...)
		}
	case *ast.StructType:
		members, ok := value.(map[string]any)
		if !ok {
			return expect(reflect.Map)
		}
		for name, one := range members {
			field, of := k.field(in, t, name)
			if field == nil {
				wrong = append(wrong, at+": there is no field "+name)
				continue
			}
			wrong = append(wrong, k.check(of, field, one, at+"."+name)...)
		}
	default:
		return []string{fmt.Sprintf("%s: a type of the form %T", at, t)}
	}
	return wrong
}

// field finds a field by its name in JSON, in embedded structs too, and where it is declared.
func (k *Kinds) field(in *kind, t *ast.StructType, name string) (ast.Expr, *kind) {
	for _, f := range t.Fields.List {
		if f.Tag == nil {
			continue
		}
		tag, _ := strconv.Unquote(f.Tag.Value)
		called, _, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
		if called == name {
			return f.Type, in
		}
		if called != "" || len(f.Names) > 0 {
			continue // it is not embedded
		}
		path, typeName := in.in, ""
		switch e := f.Type.(type) {
		case *ast.Ident:
			typeName = e.Name
		case *ast.SelectorExpr:
			path, typeName = in.imports[e.X.(*ast.Ident).Name], e.Sel.Name
		}
		all, err := k.read(path)
		if err != nil || all[typeName] == nil {
			continue
		}
		if s, ok := all[typeName].is.(*ast.StructType); ok {
			if found, of := k.field(all[typeName], s, name); found != nil {
				return found, of
			}
		}
	}
	return nil, nil
}
