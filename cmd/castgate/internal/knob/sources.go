package knob

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// Sources finds the values of settings that the command line does not give,
// first in the environment, then in the file, and remembers where each came
// from. It is kong's resolver; each serves one command line.
type Sources struct {
	environ map[string]string // CASTGATE_ variables
	Names   []string          // names of all settings
	File    map[string]fileValue
	From    map[string]string // setting -> where its value came from; absent means default
	Path    string            // of the file; "" for none
	loaded  bool
	Read    Reader // for the file and those that it names
}

func NewSources(environ []string) *Sources {
	s := &Sources{environ: map[string]string{}, From: map[string]string{}, Read: ReadLimited}
	for _, e := range environ {
		if name, value, ok := strings.Cut(e, "="); ok && strings.HasPrefix(name, Prefix) {
			s.environ[name] = value
		}
	}
	return s
}

// Learn reads the names of the settings from the grammar.
func (s *Sources) Learn(app *kong.Application) {
	s.learnOf(app.Node)
}

func (s *Sources) learnOf(n *kong.Node) {
	for _, flag := range n.Flags {
		if Is(flag) && !slices.Contains(s.Names, flag.Name) {
			s.Names = append(s.Names, flag.Name)
		}
	}
	for _, child := range n.Children {
		s.learnOf(child)
	}
}

// Load checks the names of variables and reads the file. kong calls it once for
// every element of the command line, before it asks for values.
func (s *Sources) Load(ctx *kong.Context) error {
	if err := onceEach(ctx); err != nil {
		return err
	}
	i := slices.IndexFunc(ctx.Flags(), func(f *kong.Flag) bool { return f.Name == ConfigFlag })
	if s.loaded || i < 0 {
		return nil
	}
	s.loaded = true
	if err := s.checkVariables(); err != nil {
		return err
	}
	from := Variable(ConfigFlag)
	path, ok := s.environ[from]
	if ok && path == "" {
		return fmt.Errorf("--%s: %w (%s)", ConfigFlag, emptyError(ctx.Flags()[i]), from)
	}
	for _, p := range ctx.Path {
		if p.Flag != nil && !p.Resolved {
			v := ctx.Value(p)
			if refusesEmpty(p.Flag) && v.Len() == 0 {
				return fmt.Errorf("--%s: %w", p.Flag.Name, emptyError(p.Flag))
			}
			if err := checkText(p.Flag, v.Interface()); err != nil {
				return fmt.Errorf("--%s: %w", p.Flag.Name, err)
			}
			s.From[p.Flag.Name] = "--" + p.Flag.Name
			if p.Flag.Name == ConfigFlag {
				path, from = ctx.Value(p).String(), "--"+ConfigFlag
			}
		}
	}
	if path == "" {
		return nil
	}
	s.Path = path
	var err error
	if s.File, err = readFile(path, s.Read, s.Names); err != nil {
		return fmt.Errorf("%w (%s)", err, from)
	}
	return nil
}

// onceEach refuses a flag that is given twice and is not a list: one of the
// values would be ignored.
func onceEach(ctx *kong.Context) error {
	given := map[*kong.Flag]bool{}
	for _, p := range ctx.Path {
		if p.Flag == nil || p.Resolved || p.Flag.IsCumulative() {
			continue
		}
		if given[p.Flag] {
			return fmt.Errorf("--%s: given twice; it takes one value", p.Flag.Name)
		}
		given[p.Flag] = true
	}
	return nil
}

// checkVariables finds the first variable that sets nothing.
func (s *Sources) checkVariables() error {
	known := map[string]bool{Variable(ConfigFlag): true}
	for _, k := range s.Names {
		known[Variable(k)] = true
	}
	var unknown []string
	for name := range s.environ {
		if !known[name] && !IsLinkVariable(name, s.environ) {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	slices.Sort(unknown)
	if meant := addressVariable(unknown[0], s.environ[unknown[0]]); meant != "" {
		return fmt.Errorf("unknown variable %s, did you mean %s?", unknown[0], meant)
	}
	names := make([]string, 0, len(known))
	for name := range known {
		names = append(names, name)
	}
	return fmt.Errorf("unknown variable %s%s", unknown[0], didYouMean(unknown[0], names))
}

// Validate implements kong.Resolver; load has done the work.
func (s *Sources) Validate(*kong.Application) error { return nil }

// Resolve implements kong.Resolver: it returns the value of a setting that is
// not on the command line in a form that kong's mappers read, or nil. It tries
// the value first, since only here it is known where a bad one came from.
func (s *Sources) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if !Is(flag) {
		return nil, nil
	}
	var value any
	var from string
	if v, ok := s.environ[Variable(flag.Name)]; ok {
		value, from = v, Variable(flag.Name)
		if v == "" && refusesEmpty(flag) {
			return nil, fmt.Errorf("%w (%s)", emptyError(flag), from)
		}
		if flag.IsSlice() {
			value = splitList(v)
		}
	} else if v, ok := s.File[flag.Name]; ok {
		var err error
		from = v.from
		if value, err = v.forFlag(flag); err != nil {
			return nil, fmt.Errorf("%w (%s)", err, from)
		}
	} else {
		return nil, nil
	}
	trial := reflect.New(flag.Target.Type()).Elem()
	scan := kong.Scan().PushTyped(value, kong.FlagValueToken)
	if err := flag.Mapper.Decode(&kong.DecodeContext{Value: flag.Value, Scan: scan}, trial); err != nil {
		return nil, fmt.Errorf("%w (%s)", err, from)
	}
	if err := checkText(flag, trial.Interface()); err != nil {
		return nil, fmt.Errorf("%w (%s)", err, from)
	}
	s.From[flag.Name] = from
	return value, nil
}

// splitList is a list from a variable, in the form of the file's lists.
func splitList(v string) []any {
	var items []any
	for item := range strings.SplitSeq(v, ",") {
		items = append(items, item)
	}
	return items
}

// Trimmed removes spaces around list items: "a, b" in a variable means a and b.
func Trimmed(items []string) []string {
	var out []string
	for _, item := range items {
		out = append(out, strings.TrimSpace(item))
	}
	return out
}
