package main

import (
	"bytes"
	"reflect"
	"slices"
	"testing"

	"github.com/alecthomas/kong"

	"castgate/cmd/castgate/internal/commandline"
	"castgate/cmd/castgate/internal/knob"
	"castgate/cmd/castgate/internal/process"
)

// With the part of the grammar that a command line needs, each command is the
// same as with the whole grammar: the same flags, arguments and subcommands.
func TestPartsOfTheGrammar(t *testing.T) {
	model := func(c any) *kong.Application {
		t.Helper()
		parser, err := commandline.NewParser(c, knob.NewSources(nil), &process.Process{Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}})
		if err != nil {
			t.Fatal(err)
		}
		return parser.Model
	}
	var describe func(n *kong.Node) []string
	describe = func(n *kong.Node) (all []string) {
		all = append(all, n.FullPath(), n.Help)
		for _, f := range n.Flags {
			all = append(all, f.String(), f.Help, f.Default)
		}
		for _, p := range n.Positional {
			all = append(all, p.Summary(), p.Help)
		}
		for _, child := range n.Children {
			all = append(all, describe(child)...)
		}
		return all
	}
	whole := model(new(commands))
	for _, want := range whole.Children {
		part := model(grammarFor([]string{want.Name}))
		if n := len(part.Children); n > 2 || n == 2 && want.Name == "serve" {
			t.Errorf("%s: %d commands", want.Name, n)
		}
		i := slices.IndexFunc(part.Children, func(n *kong.Node) bool { return n.Name == want.Name })
		if i < 0 || !slices.Equal(describe(part.Children[i]), describe(want)) {
			t.Errorf("%s differs", want.Name)
		}
		if part.Children[0].Name != "serve" {
			t.Errorf("%s: no knobs", want.Name)
		}
	}
	for _, args := range [][]string{nil, {"--help"}, {"help", "push"}, {"nonesuch"}, {"Serve"}, {"serveline"}, {""}} {
		if got := reflect.TypeOf(grammarFor(args)); got != reflect.TypeFor[*commands]() {
			t.Errorf("%q: %v", args, got)
		}
	}
}
