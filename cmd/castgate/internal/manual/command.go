package manual

import (
	"iter"
	"strings"

	"github.com/alecthomas/kong"
)

// Settings tells which flags are settings: those have a variable and a line of the file
// as well.
type Settings struct {
	// Is tells a setting from a flag of one command.
	Is func(*kong.Flag) bool
	// Variable is the name of the variable of a setting.
	Variable func(name string) string
}

// commands yields every command that is not hidden with its path, such as "key new", and
// the program itself with "".
func commands(app *kong.Application) iter.Seq2[string, *kong.Node] {
	return func(yield func(string, *kong.Node) bool) { walk("", app.Node, yield) }
}

func walk(path string, n *kong.Node, yield func(string, *kong.Node) bool) bool {
	if !yield(path, n) {
		return false
	}
	for _, child := range visible(n.Children) {
		if !walk(strings.TrimSpace(path+" "+child.Name), child, yield) {
			return false
		}
	}
	return true
}

// visible are the commands that help shows.
func visible(nodes []*kong.Node) (shown []*kong.Node) {
	for _, n := range nodes {
		if !n.Hidden {
			shown = append(shown, n)
		}
	}
	return shown
}

// flagsOf are the flags that a command takes itself, and --help.
func flagsOf(app *kong.Application, n *kong.Node) (flags []*kong.Flag) {
	if n != app.Node {
		flags = append(flags, app.HelpFlag)
	}
	for _, f := range n.Flags {
		if !f.Hidden {
			flags = append(flags, f)
		}
	}
	return flags
}

// firstSentence is enough for a list.
func firstSentence(help string) string {
	if sentence, _, more := strings.Cut(help, ". "); more {
		return sentence + "."
	}
	return help
}
