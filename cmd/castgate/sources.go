package main

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// configFlag names the flag, and with its prefix the variable, of the file.
const configFlag = "config"

// variablePrefix begins the name of every variable of ours.
const variablePrefix = "CASTGATE_"

// sources finds the values of settings that the command line does not give,
// first in the environment, then in the file, and remembers where each came
// from. It is kong's resolver; each serves one command line.
type sources struct {
	environ map[string]string // CASTGATE_ variables
	knobs   []string          // names of all settings
	file    map[string]fileValue
	from    map[string]string // setting -> where its value came from; absent means default
	path    string            // of the file; "" for none
	loaded  bool
	read    fileReader // for the file and those that it names
}

func newSources(environ []string) *sources {
	s := &sources{environ: map[string]string{}, from: map[string]string{}, read: readLimited}
	for _, e := range environ {
		if name, value, ok := strings.Cut(e, "="); ok && strings.HasPrefix(name, variablePrefix) {
			s.environ[name] = value
		}
	}
	return s
}

// learn reads the names of the settings from the grammar.
func (s *sources) learn(app *kong.Application) {
	for _, flag := range serveFlags(app) {
		if isKnob(flag) {
			s.knobs = append(s.knobs, flag.Name)
		}
	}
}

// serveFlags are the flags of `castgate serve`, in the order declared.
func serveFlags(app *kong.Application) []*kong.Flag {
	i := slices.IndexFunc(app.Children, func(n *kong.Node) bool { return n.Name == "serve" })
	return app.Children[i].Flags
}

// isKnob distinguishes settings, which variables and the file may also set,
// from the flags that are arguments of one command.
func isKnob(f *kong.Flag) bool { return f.Tag.Has("unit") }

// variableOf is the variable for a setting.
func variableOf(knob string) string {
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(knob, "-", "_"))
}

// load checks the names of variables and reads the file. kong calls it once for
// every element of the command line, before it asks for values.
func (s *sources) load(ctx *kong.Context) error {
	if err := onceEach(ctx); err != nil {
		return err
	}
	i := slices.IndexFunc(ctx.Flags(), func(f *kong.Flag) bool { return f.Name == configFlag })
	if s.loaded || i < 0 {
		return nil
	}
	s.loaded = true
	if err := s.checkVariables(); err != nil {
		return err
	}
	from := variableOf(configFlag)
	path, ok := s.environ[from]
	if ok && path == "" {
		return fmt.Errorf("--%s: %w (%s)", configFlag, emptyError(ctx.Flags()[i]), from)
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
			s.from[p.Flag.Name] = "--" + p.Flag.Name
			if p.Flag.Name == configFlag {
				path, from = ctx.Value(p).String(), "--"+configFlag
			}
		}
	}
	if path == "" {
		return nil
	}
	s.path = path
	var err error
	if s.file, err = readFile(path, s.read, s.knobs); err != nil {
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
func (s *sources) checkVariables() error {
	known := map[string]bool{variableOf(configFlag): true}
	for _, k := range s.knobs {
		known[variableOf(k)] = true
	}
	var unknown []string
	for name := range s.environ {
		if !known[name] && !isLinkVariable(name, s.environ) {
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
func (s *sources) Validate(*kong.Application) error { return nil }

// Resolve implements kong.Resolver: it returns the value of a setting that is
// not on the command line in a form that kong's mappers read, or nil. It tries
// the value first, since only here it is known where a bad one came from.
func (s *sources) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if !isKnob(flag) {
		return nil, nil
	}
	var value any
	var from string
	if v, ok := s.environ[variableOf(flag.Name)]; ok {
		value, from = v, variableOf(flag.Name)
		if v == "" && refusesEmpty(flag) {
			return nil, fmt.Errorf("%w (%s)", emptyError(flag), from)
		}
		if flag.IsSlice() {
			value = splitList(v)
		}
	} else if v, ok := s.file[flag.Name]; ok {
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
	s.from[flag.Name] = from
	return value, nil
}

// blankTag marks texts that may be empty.
const blankTag = "blank"

// refusesEmpty reports whether a setting may be empty in the file only.
// Elsewhere an empty value is far more often an unset variable of a script than
// the wish to have no keys, no CA certificates or no configuration at all.
func refusesEmpty(f *kong.Flag) bool {
	if !isKnob(f) && f.Name != configFlag {
		return f.IsSlice()
	}
	return f.IsSlice() || f.Target.Kind() == reflect.String && !f.Tag.Has(blankTag)
}

func emptyError(f *kong.Flag) error {
	def := f.Default
	if def == "" {
		def = "none"
	}
	return fmt.Errorf("is empty; leave it out to have %s", def)
}

// splitList is a list from a variable, in the form of the file's lists.
func splitList(v string) []any {
	var items []any
	for item := range strings.SplitSeq(v, ",") {
		items = append(items, item)
	}
	return items
}
