package manual

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// Fish writes completions for fish: commands and flags with what they do. A flag that
// takes a value completes files after it.
func Fish(w io.Writer, app *kong.Application) error {
	var b strings.Builder
	b.WriteString(`# Completions of castgate for fish: made by castgate completion fish.
function __castgate_path
	set -l path
	for word in (commandline -opc)[2..-1]
		switch "$path $word"
`)
	var paths []string
	for path := range commands(app) {
		if path != "" {
			paths = append(paths, fishQuoted(" "+path))
		}
	}
	fmt.Fprintf(&b, "\t\t\tcase %s\n\t\t\t\tset path \"$path $word\"\n\t\tend\n\tend\n\techo \"$path\"\nend\n", strings.Join(paths, " "))
	for path, n := range commands(app) {
		if path != "" {
			path = " " + path
		}
		at := fmt.Sprintf("complete -c castgate -n %s", fishQuoted(`test (__castgate_path) = "`+path+`"`))
		for _, child := range visible(n.Children) {
			fmt.Fprintf(&b, "%s -f -a %s -d %s\n", at, child.Name, fishQuoted(firstSentence(child.Help)))
		}
		for _, f := range flagsOf(app, n) {
			value := ""
			if !f.IsBool() {
				value = " -r"
			}
			fmt.Fprintf(&b, "%s -l %s%s -d %s\n", at, f.Name, value, fishQuoted(firstSentence(f.Help)))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// fishQuoted is text as one word of fish.
func fishQuoted(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
}
